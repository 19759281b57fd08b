"""Fixtures of the curation tests: a run with the files of an evaluation, without a training."""

import json
import sys
from collections.abc import Callable, Collection

import cv2
import numpy as np
import pytest
import run_files

from visionft.cli import main
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_snapshot import write_snapshot


def _write_run(project: ProjectStore, *, right: Collection[int]) -> None:
    """Write a run on the project's present images, with the files of an evaluation on test."""
    name, images = "001-resnet18-linear", project.snapshot()
    run_files.write_run(project.path, name, TrainConfig(), accuracies=[], classes=images.class_names)
    write_snapshot(project.path / "runs" / name, images)
    answers = {}
    for image in images.labelled("test"):
        true, other = images.class_names[image.labels[0]], images.class_names[1 - image.labels[0]]
        answers[image.image_id] = (true, true if image.image_id in right else other, 0.9)
    facts = {"split": "test", "images": len(answers), "per_class": {}, "confusion": []}
    run_files.write_evaluation(project.path, name, tuple(answers), tuple(answers.values()), **facts)


@pytest.fixture
def run_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function to run a command: its exit status, and what it printed as JSON, or its error."""

    def run_json(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments), "--json"])
        code = main()
        captured = capsys.readouterr()
        return code, json.loads(captured.out if code == 0 else captured.err.splitlines()[-1])

    return run_json


@pytest.fixture(scope="session")
def scene() -> Callable[[int], np.ndarray]:
    """Return a function to draw an image unlike those of all other seeds."""

    def scene(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        pixels = np.full((120, 160, 3), rng.integers(60, 180, 3), np.uint8)
        for _ in range(25):
            centre = (int(rng.integers(160)), int(rng.integers(120)))
            axes = (int(rng.integers(4, 30)), int(rng.integers(4, 30)))
            cv2.ellipse(pixels, centre, axes, float(rng.integers(180)), 0, 360, rng.integers(0, 230, 3).tolist(), -1)
        return pixels

    return scene


@pytest.fixture
def write_run() -> Callable[..., None]:
    """Return a function to write a run on the present project, evaluated on test: right about the ids `right`."""
    return _write_run
