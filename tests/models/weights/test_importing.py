"""Importing: names and shapes identify a file; an unsuitable one is refused and leaves nothing."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.table import METHODS
from models.weights.fetching import fetch
from models.weights.importing import import_weights
from models.weights.records import read_record, weights_state
from models.weights.weights_loading import weights_loader
from visionft.core.errors import ConfigError, WeightsError


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def test_a_safetensors_file_is_known_by_its_shapes(given: Path, weights_home: Path, state_of) -> None:
    file = given / "anything.safetensors"
    save_file(state_of("test_resnet"), file, metadata={"license": "MIT"})
    result = import_weights(file)
    (imported,) = result.imported
    assert imported.backbone == "test_resnet" and imported.path.read_bytes() == file.read_bytes()
    record = read_record(imported.path)
    assert record and record.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.licence == "MIT" and record.origin == "anything.safetensors"
    assert contents(weights_home) == {"test_resnet.safetensors", "test_resnet.json"}
    assert weights_state(BACKBONES["test_resnet"]).location == "folder"


def test_a_pth_file_becomes_safetensors(given: Path, weights_home: Path, state_of) -> None:
    state = state_of("test_vit")
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, given / "w.pth")
    (imported,) = import_weights(given / "w.pth").imported
    kept = load_file(imported.path)
    assert kept.keys() == state.keys() and all(torch.equal(kept[name], state[name]) for name in state)
    assert read_record(imported.path).licence == "not stated"
    built = build_classifier(
        BACKBONES["test_vit"], METHODS["full"], classes=2, shape=(64, 64), weights=weights_loader()
    )
    assert torch.equal(built.body.patch_embed.proj.weight, state["patch_embed.proj.weight"])


def test_what_is_for_no_backbone_or_another_is_refused(given: Path, weights_home: Path, state_of) -> None:
    save_file(state_of("test_vit"), given / "w.safetensors")
    with pytest.raises(WeightsError, match="resnet18.*test_vit"):
        import_weights(given / "w.safetensors", backbone="resnet18")
    with pytest.raises(ConfigError, match="vgg"):
        import_weights(given / "w.safetensors", backbone="vgg")
    with pytest.raises(WeightsError, match="test_vit"):
        import_weights(given, backbone="test_vit")
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, given / "alexnet.safetensors")
    with pytest.raises(WeightsError, match=r"alexnet\.safetensors.*resnet50"):
        import_weights(given / "alexnet.safetensors")
    save_file(state_of("starter_vit"), given / "w.safetensors")
    with pytest.raises(WeightsError, match=r"starter_vit.*w\.safetensors"):
        import_weights(given / "w.safetensors")
    assert contents(weights_home) == set()


def test_a_weights_folder_is_carried_whole(given: Path, weights_home: Path, state_of, monkeypatch) -> None:
    for name in ("test_vit", "test_resnet"):
        save_file(state_of(name), given / f"{name}.safetensors")
    assert {each.backbone for each in import_weights(given).imported} == {"test_vit", "test_resnet"}
    elsewhere = given.parent / "elsewhere"
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(elsewhere))
    result = import_weights(weights_home)
    assert {each.backbone for each in result.imported} == {"test_vit", "test_resnet"} and not result.refused
    for name in ("test_vit", "test_resnet"):
        assert (elsewhere / f"{name}.json").read_text() == (weights_home / f"{name}.json").read_text()
        assert fetch(BACKBONES[name]) == elsewhere / f"{name}.safetensors"


def test_damage_on_the_way_is_noticed(given: Path, weights_home: Path, state_of, monkeypatch) -> None:
    save_file(state_of("test_vit"), given / "w.safetensors")
    (imported,) = import_weights(given / "w.safetensors").imported
    carried, content = imported.path, bytearray(imported.path.read_bytes())
    content[-9] ^= 1
    carried.write_bytes(content)
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(given.parent / "elsewhere"))
    (refused,) = import_weights(weights_home).refused
    assert refused.source == carried and "test_vit.json" in refused.reason and refused.hint


def test_a_hub_cache_is_taken_in_with_its_origin(given: Path, weights_home: Path, state_of) -> None:
    repository = given / "models--timm--test_vit.r160_in1k"
    blob, link = repository / "blobs" / ("b" * 64), repository / "snapshots" / ("a" * 40) / "model.safetensors"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    save_file(state_of("test_vit"), blob)
    link.symlink_to(blob)
    (imported,) = import_weights(given).imported
    record = read_record(imported.path)
    assert record and record.origin == "timm/test_vit.r160_in1k" and record.licence == "Apache-2.0"
