"""Forbidden targets of written files are reported, and links stay links."""

import os
from pathlib import Path

import pytest

from visionft.core.errors import VisionFTError
from visionft.core.files import write_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions and links are others there")


def test_a_folder_that_cannot_be_entered_is_an_expected_error(tmp_path: Path, unprivileged) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "link.txt").symlink_to("real.txt")
    tmp_path.chmod(0o755)
    closed.chmod(0o000)
    try:
        with unprivileged(), pytest.raises(VisionFTError, match=r"new\.txt"):
            write_text(closed / "new.txt", "x")
        with unprivileged(), pytest.raises(VisionFTError, match="link"):
            write_text(closed / "link.txt", "x")
    finally:
        closed.chmod(0o700)


def test_a_link_that_leads_nowhere_gets_its_file(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "x")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "x"
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    with pytest.raises(VisionFTError, match="Cannot write"):
        write_text(tmp_path / "loop.txt" / "x", "x")
