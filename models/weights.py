"""Where pretrained weights come from, and fitting them to a network. Offline first; never silently random.

Order: a local file given by the user; the file that ships with the program; the weights folder; the hub. Files are
safetensors, or `.pth` read with `weights_only=True`, so that loading one can never run code.
"""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from models.catalog import Backbone
from models.errors import WeightsError

logger = logging.getLogger(__name__)

RANDOM = "random"
PRETRAINED = "pretrained"


def weights_folder() -> Path:
    """Return the folder of weights that a user carried here; `VISIONFT_WEIGHTS` moves it."""
    return Path(os.environ.get("VISIONFT_WEIGHTS") or platformdirs.user_data_path("visionft") / "weights")


def bundled_file(backbone: Backbone) -> Path | None:
    """Return the weights that ship with the program, or None where none do."""
    return Path(__file__).parent / "starter" / backbone.bundled if backbone.bundled else None


def local_file(backbone: Backbone) -> Path | None:
    """Return the weights that are already on this computer, hub cache included, or None."""
    candidates = [bundled_file(backbone), weights_folder() / f"{backbone.name}.safetensors", _hub_cached(backbone)]
    return next((path for path in candidates if path and path.is_file()), None)


def _hub_cached(backbone: Backbone) -> Path | None:
    if not backbone.hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(backbone.hub_id, "model.safetensors")
    return Path(found) if isinstance(found, str) else None


def find_weights(backbone: Backbone, source: str = PRETRAINED) -> Path:
    """Return the file to load for `source`: `pretrained` or a path. Downloads when it is nowhere on this computer.

    Raises:
        WeightsError: The file is missing, or the hub cannot be reached.
    """
    if source != PRETRAINED:
        path = Path(source).expanduser()
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}.", "Give the path of a .safetensors or .pth file.")
        return path
    return local_file(backbone) or _download(backbone)


def check_bundled(backbone: Backbone, path: Path) -> None:
    """Raise a `WeightsError` when the file that ships with the program is not the one it shipped with.

    A flipped bit in a safetensors file would load silently.
    """
    if path == bundled_file(backbone):
        with path.open("rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != backbone.sha256:
                raise WeightsError(f"{path.name} is damaged.", "Reinstall VisionFT.")


def _download(backbone: Backbone) -> Path:
    from huggingface_hub import hf_hub_download

    if not backbone.hub_id:
        raise WeightsError(f"The file {backbone.bundled} of {backbone.name} is missing.", "Reinstall VisionFT.")
    try:
        return Path(hf_hub_download(backbone.hub_id, "model.safetensors"))
    except Exception as error:  # huggingface_hub raises a dozen kinds, from OSError to its own
        logger.info("hub download of %s failed", backbone.hub_id, exc_info=True)
        hint = (
            f"Connect to the internet once, or copy model.safetensors of {backbone.hub_id} to "
            f"{weights_folder() / (backbone.name + '.safetensors')}, or choose weights=random."
        )
        raise WeightsError(
            f"The weights of {backbone.name} are not on this computer and cannot be fetched.", hint
        ) from error


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded, and what of the file was left out because this network has no place for it."""

    path: Path
    left_out: tuple[str, ...]


def load_weights(network: Any, backbone: Backbone, path: Path) -> LoadReport:
    """Load a weights file into a timm network; the classifier head stays fresh, position embeddings are resized.

    Raises:
        WeightsError: The file is damaged, or its names or shapes are not this network's.
    """
    check_bundled(backbone, path)
    head = backbone.head + "."
    state = {name: value for name, value in read_state(path).items() if not name.startswith(head)}
    if backbone.family == "vit":
        from timm.models.vision_transformer import checkpoint_filter_fn

        state = checkpoint_filter_fn(state, network)
    own = network.state_dict()
    missing = [name for name in own if name not in state and not name.startswith(head)]
    wrong = [name for name in own if name in state and state[name].shape != own[name].shape]
    if missing or wrong:
        raise _misfit(path, backbone, missing, wrong, own, state)
    network.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)
    return LoadReport(path, tuple(name for name in state if name not in own))


def _misfit(path: Path, backbone: Backbone, missing: list[str], wrong: list[str], own: Any, state: Any) -> WeightsError:
    if wrong:
        name = wrong[0]
        detail = f"{name} is {tuple(state[name].shape)} there and {tuple(own[name].shape)} here"
    else:
        detail = f"it lacks {missing[0]} and {len(missing) - 1} more"
    hint = f"Give weights of timm's {backbone.architecture}, or choose the backbone that they were made for."
    return WeightsError(f"{path.name} does not fit {backbone.name}: {detail}.", hint)


def read_state(path: Path) -> dict[str, Any]:
    """Read named tensors from a .safetensors, .pth, .pt or .bin file without running anything in it.

    Raises:
        WeightsError: The file cannot be read, is damaged, or wants to run code.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            import torch

            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own family of errors; all mean the same to the user
        hint = "Get it again; a .pth file must hold tensors only."
        raise WeightsError(f"{path.name} is not a readable weights file: {_first_line(error)}.", hint) from error
    return _unwrap(state, path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:200]


def _unwrap(state: Any, path: Path) -> dict[str, Any]:
    for key in ("state_dict_ema", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise WeightsError(f"{path.name} holds no plain dictionary of tensors.", "Save the model's state_dict.")
    return {str(name).removeprefix("module."): value for name, value in state.items()}
