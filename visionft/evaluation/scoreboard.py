"""Every answerer of a project on one split: how good, how surely better than another, and at which price. Torch-free.

A place on the board is for what was measured on the pictures and labels of now; what was measured on others, or not at
all, stands below with the reason. Answerers are compared picture by picture with the best one, all of them at once, so
that the luck of the best of many is not taken for skill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from visionft.data.types import Snapshot, Split
from visionft.evaluation.comparison import CHANCE, compare, holm, paired_interval
from visionft.evaluation.price import UNKNOWN, Price, price_of
from visionft.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.evaluation.timing import computer_id
from visionft.retrieval.refreshing import is_current as is_current_run
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_titles import answerer_titles, backbone_title, method_title

State = Literal[
    "measured", "other_pictures", "other_knowledge", "other_classes", "unmeasured", "no_weights", "not_made"
]
Evaluations = Callable[[RunSummary], StoredEvaluation | None]
Cost = Callable[["Standing"], float | None]

WHY: Mapping[State, str] = {
    "measured": "",
    "other_pictures": "It was measured on other pictures or labels than those of now.",
    "other_knowledge": "The labels that it answers from have changed since it was measured.",
    "other_classes": "It does not know every class of these pictures.",
    "unmeasured": "It was not measured on these pictures.",
    "no_weights": "Its weights were deleted, so it cannot be measured.",
    "not_made": "It has kept nothing yet that could be measured.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """An answerer beside the best one, on the same pictures.

    Attributes:
        won: Pictures that it has right and the best has wrong; `lost` the other way round.
        difference: Its share of right pictures less that of the best.
        interval: 95 % interval of the difference.
        p_value: How often chance alone parts `won` and `lost` so unevenly (McNemar's exact test), corrected for as many
            comparisons as there are (Holm).
    """

    won: int
    lost: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    @property
    def is_tied(self) -> bool:
        """Tell whether the difference may be luck."""
        return self.p_value >= CHANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One answerer.

    Attributes:
        run: Its folder's name; `title` is what people call it.
        is_training_free: Whether nothing was trained, of a combination none of its parts.
        is_live: Whether it follows the labels of now without being made anew: fresh knowledge, else frozen.
        place: From 1, of those that were measured on these pictures; those that may be as good as the best share its 1.
        images: How many pictures it was measured on, as all figures up to `ece`; 0 where it was not.
        beside: None for the best itself, and for what has no place.
        is_timed_here: Whether its time was measured on this computer, in the way that the others were.
        has_weights: Whether its weights are there, as measuring needs them.
    """

    run: str
    title: str
    method: str
    backbone: str
    is_training_free: bool
    is_live: bool
    state: State
    place: int | None = None
    images: int = 0
    top1: float | None = None
    top1_interval: tuple[float, float] | None = None
    balanced_accuracy: float | None = None
    ece: float | None = None
    beside: Beside | None = None
    price: Price = UNKNOWN
    is_timed_here: bool = False
    has_weights: bool = True

    @property
    def is_tied(self) -> bool:
        """Tell whether it stands with the best, of which it may be as good."""
        return self.beside is not None and self.beside.is_tied

    @property
    def can_measure(self) -> bool:
        """Tell whether measuring it now would help."""
        return self.state in ("other_pictures", "other_knowledge", "unmeasured")

    @property
    def can_time(self) -> bool:
        """Tell whether its price can be measured on this computer, and was not."""
        return self.state not in ("no_weights", "not_made") and self.has_weights and not self.is_timed_here

    @property
    def milliseconds(self) -> float | None:
        """Return its time a picture on this computer; None where it was not measured here."""
        return self.price.time.median_ms if self.price.time is not None and self.is_timed_here else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """The answerers of a project on a split, the best first; those without a place come last.

    Attributes:
        pictures: Labelled pictures of the split, as they are now.
    """

    split: Split
    pictures: int
    standings: tuple[Standing, ...]

    @property
    def best(self) -> Standing | None:
        """Return the answerer that is right most often; None where none was measured."""
        first = next(iter(self.standings), None)
        return first if first is not None and first.place is not None else None

    @property
    def placed(self) -> tuple[Standing, ...]:
        """Return those that have a place."""
        return tuple(each for each in self.standings if each.place is not None)

    def front(self, cost: Cost) -> tuple[Standing, ...]:
        """Return those with a place that no other beats in cost and accuracy (Pareto's front), the cheapest first."""
        known = [(value, each) for each in self.placed if (value := cost(each)) is not None]
        best, found = -1.0, list[Standing]()
        for _, each in sorted(known, key=lambda pair: (pair[0], -(pair[1].top1 or 0))):
            if (each.top1 or 0) > best:
                best = each.top1 or 0
                found.append(each)
        return tuple(found)

    @property
    def to_measure(self) -> tuple[Standing, ...]:
        """Return those that measuring now would give a place or a price."""
        return tuple(each for each in self.standings if each.can_measure or each.can_time)


def read_scoreboard(
    runs: Sequence[RunSummary], images: Snapshot, split: Split, *, evaluations: Evaluations | None = None
) -> Scoreboard:
    """Put together what the folders of runs tell.

    Args:
        runs: All runs of a project.
        images: Its pictures, labels and splits as they are now.
        split: Where the answerers are compared.
        evaluations: Reads a run's evaluation on the split; by default from its folder.
    """
    read: Evaluations = evaluations or (lambda run: read_evaluation(run.path, split))
    truth = _truth(images, split)
    titles, by_name = answerer_titles(runs), {run.name: run for run in runs}
    found: list[tuple[Standing, StoredEvaluation | None]] = []
    for run in runs:
        stored = read(run) if run.best is not None else None
        parts = tuple(by_name[part.run] for part in run.parts if part.run in by_name)
        is_current = all(is_current_run(each, images) for each in parts or (run,))
        found.append((_standing(run, titles[run.name], stored, truth, parts, is_current=is_current), stored))
    measured = [(each, stored) for each, stored in found if each.state == "measured" and stored is not None]
    measured.sort(key=lambda pair: _order(pair[0]))
    rest = sorted(
        (each for each, _ in found if each.state != "measured"), key=lambda each: (-(each.top1 or 0), each.run)
    )
    return Scoreboard(split=split, pictures=len(truth), standings=(*_placed(measured), *rest))


def _truth(images: Snapshot, split: Split) -> dict[int, frozenset[str]]:
    """Return the classes of each labelled picture of a split."""
    return {
        image.image_id: frozenset(images.class_names[index] for index in image.labels)
        for image in images.labelled(split)
    }


def _standing(
    run: RunSummary,
    title: str,
    stored: StoredEvaluation | None,
    truth: Mapping[int, frozenset[str]],
    parts: tuple[RunSummary, ...],
    *,
    is_current: bool,
) -> Standing:
    price, answering = price_of(run, parts), parts or (run,)
    figures = {}
    if stored is not None:
        figures = {
            "images": stored.images,
            "top1": stored.top1,
            "top1_interval": stored.top1_interval,
            "balanced_accuracy": stored.balanced_accuracy,
            "ece": stored.ece,
        }
    return Standing(
        run=run.name,
        title=title,
        method=method_title(run.config),
        backbone=backbone_title(run.config),
        is_training_free=not any(each.config.total_epochs for each in answering),
        is_live=any(each.config.method_row.is_live for each in answering),
        state=_state(run, stored, truth, is_current=is_current),
        price=price,
        is_timed_here=price.time is not None and price.time.computer == computer_id(),
        has_weights=run.has_weights and not run.faults,
        **figures,
    )


def _state(
    run: RunSummary, stored: StoredEvaluation | None, truth: Mapping[int, frozenset[str]], *, is_current: bool
) -> State:
    """Tell whether an evaluation speaks of the pictures and labels of now, and if not, what it would take."""
    if run.best is None:
        return "not_made"
    known = frozenset(run.class_names)
    if is_current and any(not classes <= known for classes in truth.values()):
        return "other_classes"
    if not is_current and run.has_weights and not run.faults:
        return "unmeasured" if stored is None else "other_knowledge"
    if stored is not None and _is_of_now(stored, truth):
        return "measured"
    if not run.has_weights or run.faults:
        return "no_weights"
    return "unmeasured" if stored is None else "other_pictures"


def _is_of_now(stored: StoredEvaluation, truth: Mapping[int, frozenset[str]]) -> bool:
    """Tell whether what was measured were these pictures with these labels, but for those that cannot be read."""
    seen = {each.image_id: frozenset(each.true_classes) for each in stored.predictions}
    is_right = all(truth.get(image_id) == classes for image_id, classes in seen.items())
    return is_right and len(truth) - len(seen) <= stored.unreadable


def _order(standing: Standing) -> tuple[float, ...]:
    """Return the sort key: right most often, then evenly over the classes, then sure where it is right, then cheap."""
    values = (-(standing.top1 or 0), -(standing.balanced_accuracy or 0), standing.ece or 0)
    return (*values, standing.price.seconds or 0)


def _placed(measured: Sequence[tuple[Standing, StoredEvaluation]]) -> list[Standing]:
    """Give each its place, and what it is beside the best."""
    if not measured:
        return []
    (best, best_stored), *others = measured
    pairs = [compare(best_stored, stored) for _, stored in others]
    p_values = holm([pair.p_value for pair in pairs])
    placed = [replace(best, place=1)]
    for number, ((standing, _), pair, p_value) in enumerate(zip(others, pairs, p_values, strict=True), start=2):
        won, lost, count = len(pair.fixed), len(pair.broken), max(1, pair.shared)
        beside = Beside(
            won=won,
            lost=lost,
            difference=(won - lost) / count,
            interval=paired_interval(won, lost, pair.shared),
            p_value=p_value,
        )
        placed.append(replace(standing, place=1 if beside.is_tied else number, beside=beside))
    return placed
