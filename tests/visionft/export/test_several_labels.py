"""A project with several labels per image, from training to prediction."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from visionft.data.types import Snapshot
from visionft.evaluation.report import evaluate_run, probabilities_of, run_logits
from visionft.evaluation.stored import read_evaluation
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model


@pytest.fixture(scope="module")
def several(snapshot: Snapshot) -> Snapshot:
    """Return the images with a second label on every other one; class names contain the display separator."""
    images = tuple(
        dataclasses.replace(image, labels=tuple(sorted({image.labels[0], (image.labels[0] + image.image_id % 2) % 3})))
        for image in snapshot.images
    )
    names = ("tench", "tench, Tinca tinca", "Tinca tinca")
    return dataclasses.replace(snapshot, task="multi", class_names=names, images=images)


def test_the_whole_path(several: Snapshot, tmp_path: Path) -> None:
    config = TrainConfig(
        backbone="test_vit", method="lora", weights="random", image_size=64, batch_size=8, epochs=3, device="cpu"
    )
    run_dir = tmp_path / "run"
    train(config, several, run_dir)
    evaluation = evaluate_run(run_dir, several, "test")
    logits = run_logits(load_run_model(read_run(run_dir)), several, "test")
    probabilities = probabilities_of(logits, evaluation.temperature)
    limits = np.array([score.threshold for score in evaluation.per_class.values()])
    assigned = probabilities >= limits
    assert evaluation.mean_average_precision == pytest.approx(
        oracle.average_precision_score(logits.targets, probabilities, average="macro")
    )
    for average, value in (("micro", evaluation.micro_f1), ("macro", evaluation.macro_f1)):
        assert value == pytest.approx(oracle.f1_score(logits.targets, assigned, average=average, zero_division=0))
    assert evaluation.top1 == pytest.approx(oracle.accuracy_score(logits.targets, assigned))
    expected = oracle.multilabel_confusion_matrix(logits.targets, assigned).reshape(3, 4)
    assert [list(row) for row in evaluation.confusion] == expected.tolist()
    json.dumps(dataclasses.asdict(evaluation))
    stored = read_evaluation(run_dir, "test")
    assert stored is not None
    names = several.class_names
    for each, image, row in zip(stored.predictions, logits.images, assigned, strict=True):
        assert each.true_classes == tuple(names[index] for index in image.labels)
        assert each.predicted == tuple(names[index] for index in np.flatnonzero(row))
    assert sum(each.is_right for each in stored.predictions) == round(evaluation.top1 * evaluation.images)

    exported = export_run(run_dir, several, tmp_path / "out")
    assert exported.parity.top1_agreement == 1.0
    predictions = list(Predictor(exported.model).predict([image.path for image in logits.images]))
    for prediction, row, probability in zip(predictions, assigned, probabilities, strict=True):
        if np.abs(probability - limits).min() > 1e-4:
            assert set(prediction.classes or ()) == {several.class_names[index] for index in np.flatnonzero(row)}


def test_the_file_decides_as_the_run_was_measured(several: Snapshot, tmp_path: Path) -> None:
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=64, batch_size=8, device="cpu"
    )
    run_dir = tmp_path / "run"
    train(config, several, run_dir)
    evaluation = evaluate_run(run_dir, several, "val")
    exported = export_run(run_dir, several, tmp_path / "out", options=ExportOptions(precisions=("fp16",)))
    record = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert record["metrics"]["val"]["top1"] == evaluation.top1 == exported.variants[0].answers.reference_top1
    predictor = Predictor(exported.model)
    assert float(predictor.metadata["temperature"]) == record["temperature"] == evaluation.temperature
    limits = [score.threshold for score in evaluation.per_class.values()]
    assert json.loads(predictor.metadata["thresholds"]) == limits
    stored = read_evaluation(run_dir, "val")
    assert stored is not None
    paths = {image.image_id: image.path for image in several.images}
    predictions = predictor.predict([paths[each.image_id] for each in stored.predictions])
    for prediction, each in zip(predictions, stored.predictions, strict=True):
        assert set(prediction.classes or ()) == set(each.predicted)
