"""Checkpoints: folders of safetensors and JSON, written atomically, each file with its hash.

`last` and `prev` resume a run, evaluation and export read `best`; `start` holds the initial state and is deleted at the
end. A damaged checkpoint is detected by its hash; the next older one is used instead, with a notice. A folder is
flushed to the disk before its rename, so a power cut leaves the old one or the new one.
"""

import dataclasses
import json
import logging
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor  # noqa: TID253

from models.classifier import TrainableClassifier
from models.text.class_texts import all_texts
from models.weights.locations import RANDOM
from visionft.core.errors import NextStep, RunError
from visionft.core.events import EpochDone, Notice, RunStarted
from visionft.core.files import (
    converting_write_errors,
    fsync_folder,
    fsync_tree,
    read_json,
    umask_permissions,
    write_json,
)
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, sentences
from visionft.data.types import Snapshot
from visionft.training.config.train_config import NETWORK_FIELD, TrainConfig
from visionft.training.runs.manifest import FILE as HELD_OUT_FILE
from visionft.training.runs.manifest import (
    MODEL_FILE,
    STATE_FILE,
    HeldOutPredictions,
    fault_of,
    load_held_out,
    read_manifest,
    save_held_out,
    write_manifest,
)
from visionft.training.runs.metrics_file import append_metrics, read_metrics
from visionft.training.runs.run_folder import TrainResult, claim_run_dir, lock_run, read_run
from visionft.training.runs.run_snapshot import read_snapshot, write_snapshot

LAST, PREVIOUS, BEST, START = "last", "prev", "best", "start"
_OPTIMIZER_FILE = "optimizer.safetensors"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    model: dict[str, Tensor]  # the classifier's trainable state
    optimizer: dict[str, Tensor]  # the optimiser's state by parameter number; empty for a checkpoint of the model alone
    state: dict[str, Any]
    held_out: HeldOutPredictions | None = None  # for the images that its head was fitted to


def save_checkpoint(run_dir: Path, name: str, checkpoint: Checkpoint) -> None:
    """Replace a checkpoint, or leave the old one after a failure; the older `last` becomes `prev`."""
    with atomic_folder(run_dir / name, keep_as=PREVIOUS if name == LAST else "") as folder:
        _save(checkpoint.model, folder / MODEL_FILE)
        if checkpoint.optimizer:
            _save(checkpoint.optimizer, folder / _OPTIMIZER_FILE)
        if checkpoint.held_out is not None:
            save_held_out(folder, checkpoint.held_out)
        (folder / STATE_FILE).write_text(json.dumps(checkpoint.state, indent=2) + "\n", encoding="utf-8")
        write_manifest(folder)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    with umask_permissions(path):
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


@contextmanager
def atomic_folder(target: Path, *, keep_as: str = "") -> Generator[Path]:
    """Yield an empty folder; on success flush it to the disk and rename it over `target`, otherwise delete it.

    Args:
        target: The folder to replace; unchanged after a failure.
        keep_as: Name in the same parent under which an earlier `target` is kept; empty to delete it.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    moved = [target] if not keep_as else [target.with_name(keep_as), target]
    deleted = target.with_name(_old_name(moved[0].name))
    for leftover in (temporary, deleted):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with converting_write_errors(target):
            temporary.mkdir()
            yield temporary
            fsync_tree(temporary)
            if target.exists():
                # Renamed first, deleted last: a half-deleted folder must not look like a checkpoint.
                for source, destination in zip(moved, [deleted, *moved], strict=False):
                    if source.exists():
                        source.rename(destination)
            temporary.rename(target)
            fsync_folder(target.parent)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(deleted, ignore_errors=True)


def _old_name(name: str) -> str:
    return f".{name}.old"


def finish_interrupted(run_dir: Path) -> None:
    """Restore the old `best` if the process was killed before the new one was renamed."""
    older = run_dir / _old_name(BEST)
    if older.is_dir() and not (run_dir / BEST).exists():
        older.rename(run_dir / BEST)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Return a checkpoint after checking every hash.

    Raises:
        RunError: It is missing, incomplete or damaged.
    """
    try:
        return _read(folder)
    except ValueError as error:
        message = Message("The checkpoint {folder} is damaged: {reason}.", folder=folder, reason=error)
        raise RunError(message, "Use another run, or train again.") from error


def _read(folder: Path) -> Checkpoint:
    """Read a checkpoint, or raise ValueError with its problem."""
    if fault := fault_of(folder):
        raise ValueError(fault)
    try:
        optimizer = load_file(folder / _OPTIMIZER_FILE) if _OPTIMIZER_FILE in read_manifest(folder) else {}
        state = read_json(folder / STATE_FILE)
        model, held_out = load_file(folder / MODEL_FILE), load_held_out(folder / HELD_OUT_FILE)
        return Checkpoint(model=model, optimizer=optimizer, state=state, held_out=held_out)
    except (OSError, SafetensorError) as error:
        raise ValueError(str(error)) from error


def has_whole(run_dir: Path, *names: str) -> bool:
    """Return whether a run has all these checkpoints, undamaged."""
    return not any(fault_of(run_dir / name) for name in names)


