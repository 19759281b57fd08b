"""Distillation: a small network learns the model's predictions of all images but those that it is measured on."""

import dataclasses
import json

import onnx
import pytest

from visionft.data.types import Snapshot
from visionft.events import Progress
from visionft.export.bundle.verifying import verify_export
from visionft.export.export_result import read_export
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions, is_made_with
from visionft.export.precision import variants
from visionft.jobs import JobContext


@pytest.fixture(scope="module")
def some_unlabelled(snapshot: Snapshot) -> Snapshot:
    """Return the images, those of training with an even id without their label."""
    images = tuple(
        dataclasses.replace(each, labels=()) if each.split == "train" and each.image_id % 2 == 0 else each
        for each in snapshot.images
    )
    return dataclasses.replace(snapshot, images=images)


OPTIONS = ExportOptions.for_target(distil=True)


@pytest.mark.slow
@pytest.mark.parametrize("is_accurate", [True, False])
def test_the_small_network_is_measured_beside_the_large_one(
    run_of, some_unlabelled: Snapshot, tmp_path, monkeypatch, is_accurate: bool
) -> None:
    monkeypatch.setattr(variants, "MOST_LOSS", 1.0 if is_accurate else -1.01)
    stages = list[str]()
    job = JobContext(lambda event: stages.append(event.stage) if isinstance(event, Progress) else None)
    result = export_run(run_of("test_resnet", "full"), some_unlabelled, tmp_path / "out", options=OPTIONS, job=job)
    small = result.variants[-1]
    assert small.precision == "distilled" and small.learned_from == 30  # labelled or not, none of validation and test
    assert small.split == "test" and small.answers.images == 9
    assert small.speed is not None and small.bytes < 15_000_000
    assert is_made_with(result, OPTIONS) and len(set(stages)) > 6
    path = tmp_path / "out" / "model_small.onnx"
    assert path.is_file() == small.is_kept == bool(small.file) == is_accurate
    assert read_export(tmp_path / "out") == result
    assert verify_export(tmp_path / "out").is_whole
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    if is_accurate:
        metadata = {each.key: each.value for each in onnx.load(path).metadata_props}
        assert metadata["distilled_from"] == metadata["run"] == record["run"]
        assert record["caveats"]


@pytest.mark.slow
def test_a_cancelled_distillation_leaves_the_model_alone(run_of, snapshot: Snapshot, tmp_path) -> None:
    seen = list[str]()
    job = JobContext(
        lambda event: seen.append(event.stage) if isinstance(event, Progress) else None,
        lambda: any("small network" in each for each in seen),
    )
    options = ExportOptions.for_target(distil=True)
    result = export_run(run_of("test_resnet", "full"), snapshot, tmp_path / "out", options=options, job=job)
    assert "Training the small network" in seen and not result.artefacts and not result.variants
    assert verify_export(tmp_path / "out").is_whole and not (tmp_path / "out" / "model_small.onnx").exists()


def test_soft_labels_take_the_place_of_labels_in_training_alone(snapshot: Snapshot) -> None:
    torch = pytest.importorskip("torch")
    from visionft.training.config.train_config import TrainConfig
    from visionft.training.loop.batches import ProcessShard, plain_batches, training_batches

    chosen, soft = snapshot.labelled("train"), (0.2, 0.3, 0.5)
    taught = dataclasses.replace(snapshot, soft_labels={image.image_id: soft for image in chosen})
    config = TrainConfig().with_settings(["backbone=test_resnet", "image_size=64", "workers=0"])
    shard = ProcessShard(device=torch.device("cpu"))
    assert next(iter(training_batches(config, taught, shard).epoch(1))).targets[0].tolist() == pytest.approx(soft)
    assert next(iter(plain_batches(config, taught, chosen, shard).epoch(0))).targets.ndim == 1
