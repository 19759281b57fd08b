"""A project of generated images with known features: three classes, two groups of duplicates."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def known_project(tmp_path: Path) -> Path:
    """Return the folder of a project of 45 labelled images, with features around one of three centres."""
    generator = np.random.default_rng(0)
    kind = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(4, 6))
    for number in range(45):
        path = tmp_path / "images" / CLASSES[number % 3] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "images")
        images = project.snapshot().images
        places = [CLASSES.index(image.path.parent.name) for image in images]
        rows = np.eye(3, 10)[places] * 4 + generator.normal(size=(45, 10))
        kind.store(project.path).append([image.sha256 for image in images], rows.astype(np.float16))
        make_current(project.path, kind)
    return tmp_path / "project"
