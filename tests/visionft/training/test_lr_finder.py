"""The learning-rate range test finds a trainable rate, and leaves nothing behind."""

import pytest

from models.methods.linear import GRADIENT, LinearOptions
from visionft.errors import ConfigError
from visionft.jobs import JobCancelled, JobContext
from visionft.training.loop.train import train
from visionft.training.lr_finder import find_learning_rate


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "linear"])
def test_the_suggestion_trains(method, snapshot, tmp_path, tiny) -> None:
    gradient = LinearOptions(layers="last", solver=GRADIENT)
    config = tiny(method, methods={"linear": gradient}, epochs=6, augmentation="none")
    curve = find_learning_rate(config, snapshot, steps=60)
    assert 1e-6 < curve.suggestion < 1.0
    assert list(curve.rates) == sorted(curve.rates) and len(curve.rates) == len(curve.losses) <= 60
    assert min(curve.losses) < curve.losses[0]
    rated = train(config.with_settings([f"learning_rate={curve.suggestion}"]), snapshot, tmp_path / "run").best
    slow = train(config.with_settings(["learning_rate=1e-6"]), snapshot, tmp_path / "slow").best
    assert rated and slow and rated.val_loss < slow.val_loss


def test_stopping_and_impossible_settings_are_said(snapshot, tiny) -> None:
    with pytest.raises(JobCancelled):
        find_learning_rate(tiny(), snapshot, job=JobContext(cancelled=lambda: True))
    for impossible in (tiny("linear"), tiny("prefix", "test_resnet")):
        with pytest.raises(ConfigError):
            find_learning_rate(impossible, snapshot)
