"""Reading named tensors from files of any origin, so that reading one can never run code."""

import pickle
from pathlib import Path
from typing import Any

from models.errors import WeightsError

PICKLED = (".pth", ".pt", ".bin", ".ckpt")
NOT_STATED = "not stated"
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


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
    return WeightsError(f"{path.name} is not a readable weights file: {reason}.", "Get the file again.")


def _unwrap(state: Any, path: Path) -> dict[str, Any]:
    for key in ("state_dict_ema", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not state or not all(hasattr(value, "shape") for value in state.values()):
        raise WeightsError(f"{path.name} holds no plain dictionary of tensors.", "Save the model's state_dict().")
    state = {str(name): value for name, value in state.items()}
    while wrapper := next((each for each in _WRAPPERS if all(name.startswith(each) for name in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def _check_finite(state: dict[str, Any], path: Path) -> None:
    broken = [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        message = f"{path.name} is damaged: {broken[0]} holds values that are no numbers."
        raise WeightsError(message, "Get the file again.")


def stated_licence(path: Path) -> str:
    """Return the licence that a safetensors file's own metadata states; `not stated` otherwise."""
    if path.suffix.lower() != ".safetensors":
        return NOT_STATED
    from safetensors import safe_open

    with safe_open(path, "numpy") as opened:
        metadata = opened.metadata() or {}
    return metadata.get("licence") or metadata.get("license") or NOT_STATED
