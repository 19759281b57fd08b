"""What the nearest labelled pictures say of a picture: an answer, what supports it and what contradicts it. NumPy only.

Contradicting are the nearest of the other probable classes: seen beside those of the answer they help people to judge
it better than the nearest alone (PCNN: Nguyen et al. 2023, arXiv:2308.13651).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.calibration import sigmoid, softmax
from visionft.features.neighbours import MOST_EXACT, nearest
from visionft.heads.knn.memory import Memory, nearest_first, set_aside, vote_shares

SHOWN: Final = 5  # pictures on each side
PROBABLE: Final = 3  # classes that are looked at: the answer and the next ones
ASSIGNED: Final = 0.5  # of several labels, those from here on
_CANDIDATES: Final = 2_000  # of an index of faiss


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A labelled picture that is like the asked one.

    Attributes:
        image_id: The picture.
        classes: Its labels.
        similarity: From -1 to 1, as it counts in the vote.
        share: Of the vote; 0 where it has none.
    """

    image_id: int
    classes: tuple[str, ...]
    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is said of a picture, and why.

    Attributes:
        classes: The answer: one class, or for several labels any number.
        ranked: (class, probability) of the most probable, best first.
        supporting: Nearest pictures of the answer's classes.
        contradicting: Nearest pictures of the other probable classes, without any of the answer's.
        doubles: Labelled pictures that are the asked one (the same, cropped, saved again); they had no say.
    """

    classes: tuple[str, ...]
    ranked: tuple[tuple[str, float], ...]
    supporting: tuple[Neighbour, ...]
    contradicting: tuple[Neighbour, ...]
    doubles: tuple[Neighbour, ...]

    @property
    def probability(self) -> float:
        """Return how sure the first class of the answer is; where no label is assigned, the most probable."""
        shares = dict(self.ranked)
        return shares[self.classes[0]] if self.classes else self.ranked[0][1]


def find_evidence(
    memory: Memory,
    class_names: tuple[str, ...],
    direction: np.ndarray,
    *,
    same: Collection[int] = (),
    temperature: float = 1.0,
    shown: int = SHOWN,
) -> Evidence:
    """Answer for one picture from the pictures that are like it.

    Args:
        memory: What is known.
        class_names: In the order of its classes.
        direction: (K,) of the picture in its space.
        same: Pictures that are known to be the asked one: by their content, or by the search for duplicates.
        temperature: That of the calibration on validation, where there was one.
        shown: How many of each kind to name.
    """
    memory = _worth_a_look(memory, direction)
    direction = direction[None].astype(np.float32)
    doubles = memory.is_double(direction)[0] | np.isin(memory.image_ids, list(same))
    products = memory.products(direction)[0]
    aside = set_aside(products, doubles)[None]
    voters, found = nearest_first(aside, memory.voting.neighbours)
    shares = np.zeros(len(memory))
    if not doubles.all():
        shares[voters[0]] = vote_shares(found, memory.counts[voters], memory.voting.temperature)[0]
    row = calibrated(memory.answers_from(aside), temperature, is_multilabel=memory.is_multilabel)[0]
    ranked = np.argsort(-row, kind="stable")
    answer = _answer(row, ranked, is_multilabel=memory.is_multilabel)
    rivals = _rivals(memory, row, np.where(doubles, -np.inf, products), answer)
    by_nearness = np.argsort(-products, kind="stable")

    def neighbours(chosen: np.ndarray) -> tuple[Neighbour, ...]:
        kept = by_nearness[chosen[by_nearness]][:shown]
        return tuple(_neighbour(memory, class_names, each, float(products[each]), float(shares[each])) for each in kept)

    has_answer, has_rival = (_has_any(memory.labels, classes) for classes in (answer, rivals))
    return Evidence(
        classes=tuple(class_names[each] for each in answer),
        ranked=tuple((class_names[each], round(float(row[each]), 6)) for each in ranked[:5]),
        supporting=neighbours(has_answer & ~doubles),
        contradicting=neighbours(has_rival & ~has_answer & ~doubles),
        doubles=neighbours(doubles),
    )


def _worth_a_look(memory: Memory, direction: np.ndarray) -> Memory:
    """Return the pictures that are near; all of them up to a size that is looked through in no time."""
    if len(memory) <= MOST_EXACT:
        return memory
    places = nearest(memory.rows, direction[None], k=_CANDIDATES).places[0]
    return memory.among(places[places >= 0])


def calibrated(answers: np.ndarray, temperature: float, *, is_multilabel: bool) -> np.ndarray:
    """Return (M, C) probabilities whose logits are divided by a temperature, as an exported graph does."""
    if is_multilabel:
        return sigmoid((np.log(answers) - np.log1p(-answers)) / temperature)
    return softmax(np.log(answers) / temperature)


def _answer(row: np.ndarray, ranked: np.ndarray, *, is_multilabel: bool) -> list[int]:
    if not is_multilabel:
        return [int(ranked[0])]
    return [int(each) for each in ranked if row[each] >= ASSIGNED]


def _rivals(memory: Memory, row: np.ndarray, products: np.ndarray, answer: Sequence[int]) -> list[int]:
    """Return the next most probable classes; of those that nobody votes for, the ones with the nearest picture."""
    nearest_of = np.full(memory.classes, -np.inf)
    for column in memory.labels.T:
        np.maximum.at(nearest_of, column[column >= 0], products[column >= 0])
    order = np.lexsort((-nearest_of, -row.round(9)))
    return [int(each) for each in order if each not in answer][: PROBABLE - 1]


def _has_any(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Tell which rows (M, L) have any of some classes."""
    return np.asarray(np.isin(labels, list(classes)).any(axis=1))


def _neighbour(memory: Memory, class_names: tuple[str, ...], row: int, product: float, share: float) -> Neighbour:
    names = tuple(class_names[label] for label in memory.labels[row] if label >= 0)
    return Neighbour(int(memory.image_ids[row]), names, round(product, 4), round(share, 4))
