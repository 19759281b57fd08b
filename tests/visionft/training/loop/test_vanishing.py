"""Images deleted during a run: skipped, counted, reported."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from visionft.core.events import EpochDone, Event, Notice, RunStarted
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run


@pytest.fixture
def copied(snapshot: Snapshot, tmp_path: Path) -> Snapshot:
    """Return the snapshot with its own deletable images."""
    images = []
    for image in snapshot.images:
        path = tmp_path / f"{image.image_id}.png"
        shutil.copy(image.path, path)
        images.append(dataclasses.replace(image, path=path))
    return Snapshot(snapshot.task, snapshot.class_names, tuple(images))


def vanishing(gone: list[Path], events: list[Event], *, at: type[Event]):
    """Return an event handler to delete files at the first event of a kind."""

    def on_event(event: Event) -> None:
        if isinstance(event, at) and not any(isinstance(each, at) for each in events):
            for path in gone:
                path.unlink()
        events.append(event)

    return on_event


@pytest.mark.parametrize(
    ("method", "backbone", "at"),
    [
        ("lora", "test_vit", RunStarted),
        ("full", "test_resnet", RunStarted),
        ("full", "test_resnet", EpochDone),
        ("linear", "test_vit", EpochDone),
    ],
)
def test_images_that_vanish_during_a_run_are_left_out_and_said(method, backbone, at, copied, tmp_path, tiny) -> None:
    gone = [copied.labelled("val")[3].path, *(each.path for each in copied.labelled("train")[4:7])]
    events: list[Event] = []
    config = tiny(method, backbone)
    result = train(config, copied, tmp_path / "run", job=JobContext(vanishing(gone, events, at=at)))
    assert result.best and not result.stopped and read_run(tmp_path / "run").last_epoch == config.total_epochs
    expected = 0 if method == "linear" else len(gone)  # a linear probe has seen them all before the first epoch
    said = [each for each in events if isinstance(each, Notice) and any(str(path) in each.message for path in gone)]
    assert len(said) == result.left_out == expected
    assert read_run(tmp_path / "run").result == result
    assert result.feature_drift is not None
