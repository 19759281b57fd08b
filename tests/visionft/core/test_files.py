"""Reading untrusted files, endless gzip, arrays and JSON; and write errors of the system."""

import copy
import gc
import gzip
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from visionft.core import files
from visionft.core.errors import IrregularFileError, RunError, VisionFTError, as_visionft_error
from visionft.core.files import (
    atomic_path,
    expand_home,
    parse_json,
    read_gzip,
    read_json,
    read_lines,
    sha256_file,
    temporary_folder,
    write_json,
)
from visionft.data.types import Snapshot, SnapshotImage
from visionft.export.contents import publishing
from visionft.project.db.locking import ProjectLock
from visionft.training.runs.checkpoint import atomic_folder
from visionft.training.runs.run_snapshot import read_snapshot, write_snapshot

DEEP = "[" * 100_000
WRITERS = {"file": atomic_path, "folder": atomic_folder, "export": publishing}


@pytest.mark.slow
def test_a_gzip_bomb_is_refused_before_it_takes_the_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "snapshot.json.gz"
    bomb.write_bytes(gzip.compress(b"[" + b" " * 300_000_000))
    tracemalloc.start()
    with pytest.raises(RunError):
        read_snapshot(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 150_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("part", [slice(0, -20), slice(10, None), slice(0, 5)])
def test_a_damaged_gzip_file_is_said_in_words(tmp_path: Path, part: slice) -> None:
    whole = gzip.compress(json.dumps(list(range(1000))).encode())
    (tmp_path / "snapshot.json.gz").write_bytes(whole[part])
    with pytest.raises(RunError):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("place", [12, 30, 60])
def test_a_changed_byte_of_a_gzip_file_is_a_value_error_or_an_os_error(tmp_path: Path, place: int) -> None:
    whole = bytearray(gzip.compress(json.dumps(list(range(1000))).encode()))
    whole[place] ^= 0xFF
    (tmp_path / "x.gz").write_bytes(whole)
    with pytest.raises((ValueError, OSError, EOFError)):
        read_gzip(tmp_path / "x.gz")


def test_the_largest_real_snapshots_are_read(tmp_path: Path) -> None:
    """Long repeated paths compress most: 2,000 images under a path of 3,000 characters."""
    folder = Path("/" + "/".join(["a name that repeats"] * 150))
    images = tuple(
        SnapshotImage(n, folder / f"{n}.jpg", f"{hash(n):064x}", (0,), "train", "7" * (n < 9)) for n in range(1, 2000)
    )
    snapshot = Snapshot("single", ("a",), images)
    write_snapshot(tmp_path, snapshot)
    assert read_snapshot(tmp_path) == snapshot


def test_endless_nesting_is_a_value_error_like_any_other_fault() -> None:
    for text in (DEEP, '{"a":' * 100_000, DEEP.encode()):
        with pytest.raises(ValueError, match="nested"):
            parse_json(text)


def test_no_finalizer_runs_at_the_bottom_of_nested_json(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            copy.deepcopy([[[[[[[[[[]]]]]]]]]])

    failed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failed.append)
    gc.collect()
    limits = gc.get_threshold()
    try:
        for threshold in range(300, 1300, 20):  # a collection at any depth
            gc.collect(0)
            gc.set_threshold(threshold)
            Cycle()
            with pytest.raises(ValueError, match="nested"):
                parse_json(DEEP)
    finally:
        gc.set_threshold(*limits)
    assert not failed


@pytest.mark.parametrize("content", [DEEP, "[5]", "{", "\xff", '{"pid": 1}'])
def test_a_damaged_note_of_who_holds_a_project_is_another_process(tmp_path: Path, content: str) -> None:
    first, second = ProjectLock(tmp_path), ProjectLock(tmp_path)
    assert first.acquire() == ""
    (tmp_path / ".lock.json").write_text(content, encoding="latin-1")
    assert second.acquire()
    first.release()


def test_json_larger_than_any_of_ours_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text('"äöü"', encoding="utf-8")
    assert files.read_json(path) == "äöü"
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 7)
    with pytest.raises(ValueError, match=" 7 "):
        files.read_json(path)


def test_lines_are_read_one_at_a_time_and_no_more_than_any_of_ours(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes('"a\u2028b"\r\n\n"äöü"'.encode())  # a character taken as the end of a line by some programs only
    assert list(files.read_lines(path)) == ['"a\u2028b"', "", '"äöü"']
    monkeypatch.setattr(files, "MAX_TEXT_FILE_BYTES", 15)
    with pytest.raises(ValueError, match=" 15 "):
        list(files.read_lines(path))
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 8)
    lines = files.read_lines(path)
    with pytest.raises(ValueError, match=" 8 "):
        next(lines)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="utf-8"):
        list(files.read_lines(path))


