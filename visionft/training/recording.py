"""What a run writes into its folder, and takes from it when it goes on: only the main process calls the writers."""

import dataclasses
import gzip
import json
import shutil
from pathlib import Path

from torch import Tensor  # noqa: TID253

from models.classifier import Classifier
from visionft.errors import RunError
from visionft.files import atomic_path, fsync_folder, fsync_tree, write_json
from visionft.project.snapshot import Snapshot, SnapshotImage
from visionft.training.checkpoint import BEST, LAST, Checkpoint, load_checkpoint, load_newest, save_checkpoint
from visionft.training.config import TrainConfig
from visionft.training.curves import Curves
from visionft.training.progress import RunProgress
from visionft.training.runs import TrainResult, append_metrics, read_run

__all__ = ["Curves", "append_metrics", "load_newest"]

SNAPSHOT_FILE = "snapshot.json.gz"


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
        write_json(run_dir / "config.json", config.to_dict())
    (run_dir / "result.json").unlink(missing_ok=True)


def _check_same_run(run_dir: Path, config: TrainConfig, images: Snapshot) -> None:
    if read_run(run_dir).config != config:
        raise RunError(f"{run_dir.name} was trained with other settings.", "Start a new run.")
    if read_snapshot(run_dir).digest != images.digest:
        hint = "Start a new run, or continue this one on its own pictures with `visionft train --resume`."
        raise RunError(f"{run_dir.name} was trained with other pictures or labels.", hint)


def write_snapshot(run_dir: Path, images: Snapshot) -> None:
    """Keep the pictures, labels and splits that a run learns from."""
    rows = [[i.image_id, str(i.path), i.sha256, list(i.labels), i.split] for i in images.images]
    text = json.dumps({"task": images.task, "class_names": images.class_names, "images": rows}, ensure_ascii=False)
    with atomic_path(run_dir / SNAPSHOT_FILE) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))


def read_snapshot(run_dir: Path) -> Snapshot:
    """Return what `write_snapshot` kept.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        values = json.loads(gzip.decompress((run_dir / SNAPSHOT_FILE).read_bytes()))
        images = tuple(
            SnapshotImage(number, Path(path), digest, tuple(labels), split)
            for number, path, digest, labels, split in values["images"]
        )
        return Snapshot(values["task"], tuple(values["class_names"]), images)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run_dir.name} does not know its pictures any more: {error}.", "Start a new run.") from error


def save_best(run_dir: Path, classifier: Classifier, epoch: int) -> None:
    """Keep the classifier as the run's best."""
    model = classifier.trainable_state()
    save_checkpoint(run_dir, BEST, Checkpoint(model=model, optimizer={}, state={"epoch": epoch}))


def load_best(run_dir: Path, classifier: Classifier) -> None:
    """Give the classifier the run's best state."""
    classifier.load_trainable_state(load_checkpoint(run_dir / BEST).model)


def save_last(run_dir: Path, classifier: Classifier, optimizer: dict[str, Tensor], progress: RunProgress) -> None:
    """Write what the run can be continued from.

    Raises:
        RunError: A weight is not finite; the earlier checkpoints stay.
    """
    model = classifier.trainable_state()
    broken = [name for name, value in model.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise RunError(f"The weights {broken[0]} are no longer finite.", "Train again with a lower learning rate.")
    state = {"progress": progress.to_state()}
    save_checkpoint(run_dir, LAST, Checkpoint(model=model, optimizer=optimizer, state=state))


def best_bytes(run_dir: Path) -> int:
    """Return the size of what the run learnt; 0 before its first epoch."""
    path = run_dir / BEST / "model.safetensors"
    return path.stat().st_size if path.exists() else 0


def close_run(run_dir: Path, config: TrainConfig, classifier: Classifier, result: TrainResult) -> None:
    """Write `result.json`, and for LoRA the folder that peft loads."""
    if config.method == "lora" and not result.stopped and result.best:
        load_best(run_dir, classifier)
        _write_peft_folder(run_dir, config, classifier)
    write_json(run_dir / "result.json", dataclasses.asdict(result))


def _write_peft_folder(run_dir: Path, config: TrainConfig, classifier: Classifier) -> None:
    """Write `peft/`, which is there whole or not at all: the disk may be full."""
    from models.lora import save_peft_folder

    target, temporary = run_dir / "peft", run_dir / ".peft.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        save_peft_folder(classifier.network, temporary, backbone=config.backbone_row, options=config.lora)
        fsync_tree(temporary)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        fsync_folder(run_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
