"""Checkpoints: folders of safetensors and JSON that appear whole or not at all, each file with its hash.

`last` and `prev` continue a run, `best` is what evaluation and export read; `start` is what the run began with, and
goes when it ends. A damaged one is noticed by its hash (a flipped bit in a safetensors file would load silently); then
the next older one is taken, and that is said. All that a folder holds is on the disk before it gets its name, so that a
power cut leaves the old one or the new one.
"""

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor  # noqa: TID253

from visionft.errors import RunError
from visionft.events import Notice, OnEvent, ignore_event
from visionft.files import fsync_folder, fsync_tree, naming_faults, read_json
from visionft.training.runs.manifest import MODEL_FILE, STATE_FILE, fault_of, read_manifest, write_manifest

LAST, PREVIOUS, BEST, START = "last", "prev", "best", "start"
_OPTIMIZER = "optimizer.safetensors"


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
    with whole_folder(run_dir / name, keep_as=PREVIOUS if name == LAST else "") as folder:
        save_file(_plain(checkpoint.model), folder / MODEL_FILE)
        if checkpoint.optimizer:
            save_file(_plain(checkpoint.optimizer), folder / _OPTIMIZER)
        (folder / STATE_FILE).write_text(json.dumps(checkpoint.state, indent=2) + "\n", encoding="utf-8")
        write_manifest(folder)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


@contextmanager
def whole_folder(target: Path, *, keep_as: str = "") -> Generator[Path]:
    """Yield an empty folder; on success flush all of it to the disk and rename it over `target`, else remove it.

    Args:
        target: The folder that appears whole, or stays what it was.
        keep_as: Name beside it that an earlier `target` gets; without one it is removed.

    Raises:
        VisionFTError: The disk is full or cannot be written; `target` is untouched.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    retired = [target] if not keep_as else [target.with_name(keep_as), target]
    doomed = target.with_name(_old_name(retired[0].name))
    for leftover in (temporary, doomed):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with naming_faults(target):
            temporary.mkdir()
            yield temporary
            fsync_tree(temporary)
            if target.exists():
                # Renamed first, deleted last: a folder that is half deleted must not look like a checkpoint.
                for source, destination in zip(retired, [doomed, *retired], strict=False):
                    if source.exists():
                        source.rename(destination)
            temporary.rename(target)
            fsync_folder(target.parent)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(doomed, ignore_errors=True)


def _old_name(name: str) -> str:
    return f".{name}.old"


def finish_interrupted(run_dir: Path) -> None:
    """Give `best` back its name where a process was killed between moving the old one away and naming the new one."""
    older = run_dir / _old_name(BEST)
    if older.is_dir() and not (run_dir / BEST).exists():
        older.rename(run_dir / BEST)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read one checkpoint folder after checking every hash.

    Raises:
        RunError: It is missing, incomplete or damaged.
    """
    try:
        return _read(folder)
    except ValueError as error:
        raise RunError(f"The checkpoint {folder} is damaged: {error}.", "Use another run, or train again.") from error


def _read(folder: Path) -> Checkpoint:
    """Read a checkpoint, or raise ValueError with what is wrong with it."""
    if fault := fault_of(folder):
        raise ValueError(fault)
    try:
        optimizer = load_file(folder / _OPTIMIZER) if _OPTIMIZER in read_manifest(folder) else {}
        state = read_json(folder / STATE_FILE)
        return Checkpoint(model=load_file(folder / MODEL_FILE), optimizer=optimizer, state=state)
    except (OSError, SafetensorError) as error:
        raise ValueError(str(error)) from error


def has_whole(run_dir: Path, *names: str) -> bool:
    """Tell whether a run has all these checkpoints, undamaged."""
    return not any(fault_of(run_dir / name) for name in names)


def has_checkpoint(run_dir: Path) -> bool:
    """Tell whether a run has written anything that it could be continued from, whole or not."""
    return any((run_dir / name).exists() for name in (LAST, PREVIOUS))


def load_newest(run_dir: Path, on_event: OnEvent = ignore_event) -> Checkpoint:
    """Return the newest undamaged checkpoint that a run can be continued from, and say when that is not the newest.

    Raises:
        RunError: There is none. To begin anew in its folder would throw away what `best` may still hold.
    """
    faults: dict[str, str] = {}
    for name in (LAST, PREVIOUS):
        try:
            found = _read(run_dir / name)
        except ValueError as error:
            faults[name] = str(error)
            continue
        if faults:
            message = (
                f"The newest checkpoint of {run_dir.name} is unusable ({faults[LAST]}); going on from the one before."
            )
            on_event(Notice(message=message, level="warning"))
        return found
    said = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    can_be_used = not fault_of(run_dir / BEST)
    hint = "Its best epoch can still be evaluated and exported. " if can_be_used else ""
    raise RunError(f"{run_dir.name} cannot go on, its checkpoints are unusable ({said}).", hint + "Start a new run.")


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
