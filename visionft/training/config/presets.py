"""Whole sets of settings for people who do not want to choose: Quick, Balanced and Best. Torch-free.

A preset looks at the project (how many pictures and classes, how uneven), at what computes here, and at which weights
are on this computer. It never asks for a download: a preset that fails without a network helps nobody.
"""

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Self

from models.catalog import BACKBONES, DEFAULT_BACKBONE
from models.methods.full import FullOptions
from visionft.data.types import Snapshot
from visionft.devices import DeviceKind, likely_kinds
from visionft.errors import ConfigError, Problem
from visionft.training.config.train_config import TrainConfig

UNEVEN = 3.0  # from here on the rarest class is weighted up
_SMALL_PARAMETERS = 30_000_000  # below, full fine-tuning costs little more than LoRA and fits more
_MANY_PICTURES = 2000
_FEW_PICTURES = 40  # below, features that learn vary more than they gain; at 60 they gained 3 points (two sets)

# Backbones by preset and device, the preferred one first; those whose weights are not here are passed over.
_WANTED: dict[tuple[str, bool], tuple[str, ...]] = {
    ("quick", False): (DEFAULT_BACKBONE,),
    ("quick", True): ("dinov2_small", "vit_small", "resnet50", "resnet18", DEFAULT_BACKBONE),
    ("balanced", False): (DEFAULT_BACKBONE, "hybrid_vit"),
    ("balanced", True): ("dinov2_small", "vit_small", "resnet50", "deit_small", "resnet18", DEFAULT_BACKBONE),
    ("best", False): ("resnet18", "dinov2_small", "vit_small", "resnet50", "vit_tiny", DEFAULT_BACKBONE),
    ("best", True): ("dinov2_base", "vit_base", "dinov2_small", "resnet101", "resnet50", DEFAULT_BACKBONE),
}
# Pictures that training shows in all (epochs x pictures): what a quarter of an hour (Balanced) or an evening (Best)
# allows; on a CPU that is two cores and the ResNet that ships with the program.
_BUDGET = {("balanced", False): 9_000, ("balanced", True): 120_000, ("best", False): 50_000, ("best", True): 400_000}
# So that epoch 0 is the linear probe at its best: what is kept is never worse by more than chance.
_JOINED = FullOptions(layers="joined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A preset for people: its name on the command line, its title, and what to expect of it."""

    name: str
    title: str
    words: str


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            title="Quick",
            words="Only the last layer learns: shows at once whether your labels can be learned.",
        ),
        Preset(
            name="balanced",
            title="Balanced",
            words="The usual choice: learns from your pictures until there is little more to gain.",
        ),
        Preset(
            name="best",
            title="Best",
            words="The most accuracy this computer can give, from more looks at each picture.",
        ),
    )
}
DEFAULT_PRESET = "balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a preset depends on.

    Attributes:
        pictures: Labelled training pictures.
        unevenness: Pictures of the most frequent class for each of the rarest, at least 1.
        device: What will compute.
        here: Names of the backbones whose weights are on this computer.
    """

    pictures: int = 0
    unevenness: float = 1.0
    device: DeviceKind = "cpu"
    here: frozenset[str] = frozenset()

    @classmethod
    def of(cls, images: Snapshot | None, *, here: Collection[str] = (), device: str = "auto") -> Self:
        """Return the circumstances of a project on this computer; `device` as in the settings."""
        kind = likely_device() if device == "auto" else device
        bundled = frozenset(name for name, backbone in BACKBONES.items() if backbone.bundled)
        chosen = images.labelled("train") if images else ()
        counts = [count for count in images.class_counts(chosen).values() if count] if images else []
        return cls(
            pictures=len(chosen),
            unevenness=max(counts) / min(counts) if counts else 1.0,
            device=kind,  # type: ignore[arg-type]
            here=bundled | frozenset(here),
        )


@cache
def likely_device() -> DeviceKind:
    """Return what `auto` will most likely compute on, without loading torch."""
    return likely_kinds()[0]


def preset_config(name: str, circumstances: Circumstances, *, backbone: str = "") -> TrainConfig:
    """Return the settings of a preset.

    Args:
        name: A key of `PRESETS`.
        circumstances: What they are to suit.
        backbone: The one that was measured to suit the pictures; the first of `preset_backbones` where none was.

    Raises:
        ConfigError: There is no such preset.
    """
    config = TrainConfig(
        backbone=backbone or preset_backbones(name, circumstances)[0],
        batch_size=_batch_size(circumstances),
        balance="weights" if circumstances.unevenness >= UNEVEN else "none",
    )
    return {"quick": _quick, "balanced": _balanced, "best": _best}[name](config, circumstances)


def preset_backbones(name: str, circumstances: Circumstances) -> tuple[str, ...]:
    """Return the backbones that suit a preset here, the one to take unmeasured first; at least one.

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in PRESETS:
        hint = f"Choose one of {', '.join(PRESETS)}."
        raise ConfigError((Problem("preset", f"there is no preset {name!r}", hint),))
    wanted = _WANTED[name, _has_gpu(circumstances)]
    return tuple(backbone for backbone in wanted if backbone in circumstances.here) or wanted[-1:]


def differs(config: TrainConfig, preset: TrainConfig) -> bool:
    """Tell whether a setting that acts differs; those of methods that are not chosen do not."""
    return _acting(config) != _acting(preset)


def _acting(config: TrainConfig) -> dict[str, object]:
    plain = {
        field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.metadata
    }  # a method's options have no metadata of their own
    return {**plain, "options": config.method_options}


def _quick(config: TrainConfig, circumstances: Circumstances) -> TrainConfig:
    return dataclasses.replace(config, method="linear", augmentation="none")


def _balanced(config: TrainConfig, circumstances: Circumstances) -> TrainConfig:
    if 0 < circumstances.pictures < _FEW_PICTURES:
        return _quick(config, circumstances)
    epochs = _epochs(_BUDGET["balanced", _has_gpu(circumstances)], circumstances, 30)
    config = dataclasses.replace(config, augmentation="light", epochs=epochs, ema_decay=0.99)
    if not _is_small(config):
        return dataclasses.replace(config, method="lora")
    return dataclasses.replace(config, method="full", full=_JOINED)


def _best(config: TrainConfig, circumstances: Circumstances) -> TrainConfig:
    epochs = _epochs(_BUDGET["best", _has_gpu(circumstances)], circumstances, 60)
    return dataclasses.replace(
        config,
        method="full" if _is_small(config) or circumstances.pictures >= _MANY_PICTURES else "lora",
        full=_JOINED if _is_small(config) else FullOptions(),
        augmentation="medium",
        epochs=epochs,
        patience=max(6, epochs // 3),
        ema_decay=0.999,
    )


def _is_small(config: TrainConfig) -> bool:
    return config.backbone_row.parameters < _SMALL_PARAMETERS


def _has_gpu(circumstances: Circumstances) -> bool:
    return circumstances.device != "cpu"


def _batch_size(circumstances: Circumstances) -> int:
    """Return a batch that leaves at least four steps to an epoch, between 8 and 32 pictures (64 on a GPU)."""
    largest = 64 if _has_gpu(circumstances) and circumstances.pictures >= 5000 else 32
    fitting = circumstances.pictures // 4 if circumstances.pictures else largest
    return max(8, min(largest, 2 ** int(math.log2(max(1, fitting)))))


def _epochs(shown: int, circumstances: Circumstances, most: int) -> int:
    """Return the epochs that show `shown` pictures in all, between 5 and `most`."""
    return max(5, min(most, round(shown / circumstances.pictures) if circumstances.pictures else most // 2))
