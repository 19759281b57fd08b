"""Reading what others may have written: gzip that grows without end, JSON nested without end."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from visionft import files
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import RunError
from visionft.files import from_home, parse_json, read_gzip
from visionft.project.db.locking import ProjectLock
from visionft.training.runs.run_snapshot import read_snapshot, write_snapshot

DEEP = "[" * 100_000


def test_a_gzip_bomb_is_refused_before_it_takes_the_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "snapshot.json.gz"
    bomb.write_bytes(gzip.compress(b"[" + b" " * 300_000_000))
    tracemalloc.start()
    with pytest.raises(RunError, match="unpacks to more than"):
        read_snapshot(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 150_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("part", [slice(0, -20), slice(10, None), slice(0, 5)])
def test_a_damaged_gzip_file_is_said_in_words(tmp_path: Path, part: slice) -> None:
    whole = gzip.compress(json.dumps(list(range(1000))).encode())
    (tmp_path / "snapshot.json.gz").write_bytes(whole[part])
    with pytest.raises(RunError, match="does not know its pictures any more"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("place", [12, 30, 60])
def test_a_changed_byte_of_a_gzip_file_is_a_value_error_or_an_os_error(tmp_path: Path, place: int) -> None:
    whole = bytearray(gzip.compress(json.dumps(list(range(1000))).encode()))
    whole[place] ^= 0xFF
    (tmp_path / "x.gz").write_bytes(whole)
    with pytest.raises((ValueError, OSError, EOFError)):
        read_gzip(tmp_path / "x.gz")


def test_the_largest_real_snapshots_are_read(tmp_path: Path) -> None:
    """Long paths that repeat shrink most: 2,000 pictures under a path of 3,000 characters."""
    folder = Path("/" + "/".join(["a name that repeats"] * 150))
    images = tuple(SnapshotImage(n, folder / f"{n}.jpg", f"{hash(n):064x}", (0,), "train") for n in range(1, 2000))
    snapshot = Snapshot("single", ("a",), images)
    write_snapshot(tmp_path, snapshot)
    assert read_snapshot(tmp_path) == snapshot


def test_endless_nesting_is_a_value_error_like_any_other_fault() -> None:
    for text in (DEEP, '{"a":' * 100_000, DEEP.encode()):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)


@pytest.mark.parametrize("content", [DEEP, "[5]", "{", "\xff", '{"pid": 1}'])
def test_a_damaged_note_of_who_holds_a_project_is_another_process(tmp_path: Path, content: str) -> None:
    first, second = ProjectLock(tmp_path), ProjectLock(tmp_path)
    assert first.acquire() == ""
    (tmp_path / ".lock.json").write_text(content, encoding="latin-1")
    assert second.acquire() == "it is open in another window or command (another process)"
    first.release()


def test_json_larger_than_any_of_ours_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text('"äöü"', encoding="utf-8")
    assert files.read_json(path) == "äöü"
    monkeypatch.setattr(files, "MOST_JSON", 7)
    with pytest.raises(ValueError, match="is larger than 7 bytes"):
        files.read_json(path)


def test_lines_are_read_one_at_a_time_and_no_more_than_any_of_ours(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes('"a\u2028b"\r\n\n"äöü"'.encode())  # a sign that only some take for the end of a line
    assert list(files.read_lines(path)) == ['"a\u2028b"', "", '"äöü"']
    monkeypatch.setattr(files, "MOST_LINES", 15)
    with pytest.raises(ValueError, match="is larger than 15 bytes"):
        list(files.read_lines(path))
    monkeypatch.setattr(files, "MOST_JSON", 8)
    lines = files.read_lines(path)
    with pytest.raises(ValueError, match="is larger than 8 bytes"):
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
    assert from_home("~/x") == tmp_path / "x" and from_home(Path("~")) == tmp_path
    if os.name != "nt":  # there every name is a folder beside one's own
        assert from_home("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