def test_epochs_that_are_no_text_end_the_list(tmp_path: Path) -> None:
    from visionft.training.runs.metrics_file import read_metrics

    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n")
    assert read_metrics(tmp_path) == ()


def test_the_users_own_folder_stands_for_a_tilde_and_an_unknown_user_for_nothing(tmp_path: Path, monkeypatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert expand_home("~/x") == tmp_path / "x" and expand_home(Path("~")) == tmp_path
    if os.name != "nt":  # there every name is a folder next to the user's own
        assert expand_home("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("write", WRITERS)
def test_what_the_system_refuses_safetensors_says_where_and_what_to_do(write: str, tmp_path: Path) -> None:
    """It wraps the system's error in its own class without a file name: here a file at its size limit."""
    import resource

    target, limits = tmp_path / "target", resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(VisionFTError) as raised, WRITERS[write](target) as place:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            save_file({"a": np.zeros(100_000)}, place if write == "file" else place / "a.safetensors")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.message.values["target"] == str(target) and raised.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reason", ["No space left on device (os error 28)", "Disk quota exceeded (os error 122)"])
def test_a_full_disk_is_told_as_any_other_writer_tells_it(reason: str, tmp_path: Path) -> None:
    for block in WRITERS.values():
        with pytest.raises(VisionFTError) as raised, block(tmp_path / "target"):
            raise SafetensorError(f"Error while serializing: I/O error: {reason}")
        assert raised.value.message.values["target"] == str(tmp_path / "target")
        assert raised.value.message.values["reason"] in reason and not list(tmp_path.iterdir())


def test_other_errors_of_safetensors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(SafetensorError, match="shape"), atomic_path(tmp_path / "target"):
        raise SafetensorError("tensor shape is invalid")


SHAPES = {
    "empty arrays": "[" + "[]," * 30_000 + "0]",
    "empty objects": "[" + "{}," * 30_000 + "0]",
    "arrays in arrays": "[" + "[[[[[1]]]]]," * 5_000 + "0]",
    "objects": "[" + '{"a":1,"b":[1,2]},' * 5_000 + "0]",
    "one key each": "[" + ",".join(f'{{"{number:x}":1}}' for number in range(10_000)) + "]",
    "keys": "{" + ",".join(f'"{number:x}":1e9' for number in range(20_000)) + "}",
    "numbers": "[" + "1e1,999," * 20_000 + "0]",
    "texts": "[" + '"ab",' * 20_000 + "0]",
    "signs of four bytes": "[" + '"\U0001f600b",' * 20_000 + "0]",
    "one text": '["\U0001f600' + "b" * 100_000 + '"]',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_memory_that_json_takes_is_foreseen(shape: str) -> None:
    text = SHAPES[shape]
    tracemalloc.start()
    value = parse_json(text)
    needed = tracemalloc.get_traced_memory()[1] + sys.getsizeof(text)
    tracemalloc.stop()
    assert value and needed <= 1.05 * files.json_memory(text)


def test_json_whose_values_take_more_than_the_largest_of_ours_is_refused_unparsed() -> None:
    text = "[" + "[]," * 100_000 + "[]]"
    assert len(parse_json(text, max_bytes=2_000_000)) == 100_001
    tracemalloc.start()
    with pytest.raises(ValueError, match="of memory"):
        parse_json(text, max_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither such pipes nor such devices")
@pytest.mark.parametrize("read", [sha256_file, read_json, lambda path: list(read_lines(path)), read_gzip])
def test_a_pipe_a_device_and_a_folder_are_not_read(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(IrregularFileError) as caught:
            read(path)
        assert as_visionft_error(caught.value) is not None and str(path) in str(caught.value)


def test_a_name_without_end_is_told_short(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="long|name") as caught:
        sha256_file(tmp_path / ("x" * 5000))
    told = as_visionft_error(caught.value)
    assert os.name == "nt" or (told is not None and len(told.message) < 300)


def test_what_is_written_to_the_current_folder_lies_beside_it_first(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with temporary_folder(Path()) as folder:
        assert folder.parent == tmp_path
    with pytest.raises(VisionFTError), atomic_path(Path()) as path:
        path.write_text("x")
    assert not list((tmp_path / "here").iterdir()) and [each.name for each in tmp_path.iterdir()] == ["here"]


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_writing(tmp_path: Path) -> None:
    dead = next(number for number in range(2**22 - 1, 0, -1) if not psutil.pid_exists(number))
    for name in (f".a.json.{dead}.tmp", f".b.json.{dead}.tmp", f".a.json.{os.getppid()}.tmp", ".a.json.x.tmp"):
        (tmp_path / name).write_text("half")
    write_json(tmp_path / "a.json", 1)
    kept = {"a.json", f".b.json.{dead}.tmp", f".a.json.{os.getppid()}.tmp", ".a.json.x.tmp"}
    assert {each.name for each in tmp_path.iterdir()} == kept
