"""Start of a run: a linear probe is validated as epoch 0, and training starts from a calibrated head."""

import pytest

from models.methods.frozen import LinearOptions
from models.methods.full import FullOptions
from visionft.core.events import EpochDone, Event
from visionft.core.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import resume, train
from visionft.training.runs.metrics_file import read_metrics


def settings(method: str, **changes) -> TrainConfig:
    values = {"backbone": "starter_resnet", "image_size": 32, "batch_size": 8, "device": "cpu", "epochs": 1, **changes}
    return TrainConfig(method=method, **values)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "layers"), [("full", "last"), ("full", "joined"), ("lora", "joined")])
def test_epoch_0_is_the_linear_probe(snapshot, tmp_path, method, layers) -> None:
    probe = train(settings("linear", methods={"linear": LinearOptions(layers=layers)}), snapshot, tmp_path / "probe")
    events: list[Event] = []
    config = settings(method, learning_rate=1e-9).with_settings([f"{method}.layers={layers}"])
    train(config, snapshot, tmp_path / "run", job=JobContext(events.append))
    first = next(event for event in events if isinstance(event, EpochDone))
    assert probe.best is not None and first.train_accuracy is None
    assert first.val_loss == pytest.approx(probe.best.val_loss, abs=0.02)
    assert first.val_accuracy == pytest.approx(probe.best.val_accuracy, abs=0.01)


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_first_epoch_validates_its_start_again(snapshot, tmp_path) -> None:
    config = settings("full", methods={"full": FullOptions(layers="joined")})
    whole = train(config, snapshot, tmp_path / "whole")

    def end(event: Event) -> None:
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, snapshot, tmp_path / "killed", job=JobContext(end))
    resume(tmp_path / "killed")
    losses = [[epoch.val_loss for epoch in read_metrics(tmp_path / name)] for name in ("whole", "killed")]
    assert losses[0] == losses[1] and whole.best is not None
