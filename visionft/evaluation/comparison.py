"""Two runs on the same pictures: what the second mended, what it broke, and whether that is more than luck. Torch-free.

Only pictures that both runs were evaluated on count, so the groups add up to both runs' right and wrong ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import NextStep, RunError
from visionft.evaluation.metrics import Z_95
from visionft.evaluation.stored import Predicted, StoredEvaluation, read_evaluation
from visionft.training.runs.run_folder import RunSummary

CHANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One picture that not both runs have right. `true_classes` are its labels in the later evaluation."""

    image_id: int
    true_classes: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    probability: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changes from the run `before` to the run `after`, the surest answers of `after` first.

    Attributes:
        shared: Pictures that both were evaluated on.
        both_right: How many of them both have right.
        left_out: Pictures that only one of them was evaluated on, or whose label changed in between.
    """

    before: str
    after: str
    split: str
    shared: int
    both_right: int
    left_out: int
    fixed: tuple[Changed, ...]
    broken: tuple[Changed, ...]
    still_wrong: tuple[Changed, ...]

    @property
    def p_value(self) -> float:
        """Return how often chance alone parts fixed and broken at least this unevenly (McNemar's exact test)."""
        return sign_test(len(self.fixed), len(self.broken))

    @property
    def verdict(self) -> str:
        """Return in plain words which run is better on these pictures."""
        fixed, broken = len(self.fixed), len(self.broken)
        if fixed == broken:
            return "Neither is better on these pictures."
        better = "better" if fixed > broken else "worse"
        if self.p_value < CHANCE:
            return f"Really {better}: luck alone gives such a difference in {self.p_value:.1%} of cases."
        return f"Perhaps {better}, perhaps luck: chance alone gives such a difference in {self.p_value:.0%} of cases."


def compare_runs(before: RunSummary, after: RunSummary, split: Split) -> Comparison:
    """Compare two runs by their stored evaluations on a split.

    Raises:
        RunError: One of them was not evaluated on the split, or they share no picture.
    """
    first, second = (_stored(run, split) for run in (before, after))
    comparison = compare(first, second)
    if not comparison.shared:
        hint = "Evaluate both again, then compare."
        raise RunError(f"{before.title} and {after.title} were evaluated on no picture in common.", hint)
    return comparison


def _stored(run: RunSummary, split: Split) -> StoredEvaluation:
    found = read_evaluation(Path(run.path), split)
    if found is None:
        step = NextStep("evaluate", run=run.name, split=split)
        raise RunError(f"{run.title} has not been evaluated on the {split} pictures.", "Evaluate it first.", step)
    return found


def compare(first: StoredEvaluation, second: StoredEvaluation) -> Comparison:
    """Compare two evaluations picture by picture."""
    before = {each.image_id: each for each in first.predictions}
    pairs = [(before[each.image_id], each) for each in second.predictions if each.image_id in before]
    # A picture that was relabelled in between was judged by two measures.
    pairs = [(old, new) for old, new in pairs if set(old.true_classes) == set(new.true_classes)]
    groups: dict[tuple[bool, bool], list[Changed]] = {}
    for old, new in sorted(pairs, key=lambda pair: -pair[1].probability):
        groups.setdefault((old.is_right, new.is_right), []).append(_changed(old, new))
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


def _changed(old: Predicted, new: Predicted) -> Changed:
    return Changed(
        image_id=new.image_id,
        true_classes=new.true_classes,
        before=old.predicted,
        after=new.predicted,
        probability=new.probability,
    )


def sign_test(first: int, second: int) -> float:
    """Return the two-sided p-value of a fair coin that falls `first` and `second` times on its sides; 1 for none."""
    count = first + second
    ways, tail = 1, 0
    for hits in range(min(first, second) + 1):
        tail += ways
        ways = ways * (count - hits) // (hits + 1)
    return min(1.0, 2 * tail / 2**count)


def paired_interval(fixed: int, broken: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares that were measured on the same `count` pictures.

    Wald's interval with half a picture added to each of the four groups (Agresti and Min 2005, Statistics in Medicine
    24, 729-740): it keeps its promise with few pictures and with no disagreement at all, where Wald's own is a point.
    """
    first, second, whole = fixed + 0.5, broken + 0.5, count + 2
    middle = (first - second) / whole
    half = Z_95 * math.sqrt(max(0.0, first + second - (first - second) ** 2 / whole)) / whole
    return max(-1.0, middle - half), min(1.0, middle + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all these comparisons at once (Holm 1979, Scandinavian Journal of Statistics 6)."""
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
