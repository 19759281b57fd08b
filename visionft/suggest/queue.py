"""The order in which to label images (active learning), and clusters of similar images with one suggested class.

Cluster centres show every kind of image once (TypiClust, 2202.02794), uncertain images are the most informative, and
clustering the uncertain ones keeps them diverse (DropQuery, 2401.14555). One key labels a cluster of suggestions, a
click excludes an exception.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from visionft.heads.feature_map import assign, k_means
from visionft.suggest.feature_suggester import FeatureSuggester
from visionft.suggest.suggestions import uncertainties

ROW = 12  # images in a row, as in the simulations of docs/decisions/0043


@dataclass(frozen=True, slots=True)
class QueuedImage:
    """An image to label next, and the reason."""

    image_id: int
    why: Literal["centre", "unsure"]


@dataclass(frozen=True, slots=True)
class SuggestionCluster:
    """Near images with one suggested class."""

    image_ids: tuple[int, ...]  # in the order of their nearness to the first one
    class_name: str = ""  # suggested class; empty where there is none
    purity: float = 0.0  # expected accuracy of this class


def next_images(suggester: FeatureSuggester, count: int, *, seed: int = 0) -> tuple[QueuedImage, ...]:
    """Return up to `count` unlabelled images in the order in which to label them."""
    if not len(suggester.open_places) or count <= 0:
        return ()
    counts = suggester.state.counts
    if suggester.needs or not len(counts) or np.median(counts) < 2:  # from there on, uncertainty is more useful
        found = _centres(suggester, count, seed)
        if len(found):
            return tuple(QueuedImage(int(suggester.image_ids[place]), "centre") for place in found)
    return tuple(QueuedImage(int(suggester.image_ids[place]), "unsure") for place in _unsure(suggester, count, seed))


def _centres(suggester: FeatureSuggester, count: int, seed: int) -> np.ndarray:
    """Return the places nearest to the centres of clusters without a label, the largest cluster first."""
    directions = suggester.directions
    labelled = np.flatnonzero(suggester.state.is_labelled)
    classes = len(suggester.class_names)
    clusters = max(classes * 4, len(labelled) + count) if classes else count
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
    places, found = suggester.open_places, suggester.predictions
    doubts = uncertainties(found.probabilities[places], found.thresholds)
    chosen = np.argsort(-doubts, kind="stable")[: count * 8]
    if len(chosen) > count:
        directions = suggester.directions[places[chosen]]
        nearest = assign(directions, k_means(directions, count, seed=seed))
        first = np.unique(nearest, return_index=True)[1]  # `chosen` goes from the most uncertain down
        rest = np.setdiff1d(np.arange(len(chosen)), first)[: count - len(first)]
        chosen = chosen[np.sort(np.concatenate([first, rest]))]
    return places[chosen]


def suggestion_clusters(
    suggester: FeatureSuggester, *, most: int = 20, width: int = ROW, purity: float = 0.9
) -> tuple[SuggestionCluster, ...]:
    """Return clusters of near images with the same suggested class, no image twice.

    Clusters with an expected accuracy nearest to `purity` come first; on ties the purer one. Surer ones teach little,
    and are accepted in bulk later; in less sure ones every other image costs a click. With 1 the surest come first:
    most labels for each action.
    """
    if suggester.needs or suggester.is_multilabel or not len(suggester.open_places):
        return ()
    places = suggester.open_places
    shares = suggester.predictions.probabilities[places]
    called, sure = shares.argmax(axis=1), shares.max(axis=1)
    rows: list[SuggestionCluster] = []
    for index in np.unique(called):
        mine = np.flatnonzero(called == index)
        directions = suggester.directions[places[mine]]
        left = np.argsort(-sure[mine], kind="stable")
        left = left[:: max(1, len(left) // 3_000)]
        while len(left):  # groups of near images, each seeded with the surest image left
            nearness = directions[left] @ directions[left[0]]
            nearness[0] = 2
            order = np.argsort(-nearness, kind="stable")
            members = left[order[:width]]
            left = left[np.sort(order[width:])]
            expected = float(sure[mine[members]].mean())
            if len(members) > width // 2:
                ids = tuple(int(each) for each in suggester.image_ids[places[mine[members]]])
                rows.append(SuggestionCluster(ids, suggester.class_names[index], expected))
    return tuple(sorted(rows, key=lambda row: (abs(row.purity - purity), -row.purity))[:most])
