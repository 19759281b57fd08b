"""Presets: whole sets of settings, `quick`, `balanced` and `best`. Torch-free.

In the window a preset is a budget of time: *Seconds*, *Minutes*, *Until nothing is gained*. A run of a preset goes
through the stages of all presets up to it (`training.budget`).

A preset looks at the project (how many images and classes, how uneven), at what computes here, and at which weights
are on this computer. It never asks for a download: a preset that fails without a network helps nobody.
"""

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Self

from models.catalog import BACKBONES, DEFAULT_BACKBONE, USUAL_BACKBONES
from models.methods.adapter import AdapterOptions
from models.methods.full import FullOptions
from models.methods.lora import LoraOptions
from models.methods.method import MethodOptions
from models.methods.prefix import PrefixOptions
from models.methods.table import METHODS
from visionft.core.devices import DeviceKind, likely_device_kinds
from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message, choose_one
from visionft.data.types import Snapshot
from visionft.training.config.train_config import AUTOMATIC_PATIENCE, Framing, TrainConfig

UNEVEN = 3.0  # from here on the rarest class is weighted up
_SMALL_PARAMETERS = 30_000_000  # below, full fine-tuning costs little more than LoRA
# Training images. Below, a dozen or two validation images cannot tell whether training gained: with 60 to 100 images it
# lost up to 3 points and .3 of log loss beside the linear probe, and gained on one set of four (docs/decisions/0036).
_FEW_IMAGES = 200

# Networks that are tried on a project's images, by whether there is a GPU; those without weights here are skipped. The
# first one gives the first answer. The order is one of cost on a CPU, of published accuracy on a GPU.
SUITED: dict[bool, tuple[str, ...]] = {
    False: (*USUAL_BACKBONES, "resnet18", "vit_tiny", "resnet50", "vit_small", "dinov2_small"),
    True: ("dinov2_base", "dinov2_small", "vit_base", "vit_small", "resnet50", *USUAL_BACKBONES),
}
# Images that training shows in all (epochs x images): what a quarter of an hour (Balanced) or an evening (Best)
# allows; on a CPU that is two cores and the ResNet that ships with the program.
_BUDGET = {("balanced", False): 9_000, ("balanced", True): 120_000, ("best", False): 50_000, ("best", True): 400_000}
# So that epoch 0 is the linear probe at its best: what is kept is never worse by more than chance.
_MULTI_STAGE: dict[str, MethodOptions] = {
    "full": FullOptions(layers="joined"),
    "lora": LoraOptions(layers="joined"),
    "adapter": AdapterOptions(layers="joined"),
    "prefix": PrefixOptions(layers="joined"),
}


@dataclass(frozen=True, slots=True)
class Preset:
    title: str
    words: str


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        Message("Seconds"),
        Message("Only the last layer is trained, at the size and part of the images that suit it best."),
    ),
    "balanced": Preset(
        Message("Minutes"),
        Message("Then the network learns from your images, and is kept where it is better. The usual choice."),
    ),
    "best": Preset(
        Message("Until nothing is gained"),
        Message("Then the network learns for longer, from more augmented views of each image."),
    ),
}
DEFAULT_PRESET = "balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    images: int = 0  # labelled training images
    framing: Framing | None = None  # of the project's runs, where it is known
    backbone: str = ""  # that was measured best on its images; empty where none was
    unevenness: float = 1.0  # ratio of the most frequent to the rarest class, at least 1
    device: DeviceKind = "cpu"
    here: frozenset[str] = frozenset()  # names of backbones with local weights

    @classmethod
    def of(
        cls,
        images: Snapshot | None,
        *,
        here: Collection[str] = (),
        device: str = "auto",
        framing: Framing | None = None,
        backbone: str = "",
    ) -> Self:
        """Return the circumstances of a project on this computer; `device` as in the settings."""
        bundled = frozenset(name for name, backbone in BACKBONES.items() if backbone.bundled)
        chosen = images.labelled("train") if images else ()
        counts = [count for count in images.class_counts(chosen).values() if count] if images else []
        return cls(
            images=len(chosen),
            unevenness=max(counts) / min(counts) if counts else 1.0,
            device=likely_device() if device == "auto" else device,  # type: ignore[arg-type]
            here=bundled | frozenset(here),
            framing=framing,
            backbone=backbone,
        )

    @property
    def has_gpu(self) -> bool:
        return self.device != "cpu"


