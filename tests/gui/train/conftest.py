"""Fixtures of the train page's tests."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from gui.shell.window import MainWindow
from gui.train.train_page import TrainPage
from visionft.events import EpochDone, RunStarted, StepDone


@pytest.fixture
def page(window: MainWindow, project_dir: Path) -> TrainPage:
    """Return the train page of a project with labelled, split images."""
    window.state.open_project(project_dir)
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page


@pytest.fixture
def events() -> SimpleNamespace:
    """Return functions for the events of a run; each takes the values that differ from the usual ones."""
    started = {
        "run": "001-run", "backbone": "resnet18", "method": "full", "epochs": 3, "first_epoch": 1, "steps_per_epoch": 4,
        "train_images": 40, "val_images": 9, "trainable_parameters": 1, "total_parameters": 2, "device": "CPU",
        "precision": "fp32",
    }  # fmt: skip
    step = {"step": 1, "steps": 4, "loss": 1, "learning_rate": 1e-3, "images_per_second": 50, "eta_s": 75}
    epoch_done = {
        "epoch": 1, "epochs": 3, "train_loss": 1, "train_accuracy": 0.5, "val_loss": 1, "val_accuracy": 0.5,
        "learning_rate": 1e-3, "seconds": 2, "images_per_second": 50, "is_best": True,
    }  # fmt: skip
    return SimpleNamespace(
        started=lambda **values: RunStarted(**{**started, **values}),
        step=lambda **values: StepDone(**{**step, **values}),
        epoch_done=lambda **values: EpochDone(**{**epoch_done, **values}),
    )
