"""Reading the tensors of a file of any origin, without running code from it, and fitting them to a network."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.backbone import NOT_STATED
from models.catalog import BACKBONES, Backbone
from models.networks import LoadReport, WeightsLoader, build_network
from models.weights.locations import PRETRAINED, RANDOM, find_weights
from models.weights.records import checked_sha256, unreadable
from visionft.core.amounts import size_text
from visionft.core.errors import WeightsError
from visionft.core.messages import Message, listed

IMAGE_SIDE = "visual.trunk."  # prefix of timm's names in open_clip files with image and text side
_BATCH_COUNTERS = ".num_batches_tracked"  # of batch norm; old files lack it, and nothing here reads it
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
    """Return the first difference between the tensors of a file and of a network without heads; empty: equal."""
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
    """Return the names of tensors that only the first of two states has, except unused counters."""
    return [name for name in some if name not in others and not name.endswith(_BATCH_COUNTERS)]


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


# Tied layers share a tensor, so a state may be larger than its file; beyond this ratio the file is taken as malicious.
_MAX_STATE_TO_FILE_RATIO = 4
KINDS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
# Prefixes added by DataParallel, torch.compile, Lightning, or a larger model.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "backbone.", "encoder.")


def read_state(path: Path) -> dict[str, Any]:
    """Return the tensors of a .safetensors, .pth, .pt, .bin or .ckpt file; a `WeightsError` rather than run code."""
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        template = Message("{name} is an ONNX graph: its tensors were renamed and folded, so that they fit no network.")
        hint = Message("Give the .safetensors or .pth file that it was exported from.")
        raise WeightsError(Message(template, name=path.name), hint)
    if suffix not in KINDS:
        hint = Message("Give one of these kinds: {KINDS}.", KINDS=", ".join(KINDS))
        raise WeightsError(Message("{name} is not a weights file.", name=path.name), hint)
    try:
        if suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                state = load_file(path)
            except (SafetensorError, ValueError, KeyError) as error:
                raise _damaged(path, error) from error
        else:
            state = _load_pickled(path)
    except OSError as error:
        raise unreadable(path, error) from error
    state = _unwrap(state, path)
    _check_tensors(state, path)
    return state


def _load_pickled(path: Path) -> Any:
    import torch

    _check_stored(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged zip or pickle fails in dozens of ways; all mean the same to the user
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            template = Message("{name} holds more than tensors and could run code, so VisionFT did not open it.")
            hint = "Save the model's state_dict() alone, or as .safetensors, where the file was made."
            raise WeightsError(Message(template, name=path.name), hint) from error
        raise _damaged(path, error) from error


def _check_stored(path: Path) -> None:
    """Refuse a compressed zip: torch stores uncompressed, and 3 MB of compressed zeros are 3 GB in memory."""
    with path.open("rb") as handle:
        if handle.read(4) != b"PK\x03\x04":
            return
    try:
        with zipfile.ZipFile(path) as opened:
            inside = sum(entry.file_size for entry in opened.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _damaged(path, error) from error
    size = path.stat().st_size
    if inside > size:
        message = Message(
            "{name} is packed: {inside} in a file of {size}.",
            name=path.name,
            inside=size_text(inside),
            size=size_text(size),
        )
        raise WeightsError(message, "Save the model's state_dict() with torch.save, which packs nothing.")


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
    message = Message("{name} is not a readable weights file: {reason}.", name=path.name, reason=reason)
    return WeightsError(message, "Get the file again.")


def _unwrap(state: Any, path: Path) -> dict[str, Any]:
    import torch

    for key in ("state_dict_ema", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        message = Message("{name} does not contain a plain dictionary of tensors.", name=path.name)
        raise WeightsError(message, "Save the model's state_dict().")
    state = {str(name): value for name, value in state.items()}
    while wrapper := next((each for each in _WRAPPERS if all(name.startswith(each) for name in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def _check_tensors(state: dict[str, Any], path: Path) -> None:
    """Refuse tensors other than plain arrays of finite numbers, and tensors larger than their file."""
    room = _MAX_STATE_TO_FILE_RATIO * path.stat().st_size + (1 << 20)
    for name, value in state.items():
        if problem := _problem(value):
            hint = "Save plain tensors of float32, float16 or bfloat16 where the file was made."
            raise WeightsError(
                Message("{name} cannot be used: {name2} holds {problem}.", name=path.name, name2=name, problem=problem),
                hint,
            )
        room -= value.numel() * value.element_size()
        if room < 0:
            message = Message("{name} cannot be used: its tensors are many times larger than the file.", name=path.name)
            raise WeightsError(message, "Save copies of them (tensor.clone()) where the file was made.")
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            message = Message(
                "{name} is damaged: {broken} holds values that are no numbers.", name=path.name, broken=name
            )
            raise WeightsError(message, "Get the file again.")


def _problem(value: Any) -> str:
    """Return the problem of a tensor's values, such as NaN; empty when it is sound."""
    import torch

    if value.is_meta:
        return Message("no values, only a shape (a “meta” tensor)")
    if value.is_nested or value.layout != torch.strided:
        return Message("a sparse or nested tensor")
    is_number = value.dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    if value.is_quantized or value.is_complex() or (value.is_floating_point() and not is_number):
        return Message("numbers of the kind {kind}", kind=str(value.dtype).removeprefix("torch."))
    return ""


def stated_licence(path: Path) -> str:
    """Return the licence from a safetensors file's metadata; `not stated` otherwise."""
    if path.suffix.lower() != ".safetensors":
        return NOT_STATED
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:
            metadata = opened.metadata() or {}
    except SafetensorError:
        return NOT_STATED  # whoever loads it says what is wrong with it
    return metadata.get("licence") or metadata.get("license") or NOT_STATED
