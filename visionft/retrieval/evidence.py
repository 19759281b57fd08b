"""Neighbour evidence for an image: a prediction with supporting and contradicting labelled images. NumPy only.

Contradicting images are the nearest of the other probable classes: beside the supporting ones they help people to
judge a prediction better than the nearest alone (PCNN: Nguyen et al. 2023, arXiv:2308.13651).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from visionft.calibration import sigmoid, softmax
from visionft.features.neighbours import MOST_EXACT, nearest
from visionft.heads.knn.memory import KnnClassifier, nearest_first, set_aside, vote_shares

SHOWN: Final = 5  # images on each side
PROBABLE: Final = 3  # classes with evidence: the predicted one and the next ones
ASSIGNED: Final = 0.5  # of several labels, those from here on


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled image near the query: its similarity, from -1 to 1, and its share of the vote."""

    image_id: int
    classes: tuple[str, ...]
    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class Evidence:
    COMPUTED: ClassVar = ("probability",)

    classes: tuple[str, ...]  # the prediction: one class, or for several labels any number
    ranked: tuple[tuple[str, float], ...]  # (class, probability) of the most probable, best first
    supporting: tuple[Neighbour, ...]  # nearest images of the predicted classes
    contradicting: tuple[Neighbour, ...]  # nearest images of the other probable classes, without any predicted one
    doubles: tuple[Neighbour, ...]  # labelled duplicates of the query (equal, cropped, saved again), without a vote

    @property
    def probability(self) -> float:
        """The probability of the first predicted class; where none is predicted, the highest."""
        shares = dict(self.ranked)
        return shares[self.classes[0]] if self.classes else self.ranked[0][1]


def find_evidence(
    memory: KnnClassifier,
    class_names: tuple[str, ...],
    direction: np.ndarray,
    *,
    same: Collection[int] = (),
    temperature: float = 1.0,
) -> Evidence:
    """Return the prediction for one image with the labelled images for and against it.

    Args:
        memory: The classifier.
        class_names: In the order of its classes.
        direction: (K,) of the image in its space.
        same: Ids of duplicates of the image, by content or by the search for duplicates.
        temperature: Of the calibration on validation.
    """
    if len(memory) > MOST_EXACT:
        places = nearest(memory.rows, direction[None], k=2_000).places[0]  # of an index of faiss
        memory = memory.among(places[places >= 0])
    direction = direction[None].astype(np.float32)
    doubles = memory.is_duplicate(direction)[0] | np.isin(memory.image_ids, list(same))
    products = memory.products(direction)[0]
    aside = set_aside(products, doubles)[None]
    voters, voter_products = nearest_first(aside, memory.voting.neighbours)
    shares = np.zeros(len(memory))
    if not doubles.all():
        shares[voters[0]] = vote_shares(voter_products, memory.counts[voters], memory.voting.temperature)[0]

    def has_any(classes: Sequence[int]) -> np.ndarray:
        return np.asarray(np.isin(memory.labels, list(classes)).any(axis=1))

    row = calibrated(memory.predict_from(aside), temperature, is_multilabel=memory.is_multilabel)[0]
    ranked = np.argsort(-row, kind="stable")
    chosen = [each for each in ranked if row[each] >= ASSIGNED] if memory.is_multilabel else ranked[:1]
    classes = [int(each) for each in chosen]
    nearest_of = np.full(memory.classes, -np.inf)  # classes without votes are ranked by their nearest image
    for column in memory.labels.T:
        known = column >= 0
        np.maximum.at(nearest_of, column[known], np.where(doubles, -np.inf, products)[known])
    next_ones = [int(each) for each in np.lexsort((-nearest_of, -row.round(9))) if each not in classes]
    by_nearness = np.argsort(-products, kind="stable")

    def neighbours(among: np.ndarray) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(
                image_id=int(memory.image_ids[place]),
                classes=tuple(class_names[label] for label in memory.labels[place] if label >= 0),
                similarity=round(float(products[place]), 4),
                share=round(float(shares[place]), 4),
            )
            for place in by_nearness[among[by_nearness]][:SHOWN]
        )

    supports = has_any(classes)
    contradicts = has_any(next_ones[: PROBABLE - 1])
    return Evidence(
        classes=tuple(class_names[each] for each in classes),
        ranked=tuple((class_names[each], round(float(row[each]), 6)) for each in ranked[:5]),
        supporting=neighbours(supports & ~doubles),
        contradicting=neighbours(contradicts & ~supports & ~doubles),
        doubles=neighbours(doubles),
    )


def calibrated(answers: np.ndarray, temperature: float, *, is_multilabel: bool) -> np.ndarray:
    """Return (M, C) probabilities after temperature scaling, as in an exported graph."""
    if is_multilabel:
        return sigmoid((np.log(answers) - np.log1p(-answers)) / temperature)
    return softmax(np.log(answers) / temperature)
