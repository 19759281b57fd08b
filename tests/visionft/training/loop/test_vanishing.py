"""Pictures that vanish while a run is going: left out, counted, said."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from visionft.data.dataset import EpochSampler
from visionft.data.types import Snapshot
from visionft.events import EpochDone, Event, Notice, RunStarted
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run

TINY = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu", "epochs": 2}


@pytest.fixture
def copied(snapshot: Snapshot, tmp_path: Path) -> Snapshot:
    """Return the snapshot with pictures of its own, which may be deleted."""
    images = []
    for image in snapshot.images:
        path = tmp_path / f"{image.image_id}.png"
        shutil.copy(image.path, path)
        images.append(dataclasses.replace(image, path=path))
    return Snapshot(snapshot.task, snapshot.class_names, tuple(images))


def vanishing(gone: list[Path], events: list[Event], *, at: type[Event]):
    """Return an event handler that deletes files at the first event of a kind."""

    def on_event(event: Event) -> None:
        if isinstance(event, at) and not any(isinstance(each, at) for each in events):
            for path in gone:
                path.unlink()
        events.append(event)

    return on_event


def said(events: list[Event]) -> list[str]:
    return [each.message for each in events if isinstance(each, Notice) and each.message.startswith("Left out")]


@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet"])
@pytest.mark.parametrize("method", ["lora", "full", "linear"])
@pytest.mark.parametrize("at", [RunStarted, EpochDone], ids=["at the start", "after an epoch"])
def test_pictures_that_vanish_during_a_run_are_left_out_and_said(
    method: str, backbone: str, at: type[Event], copied: Snapshot, tmp_path: Path
) -> None:
    gone = [copied.labelled("val")[3].path, *(each.path for each in copied.labelled("train")[4:7])]
    events: list[Event] = []
    config = TrainConfig(backbone=backbone, method=method, **TINY)
    result = train(config, copied, tmp_path / "run", on_event=vanishing(gone, events, at=at))
    assert result.best and not result.stopped and read_run(tmp_path / "run").last_epoch == config.total_epochs
    expected = 0 if method == "linear" else len(gone)  # a linear probe has seen them all before the first epoch
    assert len(said(events)) == result.left_out == expected
    assert read_run(tmp_path / "run").result == result
    assert result.feature_drift is not None


def test_all_but_one_picture_of_a_batch_may_vanish(copied: Snapshot, tmp_path: Path) -> None:
    """Batch norm cannot learn from one picture."""
    few = Snapshot("single", copied.class_names, tuple(i for i in copied.images if i.image_id % 16 in (1, 2, 11)))
    config = TrainConfig(backbone="test_resnet", method="full", **{**TINY, "batch_size": 3})
    sampler = EpochSampler(6, 3, seed=config.seed, shuffle=True)
    sampler.epoch = 2
    gone = [few.labelled("train")[key.position].path for key in next(iter(sampler))[:2]]
    events: list[Event] = []
    result = train(config, few, tmp_path / "run", on_event=vanishing(gone, events, at=EpochDone))
    assert result.best and result.left_out == 2
    assert all(value.isfinite().all() for value in load_file(tmp_path / "run" / "last" / "model.safetensors").values())


def test_what_was_forgotten_is_not_measured_where_no_picture_is_left(copied: Snapshot, tmp_path: Path) -> None:
    events: list[Event] = []
    gone = [each.path for each in copied.labelled("val")]

    def on_event(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            for path in gone:
                path.unlink()
        events.append(event)

    result = train(TrainConfig(backbone="test_vit", method="lora", **TINY), copied, tmp_path / "run", on_event=on_event)
    assert result.best and result.feature_drift is None and result.left_out == len(gone)
    assert torch.isfinite(torch.tensor(result.best.val_loss))
