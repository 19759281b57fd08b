"""Generated labelled images; a classifier learns them better the more there are; and a project of such images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.analysis.advice import LabelledFeatures
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

CLASSES = ("ant", "bee", "cat")
KIND = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(12, 20))


def rows_of(numbers: np.ndarray, *, noise: float, seed: int = 0) -> np.ndarray:
    """Return (N, D) features of images of classes with these numbers."""
    middles = np.eye(numbers.max() + 1, sum(KIND.widths)) * 3
    return middles[numbers] + noise * np.random.default_rng(seed).normal(size=(len(numbers), sum(KIND.widths)))


@pytest.fixture
def make_labelled() -> Callable[..., LabelledFeatures]:
    """Return a function to make labelled images, `each` per class."""

    def make(
        *, each: int = 40, classes: int = 3, noise: float = 1.5, is_multilabel: bool = False, seed: int = 0
    ) -> LabelledFeatures:
        numbers = np.tile(np.arange(classes), each)
        targets = np.eye(classes, dtype=np.float32)[numbers]
        rows = rows_of(numbers, noise=noise, seed=seed).astype(np.float32)
        return LabelledFeatures(rows, targets, KIND.widths, is_multilabel)

    return make


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., ProjectStore]:
    """Return a function to make a project with features; the first `labelled` of its images have labels."""

    def make(*, image_count: int = 90, labelled: int = 60, noise: float = 1.5) -> ProjectStore:
        generator, folder = np.random.default_rng(0), tmp_path / "images"
        folder.mkdir()
        for number in range(image_count):
            pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03}-{CLASSES[number % 3]}.png")
        project = ProjectStore.create(tmp_path / "project")
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
