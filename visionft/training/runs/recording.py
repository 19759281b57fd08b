"""What a run writes into its folder, and takes from it when it goes on: only the main process calls the writers."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor  # noqa: TID253

from models.classifier import Classifier
from visionft.data.types import Snapshot
from visionft.errors import NextStep, RunError
from visionft.events import EpochDone, RunStarted
from visionft.files import read_json, write_json
from visionft.training.config.train_config import NETWORK, TrainConfig
from visionft.training.runs.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    finish_interrupted,
    load_checkpoint,
    save_checkpoint,
    whole_folder,
)
from visionft.training.runs.exchange import complete_exchange
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import TrainResult, claim_run_dir, read_run
from visionft.training.runs.run_lock import lock_run
from visionft.training.runs.run_snapshot import read_snapshot, write_snapshot
from visionft.weights.locations import RANDOM
from visionft.zero_shot.prompts import all_texts

PROMPTS_FILE = "prompts.json"

logger = logging.getLogger(__name__)


def log_start(started: RunStarted, config: TrainConfig) -> None:
    """Log what a run starts with; of the settings those that are not the default, and no file of the user by name."""
    usual = TrainConfig().to_dict()
    changed = {name: value for name, value in config.to_dict().items() if value != usual[name]}
    if config.weights not in ("pretrained", RANDOM):
        changed["weights"] = "a file"
    logger.info("run starts: %s; settings: %s", started, changed)


def take_folder(run_dir: Path, config: TrainConfig, images: Snapshot, *, is_new: bool) -> tuple[Path, FileLock]:
    """Take the run's folder for this process alone; return it and its lock.

    Args:
        is_new: It must be a folder of its own: the next number is taken where another run has this one meanwhile.

    Raises:
        RunError: It belongs to other settings or pictures, or another process trains the run now.
        VisionFTError: It cannot be written.
    """
    if is_new:
        run_dir = claim_run_dir(run_dir.parent.parent, config)
    lock = lock_run(run_dir)
    try:
        open_run(run_dir, config, images)
        finish_interrupted(run_dir)
    except BaseException:
        lock.release()
        raise
    return run_dir, lock


def open_run(run_dir: Path, config: TrainConfig, images: Snapshot) -> None:
    """Make the run's folder, or check that the one there belongs to the same settings and pictures.

    Raises:
        RunError: It belongs to others.
    """
    if (run_dir / "config.json").exists():
        _check_same_run(run_dir, config, images)
    else:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / "classes.json", list(images.class_names))
        write_snapshot(run_dir, images)
        if config.method_row.reads_prompts:
            write_json(run_dir / PROMPTS_FILE, _texts_of(config, images))
        network = config.backbone_row.construction
        write_json(run_dir / "config.json", {**config.to_dict(), NETWORK: network})
    (run_dir / "result.json").unlink(missing_ok=True)


def _texts_of(config: TrainConfig, images: Snapshot) -> dict[str, list[str]]:
    """Return the texts that are read for each class."""
    classes = all_texts(images.class_names, images.prompts, config.method_row.templates(config.method_options))
    return {each.class_name: list(each.texts) for each in classes}


def _check_same_run(run_dir: Path, config: TrainConfig, images: Snapshot) -> None:
    if read_run(run_dir).config != config:
        raise RunError(f"{run_dir.name} was trained with other settings.", "Start a new run.")
    if read_snapshot(run_dir).digest != images.digest:
        hint = "Start a new run, or continue this one on its own pictures."
        step = NextStep("resume", run=run_dir.name)
        raise RunError(f"{run_dir.name} was trained with other pictures or labels.", hint, step)


def keep_epoch(run_dir: Path, classifier: Classifier, done: EpochDone, *, is_best: bool | None = None) -> None:
    """Record an epoch, and keep the classifier as the run's best where it is that.

    Args:
        is_best: Whether it is, where that differs from what `done` says.
    """
    if is_best is not None:
        done = dataclasses.replace(done, is_best=is_best)
    if done.is_best:
        model = classifier.trainable_state()
        save_checkpoint(run_dir, BEST, Checkpoint(model=model, optimizer={}, state={"epoch": done.epoch}))
    append_metrics(run_dir, done)


def load_best(run_dir: Path, classifier: Classifier) -> None:
    """Give the classifier the run's best state."""
    classifier.load_trainable_state(load_checkpoint(run_dir / BEST).model)


def save_last(run_dir: Path, classifier: Classifier, optimizer: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Write what the run can be continued from.

    Raises:
        RunError: A weight is not finite; the earlier checkpoints stay.
    """
    model = classifier.trainable_state()
    broken = [name for name, value in model.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise RunError(f"The weights {broken[0]} are no longer finite.", "Train again with a lower learning rate.")
    state = {"progress": progress}
    save_checkpoint(run_dir, LAST, Checkpoint(model=model, optimizer=optimizer, state=state))


def best_bytes(run_dir: Path) -> int:
    """Return the size of what the run learnt; 0 before its first epoch."""
    path = run_dir / BEST / "model.safetensors"
    return path.stat().st_size if path.exists() else 0


def close_run(run_dir: Path, config: TrainConfig, classifier: Classifier, result: TrainResult) -> None:
    """Write `result.json`, and what other libraries load where the method has such a thing."""
    method = config.method_row
    if method.exchange_folder and not result.stopped and result.best:
        load_best(run_dir, classifier)
        with whole_folder(run_dir / method.exchange_folder) as folder:
            options = config.method_options
            method.save_exchange(classifier.network, folder, backbone=config.backbone_row, options=options)
            complete_exchange(folder, read_json(run_dir / "classes.json"), result.weights)
    write_json(run_dir / "result.json", dataclasses.asdict(result))
    best = f"kept epoch {result.best.epoch}" if result.best else "no epoch was kept"
    logger.info("run ends: %s %s, %.0f s", run_dir.name, "stopped" if result.stopped else best, result.seconds)
