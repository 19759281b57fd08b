"""The settings of a training run: a frozen dataclass, the source for form, command line and docs. Torch-free."""

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
from visionft.features.feature_spec import MAX_ASPECT, FeatureSpec

# 2: the default of `prefix.softmax` became a softmax of its own. 3: `head_start` was renamed to `ridge_init`.
# 4: the defaults of `linear.solver` and `linear.layers` became closed form and multi-stage features.
# 5: method options moved into `methods`, so that a plug-in method may have the name of a setting.
# 6: settings without a measured effect became constants (`_FIXED_SETTINGS`), and `least_gain` became a patience of -1.
FORMAT_VERSION = 6
METHODS_FIELD: Final = "methods"
IMAGE_READING_FIELD = "image_reading"  # in a run's `config.json`, unless it is `AS_STORED`
NETWORK_FIELD = "network"  # in a run's `config.json`: timm's arguments for its network; only other programs read it

MAX_MIRRORED_IMAGES = 400  # a closed-form head learns from mirrored copies of this many images; more gain little
INTERPOLATION_SHARES = (0.0, 0.5, 0.75)  # of the way from the start to the current epoch, for weight interpolation
AUTOMATIC_PATIENCE = -1

# Settings of earlier versions that are constants now, with the value that is used.
_FIXED_SETTINGS: dict[str, Any] = {
    "weight_decay": 0.05, "warmup_share": 0.1, "label_smoothing": 0.1, "gradient_clip": 1.0, "detail": 2.0,
    "micro_batch_size": 0, "optimizer": "adamw", "mixup": 0.0, "cutmix": 0.0, "interpolation": True,
    "head_start": True, "ridge_init": True, "gradient_checkpointing": False, "patch_dropout": 0.0,
    "progressive_resizing": 1.0, "compile": False, "tensorboard": False,
}  # fmt: skip
_FIXED_OPTIONS: dict[str, dict[str, Any]] = {
    "lora": {"dropout": 0.0, "targets": "qkv", "variant": "lora", "head_rate": 1.0},
    "adapter": {"placement": "before", "scaling": 4.0, "head_rate": 1.0},
    "prefix": {"softmax": "own", "reparameterise": False, "head_rate": 0.015},
    "full": {"layer_decay": 0.8, "statistics": "kept", "frozen_stages": 0},
}
# Fixed options that change the architecture: a run with another value cannot be rebuilt.
_NETWORK_OPTIONS = frozenset({
    "targets", "variant", "placement", "scaling", "softmax", "reparameterise", "frozen_stages",
})  # fmt: skip
# Settings without effect where the head is fitted in closed form.
_OPTIMIZER_SETTINGS = frozenset({"epochs", "learning_rate", "augmentation", "patience", "ema_decay"})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings of a run; `automatic` leaves a choice to the program.

    `methods` has the options of each method in `models.methods.table.METHODS` by name, with the method's defaults for
    missing ones. They stay when another method is chosen. In texts an option is written as `lora.rank`.
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
    aspect: float = setting(0.0, label="Aspect ratio", limits=(0.0, MAX_ASPECT), advanced=True, automatic=0,
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
    image_reading: ImageReading = AS_STORED  # how a run read its images; not a setting of the user
    # Options of an earlier version that are needed to build the network of a run and are gone; not stored.
    not_built: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        defaults = {name: method.options() for name, method in METHODS.items()}
        object.__setattr__(self, METHODS_FIELD, defaults | dict(self.methods))

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
        """Return the settings that determine the features of the pretrained network."""
        return FeatureSpec(**{each.name: getattr(self, each.name) for each in dataclasses.fields(FeatureSpec)})

    @property
    def input_size(self) -> int:
        """Return the side in pixels of a square with the area of the network's input."""
        return self.features.input_size

    @property
    def frames(self) -> bool:
        """Return whether the network's input differs from the centre square of an image."""
        return self.features.frames

    @property
    def input_shape(self) -> InputShape:
        """Return (height, width) of the network's input in pixels; a square if the aspect ratio is invalid."""
        return self.features.input_shape

    @property
    def preprocessing(self) -> PreprocessConfig:
        """Return the preprocessing of images for the network."""
        return self.features.preprocessing

    @property
    def total_epochs(self) -> int:
        """Return the number of epochs of a run; 0 if only a closed-form head is fitted."""
        return 0 if self.method_row.is_closed_form(self.method_options) else self.epochs

    def looks_mirrored(self, images: int) -> bool:
        """Return whether the closed-form head of the start also learns from mirrored copies of so many images."""
        is_trained_alone = self.method_row.caches_features and self.total_epochs > 0
        return self.method_row.solution == "linear" and not is_trained_alone and images <= MAX_MIRRORED_IMAGES

    @property
    def unused_settings(self) -> frozenset[str]:
        """Return the names of the settings without effect: the optimiser's, if the head is fitted in closed form."""
        return frozenset() if self.total_epochs else _OPTIMIZER_SETTINGS

    @property
    def near_side(self) -> int:
        """Return the approximate length in pixels of an image's shorter side when decoded; see `data.decode`."""
        return self.features.near_side()

    @property
    def needs_base_weights(self) -> bool:
        return self.method_row.needs_base_weights(self.method_options)

    @property
    def peak_learning_rate(self) -> float:
        """Return the chosen rate, or a default by method, width of the network and square root of the batch size."""
        rate_at_32 = self.method_row.peak_rate(self.backbone_row.shape, self.method_options)
        return self.learning_rate or rate_at_32 * math.sqrt(self.batch_size / 32)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values; options of other methods are included only if they were changed."""
        values = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        values[METHODS_FIELD] = {
            name: dataclasses.asdict(options)
            for name, options in self.methods.items()
            if name == self.method or options != METHODS[name].options()
        }
        del values["not_built"]
        if self.image_reading == AS_STORED:  # as earlier versions wrote it
            del values[IMAGE_READING_FIELD]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, is_past: bool = False) -> Self:
        """Rebuild a config from `to_dict`'s values.

        Settings that are constants now are ignored if they have the fixed value. With another value, they are an error
        in settings for a new run. In the settings of an earlier run (`is_past`) they are accepted, and `not_built` is
        set if the network of the run cannot be built any more.

        Raises:
            ConfigError: A newer program wrote the values, or an entry is unknown or mistyped.
        """
        values = dict(values)
        values.pop(NETWORK_FIELD, None)
        reading = values.pop(IMAGE_READING_FIELD, {})
        version = values.pop("format_version", FORMAT_VERSION)
        if type(version) is not int or version > FORMAT_VERSION:
            problem = Problem("", "the settings were written by a newer VisionFT", "Update this program.")
            raise ConfigError((problem,))
        groups = _pop_method_groups(values)
        changed = _pop_fixed_settings(values, groups, version)
        config, methods, problems = cls(), dict[str, MethodOptions](), list[Problem]()
        if not is_past:
            hint = "Remove it, or train with the version that wrote it."
            words = Message("has a fixed value and cannot be {value}")
            problems += [Problem(key, Message(words, value=value), hint) for key, value in changed.items()]
        try:
            config = build_settings(cls, values)
        except ConfigError as error:
            problems += error.problems
        for name, group in groups.items():
            try:
                methods[name] = _build_options(name, group, version)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(tuple(problems))
        try:
            not_built = ", ".join(f"{key} {value}" for key, value in changed.items() if key in _NETWORK_OPTIONS)
            reading = ImageReading.from_dict(reading)
            return dataclasses.replace(config, methods=methods, image_reading=reading, not_built=not_built)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                (Problem(IMAGE_READING_FIELD, "cannot be understood", "Update this program."),)
            ) from error

    def with_options(self, method: str, options: MethodOptions) -> Self:
        """Return a copy with new options of one method."""
        return dataclasses.replace(self, methods={**self.methods, method: options})

    def with_settings(self, assignments: Iterable[str]) -> "TrainConfig":
        """Return a copy with `KEY=VALUE` texts such as `lora.rank=4` applied (ConfigError: all problems at once)."""
        config, problems = self, list[Problem]()
        for assignment in assignments:
            try:
                config = assign(config, assignment)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(tuple(problems))
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
        """Return the settings with this framing, at a size valid for their backbone; an explicit image size stays."""
        step = config.backbone_row.size_step
        size = config.image_size or round(self.image_size / step) * step
        return dataclasses.replace(config, **dataclasses.asdict(self) | {"image_size": size})


CENTRE = Framing()


def _pop_method_groups(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the method options from stored settings, in place, and return them as {method: options}.

    Versions before 5, and some recipes written by hand, have the groups at the top level.
    """
    groups = values.pop(METHODS_FIELD, {})
    if not isinstance(groups, dict):
        raise _group_error(METHODS_FIELD, groups)
    top_level = {name: values.pop(name) for name, value in list(values.items()) if isinstance(value, dict)}
    return {name: {} for name in METHODS} | top_level | groups


def _pop_fixed_settings(values: dict[str, Any], groups: dict[str, Any], version: int) -> dict[str, Any]:
    """Remove the settings that are constants now, in place, and return {name: value} of the differing ones."""
    if version < 2 and isinstance(groups["prefix"], dict):
        groups["prefix"].setdefault("softmax", "shared")
    changed = {name: value for name, fixed in _FIXED_SETTINGS.items() if (value := values.pop(name, fixed)) != fixed}
    if values.pop("least_gain", 0) and not values.get("patience"):
        values["patience"] = AUTOMATIC_PATIENCE
    for method, constants in _FIXED_OPTIONS.items():
        group = groups[method]
        if not isinstance(group, dict):
            continue
        differing = {name: value for name, fixed in constants.items() if (value := group.pop(name, fixed)) != fixed}
        differing.pop("statistics", None)  # the default of earlier versions was another one
        if method == values.get("method", DEFAULT_METHOD):
            changed |= differing
    return changed


def _build_options(name: str, values: Any, version: int) -> MethodOptions:
    """Build the options of a method from the values of a settings file of format `version`; see `build_settings`."""
    if name not in METHODS:
        hint = "Correct the name, or install the package that adds this method."
        raise ConfigError((Problem(name, Message("there is no method {name}", name=repr(name)), hint),))
    if not isinstance(values, dict):
        raise _group_error(name, values)
    return build_settings(METHODS[name].options, METHODS[name].upgrade(values, version), f"{name}.")


def _group_error(name: str, value: Any) -> ConfigError:
    return ConfigError((Problem(name, Message("must be a group of settings, got {value}", value=repr(value))),))


def assign(config: TrainConfig, assignment: str) -> TrainConfig:
    """Return a copy with one text applied, `KEY=VALUE` or `METHOD.KEY=VALUE` (ConfigError: it is invalid)."""
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals:
        raise ConfigError((Problem(assignment, "is not of the form KEY=VALUE"),))
    method, dot, name = key.rpartition(".")
    owner: Any = config.methods.get(method, MethodOptions()) if dot else config
    fields = {field.name for field in dataclasses.fields(owner)}
    if name not in fields or (owner is config and name in (METHODS_FIELD, IMAGE_READING_FIELD)):
        raise ConfigError((Problem(key, "there is no such setting", next_step=NextStep("list_settings")),))
    changed = with_text(owner, name, text, key=key)
    return config.with_options(method, changed) if dot else changed
