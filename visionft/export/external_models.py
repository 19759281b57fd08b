"""Models from outside a project, runs of another project and exported files, evaluated on the project's images.

Their evaluations are files as in a run's folder, in `external/<digest of the model>/` of the project: a model is
evaluated again only after a change of its content, or of the images and labels. Torch-free until a run is evaluated.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.messages import Message
from visionft.data.decode import decode
from visionft.data.types import Snapshot, SnapshotImage, Split, Task
from visionft.errors import ExportError, ImageError, NextStep, RunError, nothing_readable
from visionft.evaluation.stored import ExternalFacts, read_evaluation, temperature_of, write_evaluation
from visionft.evaluation.unseen import learned_images
from visionft.events import Notice, Progress
from visionft.export.contents import INDEX_FILE, MODEL_FILE, read_record
from visionft.export.predictor import Predictor
from visionft.files import list_folder, naming_faults, read_json, sha256_file, write_json
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.importing.archives import is_archive
from visionft.project.names import MAX_NAME_LENGTH, name_key
from visionft.records import none_if_unreadable
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, list_runs, read_run, require_weights
from visionft.training.runs.run_snapshot import read_snapshot

FOLDER, FILE = "external", "model.json"
_LEAST = 1e-12  # a probability of 0 has no logarithm
_FAR = 50.0  # logits of a class that a model does not know are lower than all others by this
_Batches = Iterator[tuple[np.ndarray, list[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalModel:
    """A model from outside; `path` is the folder of its evaluations, `source` its run folder or its file."""

    name: str
    title: str
    path: Path
    source: Path


@dataclass(frozen=True, kw_only=True)
class _Classifier:
    """An opened model.

    Attributes:
        thresholds: (C,) for several labels; None for one.
        learned: SHA-256 of the images that it learned from; None where they are unknown.
        batches: Yields calibrated (B, C) logits of images, and their places; reports progress with the given stage.
    """

    class_names: tuple[str, ...]
    thresholds: np.ndarray | None
    learned: frozenset[str] | None
    batches: Callable[[Sequence[SnapshotImage], str, JobContext], _Batches]


def model_sources(path: Path) -> dict[Path, str]:
    """Return {run folder or exported file: title} of the models of a project, a run, an export or a file.

    Raises:
        VisionFTError: There is none, or it cannot be read.
    """
    path = path.absolute()
    if path.is_file():
        if is_archive(path):
            hint = Message("Unpack it, and choose the folder that comes out.")
            raise ExportError(Message("{path} is packed.", path=path), hint)
        return {path: _file_title(path)}
    if (path / "config.json").is_file():
        require_weights(run := read_run(path))
        return {path: _titled(run.title, path.parent.parent)}
    usable = [run for run in list_runs(path) if run.best is not None and run.has_weights and not run.faults]
    is_export = (path / MODEL_FILE).is_file()
    files = [path / MODEL_FILE] if is_export else [each for each in list_folder(path) if each.suffix == ".onnx"]
    found = {run.path: _titled(run.title, path) for run in usable} | {each: _file_title(each) for each in files}
    if not found:
        hint = Message("Choose a project with a trained model, a run, or the folder of an exported model.")
        raise ExportError(Message("{path} holds no model.", path=path), hint)
    return found


def _file_title(path: Path) -> str:
    title = (read_record(path.parent) or {}).get("title")
    title = title if isinstance(title, str) and title.strip() else path.parent.name
    return printable(title if path.name == MODEL_FILE else f"{title} · {path.stem}")[:MAX_NAME_LENGTH]


def _titled(title: str, project_dir: Path) -> str:
    """Return the title of a run with its project's name, which the program's own titles hold."""
    name = project_dir.name
    return printable(title if name in title else f"{title} · {name}")


def list_external(project_dir: Path) -> list[ExternalModel]:
    """Return the models from outside that were evaluated in a project, by title."""
    found = [_read_model(folder) for folder in list_folder(project_dir / FOLDER)]
    return sorted((each for each in found if each is not None), key=lambda each: each.title.casefold())


@none_if_unreadable
def _read_model(folder: Path) -> ExternalModel | None:
    values = read_json(folder / FILE)
    return ExternalModel(name=folder.name, title=str(values["title"]), path=folder, source=Path(str(values["source"])))


def evaluate_external(
    project_dir: Path, source: Path, images: Snapshot, split: Split, *, job: JobContext = SILENT
) -> ExternalModel:
    """Evaluate a model of `model_sources` on the labelled images of a split that it did not learn from.

    Raises:
        VisionFTError: The model cannot be read, knows none of the classes, labels another number of classes per image,
            or learned from all of the images; or its evaluation cannot be written.
    """
    ((source, title),) = model_sources(source).items()
    folder = project_dir / FOLDER / _digest(source)[:16]
    model = ExternalModel(name=folder.name, title=title, path=folder, source=source)
    if not images.labelled(split):
        message = Message("The {split} split has no labelled images.", split=split)
        raise RunError(message, "Split the images, or choose another split.", NextStep("split"))
    if not is_current(model, images, split):
        with naming_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _evaluate(model, images, split, job)
    write_json(folder / FILE, {"title": title, "source": str(source)})
    for each in list_external(project_dir):
        if each.source == source and each.name != model.name:  # of its earlier content
            shutil.rmtree(each.path, ignore_errors=True)
    return model


def is_current(model: ExternalModel, images: Snapshot, split: Split) -> bool:
    """Return whether a model was evaluated on a split with its current images and labels."""
    stored = read_evaluation(model.path, split)
    return stored is not None and stored.covers(images.label_sets(split))


def _digest(source: Path) -> str:
    """Return a SHA-256 of everything that a model predicts from."""
    if source.is_file():
        index = source.with_name(INDEX_FILE)
        parts = [sha256_file(source), sha256_file(index) if index.is_file() else ""]
    else:
        run = read_run(source)
        calibration = read_evaluation(source, "val", with_predictions=False)
        thresholds = [each.threshold for each in calibration.per_class.values()] if calibration else []
        parts = [weights_hash(source / BEST_FOLDER), run.config.to_dict(), run.class_names]
        parts += [temperature_of(source), thresholds]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _evaluate(model: ExternalModel, images: Snapshot, split: Split, job: JobContext) -> None:
    from visionft.evaluation.report import STAGES, Logits, class_images, measure, probabilities_of

    opened = _open_file(model.source) if model.source.is_file() else _open_run(model)
    names = match_classes(opened.class_names, images.class_names)
    unseen = tuple(image for image in images.labelled(split) if image.sha256 not in (opened.learned or ()))
    counts = Counter(name for image in unseen for name in images.labels_of(image))
    unknown = {name: count for name, count in counts.items() if name not in names}
    if reason := _refusal(opened, names, images.task, has_image=bool(unseen), knows_one=len(unknown) < len(counts)):
        raise RunError(Message(reason, model=model.title), "Choose another model, or other images.")
    columns = (*names, *unknown)
    chosen, targets = class_images(columns, replace(images, images=unseen), split)
    values, places = list[np.ndarray](), list[int]()
    for outputs, found in opened.batches(chosen, STAGES[split], job):
        values.append(outputs)
        places += found
        job.check_cancelled()
    if not places:
        raise nothing_readable(Message("{count} image", "{count} images", count=split))
    known = np.concatenate(values)
    read = tuple(chosen[place] for place in places)
    far = np.full((len(known), len(unknown)), min(float(known.min()), 0.0) - _FAR)
    logits = Logits(np.hstack([known, far]), read, targets[places], len(chosen) - len(read))
    thresholds = None if opened.thresholds is None else np.append(opened.thresholds, np.ones(len(unknown)))
    facts = ExternalFacts(
        model=model.title,
        unknown=unknown,
        foreign=tuple(name for name in names if name not in images.class_names),
        learned=None if opened.learned is None else len(images.labelled(split)) - len(unseen),
    )
    evaluation = measure(model.title, columns, split, logits, thresholds=thresholds)
    probabilities = probabilities_of(logits, 1.0)
    write_evaluation(model.path, evaluation, read, logits.targets, probabilities, thresholds, external=facts)


def _refusal(opened: _Classifier, names: Sequence[str], task: Task, *, has_image: bool, knows_one: bool) -> str:
    """Return why a model cannot be compared; empty where it can."""
    if opened.thresholds is None and task == "multi":
        return Message("{model} gives an image one class, but this project several.")
    if opened.thresholds is not None and task == "single":
        return Message("{model} gives an image several classes, but this project one.")
    if len(set(names)) < len(names):
        return Message("{model} has two classes of the same name.")
    if not has_image:
        return Message("{model} learned from all of these images, so it cannot be judged by them.")
    return "" if knows_one else Message("{model} knows none of the classes of these images.")


def match_classes(model: Sequence[str], project: Sequence[str]) -> tuple[str, ...]:
    """Return a model's classes by the names of the project: equal names, else those equal but for their case.

    A class without such a name, or with several, keeps its own.
    """
    exact = {name_key(name): name for name in project}
    found = [exact.get(name_key(name)) for name in model]
    free = Counter(name.casefold() for name in project if name not in found)
    alone = Counter(name.casefold() for name, match in zip(model, found, strict=True) if match is None)
    folded = {name.casefold(): name for name in project if name not in found}
    names = list[str]()
    for name, match in zip(model, found, strict=True):
        key = name.casefold()
        names.append(match or (folded[key] if free[key] == alone[key] == 1 else printable(name)[:MAX_NAME_LENGTH]))
    return tuple(names)


def _open_run(model: ExternalModel) -> _Classifier:
    """Open a run as it was trained: a k-NN model predicts from the labels of that time."""
    run = read_run(model.source)
    require_weights(run)
    thresholds = None
    if read_snapshot(model.source).task == "multi":
        calibration = read_evaluation(model.source, "val", with_predictions=False)
        found = calibration.per_class if calibration is not None else {}
        kept = [found[name].threshold if name in found else None for name in run.class_names]
        if None in kept:
            message = Message("{model} was not evaluated in its own project, so its thresholds are unknown.")
            raise RunError(Message(message, model=model.title), "Open that project and evaluate it on validation.")
        thresholds = np.array(kept, np.float64)

    def batches(images: Sequence[SnapshotImage], stage: str, job: JobContext) -> _Batches:
        from visionft.evaluation.report import logit_batches
        from visionft.training.runs.run_model import load_run_model

        loaded = load_run_model(run, job=job)
        # Held-out predictions are by the ids of its own project's images.
        members = tuple(replace(member, held_out=None) for member in loaded.members)
        own = replace(loaded, held_out=None, members=members)
        temperature = temperature_of(run.path)
        for outputs, places in logit_batches(own, images, stage=stage, job=job):
            yield outputs / temperature, places

    return _Classifier(class_names=run.class_names, thresholds=thresholds, learned=learned_images(run), batches=batches)


def _open_file(path: Path) -> _Classifier:
    predictor = Predictor(path)

    def batches(images: Sequence[SnapshotImage], stage: str, job: JobContext) -> _Batches:
        for place, image in enumerate(images):
            job.report(Progress(stage=stage, done=place, total=len(images), unit="images"))
            try:
                pixels = decode(image.path, reading=predictor.image_reading)
            except ImageError as error:
                message = Message("Left out {path}: {reason}.", path=image.path, reason=error.message)
                job.report(Notice(message=message, level="warning"))
                continue
            found = np.maximum(predictor.probabilities(pixels[None]), _LEAST).astype(np.float64)
            yield np.log(found) - (np.log(np.maximum(1 - found, _LEAST)) if predictor.is_multilabel else 0), [place]
        job.report(Progress(stage=stage, done=len(images), total=len(images), unit="images"))

    index = predictor.index
    learned = frozenset(each.sha256 for each in index.images.values()) if index is not None else None
    return _Classifier(
        class_names=predictor.class_names, thresholds=predictor.thresholds, learned=learned, batches=batches
    )
