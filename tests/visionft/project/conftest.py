"""Small pictures and projects for the tests of the store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from visionft.project.importing import import_source
from visionft.project.store import Project


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Return a function that draws a picture of its own content for each number."""

    def draw_picture(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number % 256, number // 256 % 256, 200)).save(path)
        return path

    return draw_picture


@pytest.fixture
def pictures(tmp_path: Path, draw) -> Path:
    """Return a folder of two classes with six pictures each."""
    for number in range(12):
        draw(tmp_path / "pictures" / ("cat" if number < 6 else "dog") / f"{number}.png", number)
    return tmp_path / "pictures"


@pytest.fixture
def project(tmp_path: Path, pictures: Path) -> Iterator[Project]:
    """Return an open project with these pictures."""
    with Project.create(tmp_path / "project") as opened:
        import_source(opened, pictures)
        yield opened


@pytest.fixture
def multi(tmp_path: Path, pictures: Path) -> Iterator[Project]:
    """Return an open multi-label project with these pictures."""
    with Project.create(tmp_path / "multi", task="multi") as opened:
        import_source(opened, pictures)
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Project]:
    """Return an open project without pictures."""
    with Project.create(tmp_path / "empty") as project:
        yield project
