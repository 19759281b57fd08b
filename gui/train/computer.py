"""What this computer has for training: weights at hand, and what computes. Asked beside the window: it takes time."""

from typing import NamedTuple

from gui.train.train_choices import WeightsFact
from visionft.training.config.presets import likely_device


class Computer(NamedTuple):
    """Which weights are on this computer, and what computes."""

    weights: dict[str, WeightsFact]
    device: str


def look_at_computer(_key: str) -> Computer:
    """Ask the hub's client about its cache, and the driver about GPUs."""
    from visionft.weights import weights_states

    found = {each.backbone: WeightsFact(is_here=each.is_here, size=each.size_text) for each in weights_states()}
    return Computer(found, likely_device())
