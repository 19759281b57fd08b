"""Compare runs: fixed and broken predictions on the same images, the significance of the difference, and the cost.

Torch-free. Only images evaluated by both runs are compared.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from visionft.core.amounts import count_text, duration_text, memory_text, size_text
from visionft.core.errors import NextStep, RunError
from visionft.core.files import read_json, write_json
from visionft.core.messages import Message
from visionft.core.records import none_if_unreadable
from visionft.data.types import Split
from visionft.training.evaluation.metrics import Z_95
from visionft.training.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.training.runs.manifest import BEST_FOLDER, weights_hash
from visionft.training.runs.run_folder import StoredRun

SIGNIFICANCE_LEVEL = 0.05  # for p-values


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionChange:
    """An image misclassified by at least one of two runs; `true_classes` are its labels in the later evaluation."""

    image_id: int
    true_classes: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    probability: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The changes from the model `before` to the model `after`, most confident predictions of `after` first.

    Attributes:
        shared: Number of images evaluated by both models.
        both_right: Number of shared images that both models classify correctly.
        left_out: Number of images evaluated by one model only, or relabelled between the evaluations.
    """

    COMPUTED_FIELDS: ClassVar = ("p_value", "verdict")

    before: str
    after: str
    split: str
    shared: int
    both_right: int
    left_out: int
    fixed: tuple[PredictionChange, ...]
    broken: tuple[PredictionChange, ...]
    still_wrong: tuple[PredictionChange, ...]

    @property
    def p_value(self) -> float:
        """Return the p-value of the difference between fixed and broken images (McNemar's exact test)."""
        return sign_test(len(self.fixed), len(self.broken))

    @property
    def verdict(self) -> str:
        """Describe in a sentence whether the later model is better on these images, and whether significantly."""
        fixed = len(self.fixed)
        broken = len(self.broken)
        p_value = f"{self.p_value:.3f}"
        if fixed == broken:
            return Message("Both have the same accuracy on these images.")
        if self.p_value < SIGNIFICANCE_LEVEL:
            better, worse = Message("Significantly better (p = {p})."), Message("Significantly worse (p = {p}).")
        else:
            better = Message("Better, but not significantly (p = {p}).")
            worse = Message("Worse, but not significantly (p = {p}).")
        return Message(better if fixed > broken else worse, p=p_value)


def compare_models(before: StoredRun, after: StoredRun, split: Split) -> Comparison:
    """Compare two runs by their stored evaluations on a split.

    Raises:
        RunError: A run was not evaluated on the split, or the evaluations share no image.
    """
    evaluations: list[StoredEvaluation] = []
    for model in (before, after):
        evaluation = read_evaluation(model.path, split)
        if evaluation is None:
            message = Message("{title} has not been evaluated on the {split} images.", title=model.title, split=split)
            raise RunError(message, "Evaluate it first.", NextStep("evaluate", run=model.name, split=split))
        evaluations.append(evaluation)
    comparison = compare(*evaluations)
    if not comparison.shared:
        message = Message(
            "{title} and {title2} were evaluated on no image in common.", title=before.title, title2=after.title
        )
        hint = "Evaluate both again, then compare."
        raise RunError(message, hint)
    return comparison


def compare(first: StoredEvaluation, second: StoredEvaluation) -> Comparison:
    """Compare the predictions of two evaluations on their shared images."""
    old_by_id = {prediction.image_id: prediction for prediction in first.predictions}
    pairs = [(old_by_id[new.image_id], new) for new in second.predictions if new.image_id in old_by_id]
    # Images relabelled between the evaluations cannot be compared.
    pairs = [(old, new) for old, new in pairs if set(old.true_classes) == set(new.true_classes)]
    groups: dict[tuple[bool, bool], list[PredictionChange]] = {}
    for old, new in sorted(pairs, key=lambda pair: -pair[1].probability):
        change = PredictionChange(
            image_id=new.image_id,
            true_classes=new.true_classes,
            before=old.predicted,
            after=new.predicted,
            probability=new.probability,
        )
        groups.setdefault((old.is_right, new.is_right), []).append(change)
    return Comparison(
        before=first.run,
        after=second.run,
        split=second.split,
        shared=len(pairs),
        both_right=len(groups.get((True, True), ())),
        left_out=len(old_by_id.keys() | {prediction.image_id for prediction in second.predictions}) - len(pairs),
        fixed=tuple(groups.get((False, True), ())),
        broken=tuple(groups.get((True, False), ())),
        still_wrong=tuple(groups.get((False, False), ())),
    )


