"""MATLAB files: their arrays as rows, and damaged ones, which end SciPy's process."""

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from visionft.errors import ProjectError
from visionft.project.formats.matlab import mat_rows

ROWS = np.array([("a.jpg", "cat"), ("b.jpg", "dog")], dtype=[("fname", object), ("label", object)])
READ = [{"fname": "a.jpg", "label": "cat"}, {"fname": "b.jpg", "label": "dog"}]


@pytest.mark.parametrize("is_packed", [False, True])
def test_structures_are_rows(is_packed: bool, tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"annos": ROWS}, do_compression=is_packed)
    titles, rows = mat_rows(tmp_path / "a.mat")
    assert titles == ["fname", "label"] and list(rows) == READ


def test_a_text_of_an_unknown_type_ends_scipy_and_not_the_program(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"annos": ROWS})
    data = (tmp_path / "a.mat").read_bytes()
    tag = struct.pack("<HH", 16, 3)  # a text of three bytes
    assert data.count(tag + b"cat") == 1
    (tmp_path / "a.mat").write_bytes(data.replace(tag + b"cat", struct.pack("<HH", 241, 3) + b"cat"))
    with pytest.raises(ProjectError) as caught:
        mat_rows(tmp_path / "a.mat")
    assert caught.value.hint
