"""Weights files: read without running code, fitted to a network; a clear message for damage and other networks."""

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.frozen import LinearOptions
from models.methods.table import METHODS
from models.weights.weights_loading import load_weights, read_state, weights_loader
from visionft.core.errors import WeightsError


def network(backbone: str = "test_vit", image_size: int = 64):
    method = METHODS["linear"]
    arguments = {"options": LinearOptions(layers="last"), "weights": None, "shape": (image_size, image_size), "seed": 2}
    return build_classifier(BACKBONES[backbone], method, classes=3, **arguments).network


@pytest.mark.parametrize("backbone", ["starter_resnet", "starter_vit"])
def test_the_starters_load_as_they_ship(backbone: str) -> None:
    built = build_classifier(
        BACKBONES[backbone], METHODS["lora"], classes=2, shape=(160, 160), weights=weights_loader()
    )
    assert built.loaded and built.loaded.sha256 == BACKBONES[backbone].sha256
    assert all(value.isfinite().all() for value in built.network.state_dict().values())


@pytest.mark.parametrize("classes", [1000, 3])
def test_the_head_stays_fresh_and_the_rest_is_loaded(classes: int, state_of, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    others = {"mask_token_of_a_decoder.weight": torch.zeros(3), "head_dist.weight": torch.zeros(1000, 64)}
    save_file(state_of("test_vit", classes=classes) | others, file)
    fresh = network()
    before = fresh.head.weight.clone()
    report = load_weights(fresh, BACKBONES["test_vit"], file)
    assert torch.equal(fresh.patch_embed.proj.weight, load_file(file)["patch_embed.proj.weight"])
    assert torch.equal(fresh.head.weight, before)
    assert report.head_classes == classes and set(report.left_out) == {"head.weight", "head.bias", *others}
    assert report.resized_from == 0 and report.bytes == file.stat().st_size


def test_position_embeddings_follow_the_image_size(saved: Path) -> None:
    larger = network(image_size=128)
    report = load_weights(larger, BACKBONES["test_vit"], saved)
    old, new = load_file(saved)["pos_embed"], larger.pos_embed
    assert new.shape[1] > old.shape[1] == report.resized_from
    # Interpolated, not left random: the mean embedding of the patches stays about the same.
    assert torch.allclose(new[:, 1:].mean(1), old[:, 1:].mean(1), atol=0.02)


@pytest.mark.parametrize(
    ("extra", "shape"),
    [
        ("blocks.0.ls1.gamma", (64,)),
        ("blocks.6.norm1.weight", (64,)),
        ("dist_token", (64,)),
        ("patch_embed.proj.weight", (64, 3, 14, 14)),
    ],
)
def test_a_relative_is_not_cut_down_or_resampled_in_silence(extra: str, shape, saved: Path) -> None:
    save_file(load_file(saved) | {extra: torch.zeros(shape)}, saved)
    with pytest.raises(WeightsError, match=f"test_vit: .*{extra}"):
        load_weights(network(), BACKBONES["test_vit"], saved)


def test_weights_of_another_network_are_refused_with_what_they_fit(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"test_resnet: .*conv1\.0\.weight.*test_vit"):
        load_weights(network("test_resnet"), BACKBONES["test_resnet"], saved)
    save_file({"conv1.weight": torch.zeros(2, 3, 3, 3)}, saved)
    with pytest.raises(WeightsError, match="resnet18: .*resnet18"):
        load_weights(network("resnet18"), BACKBONES["resnet18"], saved)


@pytest.mark.parametrize(
    ("suffix", "wrapped"),
    [
        (".pth", lambda s: s),
        (".pt", lambda s: s),
        (".bin", lambda s: {"state_dict": s, "epoch": 3}),
        (".ckpt", lambda s: {"model": {f"module.{name}": value for name, value in s.items()}}),
        (".PTH", lambda s: {"state_dict": {f"module._orig_mod.{name}": value for name, value in s.items()}}),
    ],
)
def test_checkpoints_of_other_tools_are_read(wrapped, suffix: str, saved: Path, tmp_path: Path) -> None:
    state = load_file(saved)
    torch.save(wrapped(state), tmp_path / f"w{suffix}")
    assert read_state(tmp_path / f"w{suffix}").keys() == state.keys()


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(is_zip: bool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, tmp_path / "bomb.pth", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(WeightsError, match=r"bomb\.pth.*state_dict\(\)"):
        read_state(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("damage", ["cut early", "cut late", "empty", "text"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_damaged_files_are_said(damage: str, suffix: str, saved: Path, tmp_path: Path) -> None:
    whole, path = saved, tmp_path / f"bad{suffix}"
    if suffix == ".pth":
        whole = tmp_path / "whole.pth"
        torch.save(load_file(saved), whole)
    content = whole.read_bytes()
    kept = {"cut early": content[:500], "cut late": content[:-5000], "empty": b"", "text": b"not weights"}
    path.write_bytes(kept[damage])
    with pytest.raises(WeightsError, match=f"^{path.name}"):
        read_state(path)


def _packed(path: Path) -> None:
    torch.save({"a": torch.zeros(25_000_000)}, path.with_name("plain.pth"))
    with zipfile.ZipFile(path.with_name("plain.pth")) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as to:
        for entry in plain.infolist():
            to.writestr(entry.filename, plain.read(entry))


@pytest.mark.parametrize(
    "make",
    [
        _packed,
        lambda path: torch.save({"a": torch.zeros(1).expand(1 << 40)}, path),
        lambda path: torch.save({"a": torch.zeros(1).expand(1 << 40)}, path, _use_new_zipfile_serialization=False),
        lambda path: torch.save(dict.fromkeys(map(str, range(1000)), torch.zeros(1_000_000)), path),
    ],
    ids=["packed", "one number shown often", "the same in the old format", "one tensor under many names"],
)
def test_a_small_file_cannot_take_the_memory(make, tmp_path: Path) -> None:
    make(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read_state(tmp_path / "w.pth")
