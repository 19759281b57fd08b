"""What the tests of curation share: a run with what an evaluation leaves, without a training."""

import json
from collections.abc import Callable, Collection

import pytest

from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_snapshot import write_snapshot


def _write_run(project: Project, *, right: Collection[int]) -> None:
    """Write a run on the project's pictures as they are, with what an evaluation on test leaves."""
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
def write_run() -> Callable[..., None]:
    """Return the function that writes a run on a project as it is, measured on test: right about the ids `right`."""
    return _write_run
