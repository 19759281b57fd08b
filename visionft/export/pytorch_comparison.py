"""Compare an exported file with the classifier in PyTorch: on decoded validation images, at several batch sizes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np
import torch  # noqa: TID253

from models.heads.calibration import sigmoid, softmax
from visionft.core.errors import ExportError, ImageError, nothing_readable
from visionft.core.events import Progress
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message
from visionft.data.decode import decode, read_header
from visionft.data.image_reading import ImageReading
from visionft.data.types import Snapshot, SnapshotImage, Task
from visionft.export.distance import Distance
from visionft.export.export_result import Parity
from visionft.export.predictor import Predictor
from visionft.training.evaluation.report import run_images
from visionft.training.runs.run_folder import Run
from visionft.training.runs.run_model import RunModel
from visionft.training.runs.run_snapshot import spread

logger = logging.getLogger(__name__)

# A fault that shows on a share s of all images is missed by n of them with a probability of (1 - s)^n: .006 for n = 24
# and s = .19. Eleven faults were put into an exported ResNet-18 (a channel without effect, a layer in 4 or 16 bits, one
# class off, colours swapped, a crop one pixel off in portraits or odd sizes) and judged on 120 images each of clothes,
# waste and hand signs: those that moved any probability by more than .003 showed on .19 to 1 of the images. Cropping
# and resizing differ by size and shape, so the extremes of both are among the 24.
PARITY_IMAGES = 24
LOOKED_AT = 100  # most images whose size is read
BATCHES = (1, 2, 7)
AT_ONCE = 8  # images of any size in PyTorch: a sixth less time than one by one
Outputs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]  # of a batch: probabilities, distances
# Two classes this close are a tie: their order is rounding, not a disagreement.
TIE = 1e-5


def parity_images(run: Run, images: Snapshot) -> list[np.ndarray]:
    """Decode up to `PARITY_IMAGES` validation images of all shapes and classes.

    Raises:
        RunError: There is none, or none can be read.
    """
    reading = run.config.image_reading
    chosen = spread_by_shape(compared_images(run, images), PARITY_IMAGES, reading)
    decoded = [pixels for _, pixels in readable_images(chosen, reading)]
    if not decoded:
        raise nothing_readable("validation images")
    return decoded


def compared_images(run: Run, images: Snapshot) -> Sequence[SnapshotImage]:
    """Return the images to compare on: of validation, or any where a method without labels has none there."""
    if not images.labelled("val") and not run.config.method_row.needs_labels:
        return images.images
    return run_images(run, images, "val")[0]


def spread_by_shape(images: Sequence[SnapshotImage], most: int, reading: ImageReading) -> Sequence[SnapshotImage]:
    """Return at most `most` readable images, or all: the smallest, largest, widest and tallest; then of each class.

    Those of a class are spread over its aspect ratios.
    """
    if len(images) <= most:
        return images
    sides: dict[SnapshotImage, tuple[int, int]] = {}
    for image in spread(images, LOOKED_AT):
        with suppress(ImageError):
            header = read_header(image.path, reading)
            sides[image] = header.width, header.height
    by_area = sorted(sides, key=lambda each: sides[each][0] * sides[each][1])
    by_aspect = sorted(sides, key=lambda each: sides[each][0] / sides[each][1])
    extremes = dict.fromkeys([*by_area[:1], *by_area[-1:], *by_aspect[:1], *by_aspect[-1:]])
    by_class = sorted((each for each in by_aspect if each not in extremes), key=lambda each: each.labels[:1])
    return [*extremes, *spread(by_class, most - len(extremes))]


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


class Reference:
    """The trained classifiers in PyTorch with the program's own preprocessing, and the fitted distance."""

    def __init__(self, model: RunModel, temperature: float, task: Task, distance: Distance | None) -> None:
        for part in model.parts:
            part.classifier.float().eval().to_device(torch.device("cpu"))
        self.model, self._temperature, self._distance = model, temperature, distance
        self._activation = softmax if task == "single" else sigmoid

    @torch.no_grad()
    def outputs(self, pixels: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (B, C) probabilities and (B,) distances, or None, of B uint8 (H, W, 3) images of any size."""
        logits: list[np.ndarray] = []
        distances = None
        for part in self.model.parts:
            found, stages = part.classifier.with_stages(network_inputs(part, pixels))
            logits.append(found.double().numpy())
            if self._distance is not None and part is self.model.strongest:
                distances = self._distance(stages).numpy()
        return self._activation(self.model.mixed(logits) / self._temperature), distances


def network_inputs(part: RunModel, pixels: Sequence[np.ndarray] | np.ndarray) -> torch.Tensor:
    """Map uint8 (B, H, W, 3) images to a classifier's (B, 3, S, S) input."""
    return torch.stack([part.preprocessing.apply(each) for each in pixels])


def compare(
    reference: Reference, predictor: Predictor, decoded: Sequence[np.ndarray], *, job: JobContext = SILENT
) -> Parity:
    """Compare an exported file in ONNX Runtime with the unmerged classifier in PyTorch, at several batch sizes.

    Args:
        reference: The classifier.
        predictor: The file.
        decoded: uint8 (H, W, 3) images.
        job: Receives the progress.

    Raises:
        ExportError: They differ.
    """
    parity = measure_parity(reference.outputs, predictor.outputs, decoded, at_once=AT_ONCE, job=job)
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
    expected_outputs: Callable[[Sequence[np.ndarray] | np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    got_outputs: Outputs,
    decoded: Sequence[np.ndarray],
    *,
    at_once: int = 1,
    job: JobContext,
) -> Parity:
    """Compare two models on decoded images of any size, so that crop, resize and normalisation are compared as well.

    Where there are enough images, the last ones are compared in batches alone, cropped to a common size.

    Args:
        expected_outputs: Of up to `at_once` images of any size, and of the images of a batch.
        got_outputs: Of the model to judge, in batches of `BATCHES`.
        decoded: uint8 (H, W, 3) images.
        at_once: Most images of different sizes.
        job: Receives the progress.
    """
    batches = [uniform_batch(decoded[-size:], size) for size in BATCHES[1:]]
    alone = decoded[: -max(BATCHES)] if len(decoded) > 2 * max(BATCHES) else decoded  # the others are in the batches
    groups = [alone[start : start + at_once] for start in range(0, len(alone), at_once)]
    steps = [*((group, [each[None] for each in group]) for group in groups), *((batch, [batch]) for batch in batches)]
    differences, distance_differences, agreements = list[float](), [0.0], list[np.ndarray]()
    for number, (group, given) in enumerate(steps, start=1):
        job.check_cancelled()
        expected, distances = expected_outputs(group)
        found = [got_outputs(each) for each in given]
        got = np.concatenate([each for each, _ in found])
        differences.append(float(np.abs(expected - got).max()))
        agreements.append(expected.max(axis=1) - expected[np.arange(len(expected)), got.argmax(axis=1)] <= TIE)
        got_distances = [each for _, each in found if each is not None]
        if distances is not None and got_distances:
            distance_differences.append(float(np.abs(distances - np.concatenate(got_distances)).max()))
        job.report(Progress(stage="Comparing with PyTorch", done=number, total=len(steps)))
    return Parity(
        images=len(decoded),
        max_abs_diff=max(differences),
        max_distance_diff=max(distance_differences),
        top1_agreement=float(np.concatenate(agreements).mean()),
        batches=BATCHES,
    )