@cache
def likely_device() -> DeviceKind:
    """Return the likely device of `auto`, without loading torch."""
    return likely_device_kinds()[0]


def suited_backbones(circumstances: Circumstances) -> tuple[str, ...]:
    """Return the networks to try on the images of a project, the usual one first; at least one."""
    suited = SUITED[circumstances.has_gpu]
    return tuple(backbone for backbone in suited if backbone in circumstances.here) or (DEFAULT_BACKBONE,)


def preset_config(name: str, circumstances: Circumstances, *, backbone: str = "", device: str = "auto") -> TrainConfig:
    """Return the settings of a preset.

    Args:
        name: Of `PRESETS`.
        circumstances: Of the project on this computer.
        backbone: The network to take. Empty for the one that was measured best on the images, else the first that is
            suited; a run tries the others then.
        device: The device of the settings.

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in PRESETS:
        hint = choose_one(PRESETS)
        raise ConfigError((Problem("preset", Message("there is no preset {name}", name=repr(name)), hint),))
    images, suited = circumstances.images, suited_backbones(circumstances)
    measured = circumstances.backbone if circumstances.backbone in suited else ""
    config = TrainConfig(
        backbone=backbone or measured or suited[0],
        device=device,
        try_networks=not backbone,
        framing="auto",
        batch_size=_batch_size(circumstances),
        balance="weights" if circumstances.unevenness >= UNEVEN else "none",
        methods=_MULTI_STAGE,
    )
    is_small = config.backbone_row.parameters < _SMALL_PARAMETERS
    if name == "quick" or (name == "balanced" and 0 < images < _FEW_IMAGES):
        return dataclasses.replace(config, method="linear", augmentation="none")
    most = 30 if name == "balanced" else 60
    shown = _BUDGET[name, circumstances.has_gpu] / _relative_pixels(config, circumstances.framing)
    epochs = max(5, min(most, round(shown / images) if images else most // 2))
    is_best = name == "best"
    # Balanced is LoRA: it gained with both networks of a CPU, and lost nowhere (docs/methods.md). Best tries full
    # fine-tuning where the computer carries it. Networks of grouped convolutions have no LoRA.
    trains_all = (is_best and (is_small or images >= 2000)) or bool(METHODS["lora"].refusal(config.backbone_row))
    return dataclasses.replace(
        config,
        method="full" if trains_all else "lora",
        augmentation="medium" if is_best else "light",
        epochs=epochs,
        patience=max(6, epochs // 3) if is_best else AUTOMATIC_PATIENCE,
        ema_decay=0.999 if is_best else 0.99,
    )


def _relative_pixels(config: TrainConfig, framing: Framing | None) -> float:
    """Return the pixels of the inputs relative to those of the backbone's own size: time grows with them."""
    shape = config.input_shape if framing is None else framing.applied(config).input_shape
    return math.prod(shape) / config.backbone_row.input_size**2


def differs(config: TrainConfig, preset: TrainConfig) -> bool:
    """Return whether an effective setting differs; settings of other methods are ignored."""

    def effective(settings: TrainConfig) -> list[object]:
        named = [field.name for field in dataclasses.fields(settings) if field.metadata]  # those of no method
        return [settings.method_options, *(getattr(settings, name) for name in named)]

    return effective(config) != effective(preset)


def _batch_size(circumstances: Circumstances) -> int:
    """Return a batch size for at least four steps an epoch, between 8 and 32 images (64 on a GPU)."""
    largest = 64 if circumstances.has_gpu and circumstances.images >= 5000 else 32
    fitting = circumstances.images // 4 if circumstances.images else largest
    return max(8, min(largest, 2 ** int(math.log2(max(1, fitting)))))
