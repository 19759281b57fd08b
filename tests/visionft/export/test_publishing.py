"""An export appears whole: killed at any step, refused by the disk, or beside other files of the user."""

import collections
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from visionft.core.errors import ExportError, VisionFTError
from visionft.core.files import temporary_folder
from visionft.export.contents import adding_files, finish_publishing, publishing
from visionft.export.export_result import read_export

NAMES = ("labels.txt", "predict.py", "export.json", "model.onnx")
# For each line of input it forks a process to publish; the process dies at the given file-system step.
SERVER = """
import json, os, signal, sys
from pathlib import Path
from visionft.export.contents import adding_files, publishing
def publish(out, files, last, sha256):
    steps = 0
    def step(event, _):
        nonlocal steps
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "fcntl.flock"):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    with publishing(Path(out)) if sha256 is None else adding_files(Path(out), sha256) as folder:
        for name, text in files.items():
            if not (folder / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)
for line in sys.stdin:
    told = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            publish(*told)
            code = 0
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def killed():
    """Return a function to publish in a process killed at a step; it returns whether it got that far."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def publish_and_die(out: Path, word: str, step: int, *names: str, sha256: str | None = None) -> bool:
            assert server.stdin and server.stdout
            server.stdin.write(json.dumps([str(out), export_of(word, *names), step, sha256]) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            assert code in (0, -9)
            return code == -9

        yield publish_and_die


def export_of(word: str, *names: str) -> dict[str, str]:
    """Return {file name: content} of an export with `word` in each file; its record lists them."""
    files = {name: word for name in names if name != "export.json"}
    if "export.json" not in names:
        return files
    listed = {name: {"bytes": len(word), "sha256": hashlib.sha256(word.encode()).hexdigest()} for name in files}
    return files | {"export.json": json.dumps({"word": word, "sha256": "", "parity": {}, "files": listed})}


def publish(out: Path, word: str, *names: str) -> None:
    with publishing(out) as folder:
        for name, text in export_of(word, *names).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    """Return {file name: text} of a folder and those below, hidden ones included."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def words_in(files: dict[str, str]) -> set[str]:
    """Return the words of the exports in some files."""
    return {json.loads(text)["word"] if name == "export.json" else text for name, text in files.items()}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_while_files_join_an_export_it_is_whole_and_nothing_is_in_the_way(killed, tmp_path: Path) -> None:
    names = (*NAMES, "samples/both.py")
    more = (*names, "model_int8.onnx", "huggingface/config.json")
    before, after, seen, was_killed = export_of("one", *names), export_of("one", *more), set(), True
    for step in range(1, 200):
        out = tmp_path / f"{step}" / "out"
        publish(out, "one", *names)
        was_killed = killed(out, "one", step, *more, sha256="")
        shown = {name for name in contents(out) if not name.startswith(".")}
        assert before.keys() <= shown <= after.keys(), f"step {step}: {shown}"
        finish_publishing(out)
        whole = {name: text for name, text in contents(out).items() if not name.startswith(".")}
        assert whole in (before, after), f"step {step}: {whole}"
        seen.add("after" if whole == after else "before")
        publish(out, "next", *NAMES)
        assert contents(out) == export_of("next", *NAMES)
        if not was_killed:
            break
    assert seen == {"before", "after"} and not was_killed


def test_files_join_no_other_export_than_that_they_were_made_for(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one", *NAMES)
    for sha256, folder in (("other", "out"), ("", "gone")):
        with pytest.raises(ExportError, match=folder), adding_files(tmp_path / folder, sha256):
            pass
    assert contents(tmp_path / "out") == export_of("one", *NAMES) and not (tmp_path / "gone").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("is_new", [True, False])
def test_killed_at_any_step_the_folder_holds_one_whole_export(is_new: bool, killed, tmp_path: Path) -> None:
    earlier = (*NAMES, "model_float.onnx", "samples/old.py", "samples/both.py")
    later = (*NAMES, "samples/both.py", "huggingface/config.json")
    mine = {} if is_new else {"mine.txt": "mine", "samples/mine.txt": "mine"}
    old, new = {} if is_new else export_of("old", *earlier) | mine, export_of("new", *later) | mine
    seen = set()
    for step in range(1, 200):
        out = tmp_path / f"{step}" / "out"
        if not is_new:
            publish(out, "old", *earlier)
            for name, text in mine.items():
                (out / name).write_text(text)
        was_killed = killed(out, "new", step, *later)
        shown = {name: text for name, text in contents(out).items() if not name.startswith(".") and name not in mine}
        assert len(words_in(shown)) <= 1, f"step {step} mixes {shown}"
        finish_publishing(out)
        whole = {name: text for name, text in contents(out).items() if not name.startswith(".")}
        assert whole in (old, new), f"step {step}: {whole}"
        seen.add("new" if whole == new else "old")
        publish(out, "next", *NAMES)
        assert contents(out) == export_of("next", *NAMES) | mine
        folders = {path.name for path in out.iterdir() if path.is_dir()}
        assert folders == (set() if is_new else {"samples"}), "a folder that an export alone had filled stayed"
        assert [path.name for path in out.parent.iterdir()] == ["out"]
        if not was_killed:
            break
    else:
        pytest.fail("the export never came to its end")
    assert seen == {"old", "new"}


def test_the_files_are_flushed_before_the_folder_is_renamed(tmp_path: Path, disk_calls: list[str]) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    renamed = disk_calls.index("rename out")
    assert {"fsync model.onnx", "fsync labels.txt"} < set(disk_calls[:renamed])
    assert disk_calls[renamed + 1] == f"fsync {tmp_path.name}"
    disk_calls.clear()
    publish(out, "new", *NAMES)
    first = next(place for place, call in enumerate(disk_calls) if call.startswith("rename"))
    assert {"fsync model.onnx", "fsync labels.txt"} < set(disk_calls[:first])
    assert disk_calls[first : first + 2] == ["rename .visionft-ready", "fsync out"] and disk_calls[-1] == "fsync out"


@pytest.mark.parametrize("free", [0, 10**9])
def test_a_disk_that_fills_while_a_file_is_written_is_named(free: int, tmp_path: Path, monkeypatch) -> None:
    """A failure in the middle of a file names none; the full disk may be another than the export's."""
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9 - free, free))
    expected = pytest.raises(OSError if free else VisionFTError, match="full" if free else str(tmp_path / "out"))
    with expected, publishing(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "full")
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_replaced_brings_the_rest_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    replace = Path.replace

    def in_use(self: Path, target: Path) -> Path:  # as Windows does while a program has the file open
        if target == out / "model.onnx":
            raise PermissionError(13, "Permission denied", str(self), None, str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", in_use)
    with pytest.raises(VisionFTError, match=str(out)):
        publish(out, "new", *NAMES)
    assert contents(out) == export_of("old", *NAMES)


@pytest.mark.skipif(os.name == "nt", reason="permissions")
@pytest.mark.parametrize("place", ["new", "new/deeper", "there"])
def test_a_place_that_may_not_be_written_is_said(place: str, unprivileged) -> None:
    locked = Path(tempfile.mkdtemp())  # not below pytest's own folder: it is closed to other users
    try:
        (locked / "there").mkdir(mode=0o555)
        locked.chmod(0o555)
        with unprivileged(), pytest.raises(VisionFTError, match=f"{locked}/{place}"):
            publish(locked / place, "new", *NAMES)
        assert [path.name for path in locked.rglob("*")] == ["there"]
    finally:
        locked.chmod(0o755)
        shutil.rmtree(locked)


@pytest.mark.slow
def test_two_exports_to_one_place_do_not_meet(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with temporary_folder(out) as folder:
        (folder / "model.onnx").write_text("first")
        with pytest.raises(VisionFTError, match=str(out)):
            publish(out, "second", *NAMES)
        assert (folder / "model.onnx").read_text() == "first"
    assert not list(tmp_path.iterdir())


def test_reading_leaves_an_export_that_is_going_on_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    with publishing(out) as folder:
        (folder / "model.onnx").write_text("new")
        assert read_export(out) is None and contents(out)["model.onnx"] == "old"
        assert (folder / "model.onnx").read_text() == "new"
    assert (out / "model.onnx").read_text() == "new"


def test_what_an_earlier_version_wrote_is_replaced_though_its_record_lists_no_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES, "model_float.onnx", "index.safetensors")
    (out / "export.json").write_text('{"sha256": "", "parity": {}}')
    (out / "README.md").write_text("mine")
    publish(out, "new", *NAMES)
    assert contents(out) == export_of("new", *NAMES) | {"README.md": "mine"}


@pytest.mark.parametrize("name", ["README.md", "model.onnx", "export.json", "samples"])
def test_a_file_that_no_export_wrote_is_never_written_over(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    planned = [*NAMES, "README.md", "samples/web.js"]
    with pytest.raises(ExportError, match=name), publishing(out, planned):
        pytest.fail("minutes would have been spent")
    with pytest.raises(ExportError, match=name):
        publish(out, "new", *planned)
    assert contents(out) == {name: "mine"}


def test_a_text_that_was_edited_since_is_kept_and_a_damaged_model_is_mended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES, "README.md")
    (out / "README.md").write_text("mine")
    (out / "model.onnx").write_text("ald")
    with pytest.raises(ExportError, match=r"README.md"):
        publish(out, "new", *NAMES, "README.md")
    publish(out, "new", *NAMES)
    assert contents(out) == export_of("new", *NAMES) | {"README.md": "mine"}


@pytest.mark.parametrize("name", ["../precious.txt", "/precious.txt", "link/precious.txt", "..\\precious.txt", ""])
def test_a_record_from_elsewhere_reaches_no_file_outside_its_folder(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "old", *NAMES)
    (tmp_path / "precious.txt").write_text("precious")
    if os.name != "nt":
        (out / "link").symlink_to(tmp_path)
    record = json.loads((out / "export.json").read_text())
    listed = {"bytes": 8, "sha256": hashlib.sha256(b"precious").hexdigest()}
    named = str(tmp_path / "precious.txt") if name.startswith("/") else name
    (out / "export.json").write_text(json.dumps(record | {"files": record["files"] | {named: listed}}))
    publish(out, "new", *NAMES)
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert (out / "labels.txt").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_nothing_is_written_through_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    publish(out, "old", *NAMES)
    elsewhere.mkdir()
    (out / "samples").symlink_to(elsewhere)
    with pytest.raises(ExportError, match="samples"):
        publish(out, "new", *NAMES, "samples/web.js")
    assert not list(elsewhere.iterdir())
