"""Measured cost of a run: shipped size, time per prediction, and the head that it was continued from."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.evaluation.cost_measurement import measure_cost
from visionft.evaluation.leaderboard import read_leaderboard
from visionft.evaluation.leaderboard_jobs import fit_training_free, measure_runs
from visionft.evaluation.run_cost import cost_of_run, read_cost
from visionft.evaluation.timing import computer_id
from visionft.events import Notice
from visionft.export.exporter import export_run
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import delete_weights, list_runs, read_run

COMMON = {"backbone": "test_resnet", "image_size": 32, "epochs": 1, "batch_size": 8, "device": "cpu", "workers": 0}


@pytest.fixture
def weights(tmp_path: Path, state_of) -> str:
    """Return a weights file with a classifier head for 20 classes."""
    save_file(state_of("test_resnet", classes=20, image_size=32), tmp_path / "start.safetensors")
    return str(tmp_path / "start.safetensors")


def made(project: Path, name: str, images: Snapshot, **values) -> Path:
    run_dir = project / "runs" / name
    train(TrainConfig(**{**COMMON, **values}), images, run_dir)
    return run_dir


@pytest.mark.slow
def test_the_cost_of_a_run_is_measured_and_stored(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    run_dir = made(tmp_path, "001-lora", snapshot, method="lora", weights=weights)
    cost = measure_cost(run_dir, snapshot)
    assert cost.time.computer == computer_id() and cost.time.runs >= 10 and cost.time.median_ms > 0
    assert cost.earlier_head is None and read_cost(run_dir) == cost
    known, trained = cost_of_run(read_run(run_dir)), read_run(run_dir).result
    assert known.memory_mb and known.seconds and known.trained_bytes and 0 < known.trainable_share < 1
    assert trained is not None and known.drift == trained.feature_drift and known.shipped_bytes == cost.shipped_bytes
    exported = export_run(run_dir, snapshot, tmp_path / "out")
    assert 0 <= exported.bytes - cost.shipped_bytes < 120_000  # the graph
    delete_weights(read_run(run_dir))
    with pytest.raises(RunError, match="deleted"):
        measure_cost(run_dir, snapshot)


@pytest.mark.slow
def test_the_head_that_a_continued_run_started_from_is_evaluated(
    snapshot: Snapshot, tmp_path: Path, weights: str
) -> None:
    first = made(tmp_path, "001-lora", snapshot, method="lora", weights=weights)
    second = made(tmp_path, "002-lora", snapshot, method="lora", weights=weights, start_from="001-lora")
    assert cost_of_run(read_run(second)).drift is None  # training measured it from the earlier run's features
    head = measure_cost(second, snapshot).earlier_head
    assert head is not None and (head.run, head.classes) == ("001-lora", 3)
    assert head.images == len(snapshot.labelled("val"))
    best = read_run(first).best
    assert best is not None and head.accuracy_before == pytest.approx(best.val_accuracy)
    assert 0 <= head.accuracy <= 1

    delete_weights(read_run(first))
    events = []
    assert measure_cost(second, snapshot, job=JobContext(events.append)).earlier_head is None
    assert any(isinstance(each, Notice) for each in events)


@pytest.mark.slow
def test_everything_is_measured_once_and_a_failure_costs_the_others_nothing(
    snapshot: Snapshot, tmp_path: Path, weights: str
) -> None:
    made(tmp_path, "001-linear", snapshot, method="linear", weights=weights)
    broken = made(tmp_path, "002-linear", snapshot, method="linear", weights=weights, seed=1)
    made(tmp_path, "003-linear", snapshot, method="linear", weights=weights, seed=2)
    (broken / "weights.json").write_text("{")
    events = []
    found = measure_runs(tmp_path, snapshot, "val", job=JobContext(events.append))
    assert found.evaluated == found.timed == ("001-linear", "003-linear") and not found.stopped
    assert list(found.failed) == ["002-linear"] and any(isinstance(each, Notice) for each in events)
    again = measure_runs(tmp_path, snapshot, "val")
    assert again.evaluated == again.timed == ()
    stopped = measure_runs(tmp_path, snapshot, "test", job=JobContext(cancelled=lambda: True))
    assert stopped.stopped and stopped.evaluated == ()


@pytest.mark.slow
def test_answers_without_training_are_made_once(snapshot: Snapshot, tmp_path: Path, weights: str) -> None:
    base = TrainConfig(**COMMON, weights=weights)
    stopped = fit_training_free(tmp_path, snapshot, base, job=JobContext(cancelled=lambda: True))
    assert stopped.stopped and stopped.made == ()
    found = fit_training_free(tmp_path, snapshot, base)
    methods = {read_run(tmp_path / "runs" / name).config.method for name in found.made}
    assert "linear" in methods and "lora" not in methods and not found.existing and not found.stopped
    assert "zero_shot" in found.left_out  # its own network is not fetched unasked
    for name in found.made:
        run = read_run(tmp_path / "runs" / name)
        assert not run.config.total_epochs and (run.path / "evaluation-val.json").is_file()
    again = fit_training_free(tmp_path, snapshot, base)
    assert again.made == () and set(again.existing) == set(found.made)
    place = next(n for n, image in enumerate(snapshot.images) if image.split == "train")
    images = list(snapshot.images)
    images[place] = replace(images[place], labels=((images[place].labels[0] + 1) % 3,))
    relabelled = replace(snapshot, images=tuple(images))
    live = {name for name in found.made if read_run(tmp_path / "runs" / name).config.method_row.is_live}
    states = {each.run: each.state for each in read_leaderboard(list_runs(tmp_path), relabelled, "val").rows}
    assert states == {name: "other_labels" if name in live else "measured" for name in found.made}
    anew = fit_training_free(tmp_path, relabelled, base)
    assert len(anew.made) == len(found.made) - len(live) and set(anew.existing) == live
    measure_runs(tmp_path, relabelled, "val")
    assert {each.state for each in read_leaderboard(list_runs(tmp_path), relabelled, "val").rows} == {"measured"}
