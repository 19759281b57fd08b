"""The best epoch of a run, and the counting of its patience."""

import pytest

from visionft.training.loop.progress import RunProgress


def kept(accuracies: list[float], *, count: int) -> list[int]:
    """Return the epochs judged worth keeping, in order."""
    progress = RunProgress()
    epochs = []
    for progress.epoch, top1 in enumerate(accuracies, start=1):
        if progress.judge(progress.epoch, top1, 1.0, count=count):
            epochs.append(progress.epoch)
    return epochs


def test_the_latest_epoch_within_a_standard_error_of_the_highest_is_kept() -> None:
    assert kept([0.5, 0.9, 0.85, 0.7], count=10) == [1, 2, 3]  # the standard error of 0.9 is 0.095
    assert kept([0.5, 0.9, 0.81, 0.8, 0.806], count=10) == [1, 2, 3, 5]
    assert kept([0.5, 0.9, 0.898, 0.89], count=10_000) == [1, 2, 3]  # 0.003
    assert kept([1.0, 0.99, 1.0], count=100) == [1, 3]
    assert kept([0.0, 0.0, 0.1, 0.0], count=10) == [1, 2, 3]


def test_patience_counts_from_the_highest_accuracy_and_lower_loss_decides_between_equals() -> None:
    progress = RunProgress()
    waited = []
    epochs = [(0.8, 1.0), (0.8, 1.1), (0.79, 0.5), (0.8, 0.9), (0.79, 0.1)]
    for progress.epoch, (top1, loss) in enumerate(epochs, start=1):
        progress.judge(progress.epoch, top1, loss, count=10)
        waited.append(progress.epoch - progress.best_epoch)
    assert waited == [0, 1, 2, 0, 1]
    assert (progress.best_val_accuracy, progress.best_val_loss) == pytest.approx((0.8, 0.9))
