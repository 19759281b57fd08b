"""The run view besides its chart: the best epoch, and the remaining patience."""

import pytest

from gui.train import run_monitor
from gui.train.run_monitor import RunMonitor
from visionft.events import EpochDone, Progress, RunStarted, StepDone


@pytest.fixture
def monitor(qtbot) -> RunMonitor:
    monitor = RunMonitor()
    qtbot.addWidget(monitor)
    return monitor


def epoch_done(**values) -> EpochDone:
    usual = {
        "epoch": 1, "epochs": 9, "train_loss": 1, "train_accuracy": 0.5, "val_loss": 1, "val_accuracy": 0.5,
        "learning_rate": 1e-3, "seconds": 2, "images_per_second": 50, "is_best": True,
    }  # fmt: skip
    return EpochDone(**{**usual, **values})


def show(monitor: RunMonitor, epoch: int, top1: float, *, is_best: bool, waited: int) -> None:
    """Let an epoch end, and the first step of the next one follow."""
    monitor.handle(epoch_done(epoch=epoch, val_accuracy=top1, is_best=is_best, waited=waited))
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
    assert monitor.tiles["best"].accessibleName() == "Best epoch: 88.0% epoch 2"


def test_a_run_without_early_stopping_speaks_of_no_patience(monitor: RunMonitor) -> None:
    monitor.start("A run", epochs=9)
    show(monitor, 1, 0.90, is_best=True, waited=0)
    assert "patience" not in monitor.tiles["left"].accessibleName()


def test_a_run_whose_head_is_solved_shows_its_one_point_and_says_why(monitor: RunMonitor) -> None:
    monitor.start("A probe", epochs=0, patience=3)
    monitor.handle(epoch_done(epoch=0, epochs=0, train_loss=None, train_accuracy=None, val_accuracy=0.8))
    monitor.finish(seconds=2, was_stopped=False, run="001-probe")
    assert monitor.tiles["epoch"].accessibleName() == "Epoch: – closed form"
    assert monitor.tiles["best"].accessibleName().strip() == "Best epoch: 80.0%"
    assert monitor.chart.point_counts()["epochs"] == 1
    assert "one point" in monitor._note.text()


def started(epochs: int = 3) -> RunStarted:
    """Return the event of a run before its first step."""
    return RunStarted(
        run="001-run", backbone="resnet18", method="full", epochs=epochs, first_epoch=1, steps_per_epoch=4,
        train_images=40, val_images=9, trainable_parameters=1, total_parameters=2, device="CPU", precision="fp32",
    )  # fmt: skip


def test_what_is_done_before_the_first_step_is_shown_with_what_is_left(monitor: RunMonitor, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(run_monitor.time, "monotonic", lambda: now[0])
    monitor.start("A run", epochs=3)
    assert monitor.stage.words() == "Starting" and not monitor.chart.isVisibleTo(monitor)
    monitor.handle(Progress(stage="MB of resnet18 fetched", done=0, total=600))
    now[0] += 10
    monitor.handle(Progress(stage="MB of resnet18 fetched", done=200, total=600))
    assert monitor.tiles["speed"].figure() == "–"  # these are no images
    monitor.handle(Progress(stage="Looking at the training images", done=0, total=600, unit="images"))
    now[0] += 10
    monitor.handle(Progress(stage="Looking at the training images", done=200, total=600, unit="images"))
    assert monitor.stage.words() == "Looking at the training images: 200 of 600 about 20 s left"
    assert monitor.tiles["speed"].figure() == "20"
    monitor.handle(started())
    assert "9 validation images" in monitor.stage.words()


def test_the_chart_takes_the_place_of_the_progress_with_the_first_step(monitor: RunMonitor) -> None:
    monitor.start("A run", epochs=3)
    monitor.handle(started())
    monitor.handle(StepDone(epoch=1, step=1, steps=4, loss=1, learning_rate=0.1, images_per_second=9, eta_s=75))
    assert monitor.stage.words() == "" and monitor.chart.isVisibleTo(monitor)
    low, high = monitor.chart._loss.view_x()
    assert low < 0.25 < high < 1.5  # the first epoch fills the chart: one step of three epochs would be a dot


def test_steps_on_kept_features_claim_no_speed_on_images(monitor: RunMonitor) -> None:
    monitor.start("A probe", epochs=3, learns_from_features=True)
    monitor.handle(StepDone(epoch=1, step=1, steps=4, loss=1, learning_rate=0.1, images_per_second=20_121, eta_s=0))
    monitor.handle(epoch_done(epochs=3, seconds=0.01, images_per_second=20_121))
    assert monitor.tiles["speed"].figure() == "–"
    assert "took" not in monitor.tiles["epoch"].note()


def test_what_comes_after_the_last_epoch_is_shown_too(monitor: RunMonitor) -> None:
    show(monitor, 1, 0.90, is_best=True, waited=0)
    monitor.handle(Progress(stage="Evaluating on val", done=32, total=64))
    assert monitor.stage.words() == "Evaluating on val: 32 of 64" and monitor.chart.isVisibleTo(monitor)
    monitor.finish(seconds=2, was_stopped=False, run="001-run")
    assert monitor.stage.words() == ""
