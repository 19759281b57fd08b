"""The run view besides its chart: the best epoch, and the remaining patience."""

from collections.abc import Callable

import pytest
from run_events import epoch_done, started, step

from gui.kit.parts import ElidedLabel
from gui.train import run_monitor
from gui.train.run_monitor import RunMonitor
from visionft.events import Progress


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


def test_patience_counts_from_the_highest_accuracy_not_from_the_kept_epoch(monitor, show) -> None:
    monitor.start("A run", epochs=9, patience=5)
    show(1, 0.90, is_best=True, waited=0)
    assert monitor.tiles["left"].note().endswith("5 of 5") and monitor.tiles["left"].figure() == "1 min 15 s"
    show(2, 0.88, is_best=True, waited=1)
    show(3, 0.70, is_best=False, waited=2)
    assert monitor.tiles["left"].note().endswith("3 of 5") and monitor.tiles["speed"].figure() == "50"
    assert monitor.tiles["best"].figure() == "2"
    assert "88.0%" in monitor.tiles["best"].note()  # what chose it, not its accuracy
    monitor.start("A run", epochs=9)
    show(1, 0.90, is_best=True, waited=0)
    assert not monitor.tiles["left"].note()  # no early stopping


def test_a_run_whose_head_is_solved_shows_its_one_point_and_says_why(monitor) -> None:
    monitor.start("A probe", epochs=0, patience=3)
    monitor.handle(epoch_done(epoch=0, epochs=0, train_loss=None, train_accuracy=None, val_accuracy=0.8))
    monitor.finish(seconds=2, was_stopped=False, run="001-probe", accuracy="Accuracy: 69.0%.")
    assert (monitor.tiles["epoch"].figure(), monitor.tiles["best"].figure()) == ("–", "–")
    assert any(label.text().startswith("Accuracy: 69.0%.") for label in monitor.findChildren(ElidedLabel))
    assert monitor.chart.point_counts()["epochs"] == 1


def test_the_work_before_the_first_step_is_shown_then_the_chart(monitor, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(run_monitor.time, "monotonic", lambda: now[0])
    monitor.start("A run", epochs=3)
    assert monitor.stage.words() and not monitor.chart.isVisibleTo(monitor)
    monitor.handle(Progress(stage="MB of resnet18 fetched", done=0, total=600))
    now[0] += 10
    monitor.handle(Progress(stage="MB of resnet18 fetched", done=200, total=600))
    assert monitor.tiles["speed"].figure() == "–"  # these are no images
    monitor.handle(Progress(stage="Looking", done=0, total=600, unit="images"))
    now[0] += 10
    monitor.handle(Progress(stage="Looking", done=200, total=600, unit="images"))
    assert {"200", "600", "20"} <= set(monitor.stage.words().split())
    assert monitor.tiles["speed"].figure() == "20"
    monitor.handle(started())
    assert "9" in monitor.stage.words().split()
    monitor.handle(step(epoch=1))
    assert monitor.stage.words() == "" and monitor.chart.isVisibleTo(monitor)
    low, high = monitor.chart._loss.view_x()
    assert low < 0.25 < high < 1.5  # the first epoch fills the chart: one step of three epochs would be a dot


def test_steps_on_kept_features_claim_no_speed_on_images(monitor) -> None:
    monitor.start("A probe", epochs=3, learns_from_features=True)
    monitor.handle(step(epoch=1, images_per_second=20_121))
    monitor.handle(epoch_done(seconds=0.01, images_per_second=20_121))
    assert monitor.tiles["speed"].figure() == "–"
    assert not monitor.tiles["epoch"].note()


def test_what_comes_after_the_last_epoch_is_shown_too(monitor, show) -> None:
    show(1, 0.90, is_best=True, waited=0)
    monitor.handle(Progress(stage="Evaluating", done=32, total=64))
    assert "32 of 64" in monitor.stage.words() and monitor.chart.isVisibleTo(monitor)
    monitor.finish(seconds=2, was_stopped=False, run="001-run")
    assert monitor.stage.words() == ""
