"""Leave-one-out predictions of several classifiers for labelled images, updated label by label.

Ridge regression and, for one label an image, Gaussian classes with one covariance come from the closed-form engine
(`visionft.heads.closed_form`); the third is the nearest neighbours. NumPy only; independent of images and projects.
"""

from typing import Final, NamedTuple

import numpy as np

from visionft.curation.label_errors.noise import fit_blend, sample_of
from visionft.features.neighbours import Neighbours
from visionft.heads.closed_form import ClosedForm, with_intercept
from visionft.heads.numerics import RIDGES, SHRINKAGES, Rows, parts

RIDGE, DISCRIMINANT, NEIGHBOURS = "ridge", "discriminant", "neighbours"  # the kinds of votes
VOTERS: Final = 30  # neighbours that vote
SPARE: Final = 10  # extra neighbours stored, in case some are dropped
_COSINES: Final = 0.05  # a neighbour with a cosine lower than the nearest one's by this much counts 1/e
_DOUBT: Final = 0.5  # prior votes, distributed by class frequency
_LEAST: Final = 1e-9


class LinearVotes:
    """The votes of closed-form classifiers, each regularized for the highest likelihood of the given labels."""

    def __init__(self, inputs: Rows, targets: np.ndarray, *, is_multilabel: bool) -> None:
        """Fit to features (N, D) float32 and targets (N, C), zeros and ones."""
        self._state = ClosedForm(with_intercept(inputs), targets.shape[1])
        sample = sample_of(len(targets), targets.shape[1])
        trial = ClosedForm(self._state.rows[sample], targets.shape[1])
        grid = _grid(trial.rows, targets[sample], is_multilabel=is_multilabel)
        every = np.arange(len(sample))
        trial.relearn(every, targets[sample], strengths=[each.strength for each in grid])
        best: dict[str, tuple[float, int]] = {}  # {kind: loss, place in the grid}
        for place, each in enumerate(grid):
            logits = each.held_out(trial, place, every)
            loss = fit_blend([logits], targets[sample], is_multilabel=is_multilabel).loss
            best[each.kind] = min(best.get(each.kind, (np.inf, 0)), (loss, place))
        grid = _grid(self._state.rows, targets, is_multilabel=is_multilabel)
        self._classifiers = [grid[place] for _, place in best.values()]
        self.names = tuple(each.kind for each in self._classifiers)
        strengths = [each.strength for each in self._classifiers]
        self._state.relearn(np.arange(len(targets)), targets, strengths=strengths)

    @property
    def counts(self) -> np.ndarray:
        """The (C,) number of images of each class."""
        return self._state.counts

    def held_out(self, places: np.ndarray) -> list[np.ndarray]:
        """Return (B, C) leave-one-out logits of each vote for images (B); zeros for dropped images."""
        logits = np.zeros((len(self._classifiers), len(places), self._state.classes))
        is_used = self._state.is_labelled[places]
        for number, each in enumerate(self._classifiers):
            logits[number, is_used] = each.held_out(self._state, number, places[is_used])
        return list(logits)

    def change(self, row: int, target: np.ndarray | None) -> None:
        """Update to an image's new (C,) target; None drops the image."""
        if target is None:
            self._state.unlabel(np.array([row]))
        else:
            self._state.label(np.array([row]), target[None])


class _Classifier(NamedTuple):
    """A closed-form classifier: its kind, the engine's strength, and the factor from distances to logits."""

    kind: str
    strength: float
    factor: float = 0.0

    def held_out(self, state: ClosedForm, number: int, places: np.ndarray) -> np.ndarray:
        """Return (B, C) leave-one-out logits of labelled images (B), from the engine's strength of this number.

        A regression on zeros and ones has its border at a half. Gaussian classes with the covariance A have
        log prior - (x - m)'A^-1 (x - m) / 2; a class without another image is as far as the farthest one.
        """
        terms = state.left_out(number, places)
        if self.kind == RIDGE:
            return terms.products - 0.5
        is_known = np.isfinite(terms.distances)
        farthest = np.max(terms.distances, axis=1, where=is_known, initial=0.0, keepdims=True)
        prior = np.log((state.counts + 1) / (state.counts.sum() + state.classes))
        return prior - self.factor / 2 * np.where(is_known, terms.distances, farthest)


