"""Made-up labelled pictures that a classifier learns, the better the more there are; and a project of such."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.advice.held_out import Labelled
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

CLASSES = ("ant", "bee", "cat")
KIND = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(12, 20))


def rows_of(numbers: np.ndarray, *, noise: float, seed: int = 0) -> np.ndarray:
    """Return (N, D) features of pictures of classes with these numbers."""
    middles = np.eye(numbers.max() + 1, sum(KIND.widths)) * 3
    return middles[numbers] + noise * np.random.default_rng(seed).normal(size=(len(numbers), sum(KIND.widths)))


@pytest.fixture
def make_labelled() -> Callable[..., Labelled]:
    """Return a function that makes labelled pictures, `each` of every class."""

    def make(*, each: int = 40, classes: int = 3, noise: float = 1.5, is_multilabel: bool = False) -> Labelled:
        numbers = np.tile(np.arange(classes), each)
        targets = np.eye(classes, dtype=np.float32)[numbers]
        rows = rows_of(numbers, noise=noise).astype(np.float32)
        return Labelled(rows - rows.mean(axis=0), targets, is_multilabel)

    return make


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Return a function that makes a project with features, of whose pictures the first `labelled` have labels."""

    def make(*, pictures: int = 90, labelled: int = 60, noise: float = 1.5) -> Project:
        generator, folder = np.random.default_rng(0), tmp_path / "pictures"
        folder.mkdir()
        for number in range(pictures):
            pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03}-{CLASSES[number % 3]}.png")
        project = Project.create(tmp_path / "project")
        import_source(project, folder)
        images = project.snapshot().images
        numbers = np.array([CLASSES.index(image.path.stem.split("-")[1]) for image in images])
        rows = rows_of(numbers, noise=noise).astype(np.float16)
        KIND.store(project.path).append([image.sha256 for image in images], rows)
        make_current(project.path, KIND)
        for place, name in enumerate(CLASSES):
            chosen = tuple(images[each].image_id for each in np.flatnonzero(numbers[:labelled] == place))
            if chosen:
                project.apply(LabelImages(chosen, name))
        return project

    return make
