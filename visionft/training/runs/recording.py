"""Writing a run's folder, and reading it on resume: only the main process calls the writers."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor  # noqa: TID253

from models.classifier import Classifier
from models.text.class_texts import all_texts
from models.weights.locations import RANDOM
from visionft.core.errors import NextStep, RunError
from visionft.core.events import EpochDone, RunStarted
from visionft.core.files import write_json
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.training.config.train_config import NETWORK, TrainConfig
from visionft.training.runs.checkpoint import (
    BEST,
    LAST,
    PREVIOUS,
    Checkpoint,
    finish_interrupted,
    load_checkpoint,
    save_checkpoint,
)
from visionft.training.runs.held_out import HeldOutPredictions
from visionft.training.runs.metrics_file import append_metrics, read_metrics
from visionft.training.runs.run_folder import TrainResult, claim_run_dir, lock_run, read_run
from visionft.training.runs.run_snapshot import read_snapshot, write_snapshot

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
        raise RunError(Message("{name} cannot go on: its checkpoints are gone.", name=run_dir.name), hint)
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
        write_json(run_dir / "config.json", {**config.to_dict(), NETWORK: network})
    (run_dir / "result.json").unlink(missing_ok=True)


def keep_epoch(
    run_dir: Path, classifier: Classifier, done: EpochDone, held_out: HeldOutPredictions | None = None
) -> None:
    """Record an epoch, and save the classifier as the run's best where it is the best."""
    if done.is_best:
        model = classifier.trainable_state()
        checkpoint = Checkpoint(model=model, optimizer={}, state={"epoch": done.epoch}, held_out=held_out)
        save_checkpoint(run_dir, BEST, checkpoint)
    append_metrics(run_dir, done)


def load_best(run_dir: Path, classifier: Classifier) -> None:
    classifier.load_trainable_state(load_checkpoint(run_dir / BEST).model)


def save_last(run_dir: Path, classifier: Classifier, optimizer: dict[str, Tensor], progress: dict[str, Any]) -> None:
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
