"""A project folder with three small runs: two networks, two image sizes, classes in another order."""

import dataclasses
from pathlib import Path

import pytest

from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

RUNS = (("test_resnet", "linear", 64), ("test_vit", "lora", 48), ("test_resnet", "prototype", 64))


def reordered(snapshot: Snapshot) -> Snapshot:
    """Return the same images with the classes in reverse order."""
    last = len(snapshot.class_names) - 1
    images = tuple(
        dataclasses.replace(image, labels=tuple(last - label for label in image.labels)) for image in snapshot.images
    )
    return dataclasses.replace(snapshot, class_names=snapshot.class_names[::-1], images=images)


@pytest.fixture(scope="session")
def trained(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder with the runs; tests copy it (`project`)."""
    project = tmp_path_factory.mktemp("combining")
    for number, (backbone, method, size) in enumerate(RUNS, start=1):
        config = TrainConfig(
            backbone=backbone,
            method=method,
            weights="random",
            image_size=size,
            batch_size=8,
            epochs=1,
            device="cpu",
            workers=0,
        )
        images = reordered(snapshot) if method == "lora" else snapshot
        train(config, images, project / "runs" / f"{number:03d}-{backbone}-{method}")
    return project
