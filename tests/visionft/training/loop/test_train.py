"""The training loop: it learns, reports, cancels, resumes exactly, and keeps its results."""

import dataclasses

import pytest
import torch

from models.methods.frozen import GRADIENT, LinearOptions
from visionft.core.errors import ConfigError, RunError
from visionft.core.events import EpochDone, Event, RunStarted, StepDone
from visionft.core.jobs import JobContext
from visionft.training.loop.train import resume, train
from visionft.training.runs.run_folder import list_runs, load_run, new_run_dir, read_run
from visionft.training.runs.run_model import load_run_model
from visionft.training.runs.run_snapshot import read_snapshot


def test_it_learns_what_is_easy(snapshot, tmp_path, tiny) -> None:
    events: list[Event] = []
    config = tiny("full", "test_resnet", epochs=12, learning_rate=3e-3)
    result = train(config, snapshot, tmp_path / "001-a", job=JobContext(events.append))
    assert result.best and result.best.val_accuracy >= 0.8 and not result.stopped
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == list(range(13))
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    assert (started.train_images, started.val_images, started.steps_per_epoch) == (30, 9, 4)
    last_steps = [event for event in events if isinstance(event, StepDone) and event.step == event.steps]
    assert last_steps and last_steps[-1].eta_s == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["full", "linear", "lora", "adapter", "prefix"])
def test_every_method_leaves_a_run_that_can_be_read_back(method, snapshot, tmp_path, tiny, tensors) -> None:
    config = tiny(method, "test_vit")
    run_dir = new_run_dir(tmp_path, config)
    result = train(config, snapshot, run_dir)
    run = read_run(run_dir)
    assert run.config == config and run.result == result
    assert [epoch.epoch for epoch in run.epochs] == ([0] if method == "linear" else [0, 1, 2])
    assert not run.is_unfinished
    assert result.seconds > sum(epoch.seconds for epoch in run.epochs)  # with reading images and setting up
    assert run.class_names == snapshot.class_names
    trained = load_run_model(run)
    assert tensors(run_dir, "best").keys() == trained.classifier.trainable_state().keys()


@pytest.mark.parametrize(
    ("backbone", "method"), [("test_resnet", "full"), ("test_vit", "lora"), ("test_vit", "linear")]
)
def test_a_stopped_run_continues_bit_for_bit(backbone, method, snapshot, tmp_path, tiny, tensors, stop_after) -> None:
    config = tiny(method, backbone, epochs=3, methods={"linear": LinearOptions(solver=GRADIENT)})
    train(config, snapshot, tmp_path / "whole")
    stop_at = 14 if method == "linear" else 10  # in the second epoch, after half of its batches
    assert train(config, snapshot, tmp_path / "parts", job=JobContext(cancelled=stop_after(stop_at))).stopped
    assert read_snapshot(tmp_path / "parts").digest == snapshot.digest
    assert not resume(tmp_path / "parts").stopped
    with pytest.raises(RunError, match="parts"):
        resume(tmp_path / "parts")
    whole, parts = (tensors(tmp_path / name) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    first, second = (
        [(each.train_loss, each.figures) for each in read_run(tmp_path / name).epochs] for name in ("whole", "parts")
    )
    assert first == second


def test_stopping_before_the_first_epoch_ends_well(snapshot, tmp_path, tiny, stop_after) -> None:
    result = train(tiny("full", "test_resnet"), snapshot, tmp_path / "run", job=JobContext(cancelled=stop_after(3)))
    assert result.stopped and result.best is None
    with pytest.raises(RunError, match="run "):
        load_run_model(read_run(tmp_path / "run"))
    resumed = train(tiny("full", "test_resnet"), snapshot, tmp_path / "run")
    assert not resumed.stopped and [epoch.epoch for epoch in read_run(tmp_path / "run").epochs] == [0, 1, 2]


def test_a_folder_of_another_run_is_refused(snapshot, tmp_path, tiny) -> None:
    config, first = tiny("full", "test_resnet", epochs=1), snapshot.images[0]
    train(config, snapshot, tmp_path / "run")
    relabelled = dataclasses.replace(snapshot, images=(dataclasses.replace(first, labels=(1,)), *snapshot.images[1:]))
    for other, images in ((dataclasses.replace(config, seed=5), snapshot), (config, relabelled)):
        with pytest.raises(RunError, match="run "):
            train(other, images, tmp_path / "run")


def test_a_refused_run_leaves_nothing(snapshot, tmp_path, tiny) -> None:
    with pytest.raises(ConfigError):
        train(tiny("full", "test_resnet", epochs=0), snapshot, tmp_path / "runs" / "x")
    images = tuple(dataclasses.replace(each, path=tmp_path / "gone.png") for each in snapshot.images)
    with pytest.raises(RunError):
        train(tiny("linear", "test_resnet"), dataclasses.replace(snapshot, images=images), tmp_path / "runs" / "x")
    assert not (tmp_path / "runs").exists()


def test_unreadable_images_are_named_once_and_left_out(snapshot, tmp_path, tiny, warnings) -> None:
    gone = dataclasses.replace(snapshot.images[0], path=tmp_path / "gone.png")
    events: list[Event] = []
    images = dataclasses.replace(snapshot, images=(gone, *snapshot.images[1:]))
    train(tiny("full", "test_resnet"), images, tmp_path / "r", job=JobContext(events.append))
    assert len(warnings(events)) == 1 and str(gone.path) in warnings(events)[0]


def test_runs_are_numbered_listed_and_found(snapshot, tmp_path, tiny) -> None:
    for _ in range(2):
        config = tiny("linear", "test_resnet", epochs=1)
        train(config, snapshot, new_run_dir(tmp_path, config))
    (tmp_path / "runs" / "notes").mkdir()
    assert [run.name for run in list_runs(tmp_path)] == ["001-test_resnet-linear", "002-test_resnet-linear"]
    assert load_run(tmp_path, "2").name == "002-test_resnet-linear"
    with pytest.raises(RunError, match="'x'.*001-test_resnet-linear"):
        load_run(tmp_path, "x")
