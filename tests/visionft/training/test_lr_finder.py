"""The learning-rate range test finds a rate that trains, and leaves nothing behind."""

from pathlib import Path

import pytest

from models.methods.linear import GRADIENT, LinearOptions
from visionft.data.types import Snapshot
from visionft.errors import ConfigError, RunError
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.lr_finder import find_learning_rate

TINY = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu", "augmentation": "none"}


@pytest.mark.parametrize("method", ["full", "linear"])
def test_the_suggestion_trains(method: str, snapshot: Snapshot, tmp_path: Path) -> None:
    gradient = LinearOptions(layers="last", solver=GRADIENT)
    config = TrainConfig(backbone="test_vit", method=method, linear=gradient, epochs=6, **TINY)
    curve = find_learning_rate(config, snapshot, steps=60)
    assert 1e-6 < curve.suggestion < 1.0
    assert list(curve.rates) == sorted(curve.rates) and len(curve.rates) == len(curve.losses) <= 60
    assert min(curve.losses) < curve.losses[0]
    rated = train(config.with_settings([f"learning_rate={curve.suggestion}"]), snapshot, tmp_path / "run").best
    slow = train(config.with_settings(["learning_rate=1e-6"]), snapshot, tmp_path / "slow").best
    assert rated and slow and rated.val_loss < slow.val_loss


def test_stopping_and_impossible_settings_are_said(snapshot: Snapshot) -> None:
    with pytest.raises(RunError, match="was stopped"):
        find_learning_rate(TrainConfig(backbone="test_vit", method="lora", **TINY), snapshot, should_stop=lambda: True)
    with pytest.raises(ConfigError, match="solved for has no learning rate"):
        find_learning_rate(TrainConfig(backbone="test_vit", method="linear", **TINY), snapshot)
    with pytest.raises(ConfigError):
        find_learning_rate(TrainConfig(backbone="test_resnet", method="prefix", **TINY), snapshot)
