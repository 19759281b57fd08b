"""Reading named tensors from files of any origin, so that reading one can never run code."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

from models.backbone import NOT_STATED
from visionft.amounts import size_text
from visionft.errors import WeightsError

PICKLED = (".pth", ".pt", ".bin", ".ckpt")
# Tied layers share a tensor, so that a state may be larger than its file; a file that asks for more is made for harm.
_MOST_SHARED = 4
KINDS = (".safetensors", *PICKLED)
# What wrapping a network (DataParallel, torch.compile, Lightning, a larger model) puts before every name.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "backbone.", "encoder.")


def read_state(path: Path) -> dict[str, Any]:
    """Read named tensors from a .safetensors, .pth, .pt, .bin or .ckpt file without running anything in it.

    Raises:
        WeightsError: The file is of another kind, cannot be read, is damaged, or wants to run code.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        reason = f"{path.name} is an ONNX graph: its tensors were renamed and folded, so that they fit no network."
        raise WeightsError(reason, "Give the .safetensors or .pth file that it was exported from.")
    if suffix not in KINDS:
        raise WeightsError(f"{path.name} is no weights file.", f"Give one of these kinds: {', '.join(KINDS)}.")
    try:
        state = _load_safetensors(path) if suffix == ".safetensors" else _load_pickled(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error
    state = _unwrap(state, path)
    _check_plain(state, path)
    _check_finite(state, path)
    return state


def _load_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _load_pickled(path: Path) -> Any:
    import torch

    _check_stored(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged zip or pickle fails in dozens of ways; all mean the same to the user
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            message = f"{path.name} holds more than tensors and could run code, so VisionFT did not open it."
            hint = "Save the model's state_dict() alone, or as .safetensors, where the file was made."
            raise WeightsError(message, hint) from error
        raise _damaged(path, error) from error


def _check_stored(path: Path) -> None:
    """Refuse a zip that is larger inside: torch packs nothing, and 3 MB of packed zeros are 3 GB in memory."""
    with path.open("rb") as handle:
        if handle.read(4) != b"PK\x03\x04":
            return
    try:
        with zipfile.ZipFile(path) as opened:
            inside = sum(entry.file_size for entry in opened.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _damaged(path, error) from error
    if inside > path.stat().st_size:
        message = f"{path.name} is packed: {size_text(inside)} in a file of {size_text(path.stat().st_size)}."
        raise WeightsError(message, "Save the model's state_dict() with torch.save, which packs nothing.")


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
    return WeightsError(f"{path.name} is not a readable weights file: {reason}.", "Get the file again.")


def _unwrap(state: Any, path: Path) -> dict[str, Any]:
    import torch

    for key in ("state_dict_ema", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path.name} holds no plain dictionary of tensors.", "Save the model's state_dict().")
    state = {str(name): value for name, value in state.items()}
    while wrapper := next((each for each in _WRAPPERS if all(name.startswith(each) for name in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def _check_plain(state: dict[str, Any], path: Path) -> None:
    """Refuse tensors that are no plain array of numbers, and those that are larger than the file they come from."""
    room = _MOST_SHARED * path.stat().st_size + (1 << 20)
    for name, value in state.items():
        if problem := _problem(value):
            hint = "Save plain tensors of float32, float16 or bfloat16 where the file was made."
            raise WeightsError(f"{path.name} cannot be used: {name} holds {problem}.", hint)
        room -= value.numel() * value.element_size()
        if room < 0:
            message = f"{path.name} cannot be used: its tensors are many times larger than the file."
            raise WeightsError(message, "Save copies of them (tensor.clone()) where the file was made.")


def _problem(value: Any) -> str:
    """Return what a tensor holds in place of numbers that a network can start from; nothing when it is sound."""
    import torch

    if value.is_meta:
        return "no values, only a shape (a “meta” tensor)"
    if value.is_nested or value.layout != torch.strided:
        return "a sparse or nested tensor"
    is_number = value.dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    if value.is_quantized or value.is_complex() or (value.is_floating_point() and not is_number):
        return f"numbers of the kind {str(value.dtype).removeprefix('torch.')}"
    return ""


def _check_finite(state: dict[str, Any], path: Path) -> None:
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        message = f"{path.name} is damaged: {broken[0]} holds values that are no numbers."
        raise WeightsError(message, "Get the file again.")


def stated_licence(path: Path) -> str:
    """Return the licence that a safetensors file's own metadata states; `not stated` otherwise."""
    if path.suffix.lower() != ".safetensors":
        return NOT_STATED
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as opened:
            metadata = opened.metadata() or {}
    except SafetensorError:
        return NOT_STATED  # whoever loads it says what is wrong with it
    return metadata.get("licence") or metadata.get("license") or NOT_STATED
