"""Weight interpolation between start and epoch: kept if validation improves, reported, complete."""

from pathlib import Path

import pytest
import torch

from visionft.core.events import EpochDone, Event, Notice
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop import keeping
from visionft.training.loop.train import resume, train
from visionft.training.loop.training_data import Judged, TrainingData
from visionft.training.runs.checkpoint import START
from visionft.training.runs.run_folder import read_run

CALIBRATE = TrainingData.calibrate_head
PRETRAINED = {"backbone": "starter_vit", "weights": "pretrained"}


def story(run_dir: Path, config: TrainConfig, monkeypatch, snapshot: Snapshot, losses: list) -> list[Event]:
    """Train with simulated losses on the validation images: of the epoch, and of each interpolation."""
    answers = iter(losses)

    def calibrate(data: TrainingData, **how: bool) -> Judged:
        found = CALIBRATE(data, **how)
        return Judged(found.losses * 0 + next(answers), found.right * 0)

    monkeypatch.setattr(TrainingData, "calibrate_head", calibrate)
    events: list[Event] = []
    train(config, snapshot, run_dir, job=JobContext(events.append))
    assert next(answers, None) is None
    return events


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_better_weights_between_are_kept_and_said(method, snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    config = tiny(method, **PRETRAINED, epochs=1)
    events = story(tmp_path / "run", config, monkeypatch, snapshot, [0.6, 0.55, 0.5, 0.52])
    run = read_run(tmp_path / "run")
    assert run.best and (run.best.epoch, run.best.share) == (1, 0.5)
    assert run.result and run.result.best == run.best and [epoch.epoch for epoch in run.epochs] == [0, 1]
    assert any("50%" in event.message for event in events if isinstance(event, Notice))
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    assert not all(torch.equal(best[name], last[name]) for name in best)
    assert all(torch.equal(best[name], last[name]) for name in best if ".lora_A." in name)
    assert not (tmp_path / "run" / START).exists()
    assert evaluate_run(tmp_path / "run", snapshot, "val").top1 == run.best.val_accuracy


@pytest.mark.slow
def test_a_kill_after_it_was_kept_and_before_it_was_noted_is_made_good(snapshot, tmp_path, monkeypatch, tiny) -> None:
    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    config, losses = tiny("full", **PRETRAINED, epochs=1), [0.6, 0.55, 0.5, 0.52]
    story(tmp_path / "whole", config, monkeypatch, snapshot, losses)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(keeping, "append_metrics", ends)
        story(tmp_path / "run", config, monkeypatch, snapshot, losses)
    assert (before := read_run(tmp_path / "run").best) is not None and before.epoch == 0
    story(tmp_path / "run", config, monkeypatch, snapshot, losses)
    best, whole = read_run(tmp_path / "run").best, read_run(tmp_path / "whole").best
    assert best and whole and best.share == 0.5 and best.figures == whole.figures


@pytest.mark.slow
def test_weights_on_the_way_are_tried_after_three_epochs_and_a_resumed_run_remembers(
    snapshot, tmp_path, monkeypatch, tiny
) -> None:
    config = tiny("full", **PRETRAINED, epochs=5)
    first, last = [0.6, 0.55, 0.5, 0.52], [0.6, 0.51, 0.53]  # the probe once; the end is worse than after 3 epochs
    events = story(tmp_path / "run", config, monkeypatch, snapshot, [*first, *last])
    best = read_run(tmp_path / "run").best
    assert best and (best.epoch, best.share) == (3, 0.5)
    kept = [(each.epoch, each.share) for each in events if isinstance(each, EpochDone) and each.is_best]
    assert kept == [(0, 1.0), (3, 0.5)]
    stopped = []

    def stops(event: Event) -> None:
        stopped.append(isinstance(event, EpochDone) and event.epoch == 3)

    answers = iter([*first, 0.6, 0.55, *last[1:]])  # the probe again: it is not stored

    def calibrate(data: TrainingData, **how: bool) -> Judged:
        found = CALIBRATE(data, **how)
        return Judged(found.losses * 0 + next(answers), found.right * 0)

    monkeypatch.setattr(TrainingData, "calibrate_head", calibrate)
    train(config, snapshot, tmp_path / "again", job=JobContext(stops, lambda: any(stopped)))
    resume(tmp_path / "again")
    assert next(answers, None) is None and read_run(tmp_path / "again").best.figures == best.figures
