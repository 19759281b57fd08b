"""Agreement of annotators: observed agreement, Cohen's and Fleiss' kappa, by class, with the most confused pairs.

Two sides: Cohen's kappa (Cohen 1960). More: Fleiss' kappa (Fleiss 1971) over the images that all of them labelled. By
class, the classes are one against the rest. With several labels per image, a set of classes is one category.
Intervals are the percentile bootstrap over images (Efron and Tibshirani 1993, section 13.3), 95 %.

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

DRAWS, SEED = 2000, 0  # of the bootstrap
_MOST_PAIRS = 10
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
    names = dict(here.classes)
    sides: list[tuple[str, Given]] = [(here.path.name, _given(here, names))]
    for there, match in others:
        names_there = {key: {**here.classes, **match.new}[mine] for key, mine in match.ids.items()}
        sides.append((there.path.name, _given(there, names_there)))
    independent = _independent(sides)
    choices = ([each for each in some if each[1]] for some in (independent, independent[1:]))
    sides = max(choices, key=lambda some: len(_common(some)))
    common = _common(sides)
    if not common:
        return None
    categories = [[tuple(sorted(given[sha256])) for _, given in sides] for sha256 in common]
    return agreement_of(categories, tuple(name for name, _ in sides), is_multilabel=here.task == "multi")


def _common(sides: Sequence[tuple[str, Given]]) -> list[str]:
    """Return the images labelled by all of several sides."""
    return sorted(set(sides[0][1]).intersection(*(given for _, given in sides[1:]))) if len(sides) > 1 else []


def agreement_of(
    ratings: Sequence[Sequence[tuple[str, ...]]], sides: tuple[str, ...], *, is_multilabel: bool = False
) -> Agreement:
    """Return the agreement of ratings: for each of at least one image, the class names of each of two or more sides."""
    names = sorted({name for row in ratings for given in row for name in given})
    number = {given: place for place, given in enumerate(sorted({given for row in ratings for given in row}))}
    classes: dict[str, Kappa] = {}
    for name in names:
        has_class = np.array([[int(name in given) for given in row] for row in ratings])
        classes[name] = kappa_of(has_class, counted=1)
    pairs = Counter(
        (*sorted((first[0], second[0])),)
        for row in ratings
        for first, second in combinations(row, 2)
        if first != second and not is_multilabel
    )
    return Agreement(
        sides=sides,
        overall=kappa_of(np.array([[number[given] for given in row] for row in ratings])),
        classes=classes,
        confused=tuple(
            Confusion(first=first, second=second, images=count)
            for (first, second), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_PAIRS]
        ),
    )


def kappa_of(ratings: np.ndarray, *, counted: int | None = None) -> Kappa:
    """Return Cohen's kappa of (N, 2) categories, Fleiss' of (N, R) with R > 2; `counted`: the category to count."""
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
    """Return (B,) observed agreements and kappas of (U, R) distinct rows, each (B, U) times; NaN for one category."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    sides = rows.shape[1]
    pairs = list(combinations(range(sides), 2))
    observed = shares @ np.mean([rows[:, a] == rows[:, b] for a, b in pairs], axis=0)
    expected = np.zeros(len(counts))
    for category in np.unique(rows):
        by_side = shares @ (rows == category)  # (B, R)
        expected += by_side[:, 0] * by_side[:, 1] if sides == 2 else by_side.mean(axis=1) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return observed, np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def _given(side: Side, names: Mapping[int, str]) -> Given:
    """Return the labels of one side that are an opinion: no accepted suggestions, none decided after a merge."""

    def counts(image: SideImage) -> bool:
        is_own = not any(finding.startswith(f"{SEEN}:") for finding in image.findings)
        return is_own and not image.is_removed and all(each.source != "suggestion" for each in image.labels.values())

    found: dict[str, dict[str, GivenLabel]] = {}
    for sha256, images in side.images.items():
        labels = {names[key]: given for key, given in images[0].labels.items() if key in names}
        if labels and counts(images[0]):
            found[sha256] = labels
    return found


def _independent(sides: Sequence[tuple[str, Given]]) -> list[tuple[str, Given]]:
    parted = 0
    for (_, mine), (_, theirs) in combinations(sides, 2):
        for sha256 in mine.keys() & theirs.keys():
            same = mine[sha256].items() & theirs[sha256].items()
            parted = max([parted, *(given.at for _, given in same)])
    return [
        (name, {sha256: labels for sha256, labels in given.items() if max(e.at for e in labels.values()) > parted})
        for name, given in sides
    ]
