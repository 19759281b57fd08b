"""Runs whose knowledge is live: before one is asked, its memory is made of the labels as they are now.

What was measured of the earlier memory no longer counts then, by itself: an evaluation holds the hash of the weights
that it measured, and the checkpoint has another. Whoever loads a run to answer calls `load_current`.
"""

import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ProjectError, StoppedError
from visionft.events import EpochDone, Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import features_under
from visionft.features.feature_store import Features
from visionft.files import read_json, write_json
from visionft.heads.knn.fitting import FittedMemory
from visionft.heads.knn.memory import Memory
from visionft.retrieval.index import Index
from visionft.retrieval.knowledge import Knowledge
from visionft.training.runs.held_out import HeldOutAnswers, write_held_out
from visionft.training.runs.manifest import MODEL_FILE, STATE_FILE, weights_hash, write_manifest
from visionft.training.runs.metrics_file import replace_metrics
from visionft.training.runs.parts import Part, write_parts
from visionft.training.runs.run_folder import BEST_FOLDER, RUNS_FOLDER, RunSummary, read_run, require_weights
from visionft.training.runs.run_lock import lock_run
from visionft.training.runs.run_snapshot import write_snapshot

if TYPE_CHECKING:
    from visionft.training.runs.answerer import Answerer

logger = logging.getLogger(__name__)

_KNOWLEDGE, _MISSING = "knowledge", "missing"  # of a checkpoint's state: digest; ids of pictures that were not there


