"""Taking the result of a job back: a run of the project like any other, evaluated again on its own images."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.errors import VisionFTError
from visionft.evaluation.stored import Evaluation
from visionft.evaluation.trained_run import evaluate_held_out
from visionft.files import fsync_tree, read_json, temporary_folder, write_json
from visionft.jobs import SILENT, JobContext
from visionft.project.names import count_of
from visionft.remote.job_file import FOLDER, IMPORTED, kept_job
from visionft.remote.packed_file import PackedFileError, read_manifest, unpack
from visionft.remote.running import KIND
from visionft.training.base_weights import WEIGHTS_FILE, stated_origin
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.exchange import complete_exchange
from visionft.training.runs.manifest import fault_of
from visionft.training.runs.run_folder import BEST_FOLDER, RUNS_FOLDER, BaseWeights, TrainResult, claim_run_dir
from visionft.training.runs.run_snapshot import write_snapshot
from visionft.weights.locations import RANDOM, find_weights

logger = logging.getLogger(__name__)

RESULT: Final = "result.json"
_TELLING: Final = 0.005  # of accuracy: a difference below it needs no word


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitAccuracy:
    """The accuracy of a run on a split, where it was trained and here; None where it was not measured."""

    split: Split
    there: float | None
    here: float | None
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedResult:
    """A run trained on another computer.

    Attributes:
        run: Its name in the project.
        device: The device it was trained on.
        measured: Its accuracy there and here, by split.
        changed: Images removed since the job was packed, or with another label or split.
        added: Images labelled since.
    """

    run: str
    device: str
    measured: tuple[SplitAccuracy, ...]
    changed: int
    added: int

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return sentences about differences of the accuracies and about changed labels."""
        found: list[str] = []
        for each in self.measured:
            if each.there is not None and each.here is not None and abs(each.there - each.here) >= _TELLING:
                words = Message("On {split} it was right for {there} there and is for {here} here.", split=each.split)
                found.append(Message(words, there=f"{each.there:.1%}", here=f"{each.here:.1%}"))
        if self.changed or self.added:
            words = Message("Since it was packed, the labels of {changed} have changed, and {added} have come.")
            changed, added = count_of(self.changed, "image"), count_of(self.added, "labelled image")
            found.append(Message(words, changed=changed, added=added))
        return tuple(found)


def import_result(project_dir: Path, images: Snapshot, result: Path, *, job: JobContext = SILENT) -> ImportedResult:
    """Take the result of a job into its project, and evaluate it on the project's own images.

    Args:
        project_dir: Folder of the project.
        images: Its images now.
        result: The file written by `run_job`.

    Raises:
        PackedFileError: The file is damaged, unsafe, of another project, or was taken in before.
        WeightsError: The base weights of the run are not on this computer.
        JobCancelled: The user cancelled; nothing is taken in.
    """
    manifest = read_manifest(result, KIND)
    number = str(manifest.facts.get("job", ""))
    config, packed = kept_job(project_dir, number)
    record = project_dir / FOLDER / number / IMPORTED
    if record.exists() and (known := _run_of(record)) and (project_dir / RUNS_FOLDER / known).is_dir():
        raise PackedFileError(Message("This result is in the project already, as {run}.", run=known), "Nothing to do.")
    missing = {"metrics.jsonl", RESULT, WEIGHTS_FILE, f"{BEST_FOLDER}/manifest.json"} - manifest.files.keys()
    if missing:
        message = Message("The result lacks {names}.", names=", ".join(sorted(missing)))
        raise PackedFileError(message, "Run the job to its end, and copy its result again.")
    with temporary_folder(project_dir / RUNS_FOLDER / "imported") as folder:
        unpack(result, manifest, folder, job=job)
        if fault := fault_of(folder / BEST_FOLDER):
            raise PackedFileError(
                Message("The weights of the result are damaged: {fault}.", fault=fault), "Copy it again."
            )
        config = _adopt(folder, config, packed)
        fsync_tree(folder)
        run_dir = claim_run_dir(project_dir, config, make=folder.rename)
    values = read_json(run_dir / RESULT)
    write_json(run_dir / RESULT, values | {"run": run_dir.name})
    write_json(record, {"run": run_dir.name})
    here = evaluate_held_out(run_dir, packed, job=job)
    changed, added = _changes(packed, images)
    return ImportedResult(
        run=run_dir.name,
        device=str(values.get("device", ""))[:80],
        measured=_measured(manifest.facts.get("evaluations"), here),
        changed=changed,
        added=added,
    )


def _run_of(record: Path) -> str:
    try:
        return str(read_json(record)["run"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _adopt(folder: Path, packed_as: TrainConfig, packed: Snapshot) -> TrainConfig:
    """Give a run's files the names, paths and settings of this project (PackedFileError: they are damaged)."""
    try:
        files = ("config.json", RESULT, WEIGHTS_FILE)
        settings, result, weights = (dict[str, Any](read_json(folder / name)) for name in files)
        there = TrainConfig.from_dict(settings)
        TrainResult.from_dict(result)
        stated = BaseWeights.from_dict(weights)
    except (OSError, ValueError, TypeError, KeyError, VisionFTError) as error:
        raise PackedFileError(Message("The result is damaged: {reason}.", reason=error), "Copy it again.") from error
    own = {name: getattr(packed_as, name) for name in ("weights", "device", "image_reading", "accept_licence")}
    config = dataclasses.replace(there, **own)
    if config != packed_as:
        raise PackedFileError("The result was trained with other settings than the job.", "Run the job again.")
    if config.weights != RANDOM and stated.sha256:
        place = find_weights(config.backbone_row, config.weights)
        licence, origin, revision = stated_origin(config, place, stated.sha256)
        about = {"source": config.weights, "file": place.name, "licence": licence, "origin": origin}
        weights |= about | {"revision": revision}
        stated = BaseWeights.from_dict(weights)
    write_json(folder / WEIGHTS_FILE, weights)
    write_json(folder / RESULT, result | {"weights": weights})
    write_json(folder / "config.json", config.to_dict())
    write_json(folder / "classes.json", list(packed.class_names))
    write_snapshot(folder, packed)
    if exchanged := config.method_row.exchange_folder:
        complete_exchange(folder / exchanged, packed.class_names, stated)
    return config


def _measured(there: Any, here: dict[Split, Evaluation]) -> tuple[SplitAccuracy, ...]:
    """Return the accuracies there and here; those of the file are a stranger's."""
    stated = there if isinstance(there, dict) else {}
    found = []
    for split, evaluation in here.items():
        values = stated.get(split)
        top1 = values.get("top1") if isinstance(values, dict) else None
        known = float(top1) if isinstance(top1, int | float) and 0 <= top1 <= 1 else None
        found.append(SplitAccuracy(split=split, there=known, here=evaluation.top1, images=evaluation.images))
    return tuple(found)


def _changes(packed: Snapshot, now: Snapshot) -> tuple[int, int]:
    """Count the packed images with another label or split now, or gone, and the labelled ones not packed."""

    def facts(images: Snapshot) -> dict[int, tuple[object, ...]]:
        return {each.image_id: (*images.labels_of(each), each.split) for each in images.images if each.labels}

    before, after = facts(packed), facts(now)
    return sum(after.get(key) != value for key, value in before.items()), len(after.keys() - before.keys())
