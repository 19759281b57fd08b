"""Closed-form classifiers on frozen features, updated label by label, with leave-one-out. NumPy only.

Used by suggestions, the learning curve and the search for label errors; a method's head for a run is fitted once, in
`linear_head`.

One inverse for each strength, P = (sum of x x' over the labelled + strength I)^-1, is enough: ridge regression is
x'P M with M the sums of each class; the Gaussian classifier with one covariance follows from the same numbers, because
its within-class scatter is the total scatter less one rank for each class (Hastie, Buja and Tibshirani 1995). A label
is a rank-one update of P (Woodbury), and one product with all images updates x'P M of every image. Leave-one-out is
such an update too, in closed form.

At 10,000 images x 512 and 20 classes a label costs 41 ms of processor time, predictions included, whether added or
removed (one thread, AVX2), and about ten times as much at 100,000.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionft.heads.numerics import BLOCK, Rows

INTERCEPT = 3.0  # the last input of every image
STRENGTHS = (0.3, 1.0, 3.0)  # for features with a mean squared norm of 3 (three stages): flat between .1 and 3
_ROWS = 8192
_AMPLIFIED = 100.0  # largest amplification of rounding in single precision
_CHANGES = 512  # labels after which x'P M is recomputed: rounding adds up


@dataclass(frozen=True)
class Terms:
    """Intermediate results of the classifiers for some images under one strength, in double precision."""

    products: np.ndarray  # (N, C) x'P M: the ridge regressions on zeros and ones
    leverage: np.ndarray  # (N) x'P x
    distances: np.ndarray  # (N, C) by the within-class scatter + strength I; infinite without an image
    counts: np.ndarray  # (N, C) or (C) number of training images of each class


def with_intercept(inputs: Rows) -> np.ndarray:
    """Return (N, D + 1) float32 rows of features (N, D)."""
    rows = np.full((len(inputs), inputs.shape[1] + 1), INTERCEPT, np.float32)
    for start in range(0, len(inputs), BLOCK):
        rows[start : start + BLOCK, :-1] = inputs[start : start + BLOCK]
    return rows


class ClosedForm:
    """Images as rows (N, D), float32 with the intercept last, their labels, and the resulting terms for all images.

    The first `linear` dimensions are the features themselves, for class means; None without a kernel.
    """

    def __init__(self, rows: np.ndarray, classes: int, *, linear: int | None = None) -> None:
        width = rows.shape[1]
        self.rows = rows
        self.targets = np.zeros((len(rows), classes), np.float32)
        self.is_labelled = np.zeros(len(rows), bool)
        self.strengths = STRENGTHS  # (K) of the regularization
        self._linear = width - 1 if linear is None else linear
        self._inverses = np.stack([np.eye(width) / strength for strength in STRENGTHS])  # (K, D, D)
        self._sums = np.zeros((width, classes))  # M
        self._products = np.zeros((len(STRENGTHS), len(rows), classes), np.float32)
        norms = np.einsum("nd,nd->n", self.rows, self.rows, dtype=np.float64)
        self._leverages = np.stack([norms / strength for strength in STRENGTHS])  # (K, N)
        self._changes = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> int:
        return self.targets.shape[1]

    @property
    def counts(self) -> np.ndarray:
        return self.targets[self.is_labelled].sum(axis=0, dtype=np.float64)

    @property
    def features(self) -> np.ndarray:
        """Return (N, K) the features themselves, in their principal directions."""
        return self.rows[:, : self._linear]

    def label(self, places: np.ndarray, targets: np.ndarray) -> None:
        """Replace the labels of images (B) by (B, C), zeros and ones."""
        self._set(np.asarray(places, np.intp), np.asarray(targets, np.float32), is_labelled=True)

    def unlabel(self, places: np.ndarray) -> None:
        places = np.asarray(places, np.intp)
        self._set(places, np.zeros((len(places), self.classes), np.float32), is_labelled=False)

    def _set(self, places: np.ndarray, targets: np.ndarray, *, is_labelled: bool) -> None:
        """Change labels: first the set of labelled images, then their classes."""
        moving = places[self.is_labelled[places] != is_labelled]
        if len(moving) > self.rows.shape[1] // 2:  # a new inverse is faster
            self.targets[places], self.is_labelled[places] = targets, is_labelled
            self._rebuild()
            return
        if is_labelled:
            self._count(moving, sign=1)
        change = targets - self.targets[places]
        altered = np.flatnonzero(change.any(axis=1))
        if len(altered):  # other classes: only the class sums need an update
            columns = np.flatnonzero(change.any(axis=0))
            added = self.rows[places[altered]].astype(np.float64).T @ change[np.ix_(altered, columns)]  # (D, C')
            self.targets[places] = targets
            self._sums[:, columns] += added
            for number, inverse in enumerate(self._inverses):
                self._products[number][:, columns] += self.rows @ (inverse @ added).astype(np.float32)
        if not is_labelled:
            self._count(moving, sign=-1)
        self._changes += len(places)
        if self._changes > _CHANGES:
            self._recompute_products()

    def _count(self, places: np.ndarray, *, sign: int) -> None:
        """Add images without a class to the labelled ones, or remove them (Woodbury with one rank for each image)."""
        if not len(places):
            return
        self.is_labelled[places] = sign > 0
        chosen = self.rows[places].astype(np.float64)
        moved = self._inverses @ chosen.T  # (K, D, B)
        cores = np.linalg.inv(np.eye(len(places)) + sign * (chosen @ moved))  # (K, B, B)
        # The single pass over all images, all strengths at once. In double precision where only differences of the
        # result matter: removing a label divides by the small remaining variance of the image.
        strengths, width, count = moved.shape
        joined = moved.transpose(1, 0, 2).reshape(width, strengths * count)
        if sign < 0 and np.abs(cores).max() > _AMPLIFIED:
            blocks = range(0, len(self.rows), _ROWS)
            parts = [self.rows[start : start + _ROWS].astype(np.float64) @ joined for start in blocks]
            products = np.concatenate(parts)
        else:
            products = self.rows @ joined.astype(np.float32)
        seen = np.ascontiguousarray(products.reshape(len(self.rows), strengths, count).transpose(1, 0, 2))
        for number, (core, mine, own) in enumerate(zip(cores, seen, moved, strict=True)):
            self._products[number] -= sign * (mine @ (core @ (own.T @ self._sums)).astype(mine.dtype))
            self._leverages[number] -= sign * np.einsum("nb,nb->n", mine @ core.astype(mine.dtype), mine)
            self._inverses[number] -= sign * (own @ core @ own.T)

    def relearn(self, places: np.ndarray, targets: np.ndarray, *, strengths: Sequence[float] | None = None) -> None:
        """Forget all labels, and learn those of images (B), as (B, C) zeros and ones; `strengths` replaces the grid."""
        self.targets[:], self.is_labelled[:] = 0, False
        self.targets[places], self.is_labelled[places] = targets, True
        self.strengths = self.strengths if strengths is None else tuple(strengths)
        self._rebuild()

    def _rebuild(self) -> None:
        """Recompute everything from the current labels, all strengths from one eigendecomposition."""
        width, labelled = self.rows.shape[1], np.flatnonzero(self.is_labelled)
        self._sums, scatter = np.zeros((width, self.classes)), np.zeros((width, width))
        for start in range(0, len(labelled), BLOCK):
            places = labelled[start : start + BLOCK]
            chosen = self.rows[places].astype(np.float64)
            self._sums += chosen.T @ self.targets[places].astype(np.float64)
            scatter += chosen.T @ chosen
        values, axes = np.linalg.eigh(scatter)
        factors = 1 / (np.maximum(values, 0) + np.array(self.strengths)[:, None])  # (K, D)
        self._inverses = np.stack([(axes * factor) @ axes.T for factor in factors])
        self._leverages = np.empty((len(factors), len(self.rows)))
        for start in range(0, len(self.rows), _ROWS):
            squares = np.square(self.rows[start : start + _ROWS] @ axes.astype(np.float32), dtype=np.float64)
            self._leverages[:, start : start + _ROWS] = factors @ squares.T
        self._recompute_products()

    def _recompute_products(self) -> None:
        self._products = np.stack([self.rows @ (inverse @ self._sums).astype(np.float32) for inverse in self._inverses])
        self._changes = 0

    def of_all(self, number: int) -> Terms:
        """Return the terms of every image under the strength with this number."""
        counts, products = self.counts, self._products[number]
        inner, known = self._between(number), counts > 0
        inward = products @ inner.astype(np.float32)
        distances = (self._leverages[number] + np.einsum("nc,nc->n", inward, products))[:, None] - 2 * inward
        distances += np.diag(inner) - 1 / np.maximum(counts, 1)
        return Terms(products, self._leverages[number], _from_zero(distances, known), counts)

    def left_out(self, number: int, places: np.ndarray) -> Terms:
        counts, own = self.counts, self.targets[places].astype(np.float64)
        leverage = np.minimum(self._leverages[number][places], 1 - 1e-9)
        rest = 1 - leverage
        products, inner = self._products[number][places].astype(np.float64), self._between(number)
        without = (products - leverage[:, None] * own) / rest[:, None]
        apart = products - own  # (B, C): leaving it out is this rank-one update of the inverse between classes
        across = apart @ inner
        core = rest - np.einsum("nc,nc->n", across, apart)
        core = np.where(np.abs(core) < 1e-9, 1e-9, core)
        inward = without @ inner + (np.einsum("nc,nc->n", without, across) / core)[:, None] * across
        fewer = counts - own
        distances = (leverage / rest + np.einsum("nc,nc->n", inward, without))[:, None] - 2 * inward
        distances += np.diag(inner) + across**2 / core[:, None] - 1 / np.maximum(fewer, 1)
        return Terms(without, leverage / rest, _from_zero(distances, fewer > 0), fewer)

    def _between(self, number: int) -> np.ndarray:
        """Return (C, C) (N - M'P M)^-1, N the diagonal of the counts; zeros for classes without an image."""
        known = np.flatnonzero(self.counts > 0)
        inner = np.zeros((self.classes, self.classes))
        sums = self._sums[:, known]
        matrix = np.diag(self.counts[known]) - sums.T @ self._inverses[number] @ sums
        inner[np.ix_(known, known)] = np.linalg.inv(matrix) if len(known) else matrix
        return inner

    def to_means(self) -> np.ndarray:
        """Return the (N, C) products with the mean direction of each class; 0 for classes without an image."""
        sums = self._sums[: self._linear]
        means = sums / np.maximum(np.linalg.norm(sums, axis=0), 1e-12)
        return self.features @ means.astype(np.float32)

    def to_means_left_out(self, places: np.ndarray) -> np.ndarray:
        """Return the (B, C) leave-one-out products of labelled images with the class means."""
        chosen, own = self.features[places].astype(np.float64), self.targets[places]
        sums = self._sums[: self._linear]
        norms = np.einsum("nd,nd->n", chosen, chosen)
        products = chosen @ sums
        squares = np.einsum("dc,dc->c", sums, sums) - own * (2 * products - norms[:, None])
        return (products - own * norms[:, None]) / np.sqrt(np.maximum(squares, 1e-12))


def _from_zero(distances: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(known, np.maximum(distances, 0), np.inf)
