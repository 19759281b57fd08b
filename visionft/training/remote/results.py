"""Taking the result of a job back: a run of the project like any other, evaluated again on its own images."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from models.weights.locations import RANDOM, find_weights
from visionft.core.errors import RunError
from visionft.core.files import fsync_tree, read_json, temporary_folder, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, sentences
from visionft.core.names import count_of
from visionft.data.types import SPLITS, Snapshot, Split
from visionft.training.base_weights import WEIGHTS_FILE, stated_origin
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.stored import Evaluation, evaluation_file, stored_evaluations
from visionft.training.evaluation.trained_run import evaluate_held_out
from visionft.training.remote.job_file import IMPORTED_FILE, JOB_FILE, JOBS_FOLDER, imported_run, kept_job
from visionft.training.remote.packed_file import (
    CONFIG,
    OF_RESULT,
    RESULT,
    Manifest,
    PackedFileError,
    ResultFacts,
    read_manifest,
    read_result_contents,
    unpack,
)
from visionft.training.remote.running import KIND
from visionft.training.runs.checkpoint import write_result
from visionft.training.runs.manifest import BEST_FOLDER, fault_of
from visionft.training.runs.manifest import FILE as HELD_OUT_FILE
from visionft.training.runs.metrics_file import ACCURACY_FILE
from visionft.training.runs.metrics_file import FILE_NAME as STEPS_FILE
from visionft.training.runs.run_folder import (
    RUNS_FOLDER,
    claim_run_dir,
    read_run,
    remove_left_claims,
    write_first_notes,
)
from visionft.training.runs.run_snapshot import write_snapshot

_OPTIONAL: Final = (STEPS_FILE, ACCURACY_FILE, f"{BEST_FOLDER}/{HELD_OUT_FILE}")  # of the files of a result
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
                words = Message("Right on {split}: {there} there, {here} here.", split=each.split)
                found.append(Message(words, there=f"{each.there:.1%}", here=f"{each.here:.1%}"))
        if self.changed or self.added:
            words = Message("Since it was packed, the labels of {changed} have changed, and {added} have come.")
            changed, added = count_of(self.changed, "image"), count_of(self.added, "labelled image")
            found.append(Message(words, changed=changed, added=added))
        return tuple(found)


def import_result(project_dir: Path, images: Snapshot, result: Path, *, job: JobContext = SILENT_JOB) -> ImportedResult:
    """Take the result of a job into its project, evaluated on the project's own images.

    It is checked, loaded and evaluated first, and gets its place among the runs by one rename.

    Args:
        project_dir: Folder of the project.
        images: Its images now.
        result: The file written by `run_job`.

    Raises:
        PackedFileError: The file is damaged, unsafe, of another project, holds no usable weights, or is in the project
            already. Where a crash interrupted that, the import is completed.
        WeightsError: The base weights of the run are not on this computer.
        JobCancelled: The user cancelled; nothing is taken in.
    """
    manifest = read_manifest(result, KIND)
    facts = ResultFacts.of(manifest)
    config, packed = kept_job(project_dir, facts.job)
    record = project_dir / JOBS_FOLDER / facts.job / IMPORTED_FILE
    with temporary_folder(project_dir / RUNS_FOLDER / "imported") as folder:
        known = imported_run(project_dir, facts.job)
        if known and record.exists():
            message = Message("This result is in the project already, as {run}.", run=known)
            raise PackedFileError(message, "Nothing to do.")
        if known:  # a crash before the record was written
            remove_left_claims(project_dir / RUNS_FOLDER)
            run_dir = project_dir / RUNS_FOLDER / known
            here = stored_evaluations(run_dir) or evaluate_held_out(run_dir, packed, job=job)
        else:
            unpack(result, _of_run(manifest), folder, job=job)
            config = _adopt(folder, config, packed)
            _require_usable(folder, config, facts, job)
            here = evaluate_held_out(folder, packed, job=job)
            job.check_cancelled()
            write_json(folder / JOB_FILE, {"job": facts.job})
            fsync_tree(folder)
            run_dir = claim_run_dir(project_dir, config, make=partial(_publish, folder))
        write_json(record, {"run": run_dir.name})
    changed, added = _changes(packed, images)
    return ImportedResult(
        run=run_dir.name,
        device=facts.device[:80],
        measured=_measured(facts.evaluations, here),
        changed=changed,
        added=added,
    )


def _of_run(manifest: Manifest) -> Manifest:
    """Return the manifest of the files that a run here has; ensembles and code are left out."""
    files = {name: manifest.files[name] for name in (*OF_RESULT, *_OPTIONAL) if name in manifest.files}
    return dataclasses.replace(manifest, files=files)


def _publish(folder: Path, run_dir: Path) -> None:
    """Move a complete run to its place by one rename, after its files state the new name."""
    for path in (folder / RESULT, *(folder / evaluation_file(split) for split in SPLITS)):
        if path.exists():
            write_json(path, read_json(path) | {"run": run_dir.name})
    write_first_notes(folder, run_dir)
    folder.rename(run_dir)


def _adopt(folder: Path, packed_as: TrainConfig, packed: Snapshot) -> TrainConfig:
    """Give a run's files the names, paths and settings of this project (PackedFileError: they are damaged)."""
    stated, result, weights = read_result_contents(folder)
    if fault := fault_of(folder / BEST_FOLDER):
        raise PackedFileError(Message("The weights of the result are damaged: {fault}.", fault=fault), "Copy it again.")
    own = {name: getattr(packed_as, name) for name in ("weights", "device", "image_reading", "accept_licence")}
    config = dataclasses.replace(stated, **own)
    if config != packed_as:
        raise PackedFileError("The result was trained with other settings than the job.", "Run the job again.")
    if config.weights != RANDOM and weights.sha256:
        place = find_weights(config.backbone_row, config.weights)
        licence, origin, revision = stated_origin(config, place, weights.sha256)
        about = {"source": config.weights, "file": place.name, "licence": licence, "origin": origin}
        weights = dataclasses.replace(weights, **about, revision=revision)
    write_json(folder / WEIGHTS_FILE, dataclasses.asdict(weights))
    write_result(folder, dataclasses.replace(result, weights=weights))
    write_json(folder / CONFIG, config.to_dict())
    write_json(folder / "classes.json", list(packed.class_names))
    write_snapshot(folder, packed)
    return config


