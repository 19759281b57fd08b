"""Runs in figures: all of the best epoch, and the reason for choosing it."""

import re
from pathlib import Path

import pytest
from run_events import epoch_done

from gui.kit.run_table import best_run, kept_words, run_row
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary


def run(
    *accuracies: float, kept: int, name: str = "001", share: float = 1.0, has_weights: bool = True, method: str = "full"
) -> RunSummary:
    """Return a run with these accuracies by epoch, from 0; the loss falls to the end."""
    epochs = tuple(
        epoch_done(
            epoch=number, epochs=len(accuracies) - 1, val_loss=1 / (number + 1), val_accuracy=accuracy,
            is_best=number == kept, share=share,
        )
        for number, accuracy in enumerate(accuracies)
    )  # fmt: skip
    return RunSummary(
        name=name, path=Path(name), config=TrainConfig(method=method), class_names=("a",), epochs=epochs, result=None,
        has_weights=has_weights,
    )  # fmt: skip


def test_accuracy_and_loss_are_of_the_same_epoch():
    row = run_row(run(0.2, 0.9, 0.8, kept=1))
    assert (row.accuracy, row.loss) == (0.9, pytest.approx(1 / 2))


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        (run(0.2, 0.9, 0.8, kept=1), ["1", "90.0"]),
        (run(0.2, 0.9, 0.88, kept=2), ["2", "88.0", "1", "90.0"]),
        (run(0.9, 0.8, kept=0), ["90.0"]),
        (run(0.2, 0.9, kept=1, share=0.5), ["1", "90.0", "50"]),
        (run(0.9, kept=0, method="linear"), ["90.0"]),
        (run(kept=0), []),
    ],
)
def test_the_epoch_kept_and_the_reason_are_told(given, numbers):
    assert re.findall(r"[\d.]*\d", kept_words(given)) == numbers


def test_the_best_run_has_weights_and_of_equal_ones_is_the_newest():
    runs = [run(0.8, kept=0), run(0.8, kept=0, name="002"), run(0.9, kept=0, name="003", has_weights=False)]
    assert best_run(runs) is runs[1] and best_run(runs[2:]) is None
