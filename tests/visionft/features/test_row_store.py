"""Rows by content: appended rows are found again after a crash, with a second process, or on a bad disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.features.row_store import KEYS, ROWS, RowStore

KIND = np.dtype((np.float16, (3,)))


def rows(*values: float) -> np.ndarray:
    return np.array([[value, value + 1, value + 2] for value in values], np.float16)


def test_what_is_appended_is_found_by_another_store(tmp_path: Path):
    store = RowStore(tmp_path / "deep" / "rows", KIND)
    assert len(store) == 0 and store.indices(["a"]).tolist() == [-1]
    store.append(["a", "b"], rows(1, 5))
    store.append(["c"], rows(9))
    other = RowStore(tmp_path / "deep" / "rows", KIND)
    places = other.indices(["c", "missing", "a"])
    assert places.tolist() == [2, -1, 0]
    found, exists = other.read(["c", "missing", "a"])
    assert exists.tolist() == [True, False, True] and not found[1].any()
    assert np.array_equal(found[exists], rows(9, 1)) and found.dtype == np.float16


@given(cut=st.integers(0, 12), of=st.sampled_from([ROWS, KEYS]))
def test_what_a_crash_left_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int, of: str):
    folder = tmp_path_factory.mktemp("cut")
    RowStore(folder, KIND).append(["a", "b"], rows(1, 5))
    with (folder / of).open("r+b") as handle:
        handle.truncate((folder / of).stat().st_size - cut)
    store = RowStore(folder, KIND)
    is_lost = cut > 0
    assert store.indices(["a"]).tolist() == [0 if len(store) else -1]
    assert (store.indices(["b"])[0] == -1) == is_lost
    store.append(["b", "c"], rows(5, 9))
    found, is_whole = store.read(["b", "c"])
    assert is_whole.all() and np.array_equal(found, rows(5, 9))


def test_a_garbled_row_is_told(tmp_path: Path):
    store = RowStore(tmp_path, KIND)
    store.append(["a", "b"], rows(1, 5))
    raw = bytearray((tmp_path / ROWS).read_bytes())
    raw[7] ^= 1
    (tmp_path / ROWS).write_bytes(raw)
    assert RowStore(tmp_path, KIND).read(["a", "b"])[1].tolist() == [True, False]
    store.append(["b"], rows(5))  # measured anew
    assert store.read(["a", "b"])[1].all()


def test_two_writers_do_not_overwrite_each_other(tmp_path: Path):
    first, second = RowStore(tmp_path, KIND), RowStore(tmp_path, KIND)
    first.append(["a"], rows(1))
    second.append(["b"], rows(5))
    first.append(["c"], rows(9))
    store = RowStore(tmp_path, KIND)
    assert np.array_equal(store.read(["a", "b", "c"])[0], rows(1, 5, 9))
    assert first.indices(["a", "b", "c"]).tolist() == [0, 1, 2]
