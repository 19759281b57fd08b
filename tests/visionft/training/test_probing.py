"""Probes of backbones, compared on the same held-out images."""

import random
from dataclasses import replace

from visionft.training.config.train_config import TrainConfig
from visionft.training.probing import Probe

CONFIG = TrainConfig(device="cpu")


def probe(backbone: str, accuracy: float | None, milliseconds: float, images: int = 400) -> Probe:
    return Probe(backbone=backbone, accuracy=accuracy, images=images, milliseconds=milliseconds, seconds=milliseconds)


def test_a_gain_is_a_clearly_lower_loss_on_the_same_images() -> None:
    generator = random.Random(0)
    losses = [generator.expovariate(1) for _ in range(200)]

    def shifted(name: str, by: float) -> Probe:
        noisy = tuple(loss - by + generator.gauss(0, 0.5) for loss in losses)
        return replace(probe(name, 0.9, 10, images=200), losses=noisy)

    first, same, better = shifted("a", 0), shifted("b", 0.001), shifted("c", 0.3)
    assert same.gain_over(first) < 1 and better.gain_over(first) > 2 and first.gain_over(better) < -2
    assert probe("d", 1.0, 1).gain_over(first) == 0  # nothing to compare
