"""A run's record: the loss between epochs, thinned and repaired after a crash; the log, without names of the user's."""

import dataclasses
import logging
from pathlib import Path

import pytest
import run_events

from visionft.core.events import Event, StepDone
from visionft.core.jobs import JobContext
from visionft.export.exporter import export_run
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import train
from visionft.training.runs import metrics_file
from visionft.training.runs.metrics_file import StepRecorder, read_steps

STARTED = run_events.started()


def step(number: int, loss: float, *, epoch: int = 1) -> StepDone:
    return run_events.step(epoch=epoch, step=number, loss=loss)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(metrics_file.time, "monotonic", lambda: now[0])
    return now


def record(runs: Path, clock: list[float], events: list[Event], *, seconds: float = 1.0) -> list[Event]:
    """Let a run report these events, a step each so many seconds."""
    passed: list[Event] = []
    recorder = StepRecorder(runs, JobContext(passed.append))
    for event in [STARTED, *events]:
        clock[0] += seconds
        recorder(event)
    return passed


def test_steps_come_back_and_every_event_is_passed_on(tmp_path, clock) -> None:
    events: list[Event] = [step(1, 2.0), step(2, 1.5), step(1, 1.0, epoch=2)]
    assert record(tmp_path, clock, events) == [STARTED, *events]  # without a folder: it costs the run nothing
    assert read_steps(tmp_path / "001-run") == ()
    (tmp_path / "001-run").mkdir()
    record(tmp_path, clock, events)
    assert read_steps(tmp_path / "001-run") == ((0.25, 2.0), (0.5, 1.5), (1.25, 1.0))
    record(tmp_path, clock, [step(number, 1.0) for number in range(1, 5)], seconds=0.4)  # one a second is enough
    assert [place for place, _ in read_steps(tmp_path / "001-run")] == [0.25, 1.0]


def test_what_a_killed_run_does_again_replaces_what_was_there(tmp_path, clock) -> None:
    folder = tmp_path / "001-run"
    folder.mkdir()
    record(tmp_path, clock, [step(1, 2.0), step(2, 1.5), step(3, 1.2)])
    with (folder / "steps.jsonl").open("a") as file:
        file.write("[0.9, 1\n")  # cut short by the kill
    record(tmp_path, clock, [step(2, 1.6), step(3, 1.3)])
    assert read_steps(folder) == ((0.25, 2.0), (0.5, 1.6), (0.75, 1.3))


TINY = TrainConfig(backbone="test_resnet", weights="random", image_size=32, batch_size=8, device="cpu", epochs=1)


@pytest.mark.slow
def test_a_run_its_evaluation_and_its_export_are_logged_without_names(snapshot, tmp_path, caplog) -> None:
    caplog.set_level(logging.INFO)
    run_dir = tmp_path / "project" / "runs" / "001-test_resnet-lora"
    train(dataclasses.replace(TINY, seed=7), snapshot, run_dir)
    evaluate_run(run_dir, snapshot, "test")
    export_run(run_dir, snapshot, tmp_path / "out")
    told = [record.getMessage() for record in caplog.records if record.name.startswith("visionft")]
    (start,) = [line for line in told if "train_images=30" in line]
    assert "'seed': 7" in start and "'epochs': 1" in start
    assert "learning_rate" not in start.partition("settings")[2]  # it is the default's
    assert sum("001-test_resnet-lora" in line for line in told) >= 3  # start, end, evaluation
    assert any("top1_agreement" in line for line in told)
    for name in (str(tmp_path), str(snapshot.images[0].path.parent), *snapshot.class_names):
        assert not [line for line in told if name in line]
