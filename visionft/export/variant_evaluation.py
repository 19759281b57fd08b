"""Compare the predictions and speed of a variant with those of `model.onnx`, on the same held-out images."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.heads.calibration import sigmoid, softmax
from visionft.core.errors import nothing_readable
from visionft.core.events import Progress
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.image_reading import ImageReading
from visionft.data.types import SnapshotImage
from visionft.export.graph import LOGITS
from visionft.export.model_file import PROCESSOR, open_session
from visionft.export.predictor import DISTANCE, DISTANCE_OUTPUT, INPUT, OUTPUT
from visionft.export.pytorch_comparison import readable_images
from visionft.export.variants import VariantAgreement, VariantLatency
from visionft.training.evaluation.comparison import paired_interval
from visionft.training.evaluation.metrics import expected_calibration_error
from visionft.training.evaluation.timing import processor_name, runs_for, spread_of, timed_calls

MEASURED = 2000  # images of validation and test at most
TIMED_SECONDS = 8.0  # of both files together


@dataclass(frozen=True)
class ModelOutputs:
    """Outputs of a file for N images: (N, C) logits, and (N,) distances, or (0,) without distances."""

    logits: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, kw_only=True)
class LogitDecoder:
    """Temperature, and (C,) thresholds from which a class is assigned: None where an image has one label."""

    temperature: float
    thresholds: np.ndarray | None = None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Map (N, C) logits to probabilities."""
        return (softmax if self.thresholds is None else sigmoid)(logits / self.temperature)

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Map (N, C) logits to the class of each image, (N,), or to zeros and ones, (N, C)."""
        if self.thresholds is None:
            return logits.argmax(axis=1)
        return (self.probabilities(logits) >= self.thresholds).astype(np.int64)

    def calibration_error(self, logits: np.ndarray, targets: np.ndarray) -> float:
        """Return the expected calibration error, over images or over pairs of image and class."""
        found = self.probabilities(logits)
        if self.thresholds is None:
            return expected_calibration_error(found, targets)
        pairs = np.stack([1 - found, found], axis=-1).reshape(-1, 2)
        return expected_calibration_error(pairs, targets.reshape(-1).astype(int))


def session_with_distance(path: Path, content: bytes, *, device: str) -> Any:
    """Return a session of a model file; hidden distances are restored where there are any."""
    session = open_session(path, content, device=device)
    hidden = session.get_modelmeta().custom_metadata_map.get(DISTANCE_OUTPUT, "")
    return open_session(path, content + bytes.fromhex(hidden), device=device) if hidden else session


def run_models(
    sessions: Mapping[str, Any], images: Sequence[SnapshotImage], reading: ImageReading, job: JobContext
) -> tuple[dict[str, ModelOutputs], list[int]]:
    """Return the outputs of each session for the readable images, and their places; each image is decoded once.

    Raises:
        RunError: None can be read.
    """
    read = list[int]()
    rows = {name: list[list[np.ndarray]]() for name in sessions}
    for place, pixels in readable_images(images, reading):
        job.check_cancelled()
        job.report(Progress(stage="Comparing the variants", done=place, total=len(images)))
        read.append(place)
        for name, session in sessions.items():
            has_distance = any(each.name == DISTANCE for each in session.get_outputs())
            rows[name].append(session.run([LOGITS, *[DISTANCE] * has_distance], {INPUT: pixels[None]}))
    if not read:
        raise nothing_readable("validation images")
    outputs: dict[str, ModelOutputs] = {}
    for name, found in rows.items():
        # Half precision may overflow: non-finite values become 0, and so differ from those of model.onnx.
        logits = np.nan_to_num(np.concatenate([row[0] for row in found]).astype(np.float64), posinf=0.0, neginf=0.0)
        distances = np.nan_to_num(np.array([row[1][0] for row in found if len(row) > 1], np.float64))
        outputs[name] = ModelOutputs(logits, distances)
    return outputs, read


def are_equal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (N,) whether predictions agree, or predictions and targets: in every label where there are several."""
    return (first == second).reshape(len(first), -1).all(axis=1)


def compare_outputs(
    reference: ModelOutputs,
    own: ModelOutputs,
    targets: np.ndarray,
    *,
    decoder: LogitDecoder,
    stretch: float,
) -> VariantAgreement:
    """Compare the predictions of a variant with those of `model.onnx`.

    Args:
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        decoder: Of both.
        stretch: Divisor of the variant's distances.
    """
    before, after = decoder.predictions(reference.logits), decoder.predictions(own.logits)
    was_right, is_right = are_equal(before, targets), are_equal(after, targets)
    fixed, broken = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    difference = decoder.probabilities(reference.logits) - decoder.probabilities(own.logits)
    distances = np.abs(own.distances / stretch - reference.distances)
    return VariantAgreement(
        images=len(targets),
        top1=float(is_right.mean()),
        reference_top1=float(was_right.mean()),
        difference=paired_interval(fixed, broken, len(targets)),
        flips=int((~are_equal(before, after)).sum()),
        ece=decoder.calibration_error(own.logits, targets),
        reference_ece=decoder.calibration_error(reference.logits, targets),
        max_abs_diff=float(np.abs(difference).max()),
        max_distance_diff=float(distances.max(initial=0.0)),
    )


def distance_stretch(reference: ModelOutputs, own: ModelOutputs) -> float:
    """Return the least-squares factor by which a variant's distances are longer: rounding adds to each."""
    if not len(own.distances):
        return 1.0
    return float(own.distances @ reference.distances / max(1e-12, reference.distances @ reference.distances))


def time_both(reference: Any, variant: Any, pixels: np.ndarray, job: JobContext) -> VariantLatency:
    """Time the sessions of two files alternately on one decoded uint8 (H, W, 3) image."""
    sessions = (reference, variant)
    processor_s = np.zeros(2)

    def classify(place: int) -> None:
        began = time.process_time()
        sessions[place].run([OUTPUT], {INPUT: pixels[None]})
        processor_s[place] += time.process_time() - began

    calls = [partial(classify, place) for place in range(2)]
    for call in calls:
        call()
    times = timed_calls(calls, job=job, most_runs=len(calls) * runs_for(0.99), most_seconds=TIMED_SECONDS)
    if job.is_cancelled or len(times) < len(calls):
        raise JobCancelled
    pairs = times[: len(times) // 2 * 2].reshape(-1, 2)
    usual, own = map(spread_of, pairs.T)
    faster = float(np.median(pairs[:, 0] / pairs[:, 1]))
    provider = variant.get_providers()[0]
    if provider == PROCESSOR and processor_s.all():
        faster = min(faster, processor_s[0] / processor_s[1])  # a busy computer may delay one of the two more often
    return VariantLatency(
        p50_ms=own.median_ms,
        p99_ms=own.p99_ms,
        max_ms=own.max_ms,
        reference_p50_ms=usual.median_ms,
        reference_p99_ms=usual.p99_ms,
        reference_max_ms=usual.max_ms,
        times_faster=round(faster, 3),
        runs=len(pairs),
        provider=provider,
        width=pixels.shape[1],
        height=pixels.shape[0],
        processor=processor_name(),
    )
