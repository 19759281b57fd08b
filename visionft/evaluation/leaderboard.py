"""The comparison of a project's models on one split: accuracy, significance and cost of each. Torch-free.

Only models measured on the current images and labels are ranked; the others are listed below with the reason. Models
are compared with the best one image by image, with a correction for the number of comparisons, so that the chance
advantage of the best of many is not taken for skill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from models.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.evaluation.comparison import CHANCE, compare, holm, paired_interval
from visionft.evaluation.run_cost import UNKNOWN, RunCost, cost_of_run
from visionft.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.evaluation.timing import computer_id
from visionft.evaluation.unseen import is_unseen
from visionft.retrieval.live_view import labels_digest
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_titles import titles_of_runs

State = Literal[
    "measured",
    "trained_on",
    "other_images",
    "other_labels",
    "other_classes",
    "unmeasured",
    "no_weights",
    "no_checkpoint",
]
Evaluations = Callable[[RunSummary], StoredEvaluation | None]
CostValue = Callable[["ComparedModel"], float | None]

REASONS: Mapping[State, str] = {
    "measured": "",
    "trained_on": Message("Some of these images were used in its training."),
    "other_images": Message("It was evaluated on other images or labels than the current ones."),
    "other_labels": Message("The labels that it predicts from have changed since its evaluation."),
    "other_classes": Message("It does not know every class of these images."),
    "unmeasured": Message("It was not evaluated on these images."),
    "no_weights": Message("Its weights were deleted, so it cannot be evaluated."),
    "no_checkpoint": Message("It has no checkpoint yet."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceToBest:
    """The difference between a model and the best one, on the same images.

    Attributes:
        won: Images right for this model and wrong for the best; `lost` the other way round.
        difference: Its accuracy minus that of the best.
        interval: 95 % interval of the difference.
        p_value: Probability of such an uneven split into `won` and `lost` by chance (McNemar's exact test), corrected
            for the number of comparisons (Holm).
    """

    won: int
    lost: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < CHANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One run of a comparison.

    Attributes:
        run: Its folder's name.
        title: The name for display, a message where nobody gave it one.
        method: The name of its method, as `--method` takes it; `backbone` likewise.
        state: Whether its accuracy is that of the current images, and how it was found.
        is_training_free: Whether nothing is trained; for an ensemble, none of its members.
        is_live: Whether it predicts from the current labels, as k-NN does.
        is_unseen: Whether no image behind its accuracy trained or chose it.
        rank: From 1 among runs measured on these images; runs not significantly worse than the best share 1.
        images: Number of images behind all figures up to `ece`; 0 where it was not measured.
        top1: Accuracy; `top1_interval` is its 95 % interval.
        to_best: None for the best itself, and for models without a rank.
        cost: What it took to make.
        milliseconds: Time per decoded image on this computer; None where it was not measured here.
        has_weights: Whether its weights exist, as measuring needs them.
    """

    COMPUTED: ClassVar = ("is_tied", "is_timed_here", "reason")

    run: str
    title: str
    method: str
    backbone: str
    state: State
    is_training_free: bool = True
    is_live: bool = False
    is_unseen: bool = True
    rank: int | None = None
    images: int = 0
    top1: float | None = None
    top1_interval: tuple[float, float] | None = None
    balanced_accuracy: float | None = None
    ece: float | None = None
    to_best: DifferenceToBest | None = None
    cost: RunCost = UNKNOWN
    milliseconds: float | None = None
    has_weights: bool = True

    @property
    def reason(self) -> str:
        return REASONS[self.state]

    @property
    def is_tied(self) -> bool:
        """Return whether it shares the best one's rank: not significantly worse."""
        return self.to_best is not None and not self.to_best.is_significant

    @property
    def is_timed_here(self) -> bool:
        """Return whether its time was measured on this computer."""
        return self.milliseconds is not None

    @property
    def needs_evaluation(self) -> bool:
        """Return whether evaluating it now would rank it."""
        return self.state in ("other_images", "other_labels", "unmeasured")

    @property
    def needs_timing(self) -> bool:
        """Return whether it is a run whose cost is missing and can be measured on this computer."""
        is_measurable = self.state not in ("no_weights", "no_checkpoint")
        return is_measurable and self.has_weights and not self.is_timed_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """The models of a project on a split, the best first; those without a rank come last."""

    split: Split
    images: int
    rows: tuple[ComparedModel, ...]

    @property
    def best(self) -> ComparedModel | None:
        """Return the model with the highest accuracy; None where none was measured."""
        return next(iter(self.ranked), None)

    @property
    def ranked(self) -> tuple[ComparedModel, ...]:
        return tuple(each for each in self.rows if each.rank is not None)

    @property
    def unmeasured(self) -> tuple[ComparedModel, ...]:
        """Return the models with a missing evaluation or cost, as far as measuring can add them."""
        return tuple(each for each in self.rows if each.needs_evaluation or each.needs_timing)

    def pareto_front(self, cost: CostValue) -> tuple[ComparedModel, ...]:
        """Return the ranked models on the Pareto front of cost and accuracy, the cheapest first."""
        known = [(value, each) for each in self.ranked if (value := cost(each)) is not None]
        best = -1.0
        front = list[ComparedModel]()
        for _, each in sorted(known, key=lambda pair: (pair[0], -(pair[1].top1 or 0))):
            if (each.top1 or 0) > best:
                best = each.top1 or 0
                front.append(each)
        return tuple(front)


def read_leaderboard(
    runs: Sequence[RunSummary], images: Snapshot, split: Split, *, evaluations: Evaluations | None = None
) -> Leaderboard:
    """Build the leaderboard from the run folders.

    Args:
        evaluations: Reads a run's evaluation on the split; by default from its folder.
    """
    read: Evaluations = evaluations or (lambda run: read_evaluation(run.path, split))
    labels_of = images.label_sets(split)
    titles = titles_of_runs(runs)
    by_name = {run.name: run for run in runs}
    measured = list[tuple[ComparedModel, StoredEvaluation]]()
    others = list[ComparedModel]()
    for run in runs:
        stored = read(run) if run.best is not None else None
        members = tuple(by_name[part.run] for part in run.parts if part.run in by_name)
        digest = labels_digest(members or (run,), images)
        cost = cost_of_run(run, members)
        figures = ("images", "top1", "top1_interval", "balanced_accuracy", "ece") if stored is not None else ()
        row = ComparedModel(
            run=run.name,
            title=titles[run.name],
            method=run.config.method,
            backbone=run.config.backbone,
            state=_state(run, stored, labels_of, digest),
            is_training_free=not any(each.config.total_epochs for each in members or (run,)),
            is_live=bool(digest),
            is_unseen=stored is None or is_unseen(run, stored),
            cost=cost,
            milliseconds=cost.time.median_ms if cost.time and cost.time.computer == computer_id() else None,
            has_weights=run.has_weights and not run.faults,
            **{name: getattr(stored, name) for name in figures},
        )
        if row.state == "measured" and stored is not None:
            measured.append((row, stored))
        else:
            others.append(row)
    # The highest accuracy first, then balanced accuracy, then the lowest ECE, then the shortest training.
    measured.sort(
        key=lambda pair: (
            -(pair[0].top1 or 0),
            -(pair[0].balanced_accuracy or 0),
            pair[0].ece or 0,
            pair[0].cost.seconds or 0,
        )
    )
    others.sort(key=lambda each: (-(each.top1 or 0), each.run))
    return Leaderboard(split=split, images=len(labels_of), rows=(*_ranked(measured), *others))


def _state(
    run: RunSummary, stored: StoredEvaluation | None, labels_of: Mapping[int, frozenset[str]], digest: str
) -> State:
    """Return whether an evaluation covers the current images and labels; otherwise the reason against it."""
    if run.best is None:
        return "no_checkpoint"
    known = frozenset(run.class_names)
    if not digest and any(not classes <= known for classes in labels_of.values()):
        return "other_classes"
    if stored is not None and stored.is_current(labels_of, digest):
        return "trained_on" if stored.seen else "measured"
    if not run.has_weights or run.faults:
        return "no_weights"
    if stored is None:
        return "unmeasured"
    return "other_labels" if stored.labels != digest else "other_images"


def _ranked(measured: Sequence[tuple[ComparedModel, StoredEvaluation]]) -> list[ComparedModel]:
    if not measured:
        return []
    (best, best_stored), *others = measured
    pairs = [compare(best_stored, stored) for _, stored in others]
    p_values = holm([pair.p_value for pair in pairs])
    ranked = [replace(best, rank=1)]
    for number, ((row, _), pair, p_value) in enumerate(zip(others, pairs, p_values, strict=True), start=2):
        won, lost = len(pair.fixed), len(pair.broken)
        to_best = DifferenceToBest(
            won=won,
            lost=lost,
            difference=(won - lost) / max(1, pair.shared),
            interval=paired_interval(won, lost, pair.shared),
            p_value=p_value,
        )
        ranked.append(replace(row, rank=number if to_best.is_significant else 1, to_best=to_best))
    return ranked
