"""A k-NN classifier: labelled images and the vote of those nearest to an image. NumPy only.

`models.methods.layers.memory_head` is the same as a part of a network; a test holds them together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from models.messages import Message
from visionft.heads.numerics import unit_rows

SET_ASIDE: Final = 4.0  # subtracted from the product of a duplicate: behind all others, which are at least -1
_ARRAYS: Final = ("mean", "projection", "weights", "rows", "labels", "counts", "image_ids")
NONE: Final = -1  # in place of a label where an image has fewer than others


@dataclass(frozen=True, kw_only=True)
class VoteParameters:
    neighbours: int
    temperature: float  # an image's weight is exp(product / temperature)
    smoothing: float  # added to each class's share of the vote (the sum of votes is 1), divided among all classes
    emphasis: float  # length of a leading axis of the space relative to the others
    border: float  # cosine from which an image counts as a duplicate (cropped, saved again) and has no vote


@dataclass(frozen=True, kw_only=True)
class KnnClassifier:
    """A k-NN classifier: labelled images and their vote."""

    mean: np.ndarray  # (D,) of the network's features
    projection: np.ndarray  # (D, K) from features, less the mean, into the space of comparison
    weights: np.ndarray  # (K,) weight of each axis in a vote
    rows: np.ndarray  # (N, K) directions of length 1
    labels: np.ndarray  # (N, L) class indices; `NONE` where an image has fewer than L
    counts: np.ndarray  # (N,) weight of each image
    classes: int
    is_multilabel: bool
    voting: VoteParameters
    image_ids: np.ndarray  # (N,) ids of the images in the project; 0 where unknown

    def __len__(self) -> int:
        return len(self.rows)

    def directions(self, features: np.ndarray) -> np.ndarray:
        """Map (M, D) features, as the network gives them, to (M, K) directions of length 1."""
        return unit_rows((features.astype(np.float32) - self.mean) @ self.projection)

    def is_duplicate(self, directions: np.ndarray) -> np.ndarray:
        """Return (M, N) whether each labelled image is a duplicate of a query (M, K)."""
        return directions @ self.rows.T >= self.voting.border

    def products(self, directions: np.ndarray) -> np.ndarray:
        """Return the (M, N) weighted cosines, the ranking and weights of the vote."""
        return weighted_cosines(directions, self.rows, self.weights)

    def among(self, places: np.ndarray) -> Self:
        chosen = {name: getattr(self, name)[places] for name in ("rows", "labels", "counts", "image_ids")}
        return replace(self, **chosen)

    def predict(self, directions: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities; duplicates of a query have no vote."""
        return self.predict_from(set_aside(self.products(directions), self.is_duplicate(directions)))

    def predict_from(self, products: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities from (M, N) products, duplicates set aside."""
        places, found = nearest_first(products, self.voting.neighbours)
        shares = vote_shares(found, self.counts[places], self.voting.temperature)
        return probabilities(places, shares, self.labels, self.classes, self.voting.smoothing, self.is_multilabel)

    def arrays(self) -> dict[str, np.ndarray]:
        single = ("mean", "projection", "weights", "rows", "counts")
        voting = {name: getattr(self.voting, name) for name in ("temperature", "smoothing", "border")}
        return {
            **{name: getattr(self, name).astype(np.float32) for name in single},
            "lengths": row_lengths(self.rows, self.weights),
            **{name: getattr(self, name).astype(np.int64) for name in ("labels", "image_ids")},
            "classes": np.array(self.classes, np.int64),
            "is_multilabel": np.array(self.is_multilabel),
            "neighbours": np.array(self.voting.neighbours, np.int64),
            **{name: np.array(value, np.float32) for name, value in voting.items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild it from the arrays of `arrays` (ValueError: one is missing, or their shapes disagree)."""
        try:
            count, width = arrays["rows"].shape
            wanted = {"projection": (len(arrays["mean"]), width), "weights": (width,)}
            wanted |= {"counts": (count,), "image_ids": (count,)}
            odd = [name for name, shape in wanted.items() if arrays[name].shape != shape]
            labels = arrays["labels"]
            classes = int(arrays["classes"])
            are_indices = ((labels >= NONE) & (labels < classes)).all()
            if odd or labels.ndim != 2 or len(labels) != count or not are_indices:
                raise ValueError(Message("{value} does not fit the rows", value=(odd or ["labels"])[0]))
            if not all(np.isfinite(arrays[name]).all() for name in ("rows", "weights", "counts", "temperature")):
                raise ValueError("it holds values that are no numbers")
            voting = VoteParameters(
                neighbours=int(arrays["neighbours"]),
                emphasis=float(np.sqrt(arrays["weights"].max(initial=1.0))),
                **{name: float(arrays[name]) for name in ("temperature", "smoothing", "border")},
            )
            kept = {name: arrays[name] for name in _ARRAYS}
            return cls(**kept, classes=classes, is_multilabel=bool(arrays["is_multilabel"]), voting=voting)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it has no {error}") from error


def set_aside(products: np.ndarray, duplicates: np.ndarray) -> np.ndarray:
    """Return the products with duplicates behind all others: they vote only where there are no others."""
    return np.where(duplicates, products - np.float32(SET_ASIDE), products)


def weighted_cosines(directions: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the (M, N) cosines of (M, K) and (N, K) where axis k counts weights[k]."""
    weighted = directions * weights
    lengths = np.sqrt(np.einsum("mk,mk->m", weighted, directions))
    return weighted @ rows.T / np.maximum(lengths, 1e-12)[:, None] / row_lengths(rows, weights)


def row_lengths(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt(np.einsum("nk,nk,k->n", rows, rows, weights)), 1e-12).astype(np.float32)


def nearest_first(products: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (M, k) of the largest of (M, N) products, the largest first, and those products."""
    k = min(count, products.shape[1])
    places = np.argpartition(-products, k - 1, axis=1)[:, :k] if k else np.zeros((len(products), 0), np.int64)
    found = np.take_along_axis(products, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)


def vote_shares(found: np.ndarray, counts: np.ndarray, temperature: float) -> np.ndarray:
    """Return the shares (M, k), of sum 1, of the voters from their products, the largest first."""
    shares = np.exp((found - found[:, :1]) / temperature) * counts
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def probabilities(
    places: np.ndarray, shares: np.ndarray, labels: np.ndarray, classes: int, smoothing: float, is_multilabel: bool
) -> np.ndarray:
    """Return (M, C) probabilities from the places (M, k) of the voters and their shares; of sum 1 for one label."""
    found = np.zeros((len(places), classes))
    line = np.arange(len(places))[:, None]
    for column in labels.T:
        voted = column[places]
        is_vote = voted >= 0
        np.add.at(found, (np.broadcast_to(line, voted.shape)[is_vote], voted[is_vote]), shares[is_vote])
    floor = smoothing / 2 if is_multilabel else smoothing / max(1, classes)
    return (found + floor) / (1 + smoothing)
