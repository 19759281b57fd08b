"""The settings of a training run: a frozen dataclass, the one source for form, command line and docs. Torch-free."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from models.backbone import RESTRICTED_LICENCES
from models.catalog import DEFAULT_BACKBONE, Backbone, get_backbone
from models.methods.method import Method, MethodOptions
from models.methods.table import DEFAULT_METHOD, METHODS, get_method
from models.shapes import InputShape
from visionft.core.errors import ConfigError, NextStep, Problem
from visionft.core.messages import Message
from visionft.core.settings import build_settings, setting, with_text
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.preprocess import PreprocessConfig
from visionft.features.feature_spec import LARGEST_ASPECT, FeatureSpec

# 2: a prefix has a softmax of its own unless `prefix.softmax` says otherwise. 3: `head_start` is called `ridge_init`.
# 4: a linear probe is solved in closed form, over several stages, unless `linear.solver` and `linear.layers` say else.
# 5: the options of methods lie in `methods`, so that a method of another package may be called like any setting.
# 6: what no measurement moves is a constant (`_CONSTANT`), and `least_gain` is a patience of -1.
FORMAT_VERSION = 6
METHODS_FIELD: Final = "methods"
READING = "image_reading"  # in a run's `config.json`, where it is not as stored
NETWORK = "network"  # in a run's `config.json`: how timm builds its network, for other programs; nothing here reads it

MIRRORED_LIMIT = 400  # images up to that a solved head looks at mirrored as well: later the gain is small
INTERPOLATION_SHARES = (0.0, 0.5, 0.75)  # of the way from the start to the best epoch, tried at the end of a run
AUTOMATIC_PATIENCE = -1

# Settings of earlier versions that are constants now, each with the only value that is still computed with.
_CONSTANT: dict[str, Any] = {
    "weight_decay": 0.05, "warmup_share": 0.1, "label_smoothing": 0.1, "gradient_clip": 1.0, "detail": 2.0,
    "micro_batch_size": 0, "optimizer": "adamw", "mixup": 0.0, "cutmix": 0.0, "interpolation": True,
    "head_start": True, "ridge_init": True, "gradient_checkpointing": False, "patch_dropout": 0.0,
    "progressive_resizing": 1.0, "compile": False, "tensorboard": False,
}  # fmt: skip
_CONSTANT_OPTIONS: dict[str, dict[str, Any]] = {
    "lora": {"dropout": 0.0, "targets": "qkv", "variant": "lora", "head_rate": 1.0},
    "adapter": {"placement": "before", "scaling": 4.0, "head_rate": 1.0},
    "prefix": {"softmax": "own", "reparameterise": False, "head_rate": 0.015},
    "full": {"layer_decay": 0.8, "statistics": "kept", "frozen_stages": 0},
}
# Those of them without which the network of a run cannot be built.
_OF_NETWORK = frozenset({
    "targets", "variant", "placement", "scaling", "softmax", "reparameterise", "frozen_stages",
})  # fmt: skip
_OF_STEPS = frozenset({"epochs", "learning_rate", "augmentation", "patience", "ema_decay"})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a run; `automatic` leaves a choice to the program.

    `methods` are the options of each method in `models.methods.table.METHODS` by its name; those that are not given are
    the method's own. They stay when another method is chosen. As texts they are called `lora.rank`.
    """

    # fmt: off
    backbone: str = setting(DEFAULT_BACKBONE, label="Backbone",
        help="The pretrained network to start from: of the catalog, or timm/NAME.")
    try_networks: bool = setting(False, label="Try other networks", advanced=True,
        help=(
            "With automatic framing, also try other networks on this computer, and train the best one measured on "
            "the project's images."
        ))
    method: str = setting(DEFAULT_METHOD, label="Method", choices={each.name: each.title for each in METHODS.values()},
        help="How much of the network learns.")
    weights: str = setting("pretrained", label="Weights", advanced=True,
        help="pretrained; random (from scratch); or the path of a .safetensors or .pth file.")
    accept_licence: str = setting("", label="Accepted licence", advanced=True,
        choices={"": "None", **dict(zip(RESTRICTED_LICENCES, RESTRICTED_LICENCES, strict=True))},
        help="Licence of pretrained weights that you accept although it forbids commercial use or is not known.")
    start_from: str = setting("", label="Start from run", advanced=True,
        help="Run of this project to start from (its best weights). Empty: the pretrained network.")
    epochs: int = setting(20, label="Epochs", limits=(1, 10_000),
        help="How often training sees every image.")
    batch_size: int = setting(32, label="Batch size", limits=(1, 4096),
        help="Images per step; smaller needs less memory.")
    learning_rate: float = setting(0.0, label="Learning rate", limits=(0.0, 10.0), automatic=0,
        help="Peak step size. 0 takes the one that suits the method and batch size.")
    augmentation: str = setting("light", label="Augmentation",
        choices={"none": "None", "light": "Light changes", "medium": "Medium changes"},
        help="Random changes to training images: none; light (crop, flip); medium (also colour, rotation, blur).")
    image_size: int = setting(0, label="Image size", limits=(0, 1024), unit="px", automatic=0,
        help=(
            "Side of the square that the network sees, or of a square with equal area. 0: the backbone's default; "
            "larger shows finer detail, but is slower."
        ))
    framing: str = setting("centre", label="Framing",
        choices={"auto": "Automatic", "centre": "Centre square", "whole": "Whole image", "region": "Region"},
        help=(
            "Part of an image that the network sees: auto (the best one measured on the project's images), centre "
            "square, whole image (undistorted), or one region."
        ))
    aspect: float = setting(0.0, label="Aspect ratio", limits=(0.0, LARGEST_ASPECT), advanced=True, automatic=0,
        help="Width of the input divided by its height, except for the centre square. 0: measured on the images.")
    region: str = setting("", label="Region", advanced=True,
        help="Left, top, right and bottom of the region, as shares of the image's sides: 0.1,0.2,0.9,0.8.")
    seed: int = setting(0, label="Seed", limits=(0, 2**31 - 1), advanced=True,
        help="Same seed, same run.")
    device: str = setting("auto", label="Device", advanced=True,
        choices={"auto": "Automatic", "cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "Processor (CPU)"},
        help="auto takes the GPU when there is one.")
    precision: str = setting("auto", label="Precision", advanced=True,
        choices={"auto": "Automatic", "fp32": "fp32", "bf16": "bf16", "fp16": "fp16"},
        help="auto: bf16 or fp16 on a GPU, bf16 on a CPU that is made for it, else fp32. The weights are always fp32.")
    workers: int = setting(-1, label="Loader processes", limits=(-1, 64), advanced=True, automatic=-1,
        help="Processes that read images ahead. -1 decides by the number of images and cores.")
    patience: int = setting(0, label="Early stopping", limits=(-1, 10_000), unit="epochs", automatic=AUTOMATIC_PATIENCE,
        help=(
            "Stop after this many epochs without improvement; 0 never stops early. -1 keeps the initial linear probe "
            "if it leaves less than 1 % of the images to gain, or if three epochs gain nothing."
        ))
    balance: str = setting("none", label="Rare classes",
        choices={"none": "As they are", "weights": "Weighted", "sampling": "Sampled more often"},
        help="none; weights (a rare class counts more in the loss); sampling (its images come more often).")
    ema_decay: float = setting(0.0, label="Weight averaging", limits=(0.0, 0.99999), advanced=True,
        help="Decay of the moving average that replaces the weights; 0.999 is usual, 0 is off.")
    # fmt: on
    methods: Mapping[str, MethodOptions] = field(default_factory=dict[str, MethodOptions], hash=False)
    image_reading: ImageReading = AS_STORED  # of the images that a run learned from; no setting of the user
    # Options of a run of an earlier version without which its network cannot be built; empty otherwise, and not stored.
    not_built: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        usual = {name: method.options() for name, method in METHODS.items()}
        object.__setattr__(self, METHODS_FIELD, usual | dict(self.methods))

    @property
    def backbone_row(self) -> Backbone:
        return get_backbone(self.backbone)

    @property
    def method_row(self) -> Method[Any]:
        return get_method(self.method)

    @property
    def method_options(self) -> MethodOptions:
        return self.methods.get(self.method) or self.method_row.options()

    @property
    def features(self) -> FeatureSpec:
        """Return what decides the features that its network starts from."""
        return FeatureSpec(**{each.name: getattr(self, each.name) for each in dataclasses.fields(FeatureSpec)})

    @property
    def input_size(self) -> int:
        """Return the side in pixels of a square of as many pixels as the network's input."""
        return self.features.input_size

    @property
    def frames(self) -> bool:
        """Tell whether the network sees another part of an image than the centre square."""
        return self.features.frames

    @property
    def input_shape(self) -> InputShape:
        """Return (height, width) of the network's input, in pixels; a square where the aspect ratio is impossible."""
        return self.features.input_shape

    @property
    def preprocessing(self) -> PreprocessConfig:
        """Return how images become the network's input."""
        return self.features.preprocessing

    @property
    def total_epochs(self) -> int:
        """Return how many epochs a run has: none where the head's solution is all there is to learn."""
        return 0 if self.method_row.is_closed_form(self.method_options) else self.epochs

    def looks_mirrored(self, images: int) -> bool:
        """Tell whether the head that is solved for so many images at the start looks at mirrored copies as well."""
        is_trained_alone = self.method_row.caches_features and self.total_epochs > 0
        return self.method_row.solution == "linear" and not is_trained_alone and images <= MIRRORED_LIMIT

    @property
    def unused_settings(self) -> frozenset[str]:
        """Return the names of the settings without effect: those of optimiser steps where the head is solved for."""
        return frozenset() if self.total_epochs else _OF_STEPS

    @property
    def near_side(self) -> int:
        """Return about how many pixels of an image's shorter side are looked at; see `data.decode`."""
        return self.features.near_side()

    @property
    def needs_base_weights(self) -> bool:
        return self.method_row.needs_base_weights(self.method_options)

    @property
    def peak_learning_rate(self) -> float:
        """Return the chosen rate, or a default by method, width of the network and square root of the batch size."""
        at_32 = self.method_row.peak_rate(self.backbone_row.shape, self.method_options)
        suited = at_32 * math.sqrt(self.batch_size / 32)
        return self.learning_rate or suited

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; of methods that were not chosen, only options that were changed."""
        values = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        values[METHODS_FIELD] = {
            name: dataclasses.asdict(options)
            for name, options in self.methods.items()
            if name == self.method or options != METHODS[name].options()
        }
        del values["not_built"]
        if self.image_reading == AS_STORED:  # as earlier versions wrote it
            del values[READING]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, is_past: bool = False) -> Self:
        """Rebuild a config from `to_dict`'s values (ConfigError: a newer program's, or unknown or mistyped entries).

        Settings that are constants now are ignored. Where one had another value, settings to train with are refused;
        those of a run in the past (`is_past`) are read, with `not_built` where its network cannot be built any more.
        """
        values = dict(values)
        values.pop(NETWORK, None)
        reading = values.pop(READING, {})
        version = values.pop("format_version", FORMAT_VERSION)
        if type(version) is not int or version > FORMAT_VERSION:
            problem = Problem("", "the settings were written by a newer VisionFT", "Update this program.")
            raise ConfigError((problem,))
        groups = _method_groups(values)
        changed = _without_constants(values, groups, version)
        config, methods, found = cls(), dict[str, MethodOptions](), list[Problem]()
        if not is_past:
            hint = "Remove it, or train with the version that wrote it."
            words = Message("has a fixed value and cannot be {value}")
            found += [Problem(key, Message(words, value=value), hint) for key, value in changed.items()]
        try:
            config = build_settings(cls, values)
        except ConfigError as error:
            found += error.problems
        for name, group in groups.items():
            try:
                methods[name] = _build_options(name, group, version)
            except ConfigError as error:
                found += error.problems
        if found:
            raise ConfigError(tuple(found))
        try:
            not_built = ", ".join(f"{key} {value}" for key, value in changed.items() if key in _OF_NETWORK)
            reading = ImageReading.from_dict(reading)
            return dataclasses.replace(config, methods=methods, image_reading=reading, not_built=not_built)
        except (TypeError, ValueError) as error:
            raise ConfigError((Problem(READING, "cannot be understood", "Update this program."),)) from error

    def with_options(self, method: str, options: MethodOptions) -> Self:
        """Return a copy with the options of a method; those of the others stay."""
        return dataclasses.replace(self, methods={**self.methods, method: options})

    def with_settings(self, assignments: Iterable[str]) -> "TrainConfig":
        """Return a copy with `KEY=VALUE` texts such as `lora.rank=4` applied (ConfigError: all faults at once)."""
        config, found = self, list[Problem]()
        for assignment in assignments:
            try:
                config = assign(config, assignment)
            except ConfigError as error:
                found += error.problems
        if found:
            raise ConfigError(tuple(found))
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The settings of a run that decide how its images become inputs."""

    image_size: int = 0
    framing: str = "centre"
    aspect: float = 0.0
    region: str = ""

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with this framing, at a size that their backbone takes; one that they name stays."""
        step = config.backbone_row.size_step
        size = config.image_size or round(self.image_size / step) * step
        return dataclasses.replace(config, **dataclasses.asdict(self) | {"image_size": size})


CENTRE = Framing()


def _method_groups(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options of methods out of stored settings, in place, and return them as {method: options}.

    Versions before 5 stored them beside the settings, and so may a recipe that was written by hand.
    """
    groups = values.pop(METHODS_FIELD, {})
    if not isinstance(groups, dict):
        raise _no_group(METHODS_FIELD, groups)
    beside = {name: values.pop(name) for name, value in list(values.items()) if isinstance(value, dict)}
    return {name: {} for name in METHODS} | beside | groups


