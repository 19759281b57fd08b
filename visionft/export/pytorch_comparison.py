"""Compare an exported file with the classifier in PyTorch: on decoded validation images, at several batch sizes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.messages import Message
from visionft.calibration import sigmoid, softmax
from visionft.data.decode import decode
from visionft.data.image_reading import ImageReading
from visionft.data.types import Snapshot, SnapshotImage, Task
from visionft.errors import ExportError, ImageError, nothing_readable
from visionft.evaluation.report import run_images
from visionft.events import Progress
from visionft.export.distance import Distance
from visionft.export.export_result import Parity
from visionft.export.predictor import Predictor
from visionft.jobs import SILENT, JobContext
from visionft.training.loop.subsets import spread
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_model import RunModel

logger = logging.getLogger(__name__)

PARITY_IMAGES = 200
BATCHES = (1, 2, 7)
Outputs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]  # of a batch: probabilities, distances
# Two classes this close are a tie: their order is rounding, not a disagreement.
TIE = 1e-5


def parity_images(run: RunSummary, images: Snapshot) -> list[np.ndarray]:
    """Decode up to `PARITY_IMAGES` validation images, evenly spread over the split.

    Raises:
        RunError: There is none, or none can be read.
    """
    chosen = spread(compared_images(run, images), PARITY_IMAGES)
    decoded = [pixels for _, pixels in readable_images(chosen, run.config.image_reading)]
    if not decoded:
        raise nothing_readable("validation images")
    return decoded


def compared_images(run: RunSummary, images: Snapshot) -> Sequence[SnapshotImage]:
    """Return the images to compare on: of validation, or any where a method without labels has none there."""
    if not images.labelled("val") and not run.config.method_row.needs_labels:
        return images.images
    return run_images(run, images, "val")[0]


def readable_images(images: Sequence[SnapshotImage], reading: ImageReading) -> Iterator[tuple[int, np.ndarray]]:
    """Decode images as a run reads them, and yield each with its index; unreadable ones are omitted and logged."""
    for place, image in enumerate(images):
        try:
            yield place, decode(image.path, reading=reading)
        except ImageError as error:
            logger.info("image %d is left out of the comparison: %s", image.image_id, error.message)


def uniform_batch(images: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return `size` images cropped to their common size, (size, H, W, 3), because a batch has a single size."""
    chosen = [images[index % len(images)] for index in range(size)]
    height, width = min(each.shape[0] for each in chosen), min(each.shape[1] for each in chosen)
    return np.stack([each[:height, :width] for each in chosen])


class MirrorAverage(nn.Module):
    """A network with the mean of its logits over (B, 3, H, W) images and their mirror images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return (self.network(images) + self.network(images.flip(3))) / 2


class Reference:
    """The trained classifiers in PyTorch with the program's own preprocessing, and the fitted distance."""

    def __init__(
        self,
        model: RunModel,
        temperature: float,
        task: Task,
        distance: Distance | None,
        *,
        averages_mirror: bool = False,
    ) -> None:
        for part in model.parts:
            part.classifier.cpu().float().eval()
        self.model, self._temperature, self._distance = model, temperature, distance
        self._activation = softmax if task == "single" else sigmoid
        self._averages_mirror = averages_mirror

    @torch.no_grad()
    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (B, C) probabilities and (B,) distances, or None, of uint8 (B, H, W, 3) images."""
        logits: list[np.ndarray] = []
        distances = None
        for part in self.model.parts:
            inputs = network_inputs(part, pixels)
            found, stages = part.classifier.with_stages(inputs)
            if self._averages_mirror:
                found = (found + part.classifier(inputs.flip(3))) / 2
            logits.append(found.double().numpy())
            if self._distance is not None and part is self.model.strongest:
                distances = self._distance(stages).numpy()
        return self._activation(self.model.mixed(logits) / self._temperature), distances


def network_inputs(part: RunModel, pixels: Sequence[np.ndarray] | np.ndarray) -> torch.Tensor:
    """Map uint8 (B, H, W, 3) images to a classifier's (B, 3, S, S) input."""
    return torch.stack([part.preprocessing.apply(each) for each in pixels])


def compare(reference: Reference, images: Snapshot, model_path: Path, *, job: JobContext = SILENT) -> Parity:
    """Compare the file in ONNX Runtime with the unmerged classifier in PyTorch, at several batch sizes.

    Raises:
        ExportError: They differ.
    """
    decoded = parity_images(reference.model.run, images)
    parity = measure_parity(reference.outputs, Predictor(model_path).outputs, decoded, job=job)
    if not parity.is_equal:
        raise ExportError(
            Message(
                "The exported file differs from PyTorch: by up to {max_abs_diff} in "
                "probability and {max_distance_diff} in distance, {top1_agreement} of the "
                "top classes agree.",
                max_abs_diff=f"{parity.max_abs_diff:.2g}",
                max_distance_diff=f"{parity.max_distance_diff:.2g}",
                top1_agreement=f"{parity.top1_agreement:.1%}",
            ),
            "Nothing was kept. Please report this with the run's config.json.",
        )
    return parity


def measure_parity(
    expected_outputs: Outputs, got_outputs: Outputs, decoded: Sequence[np.ndarray], *, job: JobContext
) -> Parity:
    """Compare two models on decoded images of any size, so that crop, resize and normalisation are compared as well."""
    differences = list[float]()
    distance_differences = [0.0]
    agreements = list[np.ndarray]()

    def add(pixels: np.ndarray) -> None:
        (expected, distances), (got, got_distances) = expected_outputs(pixels), got_outputs(pixels)
        differences.append(float(np.abs(expected - got).max()))
        agreements.append(expected.max(axis=1) - expected[np.arange(len(expected)), got.argmax(axis=1)] <= TIE)
        if distances is not None and got_distances is not None:
            distance_differences.append(float(np.abs(distances - got_distances).max()))

    for number, pixels in enumerate(decoded, start=1):
        job.check_cancelled()
        add(pixels[None])
        job.report(Progress(stage="Comparing with PyTorch", done=number, total=len(decoded)))
    for size in BATCHES[1:]:
        add(uniform_batch(decoded, size))
    return Parity(
        images=len(decoded),
        max_abs_diff=max(differences),
        max_distance_diff=max(distance_differences),
        top1_agreement=float(np.concatenate(agreements).mean()),
        batches=BATCHES,
    )
