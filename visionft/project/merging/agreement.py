"""Agreement of annotators: observed agreement, Cohen's and Fleiss' kappa, by class, with the most confused pairs.

Kappa is (observed - expected) / (1 - expected): the agreement beyond that of sides who give their classes at random.
Two sides: Cohen's kappa (A coefficient of agreement for nominal scales, 1960). More: Fleiss' kappa (Measuring nominal
scale agreement among many raters, 1971) over the images that all of them labelled. By class, the classes are one
against the rest. With several labels per image, a set of classes is one category. Intervals are the percentile
bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3), 95 %.

Only independent labels count: those of a person or an import, given after the copies parted. Labels that two sides
share to the millisecond were given once, and the latest of them tells when that was at the earliest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from visionft.project.merging.classes import ClassMatch
from visionft.project.merging.planning import SEEN
from visionft.project.merging.sides import GivenLabel, Side, SideImage

# Draws of the bootstrap. Between seeds, an end of the interval varies by .004 (standard deviation) with 100 images of
# which 12 differ, by .007 with 30: less than the two decimals that are shown. With 500 draws: .006 and .011.
DRAWS = 2000
SEED = 0
_MOST_PAIRS = 10  # confused pairs that are listed: what fits a screen; 10 classes have 45 pairs
Given = Mapping[str, Mapping[str, GivenLabel]]  # labels by content, then by class name


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Agreement beyond chance, at most 1; its 95 % interval is None where all agree or nothing can vary."""

    observed: float  # share of images with equal labels, of more than two sides of pairs of labels
    kappa: float | None  # None where all labels are of one class
    interval: tuple[float, float] | None
    images: int  # that any side gave the class; overall, that all labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Two classes given to the same images by the sides."""

    first: str
    second: str
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement on the images labelled by every side."""

    sides: tuple[str, ...]  # folder names
    overall: Kappa
    classes: Mapping[str, Kappa]
    confused: tuple[Confusion, ...]  # the most frequent first; of one label per image


def measure_agreement(here: Side, others: Sequence[tuple[Side, ClassMatch]]) -> Agreement | None:
    """Return the agreement of this project and others on the images labelled by all; None without such images.

    A side without independent labels does not count, nor does this project where the others have more in common
    without it.
    """
    sides = [(here.path.name, _given(here, here.classes))]
    for there, match in others:
        names = {**here.classes, **match.new}
        sides.append((there.path.name, _given(there, {theirs: names[mine] for theirs, mine in match.ids.items()})))
    independent = _independent(sides)
    everyone = _with_labels(independent)
    only_others = _with_labels(independent[1:])
    sides = only_others if len(_common(only_others)) > len(_common(everyone)) else everyone
    common = _common(sides)
    if not common:
        return None
    ratings = [[tuple(sorted(given[sha256])) for _, given in sides] for sha256 in common]
    return agreement_of(ratings, tuple(name for name, _ in sides), is_multilabel=here.task == "multi")


def _with_labels(sides: Sequence[tuple[str, Given]]) -> list[tuple[str, Given]]:
    return [(name, given) for name, given in sides if given]


def _common(sides: Sequence[tuple[str, Given]]) -> list[str]:
    """Return the images labelled by all of several sides; none of a single side, which has nobody to agree with."""
    if len(sides) < 2:
        return []
    return sorted(set(sides[0][1]).intersection(*(given for _, given in sides[1:])))


def agreement_of(
    ratings: Sequence[Sequence[tuple[str, ...]]], sides: tuple[str, ...], *, is_multilabel: bool = False
) -> Agreement:
    """Return the agreement of ratings: for each of at least one image, the class names of each of two or more sides."""
    categories = sorted({given for row in ratings for given in row})
    number = {given: place for place, given in enumerate(categories)}
    names = sorted({name for given in categories for name in given})
    return Agreement(
        sides=sides,
        overall=kappa_of(np.array([[number[given] for given in row] for row in ratings])),
        classes={name: _kappa_of_class(ratings, name) for name in names},
        confused=() if is_multilabel else _confusions(ratings),
    )


def _kappa_of_class(ratings: Sequence[Sequence[tuple[str, ...]]], name: str) -> Kappa:
    """Return the agreement on one class against the rest."""
    has_class = [[int(name in given) for given in row] for row in ratings]
    return kappa_of(np.array(has_class), counted=1)


def _confusions(ratings: Sequence[Sequence[tuple[str, ...]]]) -> tuple[Confusion, ...]:
    """Return the most frequent pairs of different classes of one image, each pair of sides counted."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in ratings:
        for first, second in combinations(row, 2):
            if first != second:  # of one class each; a stranger's project may break that
                counts[min(first[0], second[0]), max(first[0], second[0])] += 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
    return tuple(Confusion(first=first, second=second, images=count) for (first, second), count in most)


