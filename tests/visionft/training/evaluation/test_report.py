"""Evaluation without some classes in validation: they are unmeasured, all others measured, each with a note."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from models.heads.calibration import sigmoid
from visionft.core.events import Event, Notice
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.export.model_card import evaluation
from visionft.export.record import metrics_of
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.metrics import best_thresholds
from visionft.training.evaluation.report import evaluate_run
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.loop.train import train
from visionft.training.runs.manifest import read_held_out
from visionft.training.runs.run_folder import read_run

QUICK = TrainConfig(backbone="starter_resnet", method="linear", image_size=64, device="cpu", epochs=1)


def lacking(snapshot: Snapshot, *classes: int) -> Snapshot:
    """Return the images without the validation images of some classes."""
    images = (image for image in snapshot.images if image.split != "val" or not set(image.labels) & set(classes))
    return dataclasses.replace(snapshot, images=tuple(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "method", "missing"), [("single", "linear", (1, 2)), ("single", "knn", (2,)), ("multi", "lora", (2,))]
)
def test_a_class_without_a_validation_image_is_learnt_and_not_measured(
    snapshot: Snapshot, tmp_path: Path, task: str, method: str, missing: tuple[int, ...]
) -> None:
    images = lacking(dataclasses.replace(snapshot, task=task), *missing)
    events: list[Event] = []
    train(dataclasses.replace(QUICK, method=method), images, tmp_path / "run", job=JobContext(events.append))
    warnings = [event.message for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert all(any(images.class_names[each] in words for words in warnings) for each in missing)

    found = evaluate_run(tmp_path / "run", images)
    assert (found.temperature == 1) or method != "linear"  # its head was calibrated on all its images, held out
    for index, score in enumerate(found.per_class.values()):
        values = (score.recall, score.precision, score.f1, score.recall_interval)
        assert all(value is None for value in values) == (index in missing) == (not score.support)
    measured = [score.recall for score in found.per_class.values() if score.recall is not None]
    assert found.balanced_accuracy == pytest.approx(sum(measured) / len(measured))
    scores = json.loads(json.dumps(dataclasses.asdict(found)))["per_class"]
    assert [scores[images.class_names[each]]["recall"] for each in missing] == [None] * len(missing)
    if task == "multi":
        f1 = [score.f1 for score in found.per_class.values() if score.f1 is not None]
        assert found.macro_f1 == pytest.approx(sum(f1) / len(f1))
    stored = read_evaluation(tmp_path / "run", "val")
    recalls = [score.recall for score in found.per_class.values()]
    assert stored and [score.recall for score in stored.per_class.values()] == recalls
    run = read_run(tmp_path / "run")
    record = {"metrics": metrics_of(run, [found]), "task": task, "data": {"leaks": None}}
    assert metrics_of(run, [found])["val"]["classes"] == metrics_of(run, [stored])["val"]["classes"]
    sentences = [each for each in evaluation(record) if "|" not in each]
    assert any(all(images.class_names[each] in words for each in missing) for words in sentences)


@pytest.mark.slow
def test_thresholds_of_several_labels_are_fitted_to_the_held_out_predictions_of_all_images(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    images = lacking(dataclasses.replace(snapshot, task="multi"), 2)
    train(QUICK, images, tmp_path / "run")
    found = evaluate_run(tmp_path / "run", images, "test")
    held_out = read_held_out(tmp_path / "run")
    assert held_out is not None
    targets = np.zeros(held_out.logits.shape)
    for row, image_id in zip(targets, held_out.image_ids.tolist(), strict=True):
        row[list(images.by_id[image_id].labels)] = 1
    assert targets[:, 2].any() and not any(2 in image.labels for image in images.labelled("val"))
    expected = best_thresholds(sigmoid(held_out.logits), targets)
    assert [score.threshold for score in found.per_class.values()] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.slow
def test_a_test_split_that_lacks_a_class_is_measured_on_the_others(snapshot: Snapshot, tmp_path: Path) -> None:
    images = tuple(each for each in snapshot.images if each.split != "test" or each.labels != (0,))
    chosen = dataclasses.replace(snapshot, images=images)
    train(QUICK, chosen, tmp_path / "run")
    found = evaluate_run(tmp_path / "run", chosen, "test")
    assert [score.recall is None for score in found.per_class.values()] == [True, False, False]
