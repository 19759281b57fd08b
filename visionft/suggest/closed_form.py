"""What frozen features say of pictures when a few are labelled, kept up to date label by label. NumPy only.

One inverse a strength, P = (sum of x x' over the labelled + strength I)^-1, answers everything: ridge regression is
x'P M with M the sums of each class; the Gaussian classifier with one covariance follows from the same numbers, for its
within-class scatter is the whole less one rank a class (Hastie, Buja and Tibshirani 1995). A label changes P by one
rank (Woodbury), and x'P M of every picture by one product with all of them. Leaving a labelled picture out is such a
change, too, in closed form.

At 10,000 pictures x 512 and 20 classes a label costs 41 ms of processor time, its answers included, given or taken back
(one thread, AVX2), and about ten times that at 100,000.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionft.suggest.feature_map import FeatureMap

STRENGTHS = (0.3, 1.0, 3.0)  # for features whose squared norm is 3 on average (three parts): flat between .1 and 3
_ROWS = 8192
_AMPLIFIED = 100.0  # times: rounding in single precision is multiplied by no more
_CHANGES = 512  # labels after which x'P M is computed anew: rounding adds up


@dataclass(frozen=True)
class Terms:
    """What classifiers follow from, of some pictures under one strength, double precision.

    Attributes:
        products: (N, C) x'P M: the ridge regressions on zeros and ones.
        leverage: (N) x'P x.
        distances: (N, C) (x - mean)' (within-class scatter + strength I)^-1 (x - mean); infinite for classes without
            a picture.
        counts: (N, C) or (C) pictures that each class was seen with.
    """

    products: np.ndarray
    leverage: np.ndarray
    distances: np.ndarray
    counts: np.ndarray


class ClosedForm:
    """Pictures as rows, those that are labelled, and what follows for all.

    Args:
        inputs: (N, D) float32, as `Features.inputs`.
        classes: Number of classes; others may come (`arrange_classes`).
    """

    def __init__(self, inputs: np.ndarray, classes: int) -> None:
        self.feature_map = FeatureMap.fitted(inputs)
        self.rows = self.feature_map(inputs)
        self.targets = np.zeros((len(inputs), classes), np.float32)
        self.is_labelled = np.zeros(len(inputs), bool)
        width = self.rows.shape[1]
        self._inverses = np.stack([np.eye(width) / strength for strength in STRENGTHS])  # (K, D, D)
        self._sums = np.zeros((width, classes))  # M
        self._products = np.zeros((len(STRENGTHS), len(inputs), classes), np.float32)
        norms = np.einsum("nd,nd->n", self.rows, self.rows, dtype=np.float64)
        self._leverages = np.stack([norms / strength for strength in STRENGTHS])  # (K, N)
        self._changes = 0

    def __len__(self) -> int:
        """Return N."""
        return len(self.rows)

    @property
    def classes(self) -> int:
        """Return C."""
        return self.targets.shape[1]

    @property
    def counts(self) -> np.ndarray:
        """Return the (C) labelled pictures of each class."""
        return self.targets[self.is_labelled].sum(axis=0, dtype=np.float64)

    @property
    def features(self) -> np.ndarray:
        """Return (N, K) the features themselves, in their principal directions."""
        return self.rows[:, : self.feature_map.linear]

    # -- labels -------------------------------------------------------------------------------------------------

    def label(self, places: np.ndarray, targets: np.ndarray) -> None:
        """Give pictures (B) their labels (B, C), zeros and ones, in place of those that they had."""
        self._set(np.asarray(places, np.intp), np.asarray(targets, np.float32), is_labelled=True)

    def unlabel(self, places: np.ndarray) -> None:
        """Take the labels of pictures (B) away."""
        places = np.asarray(places, np.intp)
        self._set(places, np.zeros((len(places), self.classes), np.float32), is_labelled=False)

    def _set(self, places: np.ndarray, targets: np.ndarray, *, is_labelled: bool) -> None:
        """Change labels: first which pictures count, then what they are called."""
        moving = places[self.is_labelled[places] != is_labelled]
        if len(moving) > self.rows.shape[1] // 2:  # inverting anew is quicker
            self.targets[places], self.is_labelled[places] = targets, is_labelled
            self.rebuild()
            return
        if is_labelled:
            self._count(moving, sign=1)
        self._call(places, targets)
        if not is_labelled:
            self._count(moving, sign=-1)
        self._changes += len(places)
        if self._changes > _CHANGES:
            self._recompute_products()

    def _count(self, places: np.ndarray, *, sign: int) -> None:
        """Let pictures that are called nothing count, or no more (Woodbury with one rank a picture)."""
        if not len(places):
            return
        self.is_labelled[places] = sign > 0
        chosen = self.rows[places].astype(np.float64)
        moved = self._inverses @ chosen.T  # (K, D, B)
        cores = np.linalg.inv(np.eye(len(places)) + sign * (chosen @ moved))  # (K, B, B)
        seen = self._seen(
            moved, is_exact=sign < 0 and np.abs(cores).max() > _AMPLIFIED
        )  # the one pass over all pictures
        for number, (core, mine, own) in enumerate(zip(cores, seen, moved, strict=True)):
            self._products[number] -= sign * (mine @ (core @ (own.T @ self._sums)).astype(mine.dtype))
            self._leverages[number] -= sign * np.einsum("nb,nb->n", mine @ core.astype(mine.dtype), mine)
            self._inverses[number] -= sign * (own @ core @ own.T)

    def _seen(self, moved: np.ndarray, *, is_exact: bool) -> np.ndarray:
        """Return (K, N, B) the rows times (K, D, B), all strengths in one pass over the rows.

        Exactly, in double precision, where differences of it are all that is left: taking a label away divides by what
        little is unknown of that picture.
        """
        strengths, width, count = moved.shape
        joined = moved.transpose(1, 0, 2).reshape(width, strengths * count)
        if is_exact:
            blocks = range(0, len(self.rows), _ROWS)
            parts = [self.rows[start : start + _ROWS].astype(np.float64) @ joined for start in blocks]
            found = np.concatenate(parts)
        else:
            found = self.rows @ joined.astype(np.float32)
        return np.ascontiguousarray(found.reshape(len(self.rows), strengths, count).transpose(1, 0, 2))

    def _call(self, places: np.ndarray, targets: np.ndarray) -> None:
        """Change what pictures are called: only the sums of the classes follow."""
        change = targets - self.targets[places]
        altered = np.flatnonzero(change.any(axis=1))
        if not len(altered):
            return
        columns = np.flatnonzero(change.any(axis=0))
        added = self.rows[places[altered]].astype(np.float64).T @ change[np.ix_(altered, columns)]  # (D, C')
        self.targets[places] = targets
        self._sums[:, columns] += added
        for number, inverse in enumerate(self._inverses):
            self._products[number][:, columns] += self.rows @ (inverse @ added).astype(np.float32)

    def arrange_classes(self, origins: Sequence[int]) -> None:
        """Take on other classes: for each, the number that it had, or -1 for a new one. Pictures of those that are left
        out still count, and are called nothing.
        """
        known = [number for number, origin in enumerate(origins) if origin >= 0]
        for name in ("targets", "_sums", "_products"):
            before: np.ndarray = getattr(self, name)
            after = np.zeros((*before.shape[:-1], len(origins)), before.dtype)
            after[..., known] = before[..., [origins[number] for number in known]]
            setattr(self, name, after)

    def add(self, inputs: np.ndarray) -> None:
        """Take in pictures (B, D) that nobody has labelled, in the directions that are known."""
        rows = self.feature_map(inputs)
        self.rows = np.concatenate([self.rows, rows])
        self.targets = np.concatenate([self.targets, np.zeros((len(rows), self.classes), np.float32)])
        self.is_labelled = np.concatenate([self.is_labelled, np.zeros(len(rows), bool)])
        products = np.stack([rows @ (inverse @ self._sums).astype(np.float32) for inverse in self._inverses])
        self._products = np.concatenate([self._products, products], axis=1)
        leverages = np.stack([_leverage(rows, inverse) for inverse in self._inverses])
        self._leverages = np.concatenate([self._leverages, leverages], axis=1)

    def rebuild(self) -> None:
        """Compute everything from the labels that there are."""
        chosen = self.rows[self.is_labelled].astype(np.float64)
        gram, eye = chosen.T @ chosen, np.eye(self.rows.shape[1])
        self._sums = chosen.T @ self.targets[self.is_labelled].astype(np.float64)
        self._inverses = np.stack([np.linalg.inv(gram + strength * eye) for strength in STRENGTHS])
        self._leverages = np.stack([_leverage(self.rows, inverse) for inverse in self._inverses])
        self._recompute_products()

    def _recompute_products(self) -> None:
        self._products = np.stack([self.rows @ (inverse @ self._sums).astype(np.float32) for inverse in self._inverses])
        self._changes = 0

    # -- what follows -------------------------------------------------------------------------------------------

    def of_all(self, number: int) -> Terms:
        """Return what follows for every picture under the strength with this number."""
        counts, products = self.counts, self._products[number]
        inner, known = self._between(number), counts > 0
        told = products @ inner.astype(np.float32)
        distances = (self._leverages[number] + np.einsum("nc,nc->n", told, products))[:, None] - 2 * told
        distances += np.diag(inner) - 1 / np.maximum(counts, 1)
        return Terms(products, self._leverages[number], _from_zero(distances, known), counts)

    def left_out(self, number: int, places: np.ndarray) -> Terms:
        """Return what would follow for labelled pictures (B), each without itself."""
        counts, own = self.counts, self.targets[places].astype(np.float64)
        leverage = np.minimum(self._leverages[number][places], 1 - 1e-9)
        rest = 1 - leverage
        products, inner = self._products[number][places].astype(np.float64), self._between(number)
        without = (products - leverage[:, None] * own) / rest[:, None]
        apart = products - own  # (B, C): taking it out changes the inverse between classes by this one rank
        turned = apart @ inner
        core = rest - np.einsum("nc,nc->n", turned, apart)
        core = np.where(np.abs(core) < 1e-9, 1e-9, core)
        told = without @ inner + (np.einsum("nc,nc->n", without, turned) / core)[:, None] * turned
        fewer = counts - own
        distances = (leverage / rest + np.einsum("nc,nc->n", told, without))[:, None] - 2 * told
        distances += np.diag(inner) + turned**2 / core[:, None] - 1 / np.maximum(fewer, 1)
        return Terms(without, leverage / rest, _from_zero(distances, fewer > 0), fewer)

    def _between(self, number: int) -> np.ndarray:
        """Return (C, C) (N - M'P M)^-1, N the diagonal of the counts; zeros for classes without a picture."""
        known = np.flatnonzero(self.counts > 0)
        inner = np.zeros((self.classes, self.classes))
        sums = self._sums[:, known]
        matrix = np.diag(self.counts[known]) - sums.T @ self._inverses[number] @ sums
        inner[np.ix_(known, known)] = np.linalg.inv(matrix) if len(known) else matrix
        return inner

    def to_means(self) -> np.ndarray:
        """Return the (N, C) products with the mean direction of each class; 0 for classes without a picture."""
        sums = self._sums[: self.feature_map.linear]
        means = sums / np.maximum(np.linalg.norm(sums, axis=0), 1e-12)
        return self.features @ means.astype(np.float32)

    def to_means_left_out(self, places: np.ndarray) -> np.ndarray:
        """Return (B, C) the same for labelled pictures, each without itself."""
        chosen, own = self.features[places].astype(np.float64), self.targets[places]
        sums = self._sums[: self.feature_map.linear]
        norms = np.einsum("nd,nd->n", chosen, chosen)
        products = chosen @ sums
        squares = np.einsum("dc,dc->c", sums, sums) - own * (2 * products - norms[:, None])
        return (products - own * norms[:, None]) / np.sqrt(np.maximum(squares, 1e-12))


def _leverage(rows: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Return (N) x'P x, a block of pictures at a time."""
    single, found = inverse.astype(np.float32), np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        found[start : start + _ROWS] = np.einsum("nd,nd->n", part @ single, part)
    return found


def _from_zero(distances: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(known, np.maximum(distances, 0), np.inf)
