"""The training loop: it learns, reports, stops, continues exactly, and keeps what it achieved."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.methods.full import FullOptions
from models.methods.linear import GRADIENT, LinearOptions
from visionft.data.types import Snapshot
from visionft.errors import ConfigError, RunError
from visionft.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.loaded_run import load_trained
from visionft.training.runs.run_folder import list_runs, load_run, new_run_dir, read_run

TINY = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu"}


def tiny(method: str = "full", backbone: str = "test_resnet", **changes) -> TrainConfig:
    return TrainConfig(backbone=backbone, method=method, **{"epochs": 2, **TINY, **changes})


class StopAfter:
    """Asks to stop once it was asked `batches` times: before every batch, of validation and preparation too."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_it_learns_what_is_easy(snapshot: Snapshot, tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(tiny("full", epochs=12, learning_rate=3e-3), snapshot, tmp_path / "001-a", on_event=events.append)
    assert result.best and result.best.val_accuracy >= 0.8 and not result.stopped
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == list(range(13))
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    assert (started.train_images, started.val_images, started.steps_per_epoch) == (30, 9, 4)
    last_steps = [event for event in events if isinstance(event, StepDone) and event.step == event.steps]
    assert last_steps and last_steps[-1].eta_s == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["full", "linear", "lora", "adapter", "prefix"])
def test_every_method_leaves_a_run_that_can_be_read_back(method: str, snapshot: Snapshot, tmp_path: Path) -> None:
    config = tiny(method, "test_vit")
    run_dir = new_run_dir(tmp_path, config)
    result = train(config, snapshot, run_dir)
    run = read_run(run_dir)
    assert run.config == config and run.result == result
    assert [epoch.epoch for epoch in run.epochs] == ([0] if method == "linear" else [0, 1, 2])
    assert not run.is_unfinished
    assert result.seconds > sum(epoch.seconds for epoch in run.epochs)  # with reading pictures and setting up
    assert run.class_names == snapshot.class_names
    trained = load_trained(run)
    saved = load_file(run_dir / "best" / "model.safetensors")
    assert saved.keys() == trained.classifier.trainable_state().keys()
    assert (run_dir / "peft" / "adapter_config.json").exists() == (method == "lora")


@pytest.mark.parametrize(
    ("backbone", "method"), [("test_resnet", "full"), ("test_vit", "lora"), ("test_vit", "linear")]
)
def test_a_stopped_run_continues_bit_for_bit(backbone: str, method: str, snapshot: Snapshot, tmp_path: Path) -> None:
    config = tiny(method, backbone, epochs=3, linear=LinearOptions(solver=GRADIENT))
    train(config, snapshot, tmp_path / "whole")
    stop_at = 14 if method == "linear" else 10  # in the second epoch, after half of its batches
    stopped = train(config, snapshot, tmp_path / "parts", should_stop=StopAfter(stop_at))
    assert stopped.stopped
    resumed = train(config, snapshot, tmp_path / "parts")
    assert not resumed.stopped
    whole, parts = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    metrics = [
        [(e.train_loss, e.val_loss, e.val_accuracy) for e in read_run(tmp_path / n).epochs] for n in ("whole", "parts")
    ]
    assert metrics[0] == metrics[1]


def test_stopping_before_the_first_epoch_ends_well(snapshot: Snapshot, tmp_path: Path) -> None:
    result = train(tiny(), snapshot, tmp_path / "run", should_stop=StopAfter(3))
    assert result.stopped and result.best is None
    with pytest.raises(RunError, match="before its first epoch"):
        load_trained(read_run(tmp_path / "run"))
    resumed = train(tiny(), snapshot, tmp_path / "run")
    assert not resumed.stopped and [epoch.epoch for epoch in read_run(tmp_path / "run").epochs] == [0, 1, 2]


def test_full_fine_tuning_of_joined_stages_begins_with_a_linear_probe(snapshot: Snapshot, tmp_path: Path) -> None:
    pretrained = {"weights": "pretrained", "image_size": 64}
    train(tiny("linear", "starter_resnet", **pretrained), snapshot, tmp_path / "probe")
    joined = tiny("full", "starter_resnet", full=FullOptions(layers="joined"), epochs=1, **pretrained)
    events: list[Event] = []
    train(joined, snapshot, tmp_path / "full", on_event=events.append)
    probe, full = (read_run(tmp_path / name) for name in ("probe", "full"))
    assert full.epochs[0].val_loss == pytest.approx(probe.epochs[0].val_loss, abs=1e-4)
    assert [epoch.epoch for epoch in full.epochs] == [0, 1]
    assert any("held out" in event.message for event in events if isinstance(event, Notice))
    weights = [load_trained(run).classifier.body.conv1.weight for run in (probe, full)]
    assert not torch.equal(*weights)


