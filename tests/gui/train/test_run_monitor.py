"""The run view besides its chart: what is done, the sorted images, the best epoch, the remaining patience."""

from collections.abc import Callable

import pytest
from run_events import epoch_done, started, step

from gui.train.run_monitor import RunMonitor
from visionft.core.events import ImagesClassified, Progress
from visionft.core.jobs import JobContext


@pytest.fixture
def monitor(qtbot) -> RunMonitor:
    monitor = RunMonitor()
    qtbot.addWidget(monitor)
    return monitor


@pytest.fixture
def show(monitor: RunMonitor) -> Callable[..., None]:
    """Return a function to let an epoch end, and the first step of the next one follow."""

    def show(epoch: int, top1: float, *, is_best: bool, waited: int) -> None:
        monitor.handle(epoch_done(epoch=epoch, val_accuracy=top1, is_best=is_best, waited=waited))
        monitor.handle(step(epoch=epoch + 1))

    return show


def test_a_run_whose_head_is_solved_shows_images_and_its_one_point_behind_details(monitor, tmp_path) -> None:
    monitor.start("A probe", epochs=0, patience=3)
    monitor.sorted.start(lambda: {number: tmp_path / f"{number}.png" for number in (1, 2, 3, 4)}, lambda: {"cat": 0})
    monitor.handle(epoch_done(epoch=0, epochs=0, train_loss=None, train_accuracy=None, val_accuracy=0.8))
    assert not monitor.chart.isVisibleTo(monitor) and not monitor.sorted.isVisibleTo(monitor)
    monitor.handle(ImagesClassified(split="val", image_ids=(4,), predicted=("cat",), labels=("cat",)))
    monitor.handle(ImagesClassified(split="test", image_ids=(1,), predicted=("cat",), labels=("cat",)))
    monitor.handle(ImagesClassified(split="test", image_ids=(2, 3), predicted=("cat", "dog"), labels=("dog", "dog")))
    grid = monitor.sorted.grid
    assert monitor.sorted.isVisibleTo(monitor) and [tile.image_id for tile in grid.tiles()] == [
        2,
        1,
        3,
    ]  # the wrong first
    assert [tile.mark for tile in grid.tiles()] == ["dog", "", ""]
    assert [(section.title, section.count) for section in grid.images.sections] == [("cat", 2), ("dog", 1)]
    monitor.finish(seconds=200, was_stopped=False, run="001-probe", result="Right for 2 of 3.")
    assert monitor.line.words().startswith("Right for 2 of 3.") and monitor.line.words().endswith("3 min")
    monitor.details_button.click()
    assert monitor.chart.isVisibleTo(monitor) and len(monitor.chart.epochs) == 1
    assert monitor.tiles["best"].figure() == "–"


def test_one_bar_counts_images_over_all_stages_and_never_falls(monitor, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monitor.start("A run", epochs=3)
    job = JobContext(monitor.handle).in_stages(5)
    with job.stage(weight=1):
        job.report(Progress(stage="MB of resnet18 fetched", done=100, total=200))
        now[0] += 10
        job.report(Progress(stage="Looking", done=0, total=600, unit="images"))
        assert monitor.line.share() == pytest.approx(0.1)  # other work of the same stage
        now[0] += 10
        job.report(Progress(stage="Looking", done=480, total=600, unit="images"))
        assert {"480", "600"} <= set(monitor.line.words().split()) and "min" in monitor.line.words()
        assert monitor.tiles["speed"].figure() == "48"
    with job.stage(weight=3):
        job.report(started())
        job.report(step(epoch=2, step=2, share=0.5))
        assert {"20", "40"} <= set(monitor.line.words().split())  # images, not steps
        assert monitor.line.share() == pytest.approx(0.5) and monitor.chart.isVisibleTo(monitor)
    with job.stage(weight=1):
        job.report(Progress(stage="Evaluating", done=32, total=64))
    assert monitor.line.share() == pytest.approx(0.9) and "32" in monitor.line.words().split()
