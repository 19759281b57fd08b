"""Presets: complete sets of settings, `quick`, `balanced` and `best`. Torch-free.

In the window a preset is a budget of time: *Seconds*, *Minutes*, *Until nothing is gained*. A run of a preset goes
through the stages of all presets up to it (`training.budget`).

A preset depends on the project (number of images and classes, class imbalance), on the device, and on the local
weights. It never needs a download, so it also works offline.
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

MIN_UNEVENNESS_FOR_WEIGHTS = 3.0  # ratio of the most frequent to the rarest class
_MAX_SMALL_NETWORK_PARAMETERS = 30_000_000  # full fine-tuning of a smaller network costs little more than LoRA
# With fewer training images, one or two dozen validation images cannot show a gain: with 60 to 100 images training lost
# up to 3 points and .3 of log loss against the linear probe, and gained on one set of four (docs/decisions/0036).
_MIN_IMAGES_FOR_TRAINING = 200

# {has_gpu: networks to try on a project's images}; networks without local weights are skipped. The first network gives
# the first result. The order is by cost on a CPU, and by published accuracy on a GPU.
CANDIDATE_BACKBONES: dict[bool, tuple[str, ...]] = {
    False: (*USUAL_BACKBONES, "resnet18", "vit_tiny", "resnet50", "vit_small", "dinov2_small"),
    True: ("dinov2_base", "dinov2_small", "vit_base", "vit_small", "resnet50", *USUAL_BACKBONES),
}
# {(preset, has_gpu): epochs x images} for a quarter of an hour (Balanced) or an evening (Best); on a CPU measured with
# two cores and the bundled ResNet.
_SHOWN_IMAGES = {
    ("balanced", False): 9_000,
    ("balanced", True): 120_000,
    ("best", False): 50_000,
    ("best", True): 400_000,
}
# Multi-stage features make epoch 0 the best linear probe, so a trained run is never worse than it by more than chance.
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
    """The facts about a project and this computer that a preset depends on."""

    images: int = 0  # labelled training images
    framing: Framing | None = None  # the project's framing; None if unknown
    backbone: str = ""  # the backbone measured best on the project's images; empty if none was measured
    unevenness: float = 1.0  # ratio of the most frequent to the rarest class, at least 1
    device: DeviceKind = "cpu"
    local_backbones: frozenset[str] = frozenset()  # names of backbones with local weights

    @classmethod
    def of(
        cls,
        images: Snapshot | None,
        *,
        local_backbones: Collection[str] = (),
        device: str = "auto",
        framing: Framing | None = None,
        backbone: str = "",
    ) -> Self:
        """Return the circumstances of a project on this computer; `device` is a value of the setting."""
        bundled = frozenset(name for name, backbone in BACKBONES.items() if backbone.bundled)
        training_images = images.labelled("train") if images else ()
        counts = [count for count in images.class_counts(training_images).values() if count] if images else []
        return cls(
            images=len(training_images),
            unevenness=max(counts) / min(counts) if counts else 1.0,
            device=likely_device() if device == "auto" else device,  # type: ignore[arg-type]
            local_backbones=bundled | frozenset(local_backbones),
            framing=framing,
            backbone=backbone,
        )

    @property
    def has_gpu(self) -> bool:
        return self.device != "cpu"


@cache
def likely_device() -> DeviceKind:
    """Predict the device that `auto` will choose, without loading torch."""
    return likely_device_kinds()[0]


def suited_backbones(circumstances: Circumstances) -> tuple[str, ...]:
    """Return the networks to try on the images of a project, at least one; the first gives the first result."""
    suited = CANDIDATE_BACKBONES[circumstances.has_gpu]
    return tuple(backbone for backbone in suited if backbone in circumstances.local_backbones) or (DEFAULT_BACKBONE,)


def preset_config(name: str, circumstances: Circumstances, *, backbone: str = "", device: str = "auto") -> TrainConfig:
    """Return the settings of a preset.

    Args:
        name: A name in `PRESETS`.
        circumstances: The project and this computer.
        backbone: The network. If empty, the network measured best on the images, else the first suitable one; the run
            then tries the others.
        device: The device of the settings.

    Raises:
        ConfigError: The preset does not exist.
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
        balance="weights" if circumstances.unevenness >= MIN_UNEVENNESS_FOR_WEIGHTS else "none",
        methods=_MULTI_STAGE,
    )
    is_small = config.backbone_row.parameters < _MAX_SMALL_NETWORK_PARAMETERS
    if name == "quick" or (name == "balanced" and 0 < images < _MIN_IMAGES_FOR_TRAINING):
        return dataclasses.replace(config, method="linear", augmentation="none")
    max_epochs = 30 if name == "balanced" else 60
    shown = _SHOWN_IMAGES[name, circumstances.has_gpu] / _relative_pixels(config, circumstances.framing)
    epochs = max(5, min(max_epochs, round(shown / images) if images else max_epochs // 2))
    is_best = name == "best"
    # Balanced uses LoRA: it gained with both CPU networks and lost on no data set (docs/methods.md). Best uses full
    # fine-tuning for small networks or many images. LoRA does not support grouped convolutions.
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
    """Return the input pixels relative to the backbone's own input size; the training time is proportional."""
    shape = config.input_shape if framing is None else framing.applied(config).input_shape
    return math.prod(shape) / config.backbone_row.input_size**2


def differs(config: TrainConfig, preset: TrainConfig) -> bool:
    """Return whether an effective setting differs; settings of other methods are ignored."""

    def effective(settings: TrainConfig) -> list[object]:
        names = [field.name for field in dataclasses.fields(settings) if field.metadata]  # excludes method options
        return [settings.method_options, *(getattr(settings, name) for name in names)]

    return effective(config) != effective(preset)


def _batch_size(circumstances: Circumstances) -> int:
    """Return a power of two for at least four steps an epoch, from 8 to 32 (64 on a GPU with 5,000 images or more)."""
    largest = 64 if circumstances.has_gpu and circumstances.images >= 5000 else 32
    fitting = circumstances.images // 4 if circumstances.images else largest
    return max(8, min(largest, 2 ** int(math.log2(max(1, fitting)))))