def test_what_a_run_begins_with_is_kept_where_training_only_harms(snapshot: Snapshot, tmp_path: Path) -> None:
    config = tiny("lora", "starter_vit", weights="pretrained", epochs=2, learning_rate=3.0, gradient_clip=0.0)
    result = train(config, snapshot, tmp_path / "run")
    run = read_run(tmp_path / "run")
    start = run.epochs[0]
    assert start.epoch == 0 and start.train_loss is None and start.is_best
    assert result.best == start and max(epoch.val_accuracy for epoch in run.epochs[1:]) < start.val_accuracy
    load_trained(run)


def test_stopping_while_features_are_computed_ends_within_a_batch(snapshot: Snapshot, tmp_path: Path) -> None:
    events: list[Event] = []
    config = tiny("linear", batch_size=2)
    result = train(config, snapshot, tmp_path / "run", on_event=events.append, should_stop=StopAfter(2))
    read = [
        event.done for event in events if isinstance(event, Progress) and event.stage == "Reading training pictures"
    ]
    assert result.stopped and result.best is None and read == [1, 2]
    assert not (tmp_path / "run").exists()


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(snapshot: Snapshot, tmp_path: Path) -> None:
    config = tiny(epochs=3)
    train(config, snapshot, tmp_path / "whole")
    train(config, snapshot, tmp_path / "hurt", should_stop=StopAfter(14))
    target = tmp_path / "hurt" / "last" / "model.safetensors"
    content = bytearray(target.read_bytes())
    content[-5] ^= 0x10
    target.write_bytes(content)
    train(config, snapshot, tmp_path / "hurt")
    whole, hurt = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("whole", "hurt"))
    assert all(torch.equal(whole[name], hurt[name]) for name in whole)


def test_a_folder_of_another_run_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    train(tiny(epochs=1), snapshot, tmp_path / "run")
    with pytest.raises(RunError, match="other settings"):
        train(tiny(epochs=1, seed=5), snapshot, tmp_path / "run")
    relabelled = dataclasses.replace(
        snapshot, images=(dataclasses.replace(snapshot.images[0], labels=(1,)), *snapshot.images[1:])
    )
    with pytest.raises(RunError, match="other pictures or labels"):
        train(tiny(epochs=1), relabelled, tmp_path / "run")


def test_a_refused_run_leaves_nothing(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        train(tiny(epochs=0), snapshot, tmp_path / "runs" / "x")
    missing = dataclasses.replace(
        snapshot, images=tuple(dataclasses.replace(i, path=tmp_path / "gone.png") for i in snapshot.images)
    )
    with pytest.raises(RunError, match="None of the pictures can be read"):
        train(tiny("linear"), missing, tmp_path / "runs" / "x")
    assert not (tmp_path / "runs").exists()


def test_unreadable_pictures_are_named_once_and_left_out(snapshot: Snapshot, tmp_path: Path) -> None:
    gone = dataclasses.replace(snapshot.images[0], path=tmp_path / "gone.png")
    events: list[Event] = []
    train(
        tiny(),
        dataclasses.replace(snapshot, images=(gone, *snapshot.images[1:])),
        tmp_path / "r",
        on_event=events.append,
    )
    notices = [event.message for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert notices == [f"Left out {gone.path}: the file is missing."]


def test_runs_are_numbered_listed_and_found(snapshot: Snapshot, tmp_path: Path) -> None:
    for _ in range(2):
        config = tiny("linear", epochs=1)
        train(config, snapshot, new_run_dir(tmp_path, config))
    (tmp_path / "runs" / "notes").mkdir()
    assert [run.name for run in list_runs(tmp_path)] == ["001-test_resnet-linear", "002-test_resnet-linear"]
    assert load_run(tmp_path, "2").name == "002-test_resnet-linear"
    with pytest.raises(RunError, match="no run 'x'.*001-test_resnet-linear"):
        load_run(tmp_path, "x")


def test_a_torn_metrics_line_is_passed_over(snapshot: Snapshot, tmp_path: Path) -> None:
    train(tiny("linear"), snapshot, tmp_path / "r")
    path = tmp_path / "r" / "metrics.jsonl"
    path.write_text(path.read_text() + '{"epoch": 3, "epo')
    assert [epoch.epoch for epoch in read_run(tmp_path / "r").epochs] == [0]


def test_checkpoints_hold_plain_values_and_hashes(snapshot: Snapshot, tmp_path: Path) -> None:
    train(tiny(epochs=1), snapshot, tmp_path / "r")
    for name in ("last", "best"):
        manifest = json.loads((tmp_path / "r" / name / "manifest.json").read_text())
        assert "model.safetensors" in manifest and all(len(digest) == 64 for digest in manifest.values())
    assert not list((tmp_path / "r").glob(".*"))
