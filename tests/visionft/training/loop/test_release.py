"""A finished, cancelled or failed run releases its weights, without help from Python's collector."""

import dataclasses
import gc

import pytest
import timm  # noqa: F401  # before a run: errors within its first import keep the frames of the importer alive
import torch

from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import measure_steps
from visionft.training.loop.train import train
from visionft.training.loop.train_step import ModelEma, TrainStep
from visionft.training.loop.training_data import TrainingData

TINY = TrainConfig(backbone="test_resnet", weights="random", image_size=32, batch_size=8, device="cpu", epochs=1)


@pytest.fixture(autouse=True)
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def live_numbers() -> int:
    tensors = (thing for thing in gc.get_objects() if issubclass(type(thing), torch.nn.Parameter))
    return sum(tensor.numel() for tensor in tensors)


@pytest.mark.slow
@pytest.mark.parametrize("checks", [0, 12, 10_000])
def test_training_lets_go_of_its_weights(snapshot, tmp_path, checks, stop_after) -> None:
    before = live_numbers()
    config = dataclasses.replace(TINY, ema_decay=0.9)
    train(config, snapshot, tmp_path / "run", job=JobContext(cancelled=stop_after(checks)))
    assert live_numbers() == before
    parts = (TrainingData, TrainStep, ModelEma)
    assert not [thing for thing in gc.get_objects() if issubclass(type(thing), parts)]


@pytest.mark.slow
def test_a_failed_run_lets_go_too(snapshot, tmp_path) -> None:
    before = live_numbers()

    def fail(_event: object) -> None:
        if any(tmp_path.rglob("last")):
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        train(TINY, snapshot, tmp_path / "run", job=JobContext(fail))
    assert live_numbers() == before


@pytest.mark.slow
def test_what_only_tries_lets_go_too(snapshot) -> None:
    before = live_numbers()
    measure_steps(TINY, snapshot)
    assert live_numbers() == before
