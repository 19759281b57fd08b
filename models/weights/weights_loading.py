"""Fitting the tensors of a file to a network by names and shapes, and identifying their backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.catalog import BACKBONES, Backbone
from models.networks import LoadReport, WeightsLoader, build_network
from models.weights.locations import PRETRAINED, RANDOM, find_weights
from models.weights.reading import read_state
from models.weights.records import checked_sha256
from visionft.core.errors import WeightsError
from visionft.core.messages import Message, listed

IMAGE_SIDE = "visual.trunk."  # what open_clip puts before the names of timm's network, in files of both sides
_COUNTER = ".num_batches_tracked"  # of batch norm; old files lack it, and nothing here reads it
_PATCH, _POSITION = "patch_embed.proj.weight", "pos_embed"


def weights_loader(source: str = PRETRAINED) -> WeightsLoader | None:
    """Return a loader of the weights of `source` (`pretrained`, or the path of a file); None for `random`."""
    if source == RANDOM:
        return None
    return lambda network, backbone: load_weights(network, backbone, find_weights(backbone, source))


def load_weights(network: Any, backbone: Backbone, path: Path) -> LoadReport:
    """Load a fitting file into a timm network; the classifier head stays fresh, position embeddings are resized."""
    sha256 = checked_sha256(backbone, path)
    state = image_side(read_state(path))
    fitted, misfit = fit(network, backbone, state)
    if misfit:
        raise misfit_error(path, backbone, misfit, state)
    own = network.state_dict()
    network.load_state_dict({name: value for name, value in fitted.items() if name in own}, strict=False)
    resized = _POSITION in own and state[_POSITION].shape != own[_POSITION].shape
    return LoadReport(
        path=path,
        sha256=sha256,
        bytes=path.stat().st_size,
        head_classes=0 if backbone.text else head_classes(backbone, state),  # there it projects into the common space
        left_out=tuple(name for name in state if name not in fitted or name not in own),
        resized_from=state[_POSITION].shape[1] if resized else 0,
    )


def image_side(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of the image side as timm names them, where a file holds a text side too; else all."""
    side = {name.removeprefix(IMAGE_SIDE): value for name, value in state.items() if name.startswith(IMAGE_SIDE)}
    return side or dict(state)


def has_text_side(state: Mapping[str, Any]) -> bool:
    """Tell whether a file holds an image side and a text side, as open_clip names them."""
    return any(name.startswith(IMAGE_SIDE) for name in state) and any(name.startswith("text.") for name in state)


def head_classes(backbone: Backbone, state: Mapping[str, Any]) -> int:
    """Return how many classes the file's own classifier head tells apart; 0 where it has none."""
    weight = state.get(f"{backbone.head}.weight")
    return 0 if weight is None else int(weight.shape[0])


def fit(network: Any, backbone: Backbone, state: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the tensors without head in this network's names and shapes, and a description of misfits (empty: none).

    Only names and shapes decide. An extra tensor inside a part of the network (a deeper or wider relative) is a
    misfit: without it the network would differ from the trained one.
    """
    body = _without_head(state, backbone)
    own = _without_head(network.state_dict(), backbone)
    are_patches = _PATCH in body and _PATCH in own and body[_PATCH].ndim == 4
    if are_patches and body[_PATCH].shape != own[_PATCH].shape:  # timm would resample them without a word
        return body, _other_shape(_PATCH, body, own)
    if backbone.shape.has_tokens:
        body = _as_timm_names(body, network)
    return body, _misfit(body, own)


def _without_head(state: Mapping[str, Any], backbone: Backbone) -> dict[str, Any]:
    return {name: value for name, value in state.items() if not name.startswith(f"{backbone.head}.")}


def _misfit(body: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return the first difference between the tensors of a file and those of a network, without heads; empty: none."""
    for name in own:
        if name in body and body[name].shape != own[name].shape:
            return _other_shape(name, body, own)
    if missing := _names_without(own, body):
        return Message("it lacks {names}", names=listed(missing, most=1))
    parts = {name.partition(".")[0] for name in own if "." in name}  # of the network
    others = _names_without(body, own)
    if extra := [name for name in others if "." not in name or name.partition(".")[0] in parts]:
        return Message("it has {some} too many", some=listed(extra, most=1))
    return ""


def _names_without(some: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Return the names of tensors that only the first of two states has, but for those that nothing reads."""
    return [name for name in some if name not in others and not name.endswith(_COUNTER)]


def _other_shape(name: str, body: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return Message(
        "{name} is {shape} there and {own_shape} here",
        name=name,
        shape=tuple(body[name].shape),
        own_shape=tuple(own[name].shape),
    )


def _as_timm_names(body: dict[str, Any], network: Any) -> dict[str, Any]:
    """Rename and reshape tensors as timm does when it loads a ViT; unknown ones come back unchanged."""
    from timm.models import eva, vision_transformer

    if _POSITION not in body or body[_POSITION].ndim != 3:
        return body
    try:
        module: Any = eva if isinstance(network, eva.Eva) else vision_transformer
        return module.checkpoint_filter_fn(dict(body), network)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError, AssertionError):
        return body


def fitting_backbones(state: Mapping[str, Any]) -> tuple[Backbone, ...]:
    """Return the catalog's backbones matching the tensors by names and shapes, in the catalog's order."""
    import torch

    found: list[Backbone] = []
    is_both = has_text_side(state)
    state = image_side(state)
    for backbone in BACKBONES.values():
        if bool(backbone.text) != is_both or not _could_fit(backbone, state):
            continue
        with torch.device("meta"):
            network = build_network(backbone, classes=0, shape=backbone.input_shape())
        if not fit(network, backbone, state)[1]:
            found.append(backbone)
    return tuple(found)


def _could_fit(backbone: Backbone, state: Mapping[str, Any]) -> bool:
    """Return whether a file may be of a backbone: another family is ruled out by one name, far sizes by their count.

    Saves building the network. Of one backbone, the counts differ by the position embeddings for another input size:
    of DINOv2-Small's 22 million, .1 at 224 px and .5 at 518 px. ResNet-18 (11 million) and -34 (21) are told apart.
    """
    first = f"{backbone.shape.stem_names[0]}."
    count = sum(value.numel() for value in _without_head(state, backbone).values())
    return any(name.startswith(first) for name in state) and 0.7 < count / backbone.parameters < 1.4


def misfit_error(path: Path, backbone: Backbone, misfit: str, state: Mapping[str, Any]) -> WeightsError:
    hint = Message(
        "It fits no backbone here; {name} takes weights of timm's {architecture}.",
        name=backbone.name,
        architecture=backbone.architecture,
    )
    if others := [each.name for each in fitting_backbones(state)]:
        hint = Message("It fits {names}: choose that backbone.", names=" and ".join(others))
    return WeightsError(
        Message("{name} does not fit {name2}: {misfit}.", name=path.name, name2=backbone.name, misfit=misfit), hint
    )
