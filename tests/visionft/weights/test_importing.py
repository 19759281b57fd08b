"""Importing: names and shapes identify a file; an unsuitable one is refused and leaves nothing."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.catalog import BACKBONES, get_backbone
from models.classifier import build_classifier
from models.errors import ConfigError
from models.methods.table import METHODS
from models.pins import Pin
from visionft.errors import NextStep, WeightsError
from visionft.events import Event
from visionft.jobs import JobContext
from visionft.weights.fetching import fetch
from visionft.weights.importing import import_weights
from visionft.weights.records import read_record
from visionft.weights.states import remove_weights, weights_state, weights_states
from visionft.weights.weights_loading import weights_loader


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


@pytest.mark.slow
def test_twins_must_be_told_apart(given: Path, weights_home: Path) -> None:
    from models.networks import build_network

    state = build_network(BACKBONES["vit_small"], classes=0, shape=(224, 224)).half().state_dict()
    save_file(state, given / "some.safetensors")
    with pytest.raises(WeightsError, match=r"some\.safetensors.*vit_small.*deit_small") as caught:
        import_weights(given / "some.safetensors")
    step = NextStep("import_weights", backbone="vit_small", path=given / "some.safetensors")
    assert caught.value.next_step == step
    assert contents(weights_home) == set()
    (imported,) = import_weights(given / "some.safetensors", backbone="deit_small").imported
    assert imported.path == weights_home / "deit_small.safetensors"
    (given / "config.json").write_text(json.dumps({"architecture": "vit_small_patch16_224"}))
    (imported,) = import_weights(given / "some.safetensors").imported  # as named in a folder of the hub
    assert imported.backbone == "vit_small"


def test_the_hubs_very_file_is_known_by_its_hash(given: Path, weights_home: Path, state_of, monkeypatch) -> None:
    file, row = given / "some.safetensors", BACKBONES["test_vit"]
    save_file(state_of("test_vit"), file)
    pin = Pin("d" * 40, hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setitem(BACKBONES, "test_vit", replace(row, pin=pin))
    record = read_record(import_weights(file).imported[0].path)
    assert record and (record.origin, record.licence, record.revision) == (row.hub_id, "Apache-2.0", "d" * 40)
    assert record.sha256_from == "catalog"


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


def test_a_mixed_folder_takes_the_good_and_names_the_rest(given: Path, weights_home: Path, state_of) -> None:
    save_file(state_of("test_vit"), given / "good.safetensors")
    (given / "cut.safetensors").write_bytes((given / "good.safetensors").read_bytes()[:1000])
    (given / "graph.onnx").write_bytes(b"anything")
    (given / "readme.txt").write_text("not weights, and not asked about")
    result = import_weights(given)
    assert [each.backbone for each in result.imported] == ["test_vit"]
    assert {each.source.name for each in result.refused} == {"cut.safetensors", "graph.onnx"}
    assert all(each.source.name in each.reason and each.hint for each in result.refused)


def test_nothing_to_import_is_said(given: Path, weights_home: Path) -> None:
    for path in (given / "nowhere", given):
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            import_weights(path)


def test_a_stop_or_a_full_disk_leaves_nothing(given: Path, weights_home: Path, state_of, monkeypatch) -> None:
    for name in ("test_resnet", "test_vit"):
        save_file(state_of(name), given / f"{name}.safetensors")
    events: list[Event] = []
    result = import_weights(given, job=JobContext(events.append, lambda: len(events) > 1))
    assert result.stopped and not result.imported and contents(weights_home) == set()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(WeightsError, match="0 bytes"):
        import_weights(given / "test_vit.safetensors")
    assert contents(weights_home) == set()


def test_a_second_import_replaces_the_first_and_removing_takes_record_and_pieces_along(given, weights_home, state_of):
    state = state_of("test_vit")
    save_file(state, given / "w.safetensors")
    (first,) = import_weights(given / "w.safetensors").imported
    save_file(state | {"norm.weight": state["norm.weight"] + 1}, given / "w.safetensors")
    (second,) = import_weights(given / "w.safetensors").imported
    assert second.path == first.path and second.sha256 != first.sha256
    assert read_record(second.path).sha256 == second.sha256
    (weights_home / ".test_vit.0123.part").write_bytes(b"x")
    removed = {path.name for path in remove_weights(BACKBONES["test_vit"])}
    assert removed == {"test_vit.safetensors", "test_vit.json", ".test_vit.0123.part"}
    assert contents(weights_home) == set()
    with pytest.raises(WeightsError, match="test_vit"):
        remove_weights(BACKBONES["test_vit"])


def test_any_network_of_timm_is_told_by_its_repository_and_listed_beside_the_catalog(weights_home, tmp_path) -> None:
    from models.networks import build_network

    row = get_backbone("timm/resnet10t.c3_in1k")
    folder = tmp_path / "models--timm--resnet10t.c3_in1k" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    save_file(build_network(row, classes=5, shape=(64, 64)).half().state_dict(), folder / "model.safetensors")
    (imported,) = import_weights(folder / "model.safetensors").imported
    assert imported.backbone == row.name and imported.path == weights_home / "timm_resnet10t.c3_in1k.safetensors"
    assert [state.backbone for state in weights_states()][-1] == row.name and weights_state(row).licence == "Apache-2.0"
    carried = tmp_path / "carried.safetensors"
    carried.write_bytes(imported.path.read_bytes())
    carried.with_suffix(".json").write_bytes(imported.path.with_suffix(".json").read_bytes())
    assert import_weights(carried).imported[0].backbone == row.name
    remove_weights(row)
    assert row.name not in {state.backbone for state in weights_states()}
