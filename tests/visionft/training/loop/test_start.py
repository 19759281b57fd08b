"""Start of a run: a linear probe is validated as epoch 0, and training starts from a calibrated head."""

import pytest
import torch
from safetensors.torch import load_file

from models.methods.full import FullOptions
from models.methods.linear import LinearOptions
from visionft.events import EpochDone, Event
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.ridge_init import set_gentle_head
from visionft.training.loop.train import resume, train
from visionft.training.runs.checkpoint import BEST, START
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
    assert (tmp_path / "run" / "peft").exists() == (method == "lora" and layers == "last")
    first = next(event for event in events if isinstance(event, EpochDone))
    assert probe.best is not None and first.train_accuracy is None
    assert first.val_loss == pytest.approx(probe.best.val_loss, abs=0.02)
    assert first.val_accuracy == pytest.approx(probe.best.val_accuracy, abs=0.01)


@pytest.mark.slow
def test_what_learns_goes_on_from_a_gentle_head(snapshot, tmp_path) -> None:
    seen: dict[str, float] = {}

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 0:
            for name in (BEST, START):
                seen[name] = float(load_file(tmp_path / "run" / name / "model.safetensors")["fc.weight"].norm())

    train(settings("lora"), snapshot, tmp_path / "run", job=JobContext(watch))
    assert 0 < seen[START] < seen[BEST] / 2


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


def test_a_gentle_head_of_several_labels_begins_near_their_shares() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 20, generator=generator)
    wanted = (features[:, :3] > torch.tensor([0.0, 1.0, 3.5])).long()
    head = torch.nn.Linear(20, 3)
    set_gentle_head(head, features, wanted)
    shares = head(features).sigmoid().detach()
    assert shares.mean(dim=0) == pytest.approx(wanted.float().mean(dim=0).clamp_min(0.02), abs=0.05)
    for label in range(2):
        given, others = shares[wanted[:, label] == 1, label], shares[wanted[:, label] == 0, label]
        assert given.mean() > others.mean()
