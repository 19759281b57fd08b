"""A project with several labels per image, from training to prediction."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from visionft.data.types import Snapshot
from visionft.evaluation.report import evaluate_run
from visionft.evaluation.stored import read_evaluation
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Predictor


@pytest.mark.parametrize(("backbone", "method"), [("test_vit", "lora"), ("test_resnet", "linear")])
def test_the_file_decides_as_the_run_was_measured(backbone, method, several: Snapshot, trained, tmp_path: Path) -> None:
    names = ("tench", "tench, Tinca tinca", "Tinca tinca")  # with the separator of the display
    images = dataclasses.replace(several, class_names=names)
    run_dir = trained(images, tmp_path / "run", backbone=backbone, method=method, epochs=3)
    evaluation = evaluate_run(run_dir, images, "val")
    exported = export_run(run_dir, images, tmp_path / "out", options=ExportOptions(precisions=("fp16",)))
    record = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert exported.parity.top1_agreement == 1.0
    assert record["metrics"]["val"]["top1"] == evaluation.top1 == exported.variants[0].answers.reference_top1
    predictor = Predictor(exported.model)
    assert float(predictor.metadata["temperature"]) == record["temperature"] == evaluation.temperature
    limits = [score.threshold for score in evaluation.per_class.values()]
    assert json.loads(predictor.metadata["thresholds"]) == limits
    stored = read_evaluation(run_dir, "val")
    assert stored is not None
    assert sum(each.is_right for each in stored.predictions) == round(evaluation.top1 * evaluation.images)
    by_id = {image.image_id: image for image in images.images}
    predictions = predictor.predict([by_id[each.image_id].path for each in stored.predictions])
    for prediction, each in zip(predictions, stored.predictions, strict=True):
        assert each.true_classes == tuple(names[index] for index in by_id[each.image_id].labels)
        shares = dict(prediction.top5)
        if np.abs(np.array([shares[name] for name in names]) - limits).min() > 1e-4:
            assert set(prediction.classes or ()) == set(each.predicted)
