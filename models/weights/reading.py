"""Reading named tensors from files of any origin without running code from them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

from models.backbone import NOT_STATED
from models.weights.records import unreadable
from visionft.core.amounts import size_text
from visionft.core.errors import WeightsError
from visionft.core.messages import Message

# Tied layers share a tensor, so that a state may be larger than its file; a file that asks for more is made for harm.
_MOST_SHARED = 4
KINDS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
# What wrapping a network (DataParallel, torch.compile, Lightning, a larger model) puts before every name.
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
        raise WeightsError(Message("{name} is no weights file.", name=path.name), hint)
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
        message = Message("{name} holds no plain dictionary of tensors.", name=path.name)
        raise WeightsError(message, "Save the model's state_dict().")
    state = {str(name): value for name, value in state.items()}
    while wrapper := next((each for each in _WRAPPERS if all(name.startswith(each) for name in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def _check_tensors(state: dict[str, Any], path: Path) -> None:
    """Refuse tensors other than plain arrays of finite numbers, and tensors larger than their file."""
    room = _MOST_SHARED * path.stat().st_size + (1 << 20)
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
