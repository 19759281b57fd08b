"""A head fitted to validation images is judged on them by held-out predictions, everywhere."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.heads.calibration import are_right
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.training.combining import combine
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run, output_batches
from visionft.training.loop.train import train
from visionft.training.runs.manifest import FILE, MANIFEST_FILE, read_held_out, weights_hash, write_manifest
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model


@pytest.fixture(params=["single", "multi"])
def noise(request, snapshot: Snapshot) -> Snapshot:
    """Return images with random labels: what is right by more than chance has seen the answer."""
    generator = random.Random(1)

    def labels() -> tuple[int, ...]:
        return tuple(sorted(generator.sample(range(3), 1 if request.param == "single" else generator.randint(1, 2))))

    images = tuple(replace(each, labels=labels()) for each in snapshot.images)
    return Snapshot(request.param, snapshot.class_names, images)


@pytest.fixture
def config(tiny) -> TrainConfig:
    return tiny("linear", "starter_vit", weights="pretrained", workers=0)


def own_accuracy(run_dir: Path, images: Snapshot) -> float:
    """Return the share of validation images right by the network itself."""
    loaded, val = load_run_model(read_run(run_dir)), images.labelled("val")
    targets = np.array([np.bincount(each.labels, minlength=3) for each in val])
    targets = targets if images.task == "multi" else targets.argmax(axis=1)
    found = [
        are_right(logits, targets[rows]) for logits, rows in output_batches(loaded, val, loaded.classifier, stage="")
    ]
    return float(np.concatenate(found).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"method": "full", "epochs": 1, "learning_rate": 1e-6}],
    ids=str,
)
def test_evaluation_and_the_curve_read_held_out_predictions(changes, config, noise, tmp_path) -> None:
    run_dir = tmp_path / "runs" / "001-run"
    train(replace(config, **changes), noise, run_dir)
    held_out, ids = read_held_out(run_dir), {each.image_id for each in noise.labelled("val")}
    assert held_out is not None and ids <= set(held_out.image_ids.tolist())
    evaluation = evaluate_run(run_dir, noise, "val")
    best = read_run(run_dir).best
    assert best and evaluation.images == len(ids) and evaluation.unreadable == 0
    assert max(evaluation.top1, best.val_accuracy or 0) < 0.7
    assert noise.task == "multi" or best.val_accuracy == pytest.approx(evaluation.top1)  # which sets thresholds
    if "method" not in changes:
        assert own_accuracy(run_dir, noise) > 0.8 > evaluation.top1


@pytest.mark.slow
def test_exports_and_ensembles_judge_by_them(config, noise, tmp_path) -> None:
    for number, layers in enumerate(("joined", "last"), start=1):
        train(config.with_settings([f"linear.layers={layers}"]), noise, tmp_path / "runs" / f"00{number}-run")
    accuracies = [evaluate_run(tmp_path / "runs" / f"00{number}-run", noise, "val").top1 for number in (1, 2)]
    assert own_accuracy(tmp_path / "runs" / "001-run", noise) > accuracies[0] + 0.2
    options = ExportOptions.for_target(fp16=True)
    result = export_run(tmp_path / "runs" / "001-run", noise, tmp_path / "out", options=options)
    assert {round(each.answers.reference_top1, 6) for each in result.variants} == {round(accuracies[0], 6)}
    found = combine(tmp_path, ["1", "2"], noise)
    parts = {each.run: each.accuracy for each in found.parts}
    assert max(parts.values()) < 0.7
    if noise.task == "single":  # else thresholds set the evaluation's
        assert parts == pytest.approx({f"00{number}-run": each for number, each in enumerate(accuracies, start=1)})
    assert found.held_out == len(noise.labelled("train")) and found.accuracy < 0.7
    assert evaluate_run(tmp_path / "runs" / found.run, noise, "val").top1 < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["single"], indirect=True)
def test_a_run_continued_from_one_is_not_judged_on_images_that_its_head_has_seen(config, noise, tmp_path) -> None:
    full = replace(config, method="full", epochs=1, learning_rate=1e-6)
    train(full, noise, tmp_path / "runs" / "001-run")
    assert read_held_out(tmp_path / "runs" / "001-run") is not None
    train(replace(full, start_from="001-run"), noise, tmp_path / "runs" / "002-run")
    assert all((each.val_accuracy or 0) < 0.7 for each in read_metrics(tmp_path / "runs" / "002-run"))


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["single"], indirect=True)
def test_a_run_of_an_earlier_version_is_judged_by_its_own_answers(config, noise, tmp_path) -> None:
    """Such a head has not seen the validation images; its file beside the checkpoint is about training images."""
    run_dir = tmp_path / "runs" / "001-run"
    train(config, noise, run_dir)
    best, train_ids = run_dir / "best", [each.image_id for each in noise.labelled("train")]
    held_out = read_held_out(run_dir)
    assert held_out is not None
    for name in (FILE, MANIFEST_FILE):
        (best / name).unlink()
    write_manifest(best)
    arrays = {"image_ids": np.array(train_ids), "logits": held_out.logits_of(train_ids)}
    save_file(arrays, run_dir / FILE, metadata={"weights": weights_hash(best)})
    known = read_held_out(run_dir)
    assert known is not None and known.image_ids.tolist() == train_ids
    assert evaluate_run(run_dir, noise, "val").top1 == own_accuracy(run_dir, noise)
    (run_dir / FILE).write_bytes((run_dir / FILE).read_bytes()[:40])
    assert read_held_out(run_dir) is None
