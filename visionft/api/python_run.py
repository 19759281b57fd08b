"""A training run and an exported model in Python: evaluate, look at mistakes, predict, export."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL.Image import Image as PillowImage

from visionft.api.console import Callback, in_python_terms, running_job
from visionft.api.tables import Table
from visionft.core.errors import ImageError
from visionft.core.events import EpochDone
from visionft.core.files import expand_home
from visionft.data.decode import decode_pillow
from visionft.data.types import Split, evaluated_split
from visionft.export.export_result import ExportResult, read_export
from visionft.export.options import ExportOptions
from visionft.export.predictor import Prediction, Predictor, expand_folders
from visionft.export.record import facts_of
from visionft.project.store import ProjectStore as Store
from visionft.training.budget import Budget
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.stored import Evaluation, read_evaluation, stored_evaluations
from visionft.training.evaluation.unseen import unseen_evaluation
from visionft.training.retrieval import labels_digest, members_of
from visionft.training.runs.run_folder import StoredRun, TrainResult, read_run

if TYPE_CHECKING:
    from visionft.export.prepared import PreparedRun

ImageLike = str | Path | np.ndarray | PillowImage
"""A file, uint8 (H, W, 3) RGB pixels, or an image of Pillow."""
ImageLikes = ImageLike | Iterable[ImageLike]
"""One of these, a folder with the images in it and below, or several."""


class _Predicts:
    """What predicts, in the same ways: a run and an exported model."""

    def _loaded(self, callback: Callback | None) -> "Predictor | PreparedRun":
        raise NotImplementedError

    @overload
    def predict(self, images: ImageLike, *, callback: Callback | None = None) -> Prediction: ...
    @overload
    def predict(self, images: Iterable[ImageLike], *, callback: Callback | None = None) -> list[Prediction]: ...
    def predict(self, images: ImageLikes, *, callback: Callback | None = None) -> Prediction | list[Prediction]:
        """Return the prediction of one image, or a list for several images or a folder, in order.

        Args:
            images: A file, uint8 (H, W, 3) RGB pixels, an image of Pillow, a folder, or several of these.

        Raises:
            ImageError: The only image cannot be read, or an array has another type or shape. Of several, a file that
                cannot be read has its reason in `Prediction.error`.
            JobCancelled: The user interrupted it.
            RunError: A run has no checkpoint, or there are no validation images to calibrate it.
        """
        with running_job(callback) as job:
            found: list[Prediction] = []
            for prediction in self.stream(images, callback=job):
                job.check_cancelled()
                found.append(prediction)
            is_folder = isinstance(images, str | Path) and expand_home(images).is_dir()
            if is_folder or not isinstance(images, ImageLike):
                return found
            if found[0].error:
                raise ImageError(f"{found[0].path}: {found[0].error}", "Give the path of an image, or its pixels.")
            return found[0]

    def stream(self, images: ImageLikes, *, callback: Callback | None = None) -> Iterator[Prediction]:
        """Yield predictions one by one, as `predict` returns them: for more images than fit into memory."""
        predictor = self._loaded(callback)
        for image in [images] if isinstance(images, ImageLike) else images:
            if isinstance(image, str | Path):
                yield from predictor.predict(expand_folders([expand_home(image)]))
            elif isinstance(image, np.ndarray):
                yield predictor.predict_pixels(_checked_pixels(image))
            else:
                yield predictor.predict_pixels(decode_pillow(image, predictor.image_reading))


def _checked_pixels(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        message = f"An array of type {pixels.dtype} and shape {pixels.shape} is no image."
        raise ImageError(message, "Give uint8 values of shape (height, width, 3) in the order red, green, blue.")
    return np.ascontiguousarray(pixels)


class Model(_Predicts):
    """An exported model, which predicts with ONNX Runtime alone."""

    def __init__(self, path: str | Path, *, device: str = "auto", export: ExportResult | None = None) -> None:
        """Load an export, from its file or its folder; one that was made just now when it is first used.

        Args:
            path: `model.onnx`, a variant of it, or the folder that holds it.
            device: `auto`, `cpu` or `cuda`.
            export: Its measurements, where it was made just now; else they are read from its record.

        Raises:
            ExportError: It is missing, not an export, or changed since; or the requested GPU is missing.
        """
        self._given, self._device = expand_home(path), device
        self._export = export
        if export is None:
            self.predictor  # noqa: B018 - the file is checked now

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {len(self.class_names)} classes)"

    @cached_property
    def predictor(self) -> Predictor:
        """The loaded file: its metadata, probabilities of pixels, embeddings, index."""
        with in_python_terms():
            return Predictor(self._given, device=self._device)

    @property
    def path(self) -> Path:
        """Return the file `model.onnx`."""
        return self.predictor.path if self._export is None else self._export.model

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes in the order of the model's outputs."""
        return self.predictor.class_names

    @property
    def export(self) -> ExportResult | None:
        """Return the measurements of the export: size, comparison with PyTorch, latency; None without a record."""
        return self._export or read_export(self.path.parent)

    def _loaded(self, callback: Callback | None) -> Predictor:
        return self.predictor


