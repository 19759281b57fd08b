"""An export appears whole: killed at any step, refused by the disk, or beside other files of the user."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from visionft.errors import VisionFTError
from visionft.export.parity import read_export
from visionft.export.publishing import publishing, settle
from visionft.files import temporary_folder

NAMES = ("labels.txt", "predict.py", "export.json", "model.onnx")
# Publishes, and dies at the step of the file system whose number it is given.
CHILD = """
import os, signal, sys
from pathlib import Path
from visionft.export.publishing import publishing
out, content, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
steps = 0
def step(event, _):
    global steps
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "fcntl.flock"):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
with publishing(out) as folder:
    for name in sys.argv[4:]:
        (folder / name).write_text(content)
"""


def publish(out: Path, content: str, *names: str) -> None:
    with publishing(out) as folder:
        for name in names:
            (folder / name).write_text(content)


def contents(folder: Path) -> dict[str, str]:
    """Return {file name: text} of a folder, hidden ones included."""
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def contents_of_files(folder: Path) -> dict[str, str]:
    """Return the same for the files alone."""
    return {path.name: path.read_text() for path in folder.glob("*") if path.is_file()}


def killed(out: Path, content: str, step: int, *names: str) -> bool:
    """Publish in a process that dies at a step; return whether it got that far."""
    command = [sys.executable, "-c", CHILD, str(out), content, str(step), *names]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("is_new", [True, False])
def test_killed_at_any_step_the_folder_holds_one_whole_export(is_new: bool, tmp_path: Path) -> None:
    old = {} if is_new else dict.fromkeys((*NAMES, "model_float.onnx"), "old") | {"mine.txt": "mine"}
    new = dict.fromkeys(NAMES, "new") | ({} if is_new else {"mine.txt": "mine"})
    seen = set()
    for step in range(1, 200):
        out = tmp_path / f"{step}" / "out"
        if not is_new:
            publish(out, "old", *NAMES, "model_float.onnx")
            (out / "mine.txt").write_text("mine")
        was_killed = killed(out, "new", step, *NAMES)
        shown = {name: text for name, text in contents_of_files(out).items() if name in (*NAMES, "model_float.onnx")}
        assert len(set(shown.values())) <= 1, f"step {step} mixes {shown}"
        settle(out)
        whole = {name: text for name, text in contents_of_files(out).items() if not name.startswith(".")}
        assert whole in (old, new), f"step {step}: {whole}"
        seen.add("new" if whole == new else "old")
        publish(out, "next", *NAMES)
        assert contents(out) == dict.fromkeys(NAMES, "next") | ({} if is_new else {"mine.txt": "mine"})
        assert [path.name for path in out.parent.iterdir()] == ["out"]
        if not was_killed:
            break
    else:
        pytest.fail("the export never came to its end")
    assert seen == {"old", "new"}


def test_the_files_are_flushed_before_the_folder_is_renamed(tmp_path: Path, disk_calls: list[str]) -> None:
    out = tmp_path / "out"
    publish(out, "old", "model.onnx", "labels.txt")
    renamed = disk_calls.index("rename out")
    assert {"fsync model.onnx", "fsync labels.txt"} < set(disk_calls[:renamed])
    assert disk_calls[renamed + 1] == f"fsync {tmp_path.name}"
    disk_calls.clear()
    publish(out, "new", "model.onnx", "labels.txt")
    first = next(place for place, call in enumerate(disk_calls) if call.startswith("rename"))
    assert {"fsync model.onnx", "fsync labels.txt"} < set(disk_calls[:first])
    assert disk_calls[first : first + 2] == ["rename .visionft-ready", "fsync out"] and disk_calls[-1] == "fsync out"


def test_a_stopped_or_failed_export_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    with pytest.raises(VisionFTError, match="stopped"), publishing(out) as folder:
        (folder / "model.onnx").write_text("new")
        raise VisionFTError("stopped")
    assert contents(out) == dict.fromkeys(NAMES, "old")


def test_a_model_that_cannot_be_replaced_brings_the_rest_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    replace = Path.replace

    def in_use(self: Path, target: Path) -> Path:  # as Windows does while a program has the file open
        if target == out / "model.onnx":
            raise PermissionError(13, "Permission denied", str(self), None, str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", in_use)
    with pytest.raises(VisionFTError, match=r"Cannot write .*out: Permission denied"):
        publish(out, "new", *NAMES)
    assert contents(out) == dict.fromkeys(NAMES, "old")


@pytest.mark.skipif(os.name == "nt", reason="permissions")
@pytest.mark.parametrize("place", ["new", "new/deeper", "there"])
def test_a_place_that_may_not_be_written_is_said(place: str, unprivileged) -> None:
    locked = Path(tempfile.mkdtemp())  # not below pytest's own folder, which nobody else may enter
    try:
        (locked / "there").mkdir(mode=0o555)
        locked.chmod(0o555)
        with unprivileged(), pytest.raises(VisionFTError, match=rf"Cannot write {locked}/{place}: Permission denied"):
            publish(locked / place, "new", *NAMES)
        assert [path.name for path in locked.rglob("*")] == ["there"]
    finally:
        locked.chmod(0o755)
        shutil.rmtree(locked)


def test_two_exports_to_one_place_do_not_meet(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with temporary_folder(out) as folder:
        (folder / "model.onnx").write_text("first")
        with pytest.raises(VisionFTError, match=r"Another window or command writes .*out now"):
            publish(out, "second", *NAMES)
        assert (folder / "model.onnx").read_text() == "first"
    assert not list(tmp_path.iterdir())


def test_reading_leaves_an_export_that_is_going_on_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    with publishing(out) as folder:
        (folder / "model.onnx").write_text("new")
        assert read_export(out) is None and contents_of_files(out)["model.onnx"] == "old"
        assert (folder / "model.onnx").read_text() == "new"
    assert (out / "model.onnx").read_text() == "new"
