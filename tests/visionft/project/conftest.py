"""Small images and projects for the tests of the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore


@pytest.fixture
def images(tmp_path: Path, draw) -> Path:
    """Return a folder of two classes with six images each."""
    for number in range(12):
        draw(tmp_path / "images" / ("cat" if number < 6 else "dog") / f"{number}.png", number)
    return tmp_path / "images"


@pytest.fixture
def project(tmp_path: Path, images: Path) -> Iterator[ProjectStore]:
    """Return an open project with these images."""
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, images)
        yield opened


@pytest.fixture
def multi(tmp_path: Path, images: Path) -> Iterator[ProjectStore]:
    """Return an open multi-label project with these images."""
    with ProjectStore.create(tmp_path / "multi", task="multi") as opened:
        import_source(opened, images)
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ProjectStore]:
    """Return an open project without images."""
    with ProjectStore.create(tmp_path / "empty") as project:
        yield project
