"""Survival of runs: full memory, infinities, a full disk; nothing is lost. tests/torture has kill -9."""

import dataclasses
import errno
import json
import os
from functools import partialmethod

import pytest
import torch

from visionft.core.errors import RunError, VisionFTError
from visionft.core.events import Event
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.training.loop.train import resume, train
from visionft.training.loop.train_step import Objective, TrainStep
from visionft.training.runs import checkpoint
from visionft.training.runs.run_folder import delete_weights, lock_run, read_run


def test_running_out_of_memory_halves_what_goes_through_at_once(
    snapshot, tmp_path, monkeypatch, tiny, tensors, warnings
) -> None:
    config = tiny(precision="fp32")  # so sums in another order stay close
    train(config, snapshot, tmp_path / "plain")
    honest, sizes = Objective.loss, []

    def tight(self, logits, targets, most=3):
        if torch.is_grad_enabled():
            sizes.append(len(logits))
            if len(logits) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return honest(self, logits, targets)

    monkeypatch.setattr(Objective, "loss", tight)
    events: list[Event] = []
    train(config, snapshot, tmp_path / "tight", job=JobContext(events.append))
    notices = warnings(events)
    assert len(notices) == 2 and "4 images" in notices[0] and "2 images" in notices[1]
    assert max(sizes[2:]) == 2
    # the same batches and gradients, added up in another order
    for name, value in tensors(tmp_path / "plain").items():
        torch.testing.assert_close(tensors(tmp_path / "tight")[name], value, atol=2e-4, rtol=1e-3)
    monkeypatch.setattr(Objective, "loss", partialmethod(tight, most=0))
    with pytest.raises(RunError, match="LoRA"):
        train(config, snapshot, tmp_path / "full")


def make_infinite(monkeypatch: pytest.MonkeyPatch, *calls: int) -> None:
    """Let the loss be NaN on the given calls, counted over training batches."""
    honest, seen = Objective.loss, [0]

    def loss(self, logits, targets):
        seen[0] += torch.is_grad_enabled()
        is_nan = torch.is_grad_enabled() and seen[0] in calls
        return honest(self, logits, targets) * (float("nan") if is_nan else 1)

    monkeypatch.setattr(Objective, "loss", loss)


def test_an_infinite_loss_rolls_back_and_halves_the_rate(
    snapshot, tmp_path, monkeypatch, tiny, tensors, warnings
) -> None:
    make_infinite(monkeypatch, 6)
    events: list[Event] = []
    result = train(tiny(epochs=3), snapshot, tmp_path / "run", job=JobContext(events.append))
    assert result.best and [epoch.epoch for epoch in read_run(tmp_path / "run").epochs] == [0, 1, 2, 3]
    assert len(warnings(events)) == 1 and "epoch 2" in warnings(events)[0]
    state = json.loads((tmp_path / "run" / "last" / "state.json").read_text())
    assert state["progress"]["rollbacks"] == 1
    assert all(value.isfinite().all() for value in tensors(tmp_path / "run").values())


def test_infinite_weights_are_never_written(snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    honest = TrainStep.learn

    def spoiling(self, batch, totals, **place):
        honest(self, batch, totals, **place)
        if place == {"epoch": 2, "number": 3}:
            with torch.no_grad():
                self.classifier.head.weight[0, 0] = float("inf")

    monkeypatch.setattr(TrainStep, "learn", spoiling)
    with pytest.raises(RunError, match=r"head\.weight"):
        train(tiny(epochs=3), snapshot, tmp_path / "run")
    assert all(value.isfinite().all() for value in tensors(tmp_path / "run").values())


@pytest.mark.slow
def test_a_full_disk_leaves_the_best_intact(snapshot, tmp_path, monkeypatch, tiny) -> None:
    train(tiny(epochs=1), snapshot, tmp_path / "whole")
    honest, saved = checkpoint.save_file, []

    def filling(tensors, path):
        saved.append(path)
        if len(saved) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        honest(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", filling)
    with pytest.raises(VisionFTError, match=os.strerror(errno.ENOSPC)):
        train(tiny(epochs=4), snapshot, tmp_path / "run")
    checkpoint.load_checkpoint(tmp_path / "run" / "best")
    assert checkpoint.load_newest(tmp_path / "run") is not None
    assert not list((tmp_path / "run").glob(".*.tmp"))
    monkeypatch.setattr(checkpoint, "save_file", honest)
    assert not resume(tmp_path / "run").stopped


@pytest.mark.parametrize(
    ("backbone", "method"), [("test_resnet", "full"), ("test_resnet", "linear"), ("test_vit", "lora")]
)
def test_one_image_of_each_class_is_enough_to_train(backbone, method, snapshot, tmp_path, tiny, tensors) -> None:
    few = Snapshot("single", snapshot.class_names, tuple(i for i in snapshot.images if i.image_id % 16 in (1, 11)))
    assert [len(few.labelled(split)) for split in ("train", "val")] == [3, 3]
    result = train(tiny(method, backbone), few, tmp_path / "run")
    assert result.best and all(value.isfinite().all() for value in tensors(tmp_path / "run").values())


@pytest.mark.slow
def test_a_run_that_is_going_is_left_alone(snapshot, tmp_path, tiny) -> None:
    seen: list[bool] = []

    def meddle() -> bool:
        if not seen and (tmp_path / "run" / "best").exists():
            seen.append(read_run(tmp_path / "run").is_going)
            for act in (lambda: resume(tmp_path / "run"), lambda: delete_weights(read_run(tmp_path / "run"))):
                with pytest.raises(RunError, match="trained"):
                    act()
        return False

    result = train(tiny(), snapshot, tmp_path / "run", job=JobContext(cancelled=meddle))
    assert seen == [True] and result.best and not result.stopped
    assert not read_run(tmp_path / "run").is_going


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "start_from"), [("linear", ""), ("lora", ""), ("lora", "001-starter_vit-lora")], ids=str
)
def test_a_run_killed_before_its_first_checkpoint_begins_as_it_was_to(
    method, start_from, snapshot, tmp_path, monkeypatch, tiny, tensors
) -> None:
    first, whole, killed = (tmp_path / "runs" / f"00{number}-starter_vit-{method}" for number in (1, 2, 3))
    config = tiny(method, "starter_vit", weights="pretrained", image_size=64, epochs=1)
    if start_from:
        train(config, snapshot, first)
    config = dataclasses.replace(config, start_from=start_from)
    train(config, snapshot, whole)

    def kill(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint, "save_last", kill)
        train(config, snapshot, killed)
    assert (killed / "config.json").exists() and not (killed / "last").exists()
    resume(killed)
    assert all(torch.equal(value, tensors(whole)[name]) for name, value in tensors(killed).items())


@pytest.mark.slow
def test_one_process_at_a_time_trains_a_run(snapshot, tmp_path, tiny) -> None:
    held = lock_run(tmp_path / "run")  # as another process holds it
    with pytest.raises(RunError):
        train(tiny(), snapshot, tmp_path / "run")
    held.release()
    assert not (tmp_path / "run" / "last").exists()
