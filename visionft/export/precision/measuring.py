"""What exported files answer to the same validation pictures, and what a smaller one is worth beside `model.onnx`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from visionft.calibration import fit_temperature, mean_cross_entropy, sigmoid, softmax
from visionft.data.decode import decode
from visionft.data.types import SnapshotImage
from visionft.errors import ImageError, StoppedError, nothing_readable
from visionft.evaluation.comparison import paired_interval
from visionft.evaluation.metrics import best_threshold, expected_calibration_error
from visionft.evaluation.timing import processor_name, runs_for, spread_of, timed_calls
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.graph import LOGITS
from visionft.export.model_file import PROCESSOR, open_session
from visionft.export.precision.variants import Answers, Speed
from visionft.export.predictor import DISTANCE, DISTANCE_OUTPUT, INPUT, OUTPUT

MEASURED = 2000  # validation pictures at most
_LEAST_GAIN = 2e-3  # of the loss, from a temperature of its own
_TIMED_SECONDS = 8.0  # of both files together


@dataclass(frozen=True)
class Asked:
    """A file that is asked, and the device that it is for.

    Attributes:
        content: Of the file.
        device: As `open_session` takes it.
    """

    content: bytes
    device: str

    def session(self, path: Path, *, with_distance: bool = True) -> Any:
        """Return a session of the file; its distances come back where it hides some."""
        session = open_session(path, self.content, device=self.device)
        behind = session.get_modelmeta().custom_metadata_map.get(DISTANCE_OUTPUT, "")
        if not behind or not with_distance:
            return session
        return open_session(path, self.content + bytes.fromhex(behind), device=self.device)


@dataclass(frozen=True)
class Said:
    """What a file says of N pictures.

    Attributes:
        logits: (N, C).
        distances: (N,), or (0,) where it tells none.
    """

    logits: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How logits become answers.

    Attributes:
        temperature: What they are divided by.
        thresholds: (C,) probabilities from which a class is assigned; None where a picture has one label.
    """

    temperature: float
    thresholds: np.ndarray | None = None

    def or_better(self, logits: np.ndarray, targets: np.ndarray) -> "Reading":
        """Return this reading, or one that is fitted to these logits where that lowers their loss visibly."""
        temperature = fit_temperature(logits, targets)
        usual, own = (mean_cross_entropy(logits / each, targets) for each in (self.temperature, temperature))
        if usual - own < _LEAST_GAIN:
            return self
        if self.thresholds is None:
            return Reading(temperature=temperature)
        pairs = zip(sigmoid(logits / temperature).T, targets.T, strict=True)
        return Reading(temperature=temperature, thresholds=np.array([best_threshold(*pair) for pair in pairs]))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Map (N, C) logits to probabilities."""
        return (softmax if self.thresholds is None else sigmoid)(logits / self.temperature)

    def decisions(self, logits: np.ndarray) -> np.ndarray:
        """Map (N, C) logits to the class of each picture, (N,), or to zeros and ones, (N, C)."""
        if self.thresholds is None:
            return logits.argmax(axis=1)
        return (self.probabilities(logits) >= self.thresholds).astype(np.int64)

    def calibration_error(self, logits: np.ndarray, targets: np.ndarray) -> float:
        """Return the expected calibration error, over pictures or over pictures and classes."""
        found = self.probabilities(logits)
        if self.thresholds is None:
            return expected_calibration_error(found, targets)
        pairs = np.stack([1 - found, found], axis=-1).reshape(-1, 2)
        return expected_calibration_error(pairs, targets.reshape(-1).astype(int))


@dataclass
class Asking:
    """Asks several files about the same pictures, each of which is decoded once."""

    sessions: Mapping[str, Any]
    on_event: OnEvent
    should_stop: ShouldStop
    _rows: dict[str, list[list[np.ndarray]]] = field(default_factory=dict)

    def about(self, images: Sequence[SnapshotImage], targets: np.ndarray) -> tuple[dict[str, Said], np.ndarray]:
        """Return what each file says, and the targets of the pictures that could be read.

        Raises:
            RunError: None can be read.
            StoppedError: The user stopped.
        """
        read: list[int] = []
        self._rows = {name: [] for name in self.sessions}
        for place, image in enumerate(images):
            if self.should_stop():
                raise StoppedError("The export was stopped.", "Nothing was kept.")
            self.on_event(Progress(stage="Comparing the smaller files", done=place, total=len(images)))
            try:
                pixels = decode(image.path)
            except ImageError:  # the comparison with PyTorch has said so
                continue
            read.append(place)
            self._ask(pixels)
        if not read:
            raise nothing_readable("validation pictures")
        return {name: _said(rows) for name, rows in self._rows.items()}, targets[read]

    def _ask(self, pixels: np.ndarray) -> None:
        for name, session in self.sessions.items():
            known = {each.name for each in session.get_outputs()}
            outputs = [LOGITS, *[DISTANCE] * (DISTANCE in known)]
            self._rows[name].append(session.run(outputs, {INPUT: pixels[None]}))


def _said(rows: Sequence[Sequence[np.ndarray]]) -> Said:
    # Half precision may overflow: what is no number is no answer, and differs from what model.onnx says.
    logits = np.nan_to_num(np.concatenate([row[0] for row in rows]).astype(np.float64), posinf=0.0, neginf=0.0)
    return Said(logits, np.nan_to_num(np.array([row[1][0] for row in rows if len(row) > 1], np.float64)))


def compare_answers(
    reference: Said, said: Said, targets: np.ndarray, *, usual: Reading, own: Reading, stretch: float
) -> Answers:
    """Compare what a smaller file says with what `model.onnx` says.

    Args:
        reference: Of `model.onnx`.
        said: Of the smaller file.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        usual: How `model.onnx` reads its logits.
        own: How the smaller file reads its own.
        stretch: What the smaller file's distances are divided by.
    """
    before, after = usual.decisions(reference.logits), own.decisions(said.logits)
    was_right, is_right, is_same = (_equal(*pair) for pair in ((before, targets), (after, targets), (before, after)))
    fixed, broken = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    difference = usual.probabilities(reference.logits) - own.probabilities(said.logits)
    distances = np.abs(said.distances / stretch - reference.distances)
    return Answers(
        pictures=len(targets),
        top1=float(is_right.mean()),
        reference_top1=float(was_right.mean()),
        difference=paired_interval(fixed, broken, len(targets)),
        flips=int((~is_same).sum()),
        ece=own.calibration_error(said.logits, targets),
        reference_ece=usual.calibration_error(reference.logits, targets),
        max_abs_diff=float(np.abs(difference).max()),
        max_distance_diff=float(distances.max(initial=0.0)),
    )


def _equal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return for each picture whether two say the same of it, every label of several."""
    same = first == second
    return same.all(axis=1) if same.ndim == 2 else same


