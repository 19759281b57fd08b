"""Checkpoints: on the disk before they get their name, loud when damaged; those of older versions are read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from visionft.core.errors import RunError
from visionft.core.events import Event
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.progress import RunProgress
from visionft.training.loop.train import resume, train
from visionft.training.runs.checkpoint import load_checkpoint, load_newest
from visionft.training.runs.manifest import fault_of
from visionft.training.runs.run_folder import checkpoint_faults, delete_weights, read_run, require_weights
from visionft.training.runs.run_model import load_run_model

CONFIG = TrainConfig(
    backbone="test_vit", method="lora", epochs=3, weights="random", image_size=32, batch_size=8, device="cpu"
)


MOVED_AWAY = ("prev", ".prev.old", ".best.old")  # temporary names before that of a new checkpoint


def stopped_run(snapshot: Snapshot, run_dir: Path, *, after: int = 2, batches: int = 0) -> Path:
    """Train a run, cancelled after some epochs and some batches of the next."""
    left = [batches]

    def should_stop() -> bool:
        if not (run_dir / "config.json").exists() or len(read_run(run_dir).epochs) < after:
            return False
        left[0] -= 1
        return left[0] < 0

    assert train(CONFIG, snapshot, run_dir, job=JobContext(cancelled=should_stop)).stopped
    assert len(read_run(run_dir).epochs) == after
    return run_dir


def damage(folder: Path, how: Callable[[bytes], bytes]) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(how(path.read_bytes()))


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flushing of folders")
def test_everything_is_on_the_disk_before_it_gets_its_name(snapshot, tmp_path, monkeypatch, disk_calls) -> None:
    monkeypatch.setenv("VISIONFT_CACHE_MB", "0")  # decoded images are not flushed: their checksum shows damage
    train(CONFIG, snapshot, tmp_path / "run")
    renames = [place for place, call in enumerate(disk_calls) if call.startswith("rename ")]
    named = {disk_calls[place].removeprefix("rename "): place for place in renames}
    assert {"last", "prev", "best", "config.json", "metrics.jsonl", "result.json"} <= named.keys()
    begin = 0
    for place in renames:
        name = disk_calls[place].removeprefix("rename ")
        if name not in MOVED_AWAY:
            flushed = [call for call in disk_calls[begin:place] if call.startswith("fsync ")]
            assert name in flushed[-1] and disk_calls[place + 1] == "fsync run"  # the folder behind its files
            assert name not in ("last", "best") or "fsync model.safetensors" in flushed[:-1]
            begin = place + 1


@pytest.mark.slow
def test_a_damaged_last_is_said_and_the_run_ends_with_the_same_bits(snapshot, tmp_path, tensors, warnings) -> None:
    train(CONFIG, snapshot, tmp_path / "whole")
    run_dir, events = stopped_run(snapshot, tmp_path / "run"), list[Event]()
    damage(run_dir / "last", flip)
    assert not resume(run_dir, job=JobContext(events.append)).stopped
    (said,) = warnings(events)
    assert said.values["run"] == "run" and "model.safetensors" in said
    assert all(torch.equal(value, tensors(tmp_path / "whole")[name]) for name, value in tensors(run_dir).items())


def test_a_run_without_a_usable_checkpoint_does_not_begin_anew(snapshot, tmp_path) -> None:
    run_dir = stopped_run(snapshot, tmp_path / "run")
    for name in ("last", "prev"):
        damage(run_dir / name, lambda content: b"")
    kept = (run_dir / "metrics.jsonl", run_dir / "best" / "model.safetensors")
    before = [path.read_bytes() for path in kept]
    for start in (lambda: resume(run_dir), lambda: train(CONFIG, snapshot, run_dir)):
        with pytest.raises(RunError, match="run .*last: .*prev: "):
            start()
    assert before == [path.read_bytes() for path in kept]
    delete_weights(read_run(run_dir))
    assert not read_run(run_dir).faults
    with pytest.raises(RunError, match="run "):
        resume(run_dir)
    assert len(read_run(run_dir).epochs) == 2


@pytest.mark.parametrize("batches", [0, 2], ids=["between epochs", "within an epoch"])
def test_a_damaged_best_is_said_and_replaced(batches, snapshot, tmp_path, warnings) -> None:
    run_dir, events = stopped_run(snapshot, tmp_path / "run", batches=batches), list[Event]()
    damage(run_dir / "best", flip)
    result = resume(run_dir, job=JobContext(events.append))
    assert len(warnings(events)) == 1
    assert result.best and result.best.epoch >= (2 if not batches else 3)
    assert load_checkpoint(run_dir / "best").state == {"epoch": result.best.epoch}
    assert not checkpoint_faults(run_dir)


def test_damaged_or_missing_weights_are_told_of(snapshot, tmp_path) -> None:
    run_dir = tmp_path / "run"
    train(CONFIG, snapshot, run_dir)
    assert not read_run(run_dir).faults and not checkpoint_faults(run_dir)
    whole = (run_dir / "best" / "model.safetensors").read_bytes()
    for content in (b"", whole[:-5], bytes(len(whole)), flip(whole)):
        damage(run_dir / "best", lambda _, content=content: content)
        run = read_run(run_dir)
        assert ("best" in run.faults) is (content != flip(whole)) and run.has_weights
        assert checkpoint_faults(run_dir)["best"]
        if run.faults:
            with pytest.raises(RunError, match=r"model\.safetensors"):
                require_weights(run)
        with pytest.raises(RunError, match="damaged"):
            load_checkpoint(run_dir / "best")
    (run_dir / "best" / "manifest.json").unlink()
    assert "manifest.json" in fault_of(run_dir / "best", is_quick=True)
    (run_dir / "best").rename(tmp_path / "elsewhere")
    assert set(read_run(run_dir).faults) == {"best"}


@pytest.mark.slow
def test_a_kill_between_two_names_loses_nothing(snapshot, tmp_path, warnings) -> None:
    train(CONFIG, snapshot, tmp_path / "whole")
    run_dir, events = stopped_run(snapshot, tmp_path / "run"), list[Event]()
    (run_dir / "best").rename(run_dir / ".best.old")
    assert not resume(run_dir, job=JobContext(events.append)).stopped
    assert not warnings(events)
    flags = [[epoch.is_best for epoch in read_run(each).epochs] for each in (run_dir, tmp_path / "whole")]
    assert flags[0] == flags[1] and not checkpoint_faults(run_dir)


OLD_RUN = Path(__file__).parents[3] / "fixtures" / "run_v2" / "001-starter_resnet-linear"


def test_a_run_of_the_first_version_is_read_and_loaded(tmp_path) -> None:
    folder = Path(shutil.copytree(OLD_RUN, tmp_path / "runs" / OLD_RUN.name))
    run = read_run(folder)
    assert [epoch.val_accuracy for epoch in run.epochs] == [1.0, 1.0]
    assert run.result and run.result.best and run.result.best.val_accuracy == 1.0
    assert run.best and run.best.epoch == 2
    progress = RunProgress.from_state(load_newest(folder).state["progress"])
    assert (progress.epoch, progress.best_val_accuracy, progress.best_epoch) == (3, 1.0, 1)
    assert load_run_model(run).classifier.head.out_features == 2
