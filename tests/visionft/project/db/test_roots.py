"""Root folder of an image, also with nested roots."""

import sqlite3
from pathlib import Path

import pytest

from visionft.project.db.roots import Roots


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE root (id INTEGER, path TEXT, relative TEXT)")
    rows = [(1, str(tmp_path / "all")), (2, str(tmp_path / "all" / "inner")), (3, str(tmp_path / "allied"))]
    connection.executemany("INSERT INTO root VALUES (?, ?, NULL)", rows)
    return Roots(connection, tmp_path / "project")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("all/a.png", (1, "a.png")),
        ("all/deep/er/a.png", (1, "deep/er/a.png")),
        ("all/inner/a.png", (2, "a.png")),
        ("all/inner/most/a.png", (2, "most/a.png")),
        ("all/inner", (1, "inner")),
        ("allied/a.png", (3, "a.png")),
        ("all", None),
        ("other/a.png", None),
    ],
)
def test_a_image_lies_below_the_deepest_root(roots: Roots, tmp_path, path: str, place: tuple[int, str] | None) -> None:
    for _ in range(2):  # the second choice is remembered
        assert roots.containing(tmp_path / path) == place
