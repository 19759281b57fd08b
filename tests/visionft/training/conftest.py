"""Settings of runs that train in seconds, and a look at what a run leaves and reports."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from visionft.core.events import Event, Notice
from visionft.training.config.train_config import TrainConfig


@pytest.fixture
def tiny() -> Callable[..., TrainConfig]:
    common = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu", "epochs": 2}

    def tiny(method: str = "lora", backbone: str = "test_vit", **changes) -> TrainConfig:
        return TrainConfig(backbone=backbone, method=method, **{**common, **changes})

    return tiny


@pytest.fixture
def tensors() -> Callable[..., dict[str, torch.Tensor]]:
    """Return a function: the tensors of a run's checkpoint."""
    return lambda run_dir, name="last": load_file(Path(run_dir) / name / "model.safetensors")


@pytest.fixture
def warnings() -> Callable[[list[Event]], list[str]]:
    return lambda events: [each.message for each in events if isinstance(each, Notice) and each.level == "warning"]


@pytest.fixture
def stop_after() -> Callable[[int], Callable[[], bool]]:
    """Return a function: cancels a job after so many checks, which precede every batch."""

    def stop_after(checks: int) -> Callable[[], bool]:
        calls = itertools.count()
        return lambda: next(calls) >= checks

    return stop_after
