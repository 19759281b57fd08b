"""Runs in figures: the accuracy on unseen images, the best epoch, and the reason for choosing it."""

import dataclasses
import re
from pathlib import Path

import pytest
from run_events import epoch_done
from run_files import write_evaluation

from gui.kit.run_table import ACCURACY, best_run, kept_words, quality_words, run_cells
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.unseen import unseen_evaluation
from visionft.training.runs.run_folder import StoredRun


def run(
    *accuracies: float, kept: int, name: str = "001", share: float = 1.0, has_weights: bool = True, method: str = "full"
) -> StoredRun:
    """Return a run with these accuracies by epoch, from 0; the loss falls to the end."""
    epochs = tuple(
        epoch_done(
            epoch=number,
            epochs=len(accuracies) - 1,
            val_loss=1 / (number + 1),
            val_accuracy=accuracy,
            is_best=number == kept,
            share=share,
        )
        for number, accuracy in enumerate(accuracies)
    )
    return StoredRun(
        name=name,
        path=Path(name),
        config=TrainConfig(method=method),
        class_names=("a",),
        epochs=epochs,
        result=None,
        has_weights=has_weights,
    )


def test_the_accuracy_is_that_of_test_and_never_the_one_that_chose_the_epoch(tmp_path):
    trained = dataclasses.replace(run(0.2, 0.9, 0.8, kept=1), path=tmp_path / "runs" / "001")
    trained.path.mkdir(parents=True)
    answers = [("red", "red", 0.9)]
    write_evaluation(tmp_path, "001", [1], answers, top1=0.9)
    unseen = unseen_evaluation(trained)
    assert unseen is None and run_cells(trained, unseen)[ACCURACY][0] == ""
    assert "%" not in quality_words(trained, unseen).partition(".")[0]
    write_evaluation(tmp_path, "001", [1], answers, split="test", top1=0.69, images=60)
    unseen = unseen_evaluation(trained)
    assert run_cells(trained, unseen)[ACCURACY][0].startswith("69.0%")
    assert re.findall(r"[\d.]*\d", quality_words(trained, unseen))[:4] == ["69.0", "15", "85", "60"]


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        (run(0.2, 0.9, 0.8, kept=1), ["1", "90.0"]),
        (run(0.2, 0.9, 0.88, kept=2), ["2", "88.0", "1", "90.0"]),
        (run(0.9, 0.8, kept=0), ["90.0"]),
        (run(0.2, 0.9, kept=1, share=0.5), ["50", "1", "90.0"]),
        (run(0.9, kept=0, method="linear"), []),
        (run(kept=0), []),
    ],
)
def test_the_epoch_kept_and_the_reason_are_told(given, numbers):
    assert re.findall(r"[\d.]*\d", kept_words(given)) == numbers


def test_the_best_run_has_weights_and_of_equal_ones_is_the_newest():
    runs = [run(0.8, kept=0), run(0.8, kept=0, name="002"), run(0.9, kept=0, name="003", has_weights=False)]
    assert best_run(runs) is runs[1] and best_run(runs[2:]) is None