def sign_test(first: int, second: int) -> float:
    """Return the two-sided p-value of the sign test for counts `first` and `second`; 1 without counts."""
    count = first + second
    ways, tail = 1, 0
    for hits in range(min(first, second) + 1):
        tail += ways
        ways = ways * (count - hits) // (hits + 1)
    return min(1.0, 2 * tail / 2**count)


def paired_interval(fixed: float, broken: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares of the same `count` images.

    Wald's interval with half an image added to each of the four groups (Agresti and Min 2005, Statistics in Medicine
    24, 729-740). Its coverage holds with few images and with no disagreement at all, where Wald's own interval is a
    point.
    """
    first, second, whole = fixed + 0.5, broken + 0.5, count + 2
    middle = (first - second) / whole
    half = Z_95 * math.sqrt(max(0.0, first + second - (first - second) ** 2 / whole)) / whole
    return max(-1.0, middle - half), min(1.0, middle + half)


COST_FILE = "cost.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """The cost of a run; a value without a record is None.

    Training records its cost in `result.json`. An export records size and latency of its file in the run's folder.

    Attributes:
        seconds: Training time, reading the images included.
        memory_mb: Peak memory of training in MiB: the device's on CUDA, else the process's.
        file_bytes: Size of `model.onnx` at the newest export.
        milliseconds: Median latency of an image at the newest export.
        drift: 1 - mean cosine similarity of validation features with the pretrained network's.
    """

    seconds: float | None = None
    memory_mb: int | None = None
    trainable_parameters: int | None = None
    file_bytes: int | None = None
    milliseconds: float | None = None
    drift: float | None = None

    def texts(self) -> tuple[str, ...]:
        """Return the values as texts, in the order of the fields; empty for unknown values."""
        return (
            "" if self.seconds is None else duration_text(self.seconds),
            "" if self.memory_mb is None else memory_text(self.memory_mb),
            "" if self.trainable_parameters is None else count_text(self.trainable_parameters),
            "" if self.file_bytes is None else size_text(self.file_bytes),
            "" if self.milliseconds is None else f"{self.milliseconds:.1f} ms",
            "" if self.drift is None else f"{self.drift:.3f}",
        )


def cost_of_run(run: StoredRun) -> RunCost:
    """Return the recorded cost of a run."""
    result = run.result
    file_bytes, milliseconds = _file_cost(run.path) or (None, None)
    return RunCost(
        seconds=result.seconds if result else None,
        memory_mb=(result.peak_memory_mb or None) if result else None,  # earlier versions stored 0 for unknown
        trainable_parameters=result.trainable_parameters if result else None,
        file_bytes=file_bytes,
        milliseconds=milliseconds,
        # The drift of a run that starts from another run is not relative to the pretrained network.
        drift=result.feature_drift if result and not run.config.start_from else None,
    )


@none_if_unreadable
def _file_cost(run_dir: Path) -> tuple[int, float] | None:
    """Return (bytes, milliseconds) of the exported file; None without a readable record for the current weights."""
    values: dict[str, Any] = read_json(run_dir / COST_FILE)
    current = weights_hash(run_dir / BEST_FOLDER)
    if current and values["weights"] != current:
        return None
    return int(values["shipped_bytes"]), float(values["time"]["median_ms"])


def write_file_cost(run_dir: Path, *, file_bytes: int, milliseconds: float) -> None:
    """Record size and latency of an exported file in the folder of its run."""
    weights = weights_hash(run_dir / BEST_FOLDER)
    values = {"weights": weights, "shipped_bytes": file_bytes, "time": {"median_ms": milliseconds}}
    write_json(run_dir / COST_FILE, values)
