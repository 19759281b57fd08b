"""A run that is ready for export, and the comparison of a file with it.

`PreparedRun` is the run with its temperature, thresholds, distances to known images, and networks as ONNX models.
It predicts in PyTorch as the file does in ONNX Runtime: the two are compared on decoded validation images, at several
batch sizes, and differ by rounding alone.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from models.heads.calibration import sigmoid, softmax
from visionft.core.errors import ExportError, ImageError, no_readable_images_error
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.decode import decode, read_header
from visionft.data.image_reading import ImageReading
from visionft.data.types import Snapshot, SnapshotImage
from visionft.export.contents import OPSET
from visionft.export.distance import Distance, fit_distance, with_outputs
from visionft.export.export_result import Border, Parity
from visionft.export.graph import (
    assemble,
    describe_model,
    describe_values,
    export_network,
    hide_outputs,
    join,
    set_metadata,
    with_preprocessing,
)
from visionft.export.predictor import Prediction, Predictor, predict_files, prediction_of
from visionft.export.record import metadata_of
from visionft.training.evaluation.report import Logits, calibrate, run_images, summarise
from visionft.training.evaluation.stored import Evaluation, read_evaluation
from visionft.training.runs.run_model import RunModel
from visionft.training.runs.run_snapshot import spread

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run or ensemble that is ready for export; the rows of `visionft.export.options` read it.

    Attributes:
        model: The run or ensemble.
        images: The project's images.
        opset: The version of ONNX's operators in the files.
        val: Logits of the validation images, as in the evaluation; None if no validation image has a label.
        temperature: Divisor of the logits.
        thresholds: (C,) probabilities from which a class is assigned; None for a single-label task.
        distance: The fitted distance of the strongest part; None if there are too few images.
        border: How the distance was scaled so that images beyond 1 are out of distribution.
    """

    model: RunModel
    images: Snapshot
    opset: int
    val: Logits | None
    temperature: float
    thresholds: np.ndarray | None
    distance: Distance | None
    border: Border | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of the outputs."""
        return tuple(self.model.run.class_names)

    @property
    def image_reading(self) -> ImageReading:
        """Return how files become pixels: window, plane and channels."""
        return self.model.run.config.image_reading

    @property
    def has_index(self) -> bool:
        """Whether the export has a retrieval index; in an ensemble, the images of a part stay in its head alone."""
        return not self.model.is_combined and bool(self.model.labels)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The metadata of `model.onnx`."""
        return metadata_of(self.model, self.images, self.temperature, self.thresholds, self.border)

    @property
    def compared_images(self) -> Sequence[SnapshotImage]:
        """Return the images for comparisons: the validation images, or all images if a label-free method has none."""
        run = self.model.run
        if not self.images.labelled("val") and not run.config.method_row.needs_labels:
            return self.images.images
        return run_images(run, self.images, "val")[0]

    @cached_property
    def pixels(self) -> list[np.ndarray]:
        """Up to `PARITY_IMAGES` decoded images for comparisons, with all shapes and classes, uint8 (H, W, 3).

        Raises:
            RunError: No image can be read.
        """
        chosen = spread_by_shape(self.compared_images, PARITY_IMAGES, self.image_reading)
        decoded = [pixels for _, pixels in readable_images(chosen, self.image_reading)]
        if not decoded:
            raise no_readable_images_error("validation images")
        return decoded

    @cached_property
    def onnx_networks(self) -> list[Any]:
        """ONNX models from normalised images to logits, in the order of the parts.

        The strongest part also returns its distance; with a retrieval index every network returns its embeddings too.
        """
        networks = list[Any]()
        for part in self.model.parts:
            distance = self.distance if part is self.model.strongest else None
            network, outputs = with_outputs(part, distance, embeds=self.has_index)
            networks.append(self.traced(network, part.preprocessing.shape, outputs=outputs))
        return networks

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The available evaluations of the run on validation and test."""
        val = self.val
        evaluations = [summarise(self.model.run, "val", val, self.temperature, self.thresholds)] if val else []
        stored = read_evaluation(self.model.run.path, "test")
        if stored is not None and stored.labels == self.model.labels:  # otherwise measured with other labels
            evaluations.append(stored)
        return evaluations

    def traced(self, network: Any, shape: tuple[int, int], **options: Any) -> Any:
        """Return a PyTorch network as an ONNX model; `options` are passed to `export_network`."""
        import onnx

        with tempfile.TemporaryDirectory(prefix="visionft-") as folder:
            path = Path(folder) / "network.onnx"
            export_network(network, shape, path, opset=self.opset, **options)
            return onnx.load(path)

    def build_full_model(self, networks: Sequence[Any]) -> Any:
        """Build the complete ONNX model from images to probabilities; `networks` are in the order of the parts."""
        pairs = zip(networks, self.model.parts, strict=True)
        graphs = [with_preprocessing(network, part.preprocessing, opset=self.opset) for network, part in pairs]
        task = self.images.task
        model = assemble(join(graphs, self.model), temperature=float(self.metadata["temperature"]), task=task)
        describe_values(model, task)
        metadata = self.metadata | hide_outputs(model)
        describe_model(model, metadata)
        set_metadata(model, metadata)
        return model

    @torch.no_grad()
    def outputs(self, pixels: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (B, C) probabilities and (B,) distances (or None) for B uint8 (H, W, 3) images of any size."""
        logits: list[np.ndarray] = []
        distances = None
        for part in self.model.parts:
            part_logits, stages = part.classifier.with_stages(network_inputs(part, pixels))
            logits.append(part_logits.double().numpy())
            if self.distance is not None and part is self.model.strongest:
                distances = self.distance(stages).numpy()
        activation = softmax if self.images.task == "single" else sigmoid
        return activation(self.model.mixed(logits) / self.temperature), distances

    def predict(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Classify images one by one, in order; an unreadable image yields its error."""
        return predict_files(paths, self.image_reading, self.predict_pixels)

    def predict_pixels(self, pixels: np.ndarray, path: Path = Path()) -> Prediction:
        """Classify one uint8 (H, W, 3) RGB image; the prediction has this `path` and no evidence."""
        start = time.perf_counter()
        rows, distances = self.outputs(pixels[None])
        model_ms = (time.perf_counter() - start) * 1000
        distance = None if distances is None else float(distances[0])
        prediction = prediction_of(rows[0], self.class_names, self.thresholds, path=path, distance=distance)
        return replace(prediction, model_ms=model_ms)


def prepare_run(model: RunModel, images: Snapshot, *, opset: int = OPSET, job: JobContext = SILENT_JOB) -> PreparedRun:
    """Calibrate a loaded run or ensemble on validation images, and fit its distance.

    Args:
        model: The run or ensemble; its networks are moved to the processor.
        images: The project's images.
        opset: The version of ONNX's operators in files that are written from it.
        job: Receives the progress.

    Raises:
        RunError: There are no validation images.
        JobCancelled: The user cancelled.
    """
    val, temperature, thresholds = calibrate(model, images, job=job)
    distance, border = fit_distance(model.strongest, images, job=job) or (None, None)
    for part in model.parts:
        part.classifier.float().eval().to_device(torch.device("cpu"))
    return PreparedRun(
        model=model,
        images=images,
        opset=opset,
        val=val,
        temperature=temperature,
        thresholds=thresholds,
        distance=distance,
        border=border,
    )


# A fault that shows on a share s of all images is missed by n of them with a probability of (1 - s)^n: .006 for n = 24
# and s = .19. Eleven faults were put into an exported ResNet-18 (a channel without effect, a layer in 4 or 16 bits, one
# class off, colours swapped, a crop one pixel off in portraits or odd sizes) and judged on 120 images each of clothes,
# waste and hand signs: a mistake that moved any probability by over .003 showed on .19 to 1 of the images. Cropping
# and resizing differ by size and shape, so the extremes of both are among the 24.
PARITY_IMAGES = 24
LOOKED_AT = 100  # most images whose size is read
BATCHES = (1, 2, 7)
AT_ONCE = 8  # images of any size in PyTorch: a sixth less time than one by one
Outputs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]  # of a batch: probabilities, distances
# Two classes this close are a tie: their order is rounding, not a disagreement.
TIE = 1e-5


def spread_by_shape(images: Sequence[SnapshotImage], most: int, reading: ImageReading) -> Sequence[SnapshotImage]:
    """Return at most `most` readable images, or all: the smallest, largest, widest and tallest; then of each class.

    The images of a class are spread over its aspect ratios.
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


def network_inputs(part: RunModel, pixels: Sequence[np.ndarray] | np.ndarray) -> torch.Tensor:
    """Map uint8 (B, H, W, 3) images to a classifier's (B, 3, S, S) input."""
    return torch.stack([part.preprocessing.apply(each) for each in pixels])


def compare(prepared: PreparedRun, predictor: Predictor, *, job: JobContext = SILENT_JOB) -> Parity:
    """Compare an exported file in ONNX Runtime with the unmerged classifier in PyTorch, at several batch sizes.

    Raises:
        ExportError: They differ.
    """
    parity = measure_parity(prepared.outputs, predictor.outputs, prepared.pixels, at_once=AT_ONCE, job=job)
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
