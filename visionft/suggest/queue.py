"""Which pictures to label next: the centres of clusters first, then uncertain and diverse ones; rows of alike pictures.

The centres show every kind of picture once (TypiClust, 2202.02794), uncertain pictures teach most, and clusters among
the uncertain keep them from being alike (DropQuery, 2401.14555). A row is a group of near pictures that are suggested
the same class: one key labels it, a click takes an exception out.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from visionft.suggest.clusters import assign, k_means
from visionft.suggest.feature_suggester import FeatureSuggester

ROW = 12  # pictures in a row of alike
AIM = 0.9  # expected share of right ones in the rows that come first
_CENTRES_A_CLASS = 4
_FIRST_SHOTS = 2  # median pictures a class from which uncertainty is worth more than centres
_MOST_GROUPED = 3_000  # of a class: more are thinned out
_UNSURE = 8  # times as many uncertain pictures as are asked for are clustered


@dataclass(frozen=True, slots=True)
class Queued:
    """A picture to label next, and why it is asked for."""

    image_id: int
    why: Literal["centre", "unsure"]


@dataclass(frozen=True, slots=True)
class AlikeRow:
    """Near pictures that are suggested one class.

    Attributes:
        image_ids: The nearest to the row's first picture, in this order.
        class_name: What one key would call them.
        purity: Expected share of them that this is right for.
    """

    image_ids: tuple[int, ...]
    class_name: str
    purity: float


def next_pictures(suggester: FeatureSuggester, count: int, *, seed: int = 0) -> tuple[Queued, ...]:
    """Return up to `count` pictures without a label, the one to label first ahead."""
    if not len(suggester.open_places) or count <= 0:
        return ()
    counts = suggester.state.counts
    if suggester.needs or not len(counts) or np.median(counts) < _FIRST_SHOTS:
        found = _centres(suggester, count, seed)
        if len(found):
            return tuple(Queued(int(suggester.image_ids[place]), "centre") for place in found)
    return tuple(Queued(int(suggester.image_ids[place]), "unsure") for place in _unsure(suggester, count, seed))


def _centres(suggester: FeatureSuggester, count: int, seed: int) -> np.ndarray:
    """Return the places nearest to the centres of clusters in which nothing is labelled yet, the largest first."""
    directions, labelled = suggester.directions, np.flatnonzero(suggester.state.is_labelled)
    classes = len(suggester.class_names)
    clusters = max(classes * _CENTRES_A_CLASS, len(labelled) + count) if classes else count
    clusters = min(clusters, max(1, len(directions) // 2))
    centres = k_means(directions, clusters, seed=seed)
    places = suggester.open_places
    nearest = assign(directions, centres)
    sizes = np.bincount(nearest, minlength=clusters)
    sizes[np.unique(nearest[labelled])] = 0
    mine = nearest[places]
    closeness = np.einsum("nd,nd->n", directions[places], centres[mine])
    found = [
        places[members[np.argmax(closeness[members])]]
        for cluster in np.argsort(-sizes, kind="stable")
        if sizes[cluster] and len(members := np.flatnonzero(mine == cluster))
    ]
    return np.array(found[:count], np.intp)


def _unsure(suggester: FeatureSuggester, count: int, seed: int) -> np.ndarray:
    """Return uncertain places, one of each cluster among them, the most uncertain first."""
    places = suggester.open_places
    doubt = doubts(suggester)[places]
    chosen = np.argsort(-doubt, kind="stable")[: max(count, count * _UNSURE)]
    if len(chosen) > count:
        directions = suggester.directions[places[chosen]]
        nearest = assign(directions, k_means(directions, count, seed=seed))
        first = np.unique(nearest, return_index=True)[1]  # `chosen` goes from the most uncertain down
        rest = np.setdiff1d(np.arange(len(chosen)), first)[: count - len(first)]
        chosen = chosen[np.sort(np.concatenate([first, rest]))]
    return places[chosen]


def doubts(suggester: FeatureSuggester) -> np.ndarray:
    """Return how undecided (N) pictures are, 0 to 1: 1 minus the margin; for several labels the nearness to a half."""
    found = suggester.answers
    if found.thresholds is not None:
        return 1 - np.abs(found.probabilities - found.thresholds).min(axis=1)
    top = np.partition(found.probabilities, -2, axis=1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


def rows_of_alike(
    suggester: FeatureSuggester, *, most: int = 20, width: int = ROW, purity: float = AIM
) -> tuple[AlikeRow, ...]:
    """Return rows of near pictures that are suggested the same class, no picture twice.

    Those whose expected share of right ones is nearest to `purity` come first, in its doubt the purer one. Rows that
    are surer teach little, and are accepted in bulk later; in less sure ones every other picture costs a click. With 1
    the surest come first: most labels for each action.
    """
    if suggester.needs or suggester.is_multilabel or not len(suggester.open_places):
        return ()
    places = suggester.open_places
    shares = suggester.answers.probabilities[places]
    called, sure = shares.argmax(axis=1), shares.max(axis=1)
    rows: list[AlikeRow] = []
    for index in np.unique(called):
        mine = np.flatnonzero(called == index)
        for members in _groups(suggester.directions[places[mine]], sure[mine], width):
            expected = float(sure[mine[members]].mean())
            if len(members) > width // 2:
                ids = tuple(int(each) for each in suggester.image_ids[places[mine[members]]])
                rows.append(AlikeRow(ids, suggester.class_names[index], expected))
    return tuple(sorted(rows, key=lambda row: (abs(row.purity - purity), -row.purity))[:most])


def _groups(directions: np.ndarray, sure: np.ndarray, width: int) -> list[np.ndarray]:
    """Cut pictures into groups of near ones, each begun at the surest that is left."""
    left = np.argsort(-sure, kind="stable")
    left = left[:: max(1, len(left) // _MOST_GROUPED)]
    groups: list[np.ndarray] = []
    while len(left):
        nearness = directions[left] @ directions[left[0]]
        nearness[0] = 2
        order = np.argsort(-nearness, kind="stable")
        groups.append(left[order[:width]])
        left = left[np.sort(order[width:])]
    return groups