def load_current(
    run: RunSummary, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> "Answerer":
    """Load what answers for a run, of the project's labels as they are now where its knowledge is live.

    Raises:
        ProjectError: No picture to remember has a label, or none can be read.
        RunError, StoppedError, WeightsError: As `load_answerer` and `refresh`.
    """
    from visionft.training.runs.answerer import load_answerer

    current = refresh(run, images, on_event=on_event, should_stop=should_stop)
    return load_answerer(current, on_event=on_event, should_stop=should_stop)


def is_current(run: RunSummary, images: Snapshot) -> bool:
    """Tell whether a run, and each part of a combination, knows the labels as they are now.

    Of runs whose knowledge is not live that is never asked.
    """
    if run.parts:
        folders = (run.path.with_name(part.run) for part in run.parts)
        return all(is_current(read_run(folder), images) for folder in folders if (folder / BEST_FOLDER).is_dir())
    if not run.config.method_row.is_live:
        return True
    try:
        state: dict[str, Any] = read_json(run.path / BEST_FOLDER / STATE_FILE)
        missing = frozenset(state.get(_MISSING, ()))
        knowledge = Knowledge.of(images)
    except (OSError, ValueError, AttributeError, TypeError, ProjectError):  # the last: nothing has a label any more
        return False
    if state.get(_KNOWLEDGE) != knowledge.digest(run.name):
        return False
    return not any(image.path.is_file() for image in knowledge.images if image.image_id in missing)


def refresh(
    run: RunSummary, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> RunSummary:
    """Make the memory of a run anew where labels, pictures or classes have changed; other runs stay what they are.

    Checkpoint, classes, validation figures and snapshot are replaced, each whole; what is killed between them is made
    anew by the next who asks.

    Raises:
        ProjectError: No picture to remember has a label, or none can be read.
        RunError: Its weights were deleted, or another process is at the run.
        StoppedError: The user stopped; the run is as it was.
        WeightsError: The network's weights cannot be had.
    """
    if run.parts:
        return _refresh_parts(run, images, on_event, should_stop)
    if not run.config.method_row.is_live:
        return run
    require_weights(run)
    if is_current(run, images):
        return run
    lock = lock_run(run.path)
    try:
        knowledge = Knowledge.of(images)
        features = _features(run, (*knowledge.images, *images.labelled("val")), on_event, should_stop)
        on_event(Progress(stage="Remembering the labelled pictures", done=0, total=0))
        fitted = _remember(run, knowledge, features, should_stop)
        _write(run, images, knowledge, features, fitted)
    finally:
        lock.release()
    on_event(Notice(message=fitted.words))
    logger.info("%s remembers %d pictures now", run.name, len(fitted.memory))
    return read_run(run.path)


def _refresh_parts(run: RunSummary, images: Snapshot, on_event: OnEvent, should_stop: ShouldStop) -> RunSummary:
    """Make the memories among the parts of a combination anew, and let it know their weights: its shares stay.

    Where all of them know the classes of now, it knows them too; where one does not, the combination says so itself.
    """
    from visionft.training.runs.checkpoint import whole_folder

    parts, known = list[Part](), set[frozenset[str]]()
    for part in run.parts:
        folder = run.path.with_name(part.run)
        if (folder / BEST_FOLDER).is_dir():
            found = refresh(read_run(folder), images, on_event=on_event, should_stop=should_stop)
            known.add(frozenset(found.class_names))
            if found.config.method_row.is_live:
                part = dataclasses.replace(part, weights=weights_hash(folder / BEST_FOLDER))
        parts.append(part)
    if tuple(parts) == run.parts:
        return run
    if known == {frozenset(images.class_names)}:
        write_json(run.path / "classes.json", list(images.class_names))
    with whole_folder(run.path / BEST_FOLDER) as folder:
        write_parts(folder, parts)
        write_manifest(folder)
    return read_run(run.path)


def run_index(
    run: RunSummary, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Index:
    """Return what a run whose knowledge is live remembers, of the labels as they are now, with the pictures behind it.

    Raises:
        ProjectError, RunError, StoppedError, WeightsError: As `refresh`.
    """
    current = refresh(run, images, on_event=on_event, should_stop=should_stop)
    memory = _read_memory(current)
    ids = set(memory.image_ids.tolist())
    known = {image.image_id: image for image in images.images if image.image_id in ids}
    kind = _features(current, (), on_event, should_stop).kind
    return Index(memory, current.class_names, known, kind, current.config)


def _read_memory(run: RunSummary) -> Memory:
    from visionft.heads.solutions import memory_of
    from visionft.training.runs.checkpoint import load_checkpoint

    prefix = f"{run.config.backbone_row.head}."
    tensors = load_checkpoint(run.path / BEST_FOLDER).model
    return memory_of({name.removeprefix(prefix): value for name, value in tensors.items()})


def _features(run: RunSummary, chosen: Sequence[SnapshotImage], on_event: OnEvent, should_stop: ShouldStop) -> Features:
    runs = run.path.parent
    project_dir = runs.parent if runs.name == RUNS_FOLDER else run.path  # a run may lie anywhere
    return features_under(project_dir, chosen, run.config, on_event=on_event, should_stop=should_stop)


def _widths(run: RunSummary) -> tuple[int, ...]:
    config = run.config
    return config.method_row.head_parts(config.backbone_row, config.method_options)


def _remember(run: RunSummary, knowledge: Knowledge, features: Features, should_stop: ShouldStop) -> FittedMemory:
    from visionft.training.loop.batches import sampling_weights

    ids = {image.image_id for image in knowledge.images}
    known = features.among([place for place, image in enumerate(features.images) if image.image_id in ids])
    options: Any = run.config.method_options
    weights = None
    if run.config.balance != "none" and len(known):
        found = sampling_weights(known.images, len(knowledge.class_names))
        weights = found / found.mean()
    try:
        return knowledge.remember(
            known,
            widths=_widths(run),
            neighbours=options.neighbours,
            weights=weights,
            seed=run.config.seed,
            should_stop=should_stop,
        )
    except InterruptedError:
        raise StoppedError("The pictures were not remembered.", "Start again to go on.") from None


def _write(run: RunSummary, images: Snapshot, knowledge: Knowledge, features: Features, fitted: FittedMemory) -> None:
    """Replace what the run's folder holds; the checkpoint, whose state says what it is of, comes last."""
    from visionft.heads.solutions import state_of
    from visionft.training.runs.checkpoint import Checkpoint, save_checkpoint

    ids = {image.image_id for image in knowledge.images}
    missing = sorted(image.image_id for image in features.missing if image.image_id in ids)
    head = run.config.backbone_row.head
    model = {f"{head}.{name}": value for name, value in state_of(fitted.memory).items()}
    state = {"epoch": 0, _KNOWLEDGE: knowledge.digest(run.name), _MISSING: missing}
    write_json(run.path / "classes.json", list(images.class_names))
    write_snapshot(run.path, images)
    best = _validated(run, images, features, fitted.memory)
    if best is not None:
        replace_metrics(run.path, best)
    save_checkpoint(run.path, BEST_FOLDER, Checkpoint(model=model, optimizer={}, state=state))
    ids_of_rows = fitted.memory.image_ids[fitted.askable]
    write_held_out(run.path, HeldOutAnswers(ids_of_rows, fitted.held_out_logits))
    if run.result is not None:
        size = (run.path / BEST_FOLDER / MODEL_FILE).stat().st_size
        result = dataclasses.replace(run.result, best=best or run.result.best, artefact_bytes=size)
        write_json(run.path / "result.json", dataclasses.asdict(result))


def _validated(run: RunSummary, images: Snapshot, features: Features, memory: Memory) -> EpochDone | None:
    """Return the run's epoch with the figures of this memory on validation, none without a picture to validate with."""
    import torch

    from visionft.training.loop.objective import Objective

    chosen = [place for place, image in enumerate(features.images) if image.split == "val" and image.labels]
    if run.best is None:
        return None
    if not chosen:
        return dataclasses.replace(run.best, val_loss=None, val_accuracy=None)
    answers = memory.answers(memory.directions(features.vectors[chosen][:, -len(memory.mean) :]))
    targets = np.zeros(answers.shape, np.float32)
    for row, place in zip(targets, chosen, strict=True):
        row[list(features.images[place].labels)] = 1
    is_single = images.task == "single"
    logits = torch.from_numpy(np.log(answers) if is_single else np.log(answers) - np.log1p(-answers))
    wanted = torch.from_numpy(targets.argmax(axis=1) if is_single else targets.astype(np.float64))
    objective = Objective(images.task, answers.shape[1])
    loss, hits = float(objective.evaluation_loss(logits, wanted)), int(objective.hits(logits, wanted))
    return dataclasses.replace(run.best, val_loss=loss, val_accuracy=hits / len(chosen))
