"""Accuracy over the number of labels so far, how it goes on, and which class is worth labelling more of.

Measured by the closed-form classifier of the suggestions on frozen features (`suggest`), without training, in seconds;
its accuracy follows that of the linear probe. Pictures of the test split stay apart: a run will be judged by them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.advice.enough import check_labels
from visionft.advice.held_out import MOST, Asked, HeldOut, Labelled, ask_along, mean_of
from visionft.advice.power_law import PowerLaws, draw_laws, picture_weights, weighted_means
from visionft.data.types import Snapshot
from visionft.errors import ProjectError, StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features

STAGE = "Measuring the learning curve"
AHEAD = (2, 4)  # times the labels that there are
_SIZES = 6
_LEAST = 8
_LINE = 33  # points of the drawn line
_MOST_CLASSES, _THINNED_DRAWS = 6, 2
_ROUND = (5, 10, 20, 40, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Share of right answers with so many labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float

    @classmethod
    def of(cls, labels: int, drawn: np.ndarray) -> "CurvePoint":
        """Summarise draws (B) of an accuracy."""
        low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975))
        return cls(labels=labels, accuracy=float(middle), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What more labels would add to the share of right answers, with its 95 % interval.

    Attributes:
        class_name: Of which class; empty for all classes, as often as they are there now.
        labels: Pictures of it that are labelled.
        recall: Share of them that are recognised; of all pictures where no class is named.
        added: How many more are meant.
    """

    class_name: str
    labels: int
    recall: float
    added: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Accuracy over labels.

    Attributes:
        labels: Labelled pictures, those of the test split left out.
        classes: Classes with a label.
        measured: Accuracies with parts of the labels and with all.
        line: The law through them, from the first of them to four times the labels.
        now: What it says of today.
        ahead: With twice and four times as many labels.
        gains: What more pictures of a class would add, the most first; of classes with the most mistakes.
        spread: What as many would add, spread over all classes.
    """

    labels: int
    classes: int
    measured: tuple[CurvePoint, ...]
    line: tuple[CurvePoint, ...]
    now: CurvePoint
    ahead: tuple[CurvePoint, ...]
    gains: tuple[Gain, ...]
    spread: Gain

    def at(self, labels: int) -> CurvePoint:
        """Return what the line says of so many labels, within its ends: between two points as on a logarithmic axis."""
        places = np.log([point.labels for point in self.line])
        wanted = float(np.clip(np.log(max(1, labels)), places[0], places[-1]))
        shares = {
            name: float(np.interp(wanted, places, [getattr(point, name) for point in self.line]))
            for name in ("accuracy", "low", "high")
        }
        return CurvePoint(labels=labels, **shares)


def learning_curve(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    added: int = 0,
    seed: int = 0,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> LearningCurve:
    """Measure the curve of a project; features that are missing are computed first.

    Args:
        project_dir: The project's folder.
        images: Its pictures and labels.
        accepted: Pictures whose label was only accepted from suggestions: the same features said it.
        added: For how many more labels the gains are; 0 takes about as many as a class has.
        seed: Draws the parts.
        on_event: Receives how far it is.
        should_stop: Asked between fits.

    Raises:
        ProjectError: There are too few labels.
        StoppedError: The user stopped.
        VisionFTError: The features cannot be computed.
    """
    check_labels(project_dir, images, accepted)
    features = embedded(project_dir, images, on_event=on_event, should_stop=should_stop)
    labelled, total = labelled_pictures(features, images, accepted, seed=seed)
    try:
        curve, _laws = curve_of(
            labelled,
            images.class_names,
            total=total,
            added=added,
            seed=seed,
            on_event=on_event,
            should_stop=should_stop,
        )
    except InterruptedError:
        raise StoppedError("The learning curve was not finished.", "Start again when you like.") from None
    return curve


def labelled_pictures(
    features: Features, images: Snapshot, accepted: frozenset[int] = frozenset(), *, seed: int = 0
) -> tuple[Labelled, int]:
    """Return the pictures to measure on, one of each content, and how many there are; of very many only a sample.

    Raises:
        ProjectError: No class has two that can be read.
    """
    places: dict[str, int] = {}
    for place, image in enumerate(features.images):
        if image.labels and image.split != "test" and image.image_id not in accepted:
            places.setdefault(image.sha256, place)
    found = np.fromiter(places.values(), np.intp, len(places))
    if len(found) > MOST:
        found = np.sort(np.random.default_rng(seed).choice(found, MOST, replace=False))
    targets = np.zeros((len(found), len(images.class_names)), np.float32)
    for row, place in enumerate(found):
        targets[row, list(features.images[place].labels)] = 1
    labelled = Labelled(features.inputs[found], targets, images.task == "multi", features.kind.widths)
    if not len(labelled) or labelled.counts.max() < 2:
        hint = "Check that the pictures are where they were."
        raise ProjectError("No class has two pictures that can be read.", hint)
    return labelled, len(places)


def curve_of(
    labelled: Labelled,
    class_names: tuple[str, ...],
    *,
    total: int = 0,
    added: int = 0,
    seed: int = 0,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> tuple[LearningCurve, PowerLaws]:
    """Measure the curve of labelled pictures; the laws are what its figures are drawn from.

    Args:
        labelled: The pictures; one class has two at least.
        class_names: (C) of the targets.
        total: How many labels there are, where these are only a sample; 0 for all.
        added: For how many more labels the gains are; 0 takes about as many as a class has.
        seed: Draws the parts.
        on_event: Receives how far it is.
        should_stop: Asked between fits.

    Raises:
        InterruptedError: `should_stop` said so.
    """

    def tell(done: int, fits: int) -> None:
        on_event(Progress(stage=STAGE, done=done, total=fits))

    held_out, labels = HeldOut(labelled), total or len(labelled)
    sizes = curve_sizes(len(labelled), int(np.count_nonzero(labelled.counts)))
    asked = ask_along(held_out, sizes, seed=seed, on_fit=tell, should_stop=should_stop)
    weights = picture_weights(len(labelled), seed=seed)
    drawn = np.clip(weighted_means(asked.right, weights) + asked.shift, 0.0, 1.0)
    laws = draw_laws(sizes, drawn, seed=seed)
    many = added or _round_number(labels / max(1, np.count_nonzero(labelled.counts)))
    gains = _class_gains(
        held_out, asked, weights, laws, class_names, total=labels, added=many, seed=seed, should_stop=should_stop
    )
    line = np.unique(np.geomspace(sizes[0], AHEAD[-1] * labels, _LINE).round().astype(int))
    curve = LearningCurve(
        labels=labels,
        classes=int(np.count_nonzero(labelled.counts)),
        measured=tuple(CurvePoint.of(size, drawn[:, place]) for place, size in enumerate(sizes)),
        line=tuple(point_at(laws, int(each)) for each in line),
        now=point_at(laws, labels),
        ahead=tuple(point_at(laws, times * labels) for times in AHEAD),
        gains=gains,
        spread=_spread_gain(laws, labels, many),
    )
    return curve, laws


def point_at(laws: PowerLaws, labels: int) -> CurvePoint:
    """Return what the laws say of so many labels."""
    return CurvePoint.of(labels, laws.accuracies(labels))


def curve_sizes(total: int, classes: int) -> tuple[int, ...]:
    """Return numbers of labels to measure with, from an eighth (two a class at least) to all."""
    first = min(total, max(2 * classes, total // 8, _LEAST))
    return tuple(dict.fromkeys(int(each) for each in np.geomspace(first, total, _SIZES).round()))


def _round_number(a_class: float) -> int:
    """Return the round number below the pictures that a class has: labelling as many again is work one can imagine."""
    return max((each for each in _ROUND if each <= a_class), default=_ROUND[0])


# Which class ----------------------------------------------------------------------------------------------------------


def _class_gains(
    held_out: HeldOut,
    asked: Asked,
    weights: np.ndarray,
    laws: PowerLaws,
    class_names: tuple[str, ...],
    *,
    total: int,
    added: int,
    seed: int,
    should_stop: ShouldStop,
) -> tuple[Gain, ...]:
    """Measure what halving each class loses, and take from that what more of it would win; the most first.

    Where the pictures are a sample of `total`, a class has as many times more: adding to it wins that much less.
    """
    times = total / len(held_out.labelled)
    targets, right = held_out.labelled.targets, asked.right[-1]
    wrong = np.where(np.isfinite(right), 1 - right, 0.0)
    mistakes = targets.T @ wrong  # (C)
    candidates = [int(each) for each in np.argsort(-mistakes, kind="stable") if held_out.labelled.counts[each] >= 2]
    generator, gains = np.random.default_rng([2, seed]), []
    usual = laws.errors(laws.size / 2) - laws.errors(laws.size)  # of halving all classes together
    for column in candidates[: held_out.labelled.affordable(_MOST_CLASSES)]:
        members = np.flatnonzero(targets[:, column] > 0)
        lost = right - _without_half(held_out, members, generator, should_stop)
        share = float(mistakes[column] / max(mistakes.sum(), 1e-9))
        drawn = _towards(_means(lost, weights), np.median(usual) * share, generator)
        labels, recall = round(len(members) * times), float(1 - mistakes[column] / len(members))
        left = times**-laws.exponent * (1 - (1 + added / labels) ** -laws.exponent)
        gains.append(_gain(class_names[column], labels, recall, added, drawn * left / (2.0**laws.exponent - 1)))
    return tuple(sorted(gains, key=lambda each: -each.gain))


def _without_half(
    held_out: HeldOut, members: np.ndarray, generator: np.random.Generator, should_stop: Callable[[], bool]
) -> np.ndarray:
    """Return (L) how right the classifier is that knows only half of some pictures' labels."""
    found = []
    for _ in range(held_out.labelled.affordable(_THINNED_DRAWS)):
        if should_stop():
            raise InterruptedError
        dropped = generator.permutation(members)[len(members) // 2 :]
        found.append(held_out.ask(np.setdiff1d(np.arange(len(held_out.labelled)), dropped)))
    return mean_of(found).right


def _means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B) the means of values (L) under each draw of pictures."""
    known = np.isfinite(values)
    return weights[:, :-2] @ np.where(known, values, 0.0) / np.maximum(weights[:, :-2] @ known, 1e-9)


def _towards(drawn: np.ndarray, usual: float, generator: np.random.Generator) -> np.ndarray:
    """Draw a measured loss (B) towards what is usual for that share of the mistakes, as far as it is noise."""
    spread = max(usual, 1e-4)
    trust = spread**2 / (spread**2 + float(drawn.var()) + 1e-12)
    return trust * drawn + (1 - trust) * (usual + spread * generator.standard_normal(len(drawn)))


def _spread_gain(laws: PowerLaws, labels: int, added: int) -> Gain:
    drawn = laws.errors(labels) - laws.errors(labels + added)
    return _gain("", labels, float(np.median(laws.accuracies(labels))), added, drawn)


def _gain(name: str, labels: int, recall: float, added: int, drawn: np.ndarray) -> Gain:
    low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975))
    return Gain(
        class_name=name, labels=labels, recall=recall, added=added, gain=float(middle), low=float(low), high=float(high)
    )
