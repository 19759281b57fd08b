"""Write `models/timm_index.json`: the properties of timm's networks, of those families that can be fine-tuned here.

    python packaging/make_timm_index.py

Run it after an update of timm; `tests/models/test_timm_index.py` fails when that is due. Shapes come from networks
built without memory (torch's `meta` device), everything about weights from timm's own configuration.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "models" / "timm_index.json"
# The modules of timm with networks of its classes `ResNet` and `VisionTransformer`, and of the other `FAMILIES`.
MODULES = ("resnet", "vision_transformer", "vision_transformer_hybrid", "deit")
MODULES += ("convnext", "efficientnet", "mobilenetv3", "regnet")
# By the name of timm's class. Swin and its relatives have their channels last and inputs of one size.
FAMILIES = {"ConvNeXt": "ConvNeXt", "EfficientNet": "EfficientNet", "MobileNetV3": "MobileNet", "RegNet": "RegNet"}
_SIDE = 64  # pixels of the input that tells which layer is the last
LICENCES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "cc-by-nc-4.0": "CC-BY-NC-4.0"}


def main() -> None:
    """Look at every network of timm and write the index."""
    import timm

    architectures: dict[str, Any] = {}
    for name in timm.list_models():
        found = describe(name) if module_of(name) in MODULES else None
        if found is not None:
            architectures[name] = found
    weights = {name: cfg for name in timm.list_models(pretrained=True) if (cfg := weights_of(name, architectures))}
    index = {"timm": timm.__version__, "architectures": architectures, "weights": weights}
    INDEX.write_text(_lines(index), encoding="utf-8")
    print(f"{len(architectures)} networks, {len(weights)} sets of weights")


def _lines(index: dict[str, Any]) -> str:
    """Return the index as JSON with one network a line: small, and readable as a difference."""

    def written(value: Any, depth: int) -> str:
        if isinstance(value, dict) and depth:
            inner = ",\n".join(f"{json.dumps(key)}: {written(each, depth - 1)}" for key, each in value.items())
            return "{\n" + inner + "\n}"
        return json.dumps(value)

    return written(index, 2) + "\n"


def module_of(name: str) -> str:
    """Return the timm module of a network."""
    from timm.models._registry import _model_to_module

    return _model_to_module[name]


def weights_of(name: str, architectures: dict[str, Any]) -> dict[str, Any] | None:
    """Return the pretrained weights in timm's configuration; None without downloadable ones."""
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(name)
    if name.partition(".")[0] not in architectures or cfg is None or cfg.hf_hub_id != f"timm/{name}":
        return None
    return {
        "size": cfg.input_size[-1],
        "mean": list(cfg.mean),
        "std": list(cfg.std),
        "interpolation": cfg.interpolation if cfg.interpolation in ("bilinear", "bicubic") else "bicubic",
        "crop": cfg.crop_pct,
        "licence": LICENCES.get(cfg.license or "", cfg.license or "not stated"),
    }


def describe(name: str, **model_args: Any) -> dict[str, Any] | None:
    """Return the shape of a network built by timm with these arguments; None where it cannot be fine-tuned here."""
    import timm
    import torch

    with torch.device("meta"):
        network: Any = timm.create_model(name, pretrained=False, num_classes=7, **model_args)
    if type(network).__name__ in FAMILIES:
        found = _conv_net(network)
    else:
        found = _vit(network) if hasattr(network, "blocks") else _resnet(network)
    if found is None:
        return None
    head = network.get_classifier()
    if not isinstance(head, torch.nn.Linear):
        return None
    parameters = sum(each.numel() for each in network.parameters()) - sum(each.numel() for each in head.parameters())
    return {**found, "parameters": parameters, "features": head.in_features}


def _resnet(network: Any) -> dict[str, Any] | None:
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet
    from torch.nn import Conv2d

    made: type = type(network)
    if made is not ResNet:
        return None
    stages, convolutions = [], []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        kinds = {type(block) for block in layer}
        if kinds not in ({BasicBlock}, {Bottleneck}):
            return None
        kind = "basic" if kinds == {BasicBlock} else "bottleneck"
        last = layer[0].conv3 if kind == "bottleneck" else layer[0].conv2
        stages.append([kind, len(layer), layer[0].conv1.out_channels, last.out_channels])
    for module_name, module in network.named_modules():
        if re.fullmatch(r"layer\d\.\d+\.conv[123]", module_name):
            if not isinstance(module, Conv2d):
                return None
            convolutions.append(module)
    found = {"stem": network.layer1[0].conv1.in_channels, "stages": stages}
    if any(each.groups > 1 for each in convolutions):
        found["is_grouped"] = True
    elif _counted(found) != [(each.in_channels, each.out_channels, each.kernel_size[0]) for each in convolutions]:
        return None
    return found


