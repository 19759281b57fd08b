"""Labelled pictures as they are remembered, and the vote of those most like a picture. NumPy only.

`models.methods.layers.retrieval` is the same as a part of a network; a test holds them together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

SET_ASIDE: Final = 4.0  # taken off the product of a double: behind all others, which are at least -1
_ARRAYS: Final = ("mean", "projection", "weights", "rows", "labels", "counts", "image_ids")
NONE: Final = -1  # in place of a label where a picture has fewer than others


@dataclass(frozen=True, kw_only=True)
class Voting:
    """How the nearest pictures vote.

    Attributes:
        neighbours: How many have a say.
        temperature: A picture's weight is exp(product / temperature).
        smoothing: What all classes share beside the votes, whose sum is 1.
        emphasis: How long a leading axis of the space is beside the others.
        border: Cosine from which a picture is not like another but the same (cropped, saved again): it has no say.
    """

    neighbours: int
    temperature: float
    smoothing: float
    emphasis: float
    border: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Labelled pictures, and how they answer.

    Attributes:
        mean: (D,) of features as the network gives them.
        projection: (D, K) from features, less the mean, into the space of comparison.
        weights: (K,) how much each axis counts in a vote.
        rows: (N, K) directions of length 1.
        labels: (N, L) class indices; `NONE` where a picture has fewer than L.
        counts: (N,) how much each picture counts.
        classes: C.
        is_multilabel: Whether each class is a question of its own.
        voting: How they vote.
        image_ids: (N,) the project's numbers of the pictures; 0 where that is not known.
    """

    mean: np.ndarray
    projection: np.ndarray
    weights: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    classes: int
    is_multilabel: bool
    voting: Voting
    image_ids: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.rows)

    def directions(self, features: np.ndarray) -> np.ndarray:
        """Map (M, D) features, as the network gives them, to (M, K) directions of length 1."""
        values = (features.astype(np.float32) - self.mean) @ self.projection
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)

    def cosines(self, directions: np.ndarray) -> np.ndarray:
        """Return how alike pictures (M, K) are to those that are remembered: (M, N) from -1 to 1."""
        return directions @ self.rows.T

    def is_double(self, directions: np.ndarray) -> np.ndarray:
        """Tell which of the pictures are the asked ones (M, K) themselves: (M, N)."""
        return self.cosines(directions) >= self.voting.border

    def products(self, directions: np.ndarray) -> np.ndarray:
        """Return the (M, N) weighted cosines that decide who votes, and how much."""
        return weighted_cosines(directions, self.rows, self.weights)

    def among(self, places: np.ndarray) -> Self:
        """Return some of the pictures, voting as all do."""
        chosen = {name: getattr(self, name)[places] for name in ("rows", "labels", "counts", "image_ids")}
        return replace(self, **chosen)

    def answers(self, directions: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities; doubles of a picture have no say in what it is."""
        products = set_aside(self.products(directions), self.is_double(directions))
        return self.answers_from(products)

    def answers_from(self, products: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities from (M, N) products, doubles set aside."""
        places, found = nearest_first(products, self.voting.neighbours)
        shares = vote_shares(found, self.counts[places], self.voting.temperature)
        return probabilities(places, shares, self.labels, self.classes, self.voting.smoothing, self.is_multilabel)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return it as arrays by name: what a file or a head's state holds."""
        return {
            "mean": self.mean.astype(np.float32),
            "projection": self.projection.astype(np.float32),
            "weights": self.weights.astype(np.float32),
            "rows": self.rows.astype(np.float32),
            "lengths": row_lengths(self.rows, self.weights),
            "labels": self.labels.astype(np.int64),
            "counts": self.counts.astype(np.float32),
            "classes": np.array(self.classes, np.int64),
            "is_multilabel": np.array(self.is_multilabel),
            "neighbours": np.array(self.voting.neighbours, np.int64),
            "temperature": np.array(self.voting.temperature, np.float32),
            "smoothing": np.array(self.voting.smoothing, np.float32),
            "border": np.array(self.voting.border, np.float32),
            "image_ids": self.image_ids.astype(np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `arrays` gave.

        Raises:
            ValueError: One is missing, or they do not belong together.
        """
        try:
            count, width = arrays["rows"].shape
            shapes = {
                "projection": (len(arrays["mean"]), width),
                "weights": (width,),
                "counts": (count,),
                "image_ids": (count,),
            }
            odd = [name for name, shape in shapes.items() if arrays[name].shape != shape]
            labels, classes = arrays["labels"], int(arrays["classes"])
            are_labels = (
                labels.shape[:1] == (count,) and labels.ndim == 2 and ((labels >= NONE) & (labels < classes)).all()
            )
            if odd or not are_labels:
                raise ValueError(f"{(odd or ['labels'])[0]} does not fit the rows")
            if not all(np.isfinite(arrays[name]).all() for name in ("rows", "weights", "counts", "temperature")):
                raise ValueError("it holds values that are no numbers")
            voting = Voting(
                neighbours=int(arrays["neighbours"]),
                temperature=float(arrays["temperature"]),
                smoothing=float(arrays["smoothing"]),
                emphasis=float(np.sqrt(arrays["weights"].max(initial=1.0))),
                border=float(arrays["border"]),
            )
            return cls(
                **{name: arrays[name] for name in _ARRAYS},
                classes=classes,
                is_multilabel=bool(arrays["is_multilabel"]),
                voting=voting,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it has no {error}") from error


def set_aside(products: np.ndarray, doubles: np.ndarray) -> np.ndarray:
    """Return the products with doubles behind all others: they vote where there is nobody else."""
    return np.where(doubles, products - np.float32(SET_ASIDE), products)


def weighted_cosines(directions: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the (M, N) cosines of (M, K) and (N, K) where axis k counts weights[k]."""
    weighted = directions * weights
    lengths = np.sqrt(np.einsum("mk,mk->m", weighted, directions))
    return weighted @ rows.T / np.maximum(lengths, 1e-12)[:, None] / row_lengths(rows, weights)


def row_lengths(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the (N,) lengths of rows where axis k counts weights[k]."""
    return np.maximum(np.sqrt(np.einsum("nk,nk,k->n", rows, rows, weights)), 1e-12).astype(np.float32)


def nearest_first(products: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (M, k) of the largest of (M, N) products, the largest first, and those products."""
    k = min(count, products.shape[1])
    places = np.argpartition(-products, k - 1, axis=1)[:, :k] if k else np.zeros((len(products), 0), np.int64)
    found = np.take_along_axis(products, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)


def vote_shares(found: np.ndarray, counts: np.ndarray, temperature: float) -> np.ndarray:
    """Return the shares (M, k), whose sum is 1, of those that vote, from their products, the largest first."""
    shares = np.exp((found - found[:, :1]) / temperature) * counts
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def probabilities(
    places: np.ndarray, shares: np.ndarray, labels: np.ndarray, classes: int, smoothing: float, is_multilabel: bool
) -> np.ndarray:
    """Return (M, C) probabilities from the places (M, k) of those that vote and their shares.

    A softmax's where a picture has one label; where it may have several, each class is asked by itself.
    """
    found = np.zeros((len(places), classes))
    line = np.arange(len(places))[:, None]
    for column in labels.T:
        said = column[places]
        np.add.at(found, (np.broadcast_to(line, said.shape)[said >= 0], said[said >= 0]), shares[said >= 0])
    floor = smoothing / 2 if is_multilabel else smoothing / max(1, classes)
    return (found + floor) / (1 + smoothing)
