"""Classify images with a run in PyTorch, before any export: the same answers as its export gives."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionft.core.jobs import SILENT, JobContext
from visionft.data.types import Snapshot
from visionft.export.distance import fit_distance
from visionft.export.predictor import Prediction, predict_files, prediction_of
from visionft.export.pytorch_comparison import Reference
from visionft.training.evaluation.report import calibrate
from visionft.training.retrieval import load_current_model
from visionft.training.runs.run_folder import Run


class RunPredictor:
    """The trained network of a run with what its export would hold: temperature, thresholds, distance.

    It is the reference that an export is compared with, so both differ by rounding alone.

    Attributes:
        class_names: In the order of the model's outputs.
        image_reading: How files become pixels: window, plane and channels.
    """

    def __init__(self, run: Run, images: Snapshot, *, job: JobContext = SILENT) -> None:
        """Load a run's best checkpoint, calibrate it on validation images and fit its out-of-distribution distance.

        Args:
            run: A run with a best checkpoint.
            images: The project's images; as for the export, those of validation calibrate.

        Raises:
            RunError: The run cannot be read, or there are no validation images.
            WeightsError: The pretrained weights of the run's start are missing.
            JobCancelled: The user cancelled.
        """
        model = load_current_model(run, images, job=job)
        _, temperature, self._thresholds = calibrate(model, images, job=job)
        distance, _border = fit_distance(model.strongest, images, job=job) or (None, None)
        self.class_names = model.run.class_names
        self.image_reading = model.run.config.image_reading
        self._reference = Reference(model, temperature, images.task, distance)

    def predict(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Classify images one by one, in order; an unreadable image yields its error."""
        return predict_files(paths, self.image_reading, self.predict_pixels)

    def predict_pixels(self, pixels: np.ndarray, path: Path = Path()) -> Prediction:
        """Classify one uint8 (H, W, 3) RGB image; `path` names it in the prediction, which has no evidence."""
        began = time.perf_counter()
        rows, distances = self._reference.outputs(pixels[None])
        model_ms = (time.perf_counter() - began) * 1000
        distance = None if distances is None else float(distances[0])
        found = prediction_of(rows[0], self.class_names, self._thresholds, path=path, distance=distance)
        return replace(found, model_ms=model_ms)