def stretch_of(reference: Said, said: Said) -> float:
    """Return by how much a smaller file's distances are longer, in the least squares: rounding adds to each."""
    if not len(said.distances):
        return 1.0
    return float(said.distances @ reference.distances / max(1e-12, reference.distances @ reference.distances))


def time_beside(reference: Asked, variant: Asked, path: Path, pixels: np.ndarray, should_stop: ShouldStop) -> Speed:
    """Ask both files in turn about one decoded uint8 (H, W, 3) picture, on the device that the smaller one is for.

    Raises:
        StoppedError: The user stopped.
    """
    sessions = [
        Asked(content, variant.device).session(path, with_distance=False)
        for content in (reference.content, variant.content)
    ]
    work = np.zeros(2)  # processor time of each, in seconds

    def ask(place: int) -> None:
        began = time.process_time()
        sessions[place].run([OUTPUT], {INPUT: pixels[None]})
        work[place] += time.process_time() - began

    calls = [partial(ask, place) for place in range(2)]
    for call in calls:
        call()
    most_runs = len(calls) * runs_for(0.99)
    times = timed_calls(calls, should_stop=should_stop, most_runs=most_runs, most_seconds=_TIMED_SECONDS)
    if should_stop() or len(times) < len(calls):
        raise StoppedError("The export was stopped.", "Nothing was kept.")
    pairs = times[: len(times) // 2 * 2].reshape(-1, 2)
    usual, own = map(spread_of, pairs.T)
    faster, provider = float(np.median(pairs[:, 0] / pairs[:, 1])), sessions[1].get_providers()[0]
    if provider == PROCESSOR and work.all():
        faster = min(faster, work[0] / work[1])  # a busy computer may hold up one of the two more often
    return Speed(
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
