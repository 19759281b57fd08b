"""Compare two models on the same images: fixed and broken predictions, and whether the difference is significant.

Torch-free. Only images evaluated by both count, so the groups add up to the right and wrong images of both.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from visionft.core.errors import NextStep, RunError
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.training.evaluation.metrics import Z_95
from visionft.training.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.training.runs.run_folder import Run

CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionChange:
    """One image that at least one run has wrong. `true_classes` are its labels in the later evaluation."""

    image_id: int
    true_classes: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    probability: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The changes from the model `before` to the model `after`, most confident predictions of `after` first.

    Attributes:
        shared: Images evaluated by both models.
        both_right: Number of shared images that both models have right.
        left_out: Images evaluated by one model only, or relabelled between the evaluations.
    """

    COMPUTED: ClassVar = ("p_value", "verdict")

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
        """Return whether the later model is better on these images, and whether that is significant, in a sentence."""
        fixed = len(self.fixed)
        broken = len(self.broken)
        p_value = f"{self.p_value:.3f}"
        if fixed == broken:
            return Message("Both have the same accuracy on these images.")
        if self.p_value < CHANCE:
            better, worse = Message("Significantly better (p = {p})."), Message("Significantly worse (p = {p}).")
        else:
            better = Message("Better, but not significantly (p = {p}).")
            worse = Message("Worse, but not significantly (p = {p}).")
        return Message(better if fixed > broken else worse, p=p_value)


def compare_models(before: Run, after: Run, split: Split) -> Comparison:
    """Compare two runs by their stored evaluations on a split.

    Raises:
        RunError: One of them was not evaluated on the split, or they share no image.
    """
    evaluations: list[StoredEvaluation] = []
    for model in (before, after):
        found = read_evaluation(model.path, split)
        if found is None:
            message = Message("{title} has not been evaluated on the {split} images.", title=model.title, split=split)
            raise RunError(message, "Evaluate it first.", NextStep("evaluate", run=model.name, split=split))
        evaluations.append(found)
    comparison = compare(*evaluations)
    if not comparison.shared:
        message = Message(
            "{title} and {title2} were evaluated on no image in common.", title=before.title, title2=after.title
        )
        hint = "Evaluate both again, then compare."
        raise RunError(message, hint)
    return comparison


def compare(first: StoredEvaluation, second: StoredEvaluation) -> Comparison:
    before = {each.image_id: each for each in first.predictions}
    pairs = [(before[each.image_id], each) for each in second.predictions if each.image_id in before]
    # An image relabelled between the two evaluations was judged by two different labels.
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
        left_out=len(before.keys() | {each.image_id for each in second.predictions}) - len(pairs),
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
