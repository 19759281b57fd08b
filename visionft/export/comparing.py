"""Whether an exported file answers as the classifier in PyTorch does: on real pictures, at several batch sizes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch  # noqa: TID253

from visionft.calibration import sigmoid, softmax
from visionft.data.types import Snapshot, Task
from visionft.errors import ExportError, StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.distance import FittedDistance
from visionft.export.parity import Parity
from visionft.export.parity_pictures import parity_pictures, uniform_batch
from visionft.export.predictor import Predictor
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.loaded_run import LoadedRun

BATCHES = (1, 2, 7)
# Two classes this close are a tie: which one comes first is rounding, not a disagreement.
TIE = 1e-5


def require_equal(parity: Parity) -> None:
    """Refuse a file that answers otherwise than PyTorch.

    Raises:
        ExportError: It does.
    """
    if not parity.is_equal:
        raise ExportError(
            f"The exported file differs from PyTorch: by up to {parity.max_abs_diff:.2g} in probability and "
            f"{parity.max_distance_diff:.2g} in distance, {parity.top1_agreement:.1%} of the top classes agree.",
            "Nothing was kept. Please report this with the run's config.json.",
        )


class Reference:
    """The classifiers as they were trained, with the program's own preprocessing, and the distance that was fitted."""

    def __init__(self, answerer: Answerer, temperature: float, task: Task, fitted: FittedDistance | None) -> None:
        self.run = answerer.run
        self._answerer = answerer
        for part in answerer.parts:
            part.classifier.cpu().float().eval()
        self._temperature = temperature
        self._activation = softmax if task == "single" else sigmoid
        self._distance = fitted.distance if fitted else None

    @torch.no_grad()
    def answers(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (B, C) probabilities and (B,) distances of uint8 (B, H, W, 3) pictures."""
        inputs = [_inputs(part, pixels) for part in self._answerer.parts]
        answers = [part.classifier(each) for part, each in zip(self._answerer.parts, inputs, strict=True)]
        logits = self._answerer.mixed([each.double().numpy() for each in answers])
        rows = self._activation(logits / self._temperature)
        if self._distance is None:
            return rows, None
        strongest = self._answerer.strongest
        return rows, self._distance(strongest.classifier.stages(_inputs(strongest, pixels))).numpy()


def _inputs(part: LoadedRun, pixels: np.ndarray) -> torch.Tensor:
    """Map uint8 (B, H, W, 3) pictures to a classifier's (B, 3, S, S) input."""
    return torch.stack([part.preprocessing.apply(each) for each in pixels])


def compare(
    reference: Reference,
    images: Snapshot,
    model_path: Path,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Parity:
    """Compare the file in ONNX Runtime with the unmerged classifier in PyTorch, at several batch sizes.

    Pictures go in as decoded, so the graph's crop, resize and normalisation are compared as well.
    """
    comparison = _Comparison(reference, Predictor(model_path))
    pictures = parity_pictures(reference.run, images)
    for number, pixels in enumerate(pictures, start=1):
        if should_stop():
            raise StoppedError("The export was stopped.", "Nothing was kept.")
        comparison.add(pixels[None])
        on_event(Progress(stage="Comparing with PyTorch", done=number, total=len(pictures)))
    for size in BATCHES[1:]:
        comparison.add(uniform_batch(pictures, size))
    return Parity(
        images=len(pictures),
        max_abs_diff=float(max(comparison.differences)),
        max_distance_diff=float(max(comparison.distance_differences, default=0.0)),
        top1_agreement=float(np.concatenate(comparison.agreements).mean()),
        batches=BATCHES,
    )


@dataclass
class _Comparison:
    """What was found of the pictures so far."""

    reference: Reference
    predictor: Predictor
    differences: list[float] = field(default_factory=list[float])
    distance_differences: list[float] = field(default_factory=list[float])
    agreements: list[np.ndarray] = field(default_factory=list[np.ndarray])

    def add(self, pixels: np.ndarray) -> None:
        """Compare the answers to uint8 (B, H, W, 3) pictures."""
        (expected, distances), (got, got_distances) = self.reference.answers(pixels), self.predictor.answers(pixels)
        self.differences.append(float(np.abs(expected - got).max()))
        best, rows = expected.max(axis=1), np.arange(len(expected))
        self.agreements.append(best - expected[rows, got.argmax(axis=1)] <= TIE)
        if distances is not None and got_distances is not None:
            self.distance_differences.append(float(np.abs(distances - got_distances).max()))
