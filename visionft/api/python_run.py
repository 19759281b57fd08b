"""A training run and an exported model in Python: evaluate, look at mistakes, predict, export."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from visionft.api.console import Callback, in_python_terms, running_job
from visionft.data.types import Snapshot
from visionft.errors import ImageError, VisionFTError
from visionft.evaluation.stored import Evaluation, read_evaluation
from visionft.events import EpochDone, Event
from visionft.export.export_result import ExportResult, read_export
from visionft.export.predictor import Prediction, Predictor, expand_folders
from visionft.export.record import ProjectFacts
from visionft.export.targets import target_named
from visionft.files import from_home
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary, TrainResult, read_run

Table = dict[str, list[Any]]
"""Columns of equal length by name, as `pandas.DataFrame(table)` reads them."""

ImageLike = str | Path | np.ndarray
"""A file, or uint8 (H, W, 3) RGB pixels."""


class _Predictor(Protocol):
    def predict(self, paths: Sequence[Path]) -> Iterator[Prediction]: ...

    def predict_pixels(self, pixels: np.ndarray, path: Path = Path()) -> Prediction: ...


def predict_images(
    predictor: _Predictor, images: ImageLike | Sequence[ImageLike], job: JobContext
) -> Prediction | list[Prediction]:
    """Return the prediction of one image, or those of a sequence of images or a folder, in order.

    Args:
        images: A file; a folder, with those below it; uint8 (H, W, 3) RGB pixels; or a sequence of these.

    Raises:
        ImageError: The only image cannot be read, or an array has another type or shape. In a sequence, a file that
            cannot be read has its reason in `Prediction.error`.
        JobCancelled: The user cancelled.
    """
    is_one = isinstance(images, str | Path | np.ndarray)
    is_folder = isinstance(images, str | Path) and from_home(images).is_dir()
    found: list[Prediction] = []
    for image in [images] if is_one else images:
        job.check_cancelled()
        if isinstance(image, np.ndarray):
            found.append(predictor.predict_pixels(_checked_pixels(image)))
            continue
        for prediction in predictor.predict(expand_folders([from_home(image)])):
            found.append(prediction)
            job.check_cancelled()
    if not is_one or is_folder:
        return found
    if found[0].error:
        raise ImageError(f"{found[0].path}: {found[0].error}", "Give the path of an image, or its pixels.")
    return found[0]


def _checked_pixels(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        message = f"An array of type {pixels.dtype} and shape {pixels.shape} is no image."
        raise ImageError(message, "Give uint8 values of shape (height, width, 3) in the order red, green, blue.")
    return np.ascontiguousarray(pixels)


class Model:
    """An exported model, which predicts with ONNX Runtime alone.

    Attributes:
        path: The file `model.onnx`.
        class_names: In the order of the model's outputs.
    """

    def __init__(self, path: str | Path, *, device: str = "auto") -> None:
        """Load an export, from its file or its folder.

        Args:
            path: `model.onnx`, a variant of it, or the folder that holds it.
            device: `auto`, `cpu` or `cuda`.

        Raises:
            ExportError: It is missing, not an export, or changed since; or the requested GPU is missing.
        """
        with in_python_terms():
            self._predictor = Predictor(from_home(path), device=device)
        self.path, self.class_names = self._predictor.path, self._predictor.class_names

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {len(self.class_names)} classes)"

    @property
    def export(self) -> ExportResult | None:
        """Return the measurements of the export: size, comparison with PyTorch, latency; None without a record."""
        return read_export(self.path.parent)

    @overload
    def predict(self, images: ImageLike) -> Prediction: ...
    @overload
    def predict(self, images: Sequence[ImageLike]) -> list[Prediction]: ...
    def predict(self, images: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """Classify images; as `predict_images`."""
        with running_job() as job:
            return predict_images(self._predictor, images, job)


class Run:
    """A training run of a project; every measurement is of its best checkpoint.

    Attributes:
        path: The folder of the run.
    """

    def __init__(self, path: Path, read_project: Callable[[], tuple[Snapshot, ProjectFacts]]) -> None:
        """Make it for a run's folder; `read_project` returns the project's images and its facts for an export."""
        self.path = path
        self._read_project = read_project
        self._predictor: tuple[tuple[str, str], _Predictor] | None = None  # (of the images, of the weights), loaded

    def __repr__(self) -> str:
        summary = self._summary
        best = summary.best
        return f"Run({summary.name!r}, validation accuracy {best.accuracy_text if best else 'not known'})"

    @property
    def name(self) -> str:
        """Return the name of the run's folder, such as `001-resnet18_in1k-linear`."""
        return self.path.name

    @property
    def settings(self) -> TrainConfig:
        """Return the settings that the run was trained with."""
        return self._summary.config

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes in the order of the network's outputs."""
        return self._summary.class_names

    @property
    def result(self) -> TrainResult | None:
        """Return time, parameters and best epoch; None while the run is trained, or where it was killed."""
        return self._summary.result

    @property
    def is_stopped(self) -> bool:
        """Whether it ended early, by an interrupt or its time; `resume` continues it."""
        return self._summary.is_unfinished

    @property
    def history(self) -> Table:
        """Return a row per epoch: epoch, train_loss, val_loss, val_accuracy (a share of 1), seconds ..."""
        rows = [asdict(epoch) for epoch in self._summary.epochs]
        return {name: [row[name] for row in rows] for name in EpochDone.__dataclass_fields__}

    def evaluate(self, split: str = "test", *, callback: Callback | None = None) -> Evaluation:
        """Measure the run on the labelled images of a split, `test` or `val`, as they are now.

        `accuracy` of validation images is likely too high: they chose the epoch.

        Raises:
            RunError: The run cannot be read, or the split has no labelled images.
        """
        from visionft.evaluation.report import evaluate_run

        with running_job(callback) as job:
            images, _ = self._read_project()
            return evaluate_run(self.path, images, checked_split(split), job=job)

    def mistakes(self, split: str = "test") -> Table:
        """Return the wrongly classified images of the last evaluation on a split, the most confident first.

        Columns: image_id, path, label, predicted, probability (of the prediction). For several labels, `label` and
        `predicted` hold the classes joined by commas. The run is evaluated first where it was not.
        """
        if read_evaluation(self.path, split, with_predictions=False) is None:
            self.evaluate(split)
        stored = read_evaluation(self.path, split)
        assert stored is not None, "it was written just now"
        images, _ = self._read_project()
        wrong = sorted((each for each in stored.predictions if not each.is_right), key=lambda each: -each.probability)
        wrong = [each for each in wrong if each.image_id in images.by_id]
        return {
            "image_id": [each.image_id for each in wrong],
            "path": [str(images.by_id[each.image_id].path) for each in wrong],
            "label": [", ".join(each.true_classes) for each in wrong],
            "predicted": [", ".join(each.predicted) for each in wrong],
            "probability": [each.probability for each in wrong],
        }

    @overload
    def predict(self, images: ImageLike) -> Prediction: ...
    @overload
    def predict(self, images: Sequence[ImageLike]) -> list[Prediction]: ...
    def predict(self, images: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """Classify images in PyTorch, with the answers that an export would give; as `predict_images`.

        The first call loads the network and calibrates it on the validation images.

        Raises:
            RunError: The run has no checkpoint, or there are no validation images.
            ImageError: As `predict_images`.
        """
        from visionft.export.run_predictor import RunPredictor

        with running_job() as job:
            (images_now, _), summary = self._read_project(), self._summary
            key = images_now.digest, str(summary.best)
            if self._predictor is None or self._predictor[0] != key:
                self._predictor = key, RunPredictor(summary, images_now, job=job)
            return predict_images(self._predictor[1], images, job)

    def export(
        self, folder: str | Path, *, target: str = "desktop", callback: Callback | None = None, **options: Any
    ) -> Model:
        """Export the run as one ONNX file, compare it with PyTorch on real images, and load it.

        Args:
            folder: For `model.onnx` and the files beside it; made where it is missing.
            target: Where it will run: desktop, server, web, phone, edge or python.
            callback: Receives the events in place of the progress line.
            **options: Fields of `visionft.export.options.ExportOptions` in place of those of the target.

        Raises:
            ExportError: It differs from PyTorch, or an option is not known; nothing was written.
            RunError: The run cannot be read, or there are no validation images.
        """
        from visionft.export.exporter import export_run

        out_dir = from_home(folder)
        with running_job(callback) as job:
            place = target_named(target)
            try:
                chosen = replace(place.options, **options)
            except TypeError as error:
                raise VisionFTError(f"There is no such export option: {error}.") from error
            images, facts = self._read_project()
            export_run(self.path, images, out_dir, options=chosen, facts=facts, job=job)
        return Model(out_dir)

    def resume(self, *, callback: Callback | None = None) -> "Run":
        """Continue the run where it was stopped, on its original images, and return it.

        Raises:
            RunError: It is finished already.
        """
        from visionft.evaluation.trained_run import resume_and_evaluate

        with running_job(callback) as job:
            resume_and_evaluate(self.path, job=job)
        return self

    @property
    def _summary(self) -> RunSummary:
        with in_python_terms():
            return read_run(self.path)


def checked_split(split: str) -> Any:
    """Return a split to evaluate on; a `VisionFTError` for any other word."""
    if split not in ("val", "test"):
        raise VisionFTError(f"Cannot evaluate on {split!r}.", 'Give "val" or "test".')
    return split


class TimeLimit:
    """Stops a training at the end of the epoch after which another one would exceed the limit.

    Epochs are seen in the events of the job, and the training asks after each step whether to stop.
    """

    def __init__(self, seconds: float | None, job: JobContext) -> None:
        """Begin to count `seconds`; None for no limit."""
        self._began, self._seconds, self._job = time.monotonic(), seconds, job
        self.is_over = False

    @property
    def left(self) -> float:
        """Return the seconds left, at least 0; infinity without a limit."""
        return max(0.0, self._seconds - (time.monotonic() - self._began)) if self._seconds is not None else np.inf

    @property
    def job(self) -> JobContext:
        """Return the context for the training: that of the caller, which also ends when the time is up."""
        return JobContext(self._report, lambda: self.is_over or self._job.is_cancelled)

    def _report(self, event: Event) -> None:
        self._job.report(event)
        if isinstance(event, EpochDone) and event.epoch < event.epochs:
            self.is_over = self.left < event.seconds
