"""What the run view shows besides its chart: the kept epoch, and how much patience is left."""

import pytest

from gui.train.run_monitor import RunMonitor
from visionft.events import EpochDone, StepDone


@pytest.fixture
def monitor(qtbot) -> RunMonitor:
    monitor = RunMonitor()
    qtbot.addWidget(monitor)
    return monitor


def show(monitor: RunMonitor, epoch: int, top1: float, *, is_best: bool, waited: int) -> None:
    """Let an epoch end, and the first step of the next one follow."""
    monitor.handle(
        EpochDone(
            epoch=epoch, epochs=9, train_loss=1, train_accuracy=0.5, val_loss=1, val_accuracy=top1, learning_rate=1e-3,
            seconds=2, images_per_second=50, is_best=is_best, waited=waited,
        )
    )  # fmt: skip
    monitor.handle(
        StepDone(epoch=epoch + 1, step=1, steps=4, loss=1, learning_rate=1e-3, images_per_second=50, eta_s=75)
    )


def test_patience_counts_from_the_highest_accuracy_not_from_the_kept_epoch(monitor: RunMonitor) -> None:
    monitor.start("A run", epochs=9, patience=5)
    show(monitor, 1, 0.90, is_best=True, waited=0)
    assert monitor.tiles["left"].accessibleName().endswith("patience 5 of 5")
    show(monitor, 2, 0.88, is_best=True, waited=1)
    show(monitor, 3, 0.70, is_best=False, waited=2)
    assert monitor.tiles["left"].accessibleName().endswith("patience 3 of 5")
    assert monitor.tiles["best"].accessibleName() == "Kept: 88.0% epoch 2"


def test_a_run_without_early_stopping_speaks_of_no_patience(monitor: RunMonitor) -> None:
    monitor.start("A run", epochs=9)
    show(monitor, 1, 0.90, is_best=True, waited=0)
    assert "patience" not in monitor.tiles["left"].accessibleName()


def test_a_run_whose_head_is_solved_shows_its_one_point_and_says_why(monitor: RunMonitor) -> None:
    monitor.start("A probe", epochs=0, patience=3)
    monitor.handle(
        EpochDone(
            epoch=0, epochs=0, train_loss=None, train_accuracy=None, val_loss=1, val_accuracy=0.8, learning_rate=0,
            seconds=2, images_per_second=50, is_best=True,
        )
    )  # fmt: skip
    monitor.finish(seconds=2, was_stopped=False, run="001-probe")
    assert monitor.tiles["epoch"].accessibleName() == "Epoch: – solved at once"
    assert monitor.tiles["best"].accessibleName().strip() == "Kept: 80.0%"
    assert monitor.chart.point_counts()["epochs"] == 1
    assert "one point" in monitor._note.text()
