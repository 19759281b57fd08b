"""Whole runs with loader processes, with more images than a process may have open files."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from visionft.data.types import Snapshot, Task
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import resume, train
from visionft.training.runs.run_folder import read_run

IMAGES = 2000


def many(snapshot: Snapshot, task: Task) -> Snapshot:
    """Return thousands of images for the price of a few files; of several labels, every third has two."""
    images = [
        dataclasses.replace(
            each,
            image_id=number,
            split="val" if number % 5 == 0 else "train",
            labels=(*each.labels, (each.labels[0] + 1) % 3) if task == "multi" and number % 3 == 0 else each.labels,
        )
        for number in range(IMAGES)
        for each in [snapshot.images[number % len(snapshot.images)]]
    ]
    return Snapshot(task, snapshot.class_names, tuple(images))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["single", pytest.param("multi", marks=pytest.mark.long)])
def test_a_run_on_thousands_of_images_trains_and_resumes(task, snapshot, tmp_path) -> None:
    images, run_dir = many(snapshot, task), tmp_path / "run"
    config = TrainConfig(
        backbone="test_vit", method="lora", epochs=2, weights="random", image_size=32, batch_size=200, device="cpu",
        workers=2, precision="fp32",
    )  # fmt: skip

    def after_the_first_epoch() -> bool:
        return (run_dir / "best").exists()

    assert train(config, images, run_dir, job=JobContext(cancelled=after_the_first_epoch)).stopped
    assert not resume(run_dir).stopped
    assert [epoch.epoch for epoch in read_run(run_dir).epochs] == [0, 1, 2]
    train(dataclasses.replace(config, workers=0), images, tmp_path / "alone")
    resumed, alone = (load_file(each / "last" / "model.safetensors") for each in (run_dir, tmp_path / "alone"))
    assert all(torch.equal(value, alone[name]) for name, value in resumed.items())
