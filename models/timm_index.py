"""timm's ResNets and ViTs by timm's own names, from `timm_index.json`, which `packaging/make_timm_index.py` writes.

Loading timm to tell what it has costs seconds; a start-up may not. Torch-free.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from models.backbone import Backbone, Normalisation
from models.errors import ConfigError, Problem
from models.pins import PINS, UNPINNED
from models.shapes import ResNetShape, Stage, ViTShape

PREFIX = "timm/"


@cache
def _index() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("timm_index.json").read_text(encoding="utf-8"))


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names, `timm/...`, of all pretrained networks of timm that can be fine-tuned here, sorted."""
    return tuple(sorted(PREFIX + name for name in _index()["weights"]))


@cache
def timm_backbone(name: str) -> Backbone:
    """Return the network that timm calls so, with the weights that the name means.

    Args:
        name: `timm/ARCHITECTURE.WEIGHTS`; `timm/ARCHITECTURE` means timm's first weights of it, if any.

    Raises:
        ConfigError: timm has none of that name, or it is of a kind that the methods do not fit.
    """
    index, wanted = _index(), name.removeprefix(PREFIX)
    architecture, _, tag = wanted.partition(".")
    if architecture not in index["architectures"]:
        raise ConfigError((Problem("backbone", f"{name} {_refusal(architecture)}", _ADVICE),))
    tagged = [each for each in index["weights"] if each.partition(".")[0] == architecture]
    if tag and wanted not in tagged:
        hint = f"There are {', '.join(PREFIX + each for each in tagged)}." if tagged else _ADVICE
        raise ConfigError((Problem("backbone", f"timm has no weights {name}", hint),))
    full = wanted if tag else next(iter(tagged), wanted)
    return _backbone(full, index["architectures"][architecture], index["weights"].get(full))


_ADVICE = "Choose a ResNet or a plain vision transformer, such as timm/resnet50.a1_in1k."


def _refusal(architecture: str) -> str:
    index = _index()
    if reason := index["refused"].get(architecture):
        return f"cannot be fine-tuned here: {reason}"
    for family, names in index["families"].items():
        if architecture in names:
            return f"cannot be fine-tuned here: timm's {family} networks are neither ResNets nor plain ViTs"
    return "is no network of timm"


def _backbone(name: str, found: dict[str, Any], weights: dict[str, Any] | None) -> Backbone:
    is_vit = "patch" in found
    said = weights or {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "crop": 0.95}
    size = said.get("size", found.get("size", 224))
    hub_id = PREFIX + name if weights else ""
    row = Backbone(
        name=PREFIX + name,
        title=name,
        summary="",
        family="vit" if is_vit else "resnet",
        architecture=name.partition(".")[0],
        shape=_vit_shape(found) if is_vit else _resnet_shape(found),
        parameters=found["parameters"],
        features=found["features"],
        input_size=found.get("size", size),
        normalisation=Normalisation(_triple(said["mean"]), _triple(said["std"])),
        interpolation=said["interpolation"],
        crop_share=said["crop"],
        hub_id=hub_id,
        pin=PINS.get(hub_id, UNPINNED),
        licence=said.get("licence", ""),
    )
    return row.at(size)


def _triple(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _vit_shape(found: dict[str, Any]) -> ViTShape:
    return ViTShape(**{key: found[key] for key in ("width", "depth", "heads", "mlp_width", "patch")})


def _resnet_shape(found: dict[str, Any]) -> ResNetShape:
    stages = tuple(Stage(*each) for each in found["stages"])
    return ResNetShape(stem=found["stem"], stages=stages, is_grouped=found.get("is_grouped", False))
