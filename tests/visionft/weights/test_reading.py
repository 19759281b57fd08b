"""Reading weights files: every kind, no code execution, and a clear message for each kind of damage."""

import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from visionft.errors import WeightsError
from visionft.weights.reading import read_state


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


def test_values_that_are_no_numbers_are_said(saved: Path, tmp_path: Path) -> None:
    state = load_file(saved)
    state["norm.weight"][3] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match=r"norm\.weight"):
        read_state(tmp_path / "nan.safetensors")
    save_file({"a": torch.zeros(4).to(torch.float8_e4m3fn)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="float8_e4m3fn"):
        read_state(tmp_path / "w.safetensors")


def _nested() -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):  # torch calls them a prototype
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


STRANGE = {
    "complex64": lambda: torch.zeros(4, dtype=torch.complex64),
    "meta": lambda: torch.empty(4, device="meta"),
    "sparse": lambda: torch.eye(4).to_sparse_csr(),
    "nested": _nested,
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("kind", STRANGE)
def test_tensors_that_are_no_plain_numbers_are_said(kind: str, saved: Path, tmp_path: Path) -> None:
    torch.save({**load_file(saved), "norm.weight": STRANGE[kind]()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=rf"w\.pth.*norm\.weight.*{kind}.*float32"):
        read_state(tmp_path / "w.pth")


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


def test_layers_may_share_a_tensor(tmp_path: Path) -> None:
    shared = torch.randn(500, 1000)
    state = {"in.weight": shared, "out.weight": shared, "part": shared[:2], "turned": shared.t()}
    state["count"] = torch.tensor(3)
    torch.save(state, tmp_path / "w.pth")
    assert read_state(tmp_path / "w.pth").keys() == state.keys()


@pytest.mark.parametrize("name", ["graph.onnx", "notes.txt"])
def test_other_kinds_are_refused_with_what_to_give(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(WeightsError, match=rf"{name}.*\.safetensors"):
        read_state(tmp_path / name)


@pytest.mark.parametrize("content", [{}, {"a": 1}, [torch.zeros(2)], {"state_dict": {"x": "y"}}])
def test_what_is_no_dictionary_of_tensors_is_said(content, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"state_dict\(\)"):
        read_state(tmp_path / "w.pth")
