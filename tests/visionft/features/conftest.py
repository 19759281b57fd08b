"""Fixtures of the tests of features."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore


@pytest.fixture
def project(tmp_path: Path, image_folder: Path) -> Iterator[ProjectStore]:
    """Return an open project of small images in class folders."""
    with ProjectStore.create(tmp_path / "project") as project:
        shutil.copytree(image_folder, tmp_path / "images")
        import_source(project, tmp_path / "images")
        yield project
