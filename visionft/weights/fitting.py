"""Fitting the tensors of a file to a network by names and shapes, and telling which backbone they were made for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.catalog import BACKBONES, Backbone
from models.networks import LoadReport, WeightsLoader, build_network
from visionft.errors import WeightsError
from visionft.weights.locations import PRETRAINED, RANDOM, find_weights
from visionft.weights.reading import read_state
from visionft.weights.records import checked_sha256

PICTURE_SIDE = "visual.trunk."  # what open_clip puts before the names of timm's network, in files of both sides
_COUNTER = ".num_batches_tracked"  # of batch norm; old files lack it, and nothing here reads it
_PATCH, _POSITION = "patch_embed.proj.weight", "pos_embed"


def weights_loader(source: str = PRETRAINED) -> WeightsLoader | None:
    """Return what fills a network with the weights that `source` means; None for random ones.

    Args:
        source: `pretrained`, `random`, or the path of a weights file.
    """
    if source == RANDOM:
        return None
    return lambda network, backbone: load_weights(network, backbone, find_weights(backbone, source))


def load_weights(network: Any, backbone: Backbone, path: Path) -> LoadReport:
    """Load a weights file into a timm network; the classifier head stays fresh, position embeddings are resized.

    Raises:
        WeightsError: The file is damaged, or its names or shapes are not this network's.
    """
    sha256 = checked_sha256(backbone, path)
    state = picture_side(read_state(path))
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


def picture_side(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of the picture side as timm names them, where a file holds a text side too; else all."""
    side = {name.removeprefix(PICTURE_SIDE): value for name, value in state.items() if name.startswith(PICTURE_SIDE)}
    return side or dict(state)


def has_text_side(state: Mapping[str, Any]) -> bool:
    """Tell whether a file holds a picture side and a text side, as open_clip names them."""
    return any(name.startswith(PICTURE_SIDE) for name in state) and any(name.startswith("text.") for name in state)


def head_classes(backbone: Backbone, state: Mapping[str, Any]) -> int:
    """Return how many classes the file's own classifier head tells apart; 0 where it has none."""
    weight = state.get(f"{backbone.head}.weight")
    return 0 if weight is None else int(weight.shape[0])


def fit(network: Any, backbone: Backbone, state: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the headless tensors as this network names and shapes them, and what does not fit (empty: all does).

    Only names and shapes decide. A tensor too many inside a part that the network has (a deeper or wider relative)
    counts as a misfit: leaving it out would give another network than the one the file was trained as.
    """
    head = backbone.head + "."
    body = {name: value for name, value in state.items() if not name.startswith(head)}
    own = {name: value for name, value in network.state_dict().items() if not name.startswith(head)}
    if _PATCH in body and body[_PATCH].ndim == 4 and body[_PATCH].shape != own.get(_PATCH, body[_PATCH]).shape:
        return body, _difference(_PATCH, body, own)  # timm would resample patches of another size without a word
    if backbone.family == "vit":
        body = _as_timm_names(body, network)
    wrong = [name for name in own if name in body and body[name].shape != own[name].shape]
    missing = [name for name in own if name not in body and not name.endswith(_COUNTER)]
    extra = [name for name in body if name not in own and _belongs_to_body(name, own)]
    if wrong:
        return body, _difference(wrong[0], body, own)
    if missing:
        return body, f"it lacks {_some(missing)}"
    return body, f"it has {_some(extra)} too many" if extra else ""


def _as_timm_names(body: dict[str, Any], network: Any) -> dict[str, Any]:
    """Rename and reshape as timm does when it loads a ViT; what it cannot make sense of comes back as it was."""
    from timm.models import eva, vision_transformer

    if _POSITION not in body or body[_POSITION].ndim != 3:
        return body
    try:
        module: Any = eva if isinstance(network, eva.Eva) else vision_transformer
        return module.checkpoint_filter_fn(dict(body), network)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError, AssertionError):
        return body


def _belongs_to_body(name: str, own: Mapping[str, Any]) -> bool:
    if name.endswith(_COUNTER):
        return False
    part, _, rest = name.partition(".")
    return not rest or any(each.startswith(part + ".") for each in own)


def _difference(name: str, body: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return f"{name} is {tuple(body[name].shape)} there and {tuple(own[name].shape)} here"


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def fitting_backbones(state: Mapping[str, Any]) -> tuple[Backbone, ...]:
    """Return the backbones of the catalog that the tensors fit by names and shapes, in the catalog's order."""
    import torch

    found, is_both = [], has_text_side(state)
    state = picture_side(state)
    for backbone in BACKBONES.values():
        if bool(backbone.text) != is_both or not _could_fit(backbone, state):
            continue
        with torch.device("meta"):
            network = build_network(backbone, classes=0, image_size=backbone.input_size)
        if not fit(network, backbone, state)[1]:
            found.append(backbone)
    return tuple(found)


def _could_fit(backbone: Backbone, state: Mapping[str, Any]) -> bool:
    """Rule out the other family by one name, and far sizes by their count, before a network is built."""
    first = "conv1." if backbone.family == "resnet" else _PATCH
    count = sum(value.numel() for name, value in state.items() if not name.startswith(backbone.head + "."))
    return any(name.startswith(first) for name in state) and 0.7 < count / backbone.parameters < 1.4


def misfit_error(path: Path, backbone: Backbone, misfit: str, state: Mapping[str, Any]) -> WeightsError:
    """Return the error for a file that does not fit, which says what it does fit."""
    others = [each.name for each in fitting_backbones(state)]
    if others:
        hint = f"It fits {' and '.join(others)}: choose that backbone."
    else:
        hint = f"It fits no backbone here; {backbone.name} takes weights of timm's {backbone.architecture}."
    return WeightsError(f"{path.name} does not fit {backbone.name}: {misfit}.", hint)
