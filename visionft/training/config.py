"""The settings of a training run: a frozen dataclass, the one source for form, command line and docs. Torch-free."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from models.catalog import BACKBONES, METHODS, Backbone, Method, get_backbone, get_method
from models.options import (
    AdapterOptions,
    FullOptions,
    LinearOptions,
    LoraOptions,
    MethodOptions,
    PrefixOptions,
    range_problems,
    setting,
)
from visionft.errors import ConfigError, Problem
from visionft.project.snapshot import Snapshot, Split

FORMAT_VERSION = 1

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a run besides the pictures. `0` means automatic where a field's help says so."""

    backbone: str = setting(
        "starter_resnet", label="Backbone", help="The pretrained network to start from.", choices=tuple(BACKBONES)
    )
    method: str = setting("lora", label="Method", help="How much of the network learns.", choices=tuple(METHODS))
    weights: str = setting(
        "pretrained",
        label="Weights",
        help="pretrained; random (from scratch); or the path of a .safetensors or .pth file.",
        advanced=True,
    )
    epochs: int = setting(20, label="Epochs", help="How often training sees every picture.", minimum=1, maximum=10_000)
    batch_size: int = setting(
        32, label="Batch size", help="Pictures per step; smaller needs less memory.", minimum=1, maximum=4096
    )
    learning_rate: float = setting(
        0.0,
        label="Learning rate",
        help="Peak step size. 0 takes the one that suits the method and batch size.",
        minimum=0.0,
        maximum=10.0,
    )
    weight_decay: float = setting(
        0.05,
        label="Weight decay",
        help="Pull of the weights towards zero, against overfitting; never on norms and biases.",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    warmup_share: float = setting(
        0.1,
        label="Warm-up",
        help="Share of the run in which the learning rate rises before it falls along a cosine.",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    label_smoothing: float = setting(
        0.1,
        label="Label smoothing",
        help="Share of each target spread over the other classes; steadier with imperfect labels.",
        minimum=0.0,
        maximum=0.5,
        advanced=True,
    )
    gradient_clip: float = setting(
        1.0,
        label="Gradient clipping",
        help="Largest gradient norm of a step. 0 never clips.",
        minimum=0.0,
        maximum=1000.0,
        advanced=True,
    )
    augmentation: str = setting(
        "light",
        label="Augmentation",
        help="Random changes to training pictures: none; light (crop, flip); medium (also colour, rotation, blur).",
        choices=("none", "light", "medium"),
    )
    image_size: int = setting(
        0,
        label="Picture size",
        help="Side of the square the network sees. 0 takes the backbone's own; larger shows finer detail, slower.",
        minimum=0,
        maximum=1024,
        unit="px",
    )
    seed: int = setting(0, label="Seed", help="Same seed, same run.", minimum=0, maximum=2**31 - 1, advanced=True)
    device: str = setting(
        "auto",
        label="Device",
        help="auto takes the GPU when there is one.",
        choices=("auto", "cpu", "cuda", "mps"),
        advanced=True,
    )
    precision: str = setting(
        "auto",
        label="Precision",
        help="auto: bf16 or fp16 on a GPU, fp32 on the CPU.",
        choices=("auto", "fp32", "bf16", "fp16"),
        advanced=True,
    )
    workers: int = setting(
        -1,
        label="Loader processes",
        help="Processes that read pictures ahead. -1 decides by the number of pictures and cores.",
        minimum=-1,
        maximum=64,
        advanced=True,
    )
    full: FullOptions = field(default_factory=FullOptions)
    linear: LinearOptions = field(default_factory=LinearOptions)
    lora: LoraOptions = field(default_factory=LoraOptions)
    adapter: AdapterOptions = field(default_factory=AdapterOptions)
    prefix: PrefixOptions = field(default_factory=PrefixOptions)

    @property
    def backbone_row(self) -> Backbone:
        """Return the catalog's row of the backbone."""
        return get_backbone(self.backbone)

    @property
    def method_row(self) -> Method:
        """Return the catalog's row of the method."""
        return get_method(self.method)

    @property
    def method_options(self) -> MethodOptions:
        """Return the settings of the chosen method."""
        return getattr(self, self.method)

    @property
    def input_size(self) -> int:
        """Return the side of the network's square input, in pixels."""
        return self.image_size or self.backbone_row.input_size

    @property
    def peak_learning_rate(self) -> float:
        """Return the chosen rate, or the method's own scaled by the square root of batch / 32 (AdamW)."""
        return self.learning_rate or self.method_row.learning_rate * math.sqrt(self.batch_size / 32)

    def problems(self, images: Snapshot | None = None) -> tuple[Problem, ...]:
        """Return every fault of the settings, and of `images` as training material when they are given."""
        found = range_problems(self)
        if self.method in METHODS:
            found += range_problems(self.method_options, prefix=f"{self.method}.")
        if not found:
            found += self._combination_problems()
        if images is not None:
            found += data_problems(images)
        return tuple(found)

    def check(self, images: Snapshot | None = None) -> None:
        """Raise a `ConfigError` with every fault, or return."""
        if found := self.problems(images):
            raise ConfigError(found)

    def _combination_problems(self) -> list[Problem]:
        found: list[Problem] = []
        backbone = self.backbone_row
        if reason := self.method_row.refusals.get(backbone.family):
            found.append(Problem("method", f"{self.method} does not work with {self.backbone}: {reason}"))
        if self.input_size % backbone.size_step:
            found.append(
                Problem(
                    "image_size", f"{self.backbone} needs a multiple of {backbone.size_step}, got {self.input_size}"
                )
            )
        if self.weights not in ("pretrained", "random") and not Path(self.weights).is_file():
            hint = "Give pretrained, random, or the path of a .safetensors or .pth file."
            found.append(Problem("weights", f"there is no file {self.weights}", hint))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the format's version."""
        return {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a config from `to_dict`'s values.

        Raises:
            ConfigError: The values come from a newer program or have unknown or mistyped entries.
        """
        values = dict(values)
        if values.pop("format_version", FORMAT_VERSION) > FORMAT_VERSION:
            problem = Problem("", "the settings were written by a newer VisionFT", "Update this program.")
            raise ConfigError((problem,))
        return _build(cls, values, "")

    def with_settings(self, assignments: Iterable[str]) -> Self:
        """Return a copy with `KEY=VALUE` texts applied; `lora.rank=4` reaches a method's own setting.

        Raises:
            ConfigError: A key is unknown or a value does not parse; all faults at once.
        """
        config, found = self, []
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            try:
                config = _assign(config, key.strip(), text.strip(), assignment if not equals else "")
            except ConfigError as error:
                found += error.problems
        if found:
            raise ConfigError(tuple(found))
        return config


def data_problems(images: Snapshot) -> list[Problem]:
    """Return what keeps `images` from being trained on: too few classes or pictures, classes missing from a split."""
    if len(images.class_names) < 2:
        hint = "Import or label pictures of a second class."
        return [Problem("", f"training needs two classes, the project has {len(images.class_names)}", hint)]
    if not any(image.split for image in images.images):
        return [Problem("", "the pictures have no splits yet", "Run `visionft split PROJECT` first.")]
    return [problem for split in ("train", "val") if (problem := _split_problem(images, split))]


def _split_problem(images: Snapshot, split: Split) -> Problem | None:
    counts = images.class_counts(images.labelled(split))
    missing = [name for name, count in counts.items() if not count]
    if not missing:
        return None
    names = ", ".join(repr(name) for name in missing[:5]) + (" and more" if len(missing) > 5 else "")
    hint = "Label more pictures of it and run `visionft split PROJECT` again, or remove the class."
    return Problem("", f"the {split} split has no picture of {names}", hint)


def _build(kind: type[_T], values: dict[str, Any], prefix: str) -> _T:
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    if unknown := [name for name in values if name not in known]:
        problem = Problem(prefix + unknown[0], "is not a setting of this version", "Update this program.")
        raise ConfigError((problem,))
    arguments = {
        name: _build(hints[name], value, f"{name}.")
        if dataclasses.is_dataclass(hints[name])
        else _checked(hints[name], value, prefix + name)
        for name, value in values.items()
    }
    return kind(**arguments)


def _checked(kind: type, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError((Problem(name, f"must be {_TYPE_NAMES[kind]}, got {value!r}"),))
    return value


_TYPE_NAMES: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _assign(config: _T, key: str, text: str, malformed: str) -> _T:
    if malformed:
        raise ConfigError((Problem(malformed, "is not of the form KEY=VALUE"),))
    group, _, name = key.rpartition(".")
    owner = getattr(config, group, None) if group else config
    fields = {field.name for field in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else set()  # type: ignore[arg-type]
    if name not in fields or dataclasses.is_dataclass(getattr(owner, name)):
        raise ConfigError((Problem(key, "there is no such setting", "`visionft methods --json` lists them."),))
    value = _parse(typing.get_type_hints(type(owner))[name], text, key)
    changed = dataclasses.replace(owner, **{name: value})  # type: ignore[type-var]
    return dataclasses.replace(config, **{group: changed}) if group else changed  # type: ignore[type-var,return-value]


def _parse(kind: type | types.UnionType, text: str, key: str) -> Any:
    try:
        if kind is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        return {int: int, float: float, str: str}[kind](text)  # type: ignore[index]
    except (KeyError, ValueError):
        raise ConfigError((Problem(key, f"must be {_TYPE_NAMES[kind]}, got {text!r}"),)) from None  # type: ignore[index]
