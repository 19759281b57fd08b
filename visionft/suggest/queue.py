"""The order in which to label images (active learning).

Cluster centres show every kind of image once (TypiClust, 2202.02794), uncertain images are the most informative, and
clustering the uncertain ones keeps them diverse (DropQuery, 2401.14555).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from visionft.heads.feature_map import assign, k_means
from visionft.suggest.feature_suggester import FeatureSuggester
from visionft.suggest.suggestions import uncertainties


@dataclass(frozen=True, slots=True)
class QueuedImage:
    """An image to label next, and the reason."""

    image_id: int
    why: Literal["centre", "unsure"]


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