def _grid(rows: Rows, targets: np.ndarray, *, is_multilabel: bool) -> list[_Classifier]:
    """Return the classifiers to choose from, for the engine's rows (N, D) and targets (N, C)."""
    width, counts = rows.shape[1] - 1, targets.sum(axis=0)  # without the intercept
    norm = 0.0
    total = np.zeros(width)
    sums = np.zeros((width, targets.shape[1]))
    for part in parts(len(rows), width):
        inputs = rows[part][:, :-1]
        norm += np.einsum("nd,nd->", inputs, inputs, dtype=np.float64)
        total += inputs.sum(axis=0, dtype=np.float64)
        sums += inputs.T @ targets[part].astype(np.float32)
    scale = max((norm - np.square(total).sum() / len(rows)) / width, _LEAST)
    grid = [_Classifier(RIDGE, strength * scale) for strength in RIDGES]
    if is_multilabel:
        return grid
    within = norm - (np.square(sums).sum(axis=0) / np.maximum(counts, 1)).sum()
    scale = max(within / width, _LEAST)
    freedom = max(1, len(rows) - np.count_nonzero(counts))
    # A = (1 - s) W / freedom + s v I, with the scatter W within classes and its mean variance v, is W plus a strength.
    return grid + [_Classifier(DISCRIMINANT, s / (1 - s) * scale, freedom / (1 - s)) for s in SHRINKAGES]


class NeighbourVote:
    """Share of each class among the nearest images, weighted by proximity; the logits are its logarithm."""

    def __init__(self, neighbours: Neighbours, taking_part: np.ndarray, *, is_multilabel: bool = False) -> None:
        """Store (N, K) neighbours of each image, and the (N,) mask of images in use."""
        self._places, self._cosines = neighbours.places, neighbours.products
        self._taking_part = taking_part.copy()
        self._is_multilabel = is_multilabel

    def held_out(self, places: np.ndarray, targets: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return (B, C) logits: of one class among all, or for several labels of each class against its absence.

        Args:
            places: (B,) of the images.
            targets: (N, C) of all images, zeros and ones.
            counts: (C,) images of each class in use.
        """
        usual = (counts + _DOUBT) / (max(1, np.count_nonzero(self._taking_part)) + 2 * _DOUBT)
        near, cosines = self._places[places], self._cosines[places]
        is_counted = (near >= 0) & self._taking_part[near]
        is_counted &= is_counted.cumsum(axis=1) <= VOTERS  # the nearest of those in use
        nearest = np.max(cosines, axis=1, where=is_counted, initial=-1.0, keepdims=True)
        weights = np.where(is_counted, np.exp((np.where(is_counted, cosines, -1.0) - nearest) / _COSINES), 0.0)
        votes = np.zeros((len(places), targets.shape[1]))
        for rank in range(weights.shape[1]):
            votes += weights[:, rank, None] * targets[near[:, rank]]
        shares = (votes + _DOUBT * usual) / (weights.sum(axis=1, keepdims=True) + _DOUBT)
        return np.log(shares) - np.log1p(-shares) if self._is_multilabel else np.log(shares)

    def change(self, row: int, target: np.ndarray | None) -> None:
        """Update whether the image takes part."""
        self._taking_part[row] = target is not None


def agreements(logits: np.ndarray, targets: np.ndarray, *, is_multilabel: bool) -> np.ndarray:
    """Return (N,) the share of the targets (N, C) of each image predicted correctly by logits (N, C)."""
    if is_multilabel:
        return ((logits > 0) == (targets > 0)).mean(axis=1)
    return logits.argmax(axis=1) == targets.argmax(axis=1)