def load_newest(run_dir: Path, job: JobContext = SILENT_JOB) -> Checkpoint:
    """Return the newest undamaged checkpoint, with a notice if a newer one is damaged (RunError: no whole one)."""
    faults: dict[str, str] = {}
    for name in (LAST, PREVIOUS):
        try:
            found = _read(run_dir / name)
        except ValueError as error:
            faults[name] = str(error)
            continue
        if faults:
            message = Message("The newest checkpoint of {run} is unusable ({reason}); going on from the one before.")
            message = Message(message, run=run_dir.name, reason=faults[LAST])
            job.report(Notice(message=message, level="warning"))
        return found
    reasons = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    hint = "Its best epoch can still be evaluated and exported." if not fault_of(run_dir / BEST) else ""
    message = Message("{name} cannot be continued, its checkpoints are unusable ({said}).", said=reasons)
    raise RunError(Message(message, name=run_dir.name), sentences(hint, "Start a new run."))


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's tensors as `<parameter number>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, entry in state.items() for name, value in entry.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load a state of `flatten_optimizer`; the settings of the groups stay."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:  # a moment: fused steps require its parameter's memory order
            value = torch.empty_like(parameter).copy_(value)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


PROMPTS_FILE = "prompts.json"

logger = logging.getLogger(__name__)


def log_start(started: RunStarted, config: TrainConfig) -> None:
    """Log the start of a run with its non-default settings, without names of the user's files."""
    usual = TrainConfig().to_dict()
    changed = {name: value for name, value in config.to_dict().items() if value != usual.get(name)}
    if config.weights not in ("pretrained", RANDOM):
        changed["weights"] = "a file"
    logger.info("run starts: %s; settings: %s", started, changed)


def has_begun(run_dir: Path) -> bool:
    """Return whether a folder holds a run to resume (RunError: a trained run has lost its checkpoints)."""
    if any((run_dir / name).exists() for name in (LAST, PREVIOUS)):
        return True
    if read_metrics(run_dir):
        hint = "Start a new run with the same settings; the curves of this one stay."
        raise RunError(Message("{name} cannot be continued: its checkpoints are gone.", name=run_dir.name), hint)
    return False


def take_folder(run_dir: Path, config: TrainConfig, images: Snapshot, *, is_new: bool) -> tuple[Path, FileLock]:
    """Take the run's folder, or the next number where `is_new` and another run has it; return it and its lock."""
    if is_new:
        run_dir = claim_run_dir(run_dir.parent.parent, config, suffix=run_dir.name.partition("-")[2])
    lock = lock_run(run_dir)
    try:
        open_run(run_dir, config, images)
        finish_interrupted(run_dir)
    except BaseException:
        lock.release()
        raise
    return run_dir, lock


def open_run(run_dir: Path, config: TrainConfig, images: Snapshot) -> None:
    """Make the run's folder, or check that the one there belongs to the same settings and images."""
    if (run_dir / "config.json").exists():
        if read_run(run_dir).config != config:
            raise RunError(Message("{name} was trained with other settings.", name=run_dir.name), "Start a new run.")
        if read_snapshot(run_dir).digest != images.digest:
            hint = "Start a new run, or continue this one on its own images."
            step = NextStep("resume", run=run_dir.name)
            message = Message("{name} was trained with other images or labels.", name=run_dir.name)
            raise RunError(message, hint, step)
    else:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / "classes.json", list(images.class_names))
        write_snapshot(run_dir, images)
        if config.method_row.reads_prompts:
            templates = config.method_row.templates(config.method_options)
            classes = all_texts(images.class_names, images.prompts, templates)
            write_json(run_dir / PROMPTS_FILE, {each.class_name: list(each.texts) for each in classes})
        network = config.backbone_row.construction
        write_json(run_dir / "config.json", {**config.to_dict(), NETWORK_FIELD: network})
    (run_dir / "result.json").unlink(missing_ok=True)


def keep_epoch(
    run_dir: Path, classifier: TrainableClassifier, done: EpochDone, held_out: HeldOutPredictions | None = None
) -> None:
    """Record an epoch, and save the classifier as the run's best where it is the best."""
    if done.is_best:
        model = classifier.trainable_state()
        checkpoint = Checkpoint(model=model, optimizer={}, state={"epoch": done.epoch}, held_out=held_out)
        save_checkpoint(run_dir, BEST, checkpoint)
    append_metrics(run_dir, done)


def load_best(run_dir: Path, classifier: TrainableClassifier) -> None:
    classifier.load_trainable_state(load_checkpoint(run_dir / BEST).model)


def save_last(
    run_dir: Path, classifier: TrainableClassifier, optimizer: dict[str, Tensor], progress: dict[str, Any]
) -> None:
    """Write the `last` checkpoint (RunError: A weight is not finite; the earlier checkpoints stay)."""
    model = classifier.trainable_state()
    broken = [name for name, value in model.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        message = Message("The weights {broken} are no longer finite.", broken=broken[0])
        raise RunError(message, "Train again with a lower learning rate.")
    state = {"progress": progress}
    save_checkpoint(run_dir, LAST, Checkpoint(model=model, optimizer=optimizer, state=state))


def close_run(run_dir: Path, config: TrainConfig, result: TrainResult) -> None:
    """Write `result.json`."""
    write_result(run_dir, result)
    kept = f"kept epoch {result.best.epoch}" if config.total_epochs and result.best else "head solved"
    best = kept if result.best else "nothing was kept"
    logger.info("run ends: %s %s, %.0f s", run_dir.name, "stopped" if result.stopped else best, result.seconds)


def write_result(run_dir: Path, result: TrainResult) -> None:
    """Write `result.json` (OSError, VisionFTError: it cannot be written)."""
    write_json(run_dir / "result.json", dataclasses.asdict(result))
