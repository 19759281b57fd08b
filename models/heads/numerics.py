"""Scales, principal directions, folds and regularization grids, shared by all heads. NumPy only, a leaf."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # strengths relative to the mean variance of a feature
SHRINKAGES = (0.05, 0.2, 0.5, 0.9)  # towards a covariance equal in every direction
BLOCK = 65_536  # rows summed at a time: so many are summed in one go, and copies of more never lie in memory
_MAX_AXIS_ROWS = 5_000  # rows for the principal directions, of at most some thousand features
MOST_KEPT = 200_000  # rows of which the scaled ones are kept in memory
_READ = 2048  # rows scaled at a time
_BLOCK_NUMBERS = 65_536  # numbers in double precision that stay in a processor's cache


def parts(count: int, width: int) -> Iterator[slice]:
    """Yield slices of `count` rows of `width` numbers: intermediate results of one stay in the cache."""
    step = max(1, _BLOCK_NUMBERS // max(1, width))
    return (slice(start, min(count, start + step)) for start in range(0, count, step))


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return (N, D) rows, or one (D,), scaled to length 1; rows of zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


@dataclass(frozen=True, eq=False)
class ScaledRows:
    """Rows (N, D) float32 of float16 features: centred, divided, and of length 1 where they are directions.

    An index or a slice reads the rows at some places, `@` multiplies all of them with (D,) or (D, M), block by block.
    With an `intercept` it is the last of D + 1 columns.
    """

    vectors: np.ndarray  # (V, D) float16
    means: np.ndarray  # (D,) float32
    divisors: np.ndarray  # (D,) float32
    are_directions: bool = False
    most_kept: int = MOST_KEPT
    chosen: np.ndarray | None = None  # (N,) places of the rows among the vectors; None for all of them
    intercept: float | None = None

    def __len__(self) -> int:
        return len(self.vectors) if self.chosen is None else len(self.chosen)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.vectors.shape[1] + (self.intercept is not None)

    def __getitem__(self, places: Any) -> np.ndarray:
        return self._read(places) if self._kept is None else self._kept[places]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        if self._kept is not None:
            return self._kept @ other
        return np.concatenate([block @ other for block in self.blocks(_READ)])

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield the rows, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def among(self, places: Sequence[int] | np.ndarray) -> "ScaledRows":
        """Return some of the rows, with the same scaling and of the same vectors."""
        chosen = np.arange(len(self.vectors)) if self.chosen is None else self.chosen
        return replace(self, chosen=chosen[places])

    @cached_property
    def _kept(self) -> np.ndarray | None:
        return self._read(slice(None)) if len(self) <= self.most_kept else None

    def _read(self, places: Any) -> np.ndarray:
        read = self.vectors[places if self.chosen is None else self.chosen[places]]
        rows = np.full((*read.shape[:-1], self.shape[1]), self.intercept or 0.0, np.float32)
        values = rows[..., : read.shape[-1]]
        values[...] = read
        values -= self.means
        values /= self.divisors
        if self.are_directions:
            values[...] = unit_rows(values)
        return rows


Rows = np.ndarray | ScaledRows


def part_scaling(vectors: np.ndarray, widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (D,) float32 means and divisors to centre (N, D) features and give each part a mean squared norm of 1.

    One scale a part, not one a feature: within a part the network's own scales carry information.

    Args:
        widths: Of the parts; their sum is D.
    """
    if not len(vectors):
        return np.zeros(sum(widths), np.float32), np.ones(sum(widths), np.float32)
    means = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.zeros(len(widths))
    for start in range(0, len(vectors), BLOCK):
        parts = np.split(vectors[start : start + BLOCK].astype(np.float32) - means, np.cumsum(widths)[:-1], axis=1)
        squares += [np.einsum("nd,nd->", part, part, dtype=np.float64) for part in parts]
    norms = np.maximum(np.sqrt(squares / len(vectors)), 1e-12).astype(np.float32)
    return means, np.repeat(norms, widths)


def principal_directions(inputs: Rows, dimensions: int) -> np.ndarray:
    """Return (D, K) float32: the principal directions of images (N, D), K at most `dimensions`."""
    width = inputs.shape[1]
    if width <= dimensions or len(inputs) < 2:
        return np.eye(width, min(width, dimensions), dtype=np.float32)
    sample = inputs[:: max(1, len(inputs) // _MAX_AXIS_ROWS)]
    _, vectors = np.linalg.eigh(np.cov(sample.T.astype(np.float64)))
    return np.ascontiguousarray(vectors[:, : -dimensions - 1 : -1], np.float32)


def class_folds(targets: np.ndarray, folds: int, *, is_multilabel: bool, generator: np.random.Generator) -> np.ndarray:
    """Return the (N,) stratified fold of each image; -1 for the only one of its class. Several labels are one class."""
    fold_of = np.full(len(targets), -1)
    groups = np.zeros(len(targets), np.int64) if is_multilabel else targets.argmax(axis=1)
    placed = 0
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if len(members) > 1:
            fold_of[generator.permutation(members)] = (np.arange(len(members)) + placed) % folds
            placed += len(members)
    return fold_of
