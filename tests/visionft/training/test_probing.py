"""Probes of backbones: measured on the user's held-out images, reported with uncertainty, cancelled at once."""

import random
from dataclasses import replace

import pytest

from visionft.core.errors import RunError
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.probing import Probe, best_probe, probe_backbones

CONFIG = TrainConfig(device="cpu")


def probe(backbone: str, accuracy: float | None, milliseconds: float, images: int = 400) -> Probe:
    return Probe(backbone=backbone, accuracy=accuracy, images=images, milliseconds=milliseconds, seconds=milliseconds)


@pytest.mark.slow
def test_each_backbone_is_measured_on_the_same_images(snapshot, tmp_path) -> None:
    events = []
    names = ("starter_resnet", "starter_vit")
    found = probe_backbones(tmp_path, names, CONFIG, snapshot, job=JobContext(events.append))
    assert [each.backbone for each in found] == ["starter_resnet", "starter_vit"]
    assert all(each.images == 39 and each.accuracy == 1.0 and each.milliseconds > 0 for each in found)
    assert all(each.milliseconds < 1000 * each.seconds for each in found)
    again = probe_backbones(tmp_path, ("starter_resnet",), CONFIG, snapshot)  # from the stored features
    assert again[0].losses == found[0].losses and again[0].milliseconds == found[0].milliseconds
    stages = {event.stage for event in events if isinstance(event, Progress)}
    assert {stage.values["title"] for stage in stages} == {"Starter ResNet", "Starter ViT"}


def test_a_later_backbone_needs_a_clearly_lower_loss_on_the_same_images() -> None:
    generator = random.Random(0)
    losses = [generator.expovariate(1) for _ in range(200)]

    def shifted(name: str, by: float) -> Probe:
        noisy = tuple(loss - by + generator.gauss(0, 0.5) for loss in losses)
        return replace(probe(name, 0.9, 10, images=200), losses=noisy)

    first, same, better = shifted("a", 0), shifted("b", 0.001), shifted("c", 0.3)
    assert best_probe((first, same)) is first and best_probe((first, same, better)) is better
    assert best_probe((first, probe("d", 1.0, 1))) is first  # nothing to compare
    assert better.gain_over(first) > 2 and first.gain_over(better) < -2
    with pytest.raises(RunError, match="backbone"):
        best_probe(())
