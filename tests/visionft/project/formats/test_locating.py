"""Locating a table's images: also with very many rows without a file."""

import os
from pathlib import Path

import pytest

from visionft.project.formats.locating import ImageFinder

ROWS = 500


def test_rows_whose_images_are_missing_ask_the_disk_once_for_each_place(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "there").mkdir()
    finder = ImageFinder(tmp_path)
    finder.find("other.jpg")  # the folder's contents are read once
    asked, honest = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **options: asked.append(path) or honest(path, **options))
    for row in range(ROWS):
        for folder in ("there", "gone"):
            assert finder.find(f"{folder}/{row}.jpg") == tmp_path / folder / f"{row}.jpg"
    assert len(asked) <= 2 * 2 * ROWS + 10  # beside the table, and in `images/`


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("./sub/../sub/b", "sub/b.jpg"),
        ("sub\\b.jpg", "sub/b.jpg"),
        ("c.png", "images/c.png"),
        ("elsewhere/b.jpg", "sub/b.jpg"),
        ("http://host/data/sub/b.jpg?x=1", "sub/b.jpg"),
        ("b", "sub/b.jpg"),
        ("../beside/d.png", "../beside/d.png"),
        ("../beside/d", "../beside/d"),  # outside of the folder only by the exact name
        ("two.", "two."),
    ],
)
def test_a_name_leads_to_the_image_that_it_means(tmp_path: Path, name: str, place: str) -> None:
    base = tmp_path / "base"
    for each in ("base/a.png", "base/sub/b.jpg", "base/images/c.png", "beside/d.png"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    assert ImageFinder(base).find(name) == Path(os.path.normpath(base / place))
