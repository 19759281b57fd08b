"""A project of images with generated features of three separable classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

CLASSES = ("ant", "bee", "cat")
KIND = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(6, 10))


def class_of(path: Path) -> str:
    """Return the class of a generated image, read from its file name."""
    return path.stem.split("-")[-1]


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., ProjectStore]:
    """Return a function to make a project of unlabelled images with features, 20 per class."""

    def make(*, task: str = "single", noise: float = 0.5, each: int = 20, seed: int = 0) -> ProjectStore:
        generator = np.random.default_rng(seed)
        source = tmp_path / "images"
        source.mkdir()
        for number in range(each * len(CLASSES)):
            pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(source / f"{number:03}-{CLASSES[number % len(CLASSES)]}.png")
        project = ProjectStore.create(tmp_path / "project", task=task)  # type: ignore[arg-type]
        import_source(project, source)
        images = project.snapshot().images
        middles = np.eye(len(CLASSES), sum(KIND.widths)) * 3 + 1
        rows = np.stack([middles[CLASSES.index(class_of(image.path))] for image in images])
        rows += noise * generator.normal(size=rows.shape)
        store = KIND.store(project.path)
        store.append([image.sha256 for image in images], rows.astype(np.float16))
        make_current(project.path, KIND)
        return project

    return make


@pytest.fixture
def truth() -> Callable[[ProjectStore], dict[int, str]]:
    """Return a function: a generated project -> {image id: its class}."""
    return lambda project: {image.image_id: class_of(image.path) for image in project.snapshot().images}