class Run(_Predicts):
    """A training run of a project; every measurement is of its best checkpoint.

    `predict` answers in PyTorch, as the export of the run would; its first call loads the network and calibrates it on
    the validation images.

    Attributes:
        path: The folder of the run.
    """

    def __init__(self, path: Path, project: Store) -> None:
        """Make it for a run's folder and its open project."""
        self.path = path
        self._project = project
        # Loaded for (digest of the images, digest of the weights).
        self._predictor: tuple[tuple[str, str], PreparedRun] | None = None

    def __repr__(self) -> str:
        best = self.summary.best
        return f"Run({self.name!r}, validation accuracy {best.accuracy_text if best else 'not known'})"

    @property
    def name(self) -> str:
        """Return the name of the run's folder, such as `001-resnet18_in1k-linear`."""
        return self.path.name

    @property
    def settings(self) -> TrainConfig:
        """Return the settings that the run was trained with."""
        return self.summary.config

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes in the order of the network's outputs."""
        return self.summary.class_names

    @property
    def result(self) -> TrainResult | None:
        """Return time, parameters and best epoch; None while the run is trained, or where it was killed."""
        return self.summary.result

    @property
    def is_stopped(self) -> bool:
        """Whether it ended early, by an interrupt or its time; `resume` continues it."""
        return self.summary.is_unfinished

    @property
    def history(self) -> Table:
        """Return a row per epoch: epoch, train_loss, val_loss, val_accuracy (a share of 1), seconds ..."""
        rows = [asdict(epoch) for epoch in self.summary.epochs]
        return Table({name: [row[name] for row in rows] for name in EpochDone.__dataclass_fields__})

    @property
    def evaluations(self) -> Mapping[Split, Evaluation]:
        """Return the last evaluation of its weights on each split, without a new one: `val` and `test` where known."""
        return stored_evaluations(self.path)

    @property
    def unseen(self) -> Evaluation | None:
        """Return the evaluation on images that neither trained nor selected the run, or None."""
        return unseen_evaluation(self.summary)

    def evaluate(self, split: str = "test", *, callback: Callback | None = None) -> Evaluation:
        """Measure the run on the labelled images of a split, `test` or `val`, as they are now.

        `accuracy` of validation images is likely too high: they chose the epoch.

        Raises:
            RunError: The run cannot be read, or the split has no labelled images.
        """
        from visionft.training.evaluation.report import evaluate_run

        with running_job(callback) as job:
            return evaluate_run(self.path, self._project.snapshot(), evaluated_split(split), job=job)

    def mistakes(self, split: str = "test", *, callback: Callback | None = None) -> Table:
        """Return the wrongly classified images of a split, by their labels as they are now, the most confident first.

        Columns: image_id, path, label, predicted, probability (of the prediction). For several labels, `label` and
        `predicted` hold the classes joined by commas. The run is evaluated where it was not, or where its images, their
        labels, or for k-NN the labels that it predicts from have changed since. Images of classes that it does not know
        are left out, as in `evaluate`.
        """
        with running_job(callback) as job:
            images = self._project.snapshot()
            stored = read_evaluation(self.path, split)
            known = frozenset(self.class_names if stored is None else stored.class_names)  # the classes of k-NN change
            labels = images.label_sets(evaluated_split(split)).items()
            labels_of = {image_id: names & known for image_id, names in labels if names & known}
            digest = labels_digest(members_of(self.summary), images)
            if stored is None or not stored.is_current(labels_of, digest):
                self.evaluate(split, callback=job)
                stored = read_evaluation(self.path, split)
        wrong = () if stored is None else (each for each in stored.mistakes() if each.image_id in images.by_id)
        rows = (
            (
                each.image_id,
                {
                    "label": ", ".join(each.true_classes),
                    "predicted": ", ".join(each.predicted),
                    "probability": each.probability,
                },
            )
            for each in wrong
        )
        return Table.of_images(images, rows, ("label", "predicted", "probability"))

    def _loaded(self, callback: Callback | None) -> "PreparedRun":
        from visionft.export.prepared import prepare_run
        from visionft.training.retrieval import load_current_model

        with running_job(callback) as job:
            images = self._project.snapshot()
            summary = self.summary
            key = images.digest, str(summary.best)
            if self._predictor is None or self._predictor[0] != key:
                self._predictor = key, prepare_run(load_current_model(summary, images, job=job), images, job=job)
            return self._predictor[1]

    def export(
        self, folder: str | Path, *, target: str = "desktop", callback: Callback | None = None, **options: Any
    ) -> Model:
        """Export the run as one ONNX file, compare it with PyTorch on real images, and load it.

        Further files are made afterwards; the callback receives a `ResultStored` with the path of the model that can be
        used meanwhile. Interrupted then, the model and the files before are returned.

        Args:
            folder: For `model.onnx` and the files beside it; made where it is missing.
            target: Where it will run: desktop, server, web, phone or python.
            **options: `opset`, and each artefact by its name, such as `int8=False` or `fixed_size=True`
                (`visionft.export.options`), in place of what the target has.

        Raises:
            ExportError: It differs from PyTorch, or an option is not known; nothing was written. Or a further file
                differs; the model is written.
            JobCancelled: The user interrupted it before the model was written.
            RunError: The run cannot be read, or there are no validation images.
        """
        from visionft.export.exporter import export_run

        out_dir = expand_home(folder)
        with running_job(callback) as job:
            chosen = ExportOptions.for_target(target, **options)
            images = self._project.snapshot()
            facts = facts_of(self._project)
            result = export_run(self.path, images, out_dir, options=chosen, facts=facts, job=job)
        return Model(out_dir, export=result)

    def resume(self, *, budget: Budget | None = None, callback: Callback | None = None) -> "Run":
        """Continue the run where it was stopped, on its original images, and return it.

        Args:
            budget: How far it goes; None for the stages that it was started with.
            callback: Receives the events, in place of the progress line.

        Raises:
            RunError: It is finished already.
        """
        from visionft.training.evaluation.trained_run import resume_and_evaluate

        with running_job(callback) as job:
            resume_and_evaluate(self.path, budget=budget, job=job)
        return self

    @property
    def summary(self) -> StoredRun:
        """Return what the folder of the run holds: settings, epochs, result, notes."""
        with in_python_terms():
            return read_run(self.path)