def _counted(found: dict[str, Any]) -> list[tuple[int, int, int]]:
    from models.shapes import ResNetShape, Stage

    return ResNetShape(stem=found["stem"], stages=tuple(Stage(*each) for each in found["stages"])).block_convolutions()


def _conv_net(network: Any) -> dict[str, Any] | None:
    """Return the shape of a network of `FAMILIES` from timm's list of its features and a pass without memory."""
    import torch
    from torch import nn

    head = network.get_classifier()
    if not isinstance(head, nn.Linear):
        return None
    parts = dict(network.named_modules())
    stages = [name for name in parts if re.fullmatch(r"stages\.\d+|blocks\.\d+|s\d", name)]
    children = [name for name, _ in network.named_children()]
    before = children[: children.index(stages[0].partition(".")[0])]
    stem = [name for name in before if any(True for _ in parts[name].parameters())]
    outputs: list[tuple[str, Any]] = []

    def note(name: str) -> Any:
        return lambda _layer, _in, output: outputs.append((name, output))

    for name, part in parts.items():
        part.register_forward_hook(note(name))
    images = torch.zeros(1, 3, _SIDE, _SIDE, device="meta")
    last, maps = network.eval().forward_intermediates(images)
    ends = [name for name, output in outputs if output is last]
    outputs.clear()
    last = network.forward_features(images)
    # Of both kinds of pass: a sequence of stages is no call in one that lists their outputs.
    last_layer = next((name for name, output in reversed(outputs) if output is last and name in ends), "")
    channels = [each["num_chs"] for each in network.feature_info]
    pooled = network.forward_head(last, pre_logits=True)
    if not last_layer or [each.shape[1] for each in maps] != channels or pooled.shape != (1, head.in_features):
        return None
    ends_in_mean = channels[-1] == head.in_features
    joined = [place for place, each in enumerate(network.feature_info) if each["reduction"] >= 8]
    layers = [name for name in parts if any(name.startswith(f"{stage}.") for stage in stages)]
    layers = [name for name in layers if _is_pointwise(parts[name]) and ".se." not in name]
    kinds = sorted({re.sub(r"^.*\.b?\d+\.", "", name) for name in layers if not re.search(r"\.\d+$", name)})
    kinds = [kind for kind in kinds if all(_is_pointwise(parts[name]) for name in _matched(parts, [kind]))]
    if not kinds:
        return None
    matched = _matched(parts, kinds)
    sizes: list[list[int]] = []
    for name in matched:
        fan_out, fan_in = parts[name].weight.shape[:2]
        if sizes and sizes[-1][:2] == [fan_in, fan_out]:
            sizes[-1][2] += 1
        else:
            sizes.append([fan_in, fan_out, 1])
    return {
        "family": FAMILIES[type(network).__name__],
        "head": next(name for name, part in parts.items() if part is head),
        "stem_names": stem,
        "last_layer": last_layer,
        "outputs": channels,
        "joined_depths": joined[:-1] if ends_in_mean else joined,
        "stage_names": stages,
        "layers": _pattern(kinds),
        "layer_sizes": sizes,
        "has_batch_norm": any(isinstance(part, nn.BatchNorm2d) for part in parts.values()),
        # A zero last norm silences every residual branch; frozen that way, a PEFT method would learn nothing.
        "scratch_args": {"zero_init_last": False} if type(network).__name__ == "RegNet" else {},
    }


def _pattern(kinds: list[str]) -> str:
    """Return the regular expression of all layers whose names end so."""
    return rf"(?:stages|blocks|s\d)\..*\.(?:{'|'.join(map(re.escape, kinds))})"


def _matched(parts: dict[str, Any], kinds: list[str]) -> list[str]:
    return [name for name in parts if re.fullmatch(_pattern(kinds), name)]


def _is_pointwise(layer: Any) -> bool:
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def _vit(network: Any) -> dict[str, Any] | None:
    from timm.layers.attention import Attention
    from timm.layers.mlp import Mlp
    from timm.models.vision_transformer import Block, VisionTransformer

    made: type = type(network)
    if made is not VisionTransformer:
        return None
    first: Any = network.blocks[0]
    if type(first) is not Block or type(first.attn) is not Attention or type(first.mlp) is not Mlp:
        return None
    if first.attn.gate is not None or network.pos_embed is None:
        return None
    embedding = network.patch_embed
    side = embedding.img_size[0]
    return {
        "width": network.embed_dim,
        "depth": len(network.blocks),
        "heads": first.attn.num_heads,
        "mlp_width": first.mlp.fc1.out_features,
        "patch": side // embedding.grid_size[0],
        "size": side,
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
