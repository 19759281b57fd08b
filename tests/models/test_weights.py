"""Weights: where they come from, what fits, and that nothing in a file can run or pass unnoticed."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import weights
from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.errors import WeightsError
from models.methods import METHODS
from models.weights import find_weights, load_weights, local_file, read_state


def network(backbone: str = "test_vit", image_size: int = 64):
    method = METHODS["linear"]
    return build_classifier(
        BACKBONES[backbone], method, classes=3, weights="random", image_size=image_size, seed=1
    ).network


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a file of weights with a head of another size, as a hub's would have."""
    state = network().state_dict()
    state["head.weight"], state["head.bias"] = torch.zeros(1000, 64), torch.zeros(1000)
    save_file(state, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("backbone", ["starter_resnet", "starter_vit"])
def test_the_starters_are_here_and_what_the_catalog_says(backbone: str) -> None:
    row = BACKBONES[backbone]
    path = local_file(row)
    assert path and path.stat().st_size <= 8e6
    weights.check_bundled(row, path)
    built = build_classifier(row, METHODS["lora"], classes=2, image_size=160)
    assert all(value.isfinite().all() for value in built.network.state_dict().values())


def test_a_damaged_starter_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = BACKBONES["starter_vit"]
    copy = tmp_path / row.bundled
    shutil.copy(local_file(row), copy)
    content = bytearray(copy.read_bytes())
    content[-9] ^= 1
    copy.write_bytes(content)
    monkeypatch.setattr(weights, "bundled_file", lambda backbone: copy)
    with pytest.raises(WeightsError, match="is damaged"):
        build_classifier(row, METHODS["linear"], classes=2)


def test_the_head_stays_fresh_and_the_rest_is_loaded(saved: Path) -> None:
    fresh = network()
    before = fresh.head.weight.clone()
    with torch.no_grad():
        fresh.patch_embed.proj.weight.zero_()
    report = load_weights(fresh, BACKBONES["test_vit"], saved)
    assert torch.equal(fresh.patch_embed.proj.weight, load_file(saved)["patch_embed.proj.weight"])
    assert torch.equal(fresh.head.weight, before) and report.left_out == ()


def test_position_embeddings_follow_the_picture_size(saved: Path) -> None:
    larger = network(image_size=128)
    load_weights(larger, BACKBONES["test_vit"], saved)
    assert larger.pos_embed.shape[1] > network().pos_embed.shape[1]


@pytest.mark.parametrize(
    "wrapped", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": {f"module.{k}": v for k, v in s.items()}}]
)
def test_checkpoints_of_other_tools_are_read(wrapped, tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save(wrapped(state), tmp_path / "w.pth")
    assert read_state(tmp_path / "w.pth").keys() == state.keys()


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit test_resnet.*test_resnet"):
        load_weights(network("test_resnet"), BACKBONES["test_resnet"], saved)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(WeightsError, match="not a readable weights file"):
        read_state(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_damaged_files_are_said(damage: str, suffix: str, saved: Path, tmp_path: Path) -> None:
    content = {"cut": saved.read_bytes()[:500], "empty": b"", "text": b"not weights"}[damage]
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="bad"):
        read_state(path)


def test_missing_weights_name_the_next_steps(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        find_weights(BACKBONES["resnet18"], str(tmp_path / "gone.pth"))
    with pytest.raises(WeightsError, match=r"not on this computer.*timm/resnet18.*weights=random"):
        find_weights(BACKBONES["resnet18"])


def test_the_weights_folder_comes_before_the_hub(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(saved.parent))
    saved.rename(saved.parent / "test_vit.safetensors")
    assert find_weights(BACKBONES["test_vit"]) == saved.parent / "test_vit.safetensors"


def test_no_code_of_ours_loads_pickles_openly() -> None:
    root = Path(weights.__file__).parents[1]
    sources = [path for folder in ("visionft", "models", "gui", "resources") for path in (root / folder).rglob("*.py")]
    assert len(sources) > 50
    assert not [path for path in sources if "weights_only=False" in path.read_text(encoding="utf-8")]
