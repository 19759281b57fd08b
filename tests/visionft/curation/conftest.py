"""Fixtures of the curation tests: a run with the files of an evaluation, without a training."""

import json
import sys
from collections.abc import Callable, Collection

import cv2
import numpy as np
import pytest

from visionft.cli import main
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_snapshot import write_snapshot


def _write_run(project: Project, *, right: Collection[int]) -> None:
    """Write a run on the project's present images, with the files of an evaluation on test."""
    images, folder = project.snapshot(), project.path / "runs" / "001-resnet18-linear"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(TrainConfig().to_dict()))
    (folder / "classes.json").write_text(json.dumps(images.class_names))
    (folder / "metrics.jsonl").touch()
    write_snapshot(folder, images)
    tested, (cat, dog) = images.labelled("test"), images.class_names
    lines = []
    for image in tested:
        true = images.class_names[image.labels[0]]
        said = true if image.image_id in right else dog if true == cat else cat
        lines.append({"image_id": image.image_id, "classes": [true], "predicted": [said], "probability": 0.9})
    stored = {
        "run": folder.name, "split": "test", "images": len(tested), "unreadable": 0, "top1": 0.5,
        "top1_interval": [0.3, 0.7], "balanced_accuracy": 0.5, "ece": 0, "temperature": 1, "per_class": {},
        "confusion": [],
    }  # fmt: skip
    (folder / "evaluation-test.json").write_text(json.dumps(stored))
    (folder / "predictions-test.jsonl").write_text("\n".join(map(json.dumps, lines)))


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