def kappa_of(ratings: np.ndarray, *, counted: int | None = None) -> Kappa:
    """Return the kappa of R sides who gave N images one category each.

    Args:
        ratings: (N, R) categories as numbers: Cohen's kappa with R = 2, Fleiss' with R > 2.
        counted: The category whose images are counted; all images by default.
    """
    rows, counts = np.unique(ratings, axis=0, return_counts=True)
    observed, kappa = _kappas(rows, counts[None].astype(float))
    interval = None
    if not np.isnan(kappa[0]) and len(rows) > 1 and observed[0] < 1:
        draws = np.random.default_rng(SEED).multinomial(len(ratings), counts / len(ratings), size=DRAWS)
        low, high = np.nanpercentile(_kappas(rows, draws.astype(float))[1], (2.5, 97.5))
        interval = (float(low), float(high))
    return Kappa(
        observed=float(observed[0]),
        kappa=None if np.isnan(kappa[0]) else float(kappa[0]),
        interval=interval,
        images=len(ratings) if counted is None else int((ratings == counted).any(axis=1).sum()),
    )


def _kappas(rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the observed agreements (B,) and the kappas (B,) of B samples of images; NaN where all are one category.

    Observed is the share of images, or of pairs of sides, with equal categories. Expected is the sum over categories of
    p q, with the shares p and q of the two sides (Cohen), or of p^2, with the share p over all sides (Fleiss).

    Args:
        rows: (U, R) distinct rows of categories.
        counts: (B, U) how often each sample has each row.
    """
    shares = counts / counts.sum(axis=1, keepdims=True)  # (B, U)
    sides = rows.shape[1]
    equal = np.mean([rows[:, a] == rows[:, b] for a, b in combinations(range(sides), 2)], axis=0)  # (U,)
    observed = shares @ equal
    expected = np.zeros(len(counts))
    for category in np.unique(rows):
        by_side = shares @ (rows == category)  # (B, R)
        expected += by_side[:, 0] * by_side[:, 1] if sides == 2 else by_side.mean(axis=1) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        kappas = (observed - expected) / (1 - expected)
    # Of one category, the sum of shares that are 1 may differ from 1 by rounding, about 1e-16 a category.
    return observed, np.where(expected < 1 - 1e-12, kappas, np.nan)


def _given(side: Side, names: Mapping[int, str]) -> Given:
    """Return the labels of one side that are an opinion: no accepted suggestions, none decided after a merge.

    Args:
        names: Class names by the class ids of the side; other classes do not count.
    """
    found: dict[str, dict[str, GivenLabel]] = {}
    for sha256, images in side.images.items():
        labels = {names[key]: given for key, given in images[0].labels.items() if key in names}
        if labels and _is_opinion(images[0]):
            found[sha256] = labels
    return found


def _is_opinion(image: SideImage) -> bool:
    was_decided = any(finding.startswith(f"{SEEN}:") for finding in image.findings)
    is_accepted = any(each.source == "suggestion" for each in image.labels.values())
    return not (image.is_removed or was_decided or is_accepted)


def _independent(sides: Sequence[tuple[str, Given]]) -> list[tuple[str, Given]]:
    """Return the labels that were given after the copies parted: later than any label that two sides share."""
    parted = 0
    for (_, mine), (_, theirs) in combinations(sides, 2):
        for sha256 in mine.keys() & theirs.keys():
            shared = mine[sha256].items() & theirs[sha256].items()
            parted = max([parted, *(given.at for _, given in shared)])
    return [
        (name, {sha256: labels for sha256, labels in given.items() if _latest(labels) > parted})
        for name, given in sides
    ]


def _latest(labels: Mapping[str, GivenLabel]) -> int:
    return max(given.at for given in labels.values())
