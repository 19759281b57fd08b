"""Checkpoints: folders of safetensors and JSON that appear whole or not at all, each file with its hash.

`last` and `prev` continue a run, `best` is what evaluation and export read. A damaged one is noticed by its hash (a
flipped bit in a safetensors file would load silently) and the next older one is taken.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from safetensors.torch import load_file, save_file
from torch import Tensor  # noqa: TID253

from visionft.errors import RunError
from visionft.files import fsync_folder, read_json, sha256_file, write_error, write_json

logger = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last", "prev", "best"
_MODEL, _OPTIMIZER, _STATE, _MANIFEST = "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        model: The classifier's trainable state.
        optimizer: The optimiser's state by parameter number, or empty for a checkpoint that only keeps a model.
        state: Plain values: where the run is.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(run_dir: Path, name: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint beside the old one and rename it over; `last` moves the one before it to `prev`.

    Raises:
        VisionFTError: The disk is full or cannot be written; the old checkpoints are untouched.
    """
    target, temporary = run_dir / name, run_dir / f".{name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        _write(temporary, checkpoint)
        if target.exists():
            _retire(target, run_dir / PREVIOUS if name == LAST else run_dir / f".{name}.old")
        temporary.rename(target)
        fsync_folder(run_dir)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise write_error(target, error) from error
    shutil.rmtree(run_dir / f".{name}.old", ignore_errors=True)


def _retire(target: Path, older: Path) -> None:
    shutil.rmtree(older, ignore_errors=True)
    target.rename(older)


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    _save_tensors(checkpoint.model, folder / _MODEL)
    if checkpoint.optimizer:
        _save_tensors(checkpoint.optimizer, folder / _OPTIMIZER)
    write_json(folder / _STATE, checkpoint.state)
    write_json(folder / _MANIFEST, {path.name: sha256_file(path) for path in sorted(folder.iterdir())})


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except Exception as error:  # safetensors wraps an OSError (a full disk, say) in its own class
        if "I/O error" in str(error) or "os error" in str(error):
            raise OSError(str(error)) from error
        raise


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read one checkpoint folder after checking every hash.

    Raises:
        RunError: It is missing, incomplete or damaged.
    """
    try:
        manifest = read_json(folder / _MANIFEST)
        damaged = [name for name, digest in manifest.items() if sha256_file(folder / name) != digest]
        if damaged:
            raise ValueError(f"{damaged[0]} has changed since it was written")
        optimizer = load_file(folder / _OPTIMIZER) if _OPTIMIZER in manifest else {}
        state = read_json(folder / _STATE)
        return Checkpoint(model=load_file(folder / _MODEL), optimizer=optimizer, state=state)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RunError(f"The checkpoint {folder} is unusable: {error}.", "Use another run, or train again.") from error


def load_newest(run_dir: Path) -> Checkpoint | None:
    """Return the newest undamaged checkpoint that a run can be continued from, or None when there is none."""
    for name in (LAST, PREVIOUS):
        try:
            return load_checkpoint(run_dir / name)
        except RunError as error:
            logger.info("passing over a checkpoint: %s", error.message)
    return None


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's tensors as `<parameter number>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, entry in state.items() for name, value in entry.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `flatten_optimizer` gave; the settings of the groups stay as they are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = _ordered_like(parameters[int(number)], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _ordered_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return a moment in its parameter's memory order, which a fused step asks for; a counter as it is."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
