"""timm's ResNets, ViTs and some other families by timm's own names, from `timm_index.json`.

`packaging/make_timm_index.py` makes that file: loading timm for its list takes seconds, too long for a start-up.
Torch-free.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from models.backbone import Backbone, Normalisation
from models.pins import NO_PIN, PINS
from models.shapes import ConvNetShape, Layout, Matrices, NetworkShape, ResNetShape, Stage, ViTShape
from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message

PREFIX = "timm/"
_ADVICE = Message(
    "Choose a ResNet, a plain vision transformer, ConvNeXt, EfficientNet, MobileNet or RegNet, such as "
    "timm/resnet50.a1_in1k."
)


@cache
def _index() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("timm_index.json").read_text(encoding="utf-8"))


@cache
def timm_names() -> tuple[str, ...]:
    """Return the names, `timm/...`, of all supported pretrained networks of timm, sorted."""
    return tuple(sorted(PREFIX + name for name in _index()["weights"]))


@cache
def timm_backbone(name: str) -> Backbone:
    """Return network and weights of `timm/ARCHITECTURE.WEIGHTS`, or timm's first weights (ConfigError: none)."""
    index = _index()
    wanted = name.removeprefix(PREFIX)
    architecture, _, tag = wanted.partition(".")
    if architecture not in index["architectures"]:
        message = Message("{name} is not a network of timm that can be fine-tuned here", name=name)
        raise ConfigError((Problem("backbone", message, _ADVICE),))
    tagged = [each for each in index["weights"] if each.partition(".")[0] == architecture]
    if tag and wanted not in tagged:
        hint = Message("There are {names}.", names=", ".join(PREFIX + each for each in tagged)) if tagged else _ADVICE
        raise ConfigError((Problem("backbone", Message("timm has no weights {name}", name=name), hint),))
    full = wanted if tag else next(iter(tagged), wanted)
    return backbone_row(full, index["architectures"][architecture], index["weights"].get(full))


def backbone_row(name: str, found: dict[str, Any], weights: dict[str, Any] | None) -> Backbone:
    """Return the row of `name`: a network as the index describes it, with one of its weights or none."""
    stated = weights or {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "crop": 0.95}
    size = stated.get("size", found.get("size", 224))
    hub_id = PREFIX + name if weights else ""
    row = Backbone(
        name=PREFIX + name,
        title=name,
        summary="",
        architecture=name.partition(".")[0],
        shape=_shape(found),
        parameters=found["parameters"],
        features=found["features"],
        input_size=found.get("size", size),
        normalisation=Normalisation(tuple(stated["mean"]), tuple(stated["std"])),
        interpolation=stated["interpolation"],
        crop_share=stated["crop"],
        hub_id=hub_id,
        pin=PINS.get(hub_id, NO_PIN),
        licence=stated.get("licence", ""),
    )
    return row.at(size)


def _shape(found: dict[str, Any]) -> NetworkShape:
    """Return the shape of a network as the index describes it."""
    if "patch" in found:
        return ViTShape(**{key: found[key] for key in ("width", "depth", "heads", "mlp_width", "patch")})
    if "family" not in found:
        stages = tuple(Stage(*each) for each in found["stages"])
        return ResNetShape(stem=found["stem"], stages=stages, is_grouped=found.get("is_grouped", False))
    sizes = tuple((fan_in, fan_out) for fan_in, fan_out, count in found["layer_sizes"] for _ in range(count))
    stated = Layout(
        family=found["family"],
        head=found["head"],
        stem_names=tuple(found["stem_names"]),
        last_layer=found["last_layer"],
        scratch_args=found["scratch_args"],
    )
    return ConvNetShape(
        stated=stated,
        channels=tuple(found["outputs"]),
        depths=tuple(found["joined_depths"]),
        stages=tuple(found["stage_names"]),
        layers=Matrices(found["layers"], sizes),
        has_batch_norm=found["has_batch_norm"],
    )