def _without_constants(values: dict[str, Any], groups: dict[str, Any], version: int) -> dict[str, Any]:
    """Take the settings that are constants now out of stored ones, in place; return those with another value."""
    if version < 2 and isinstance(groups["prefix"], dict):
        groups["prefix"].setdefault("softmax", "shared")
    changed = {name: value for name, usual in _CONSTANT.items() if (value := values.pop(name, usual)) != usual}
    if values.pop("least_gain", 0) and not values.get("patience"):
        values["patience"] = AUTOMATIC_PATIENCE
    for method, constants in _CONSTANT_OPTIONS.items():
        group = groups[method]
        if not isinstance(group, dict):
            continue
        found = {name: value for name, usual in constants.items() if (value := group.pop(name, usual)) != usual}
        found.pop("statistics", None)  # earlier versions learned them unless a preset said otherwise
        if method == values.get("method", DEFAULT_METHOD):
            changed |= found
    return changed


def _build_options(name: str, values: Any, version: int) -> MethodOptions:
    """Build the options of a method from those of a settings file of format `version`; see `build_settings`."""
    if name not in METHODS:
        hint = "Correct the name, or install the package that adds this method."
        raise ConfigError((Problem(name, Message("there is no method {name}", name=repr(name)), hint),))
    if not isinstance(values, dict):
        raise _no_group(name, values)
    return build_settings(METHODS[name].options, METHODS[name].upgrade(values, version), f"{name}.")


def _no_group(name: str, value: Any) -> ConfigError:
    return ConfigError((Problem(name, Message("must be a group of settings, got {value}", value=repr(value))),))


def assign(config: TrainConfig, assignment: str) -> TrainConfig:
    """Return a copy with one text applied, `KEY=VALUE` or `METHOD.KEY=VALUE` (ConfigError: it is invalid)."""
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals:
        raise ConfigError((Problem(assignment, "is not of the form KEY=VALUE"),))
    method, dot, name = key.rpartition(".")
    owner: Any = config.methods.get(method, MethodOptions()) if dot else config
    fields = {field.name for field in dataclasses.fields(owner)}
    if name not in fields or (owner is config and name in (METHODS_FIELD, READING)):
        raise ConfigError((Problem(key, "there is no such setting", next_step=NextStep("list_settings")),))
    changed = with_text(owner, name, text, key=key)
    return config.with_options(method, changed) if dot else changed