def _require_usable(folder: Path, config: TrainConfig, facts: ResultFacts, job: JobContext) -> None:
    """Load the network of an unpacked result and classify an image, and write its folder for other libraries.

    Raises:
        PackedFileError: Its weights do not fit its settings, or are not finite.
        WeightsError: The base weights of the run are not on this computer.
    """
    import torch

    from visionft.training.runs.run_model import load_run_model

    run = dataclasses.replace(read_run(folder), name=facts.job[:8])
    try:
        network = load_run_model(run, job=job).classifier
    except RunError as error:
        raise _unusable(error.message, error.hint) from error
    with torch.inference_mode():
        is_finite = all(each.isfinite().all() for each in network.state_dict().values() if each.is_floating_point())
        image = torch.linspace(-2, 2, 3 * math.prod(config.input_shape)).reshape(1, 3, *config.input_shape)
        if not is_finite or not network(image).isfinite().all():
            raise _unusable(Message("They are not finite."), Message("Run the job again."))


def _unusable(reason: str, hint: str) -> PackedFileError:
    message = Message("The weights of the result cannot be used: {reason}", reason=reason)
    return PackedFileError(message, sentences(hint, Message("Nothing of this result was imported.")))


def _measured(there: Mapping[str, Mapping[str, float]], here: Mapping[Split, Evaluation]) -> tuple[SplitAccuracy, ...]:
    """Return the accuracies there and here."""
    return tuple(
        SplitAccuracy(
            split=split,
            there=there[split]["top1"] if split in there else None,
            here=evaluation.top1,
            images=evaluation.images,
        )
        for split, evaluation in here.items()
    )


def _changes(packed: Snapshot, now: Snapshot) -> tuple[int, int]:
    """Count the packed images with another label or split now, or gone, and the labelled ones not packed."""

    def facts(images: Snapshot) -> dict[int, tuple[object, ...]]:
        return {each.image_id: (*images.labels_of(each), each.split) for each in images.images if each.labels}

    before, after = facts(packed), facts(now)
    return sum(after.get(key) != value for key, value in before.items()), len(after.keys() - before.keys())
