"""Closed-form classifiers on frozen features, updated label by label, with leave-one-out. NumPy only.

Suggestions and the search for label errors use them; the head of a run is fitted once, in `linear_head`.

One inverse for each strength, P = (sum of x x' over the labelled + strength I)^-1, is enough: ridge regression is
x'P M with M the sums of each class; the Gaussian classifier with one covariance follows from the same numbers, because
its within-class scatter is the total scatter less one rank for each class (Hastie, Buja and Tibshirani 1995). A label
is a rank-one update of P (Woodbury), and one product with all images updates x'P M of every image. Leave-one-out is
such an update too, in closed form.

At 10,000 images x 512 and 20 classes a label costs 23 ms of processor time, predictions included, whether added,
changed or removed (one thread, AVX-512), and 135 ms at 100,000.

The inputs are the principal axes of the features next to an approximate Gaussian kernel. Frozen features are not made
for the user's classes: overall similarity adds to their linear part. The kernel is approximated by its values at
landmark images at cluster centres (Nystroem; Williams and Seeger 2001), so that the classifiers stay linear and
closed-form. Measured on multi-stage ResNet-18 features with 16, 32, 60 images a class: trashnet .689, .753, .801 ->
.705, .771, .822; sign_digits .914, .951, .967 -> .905, .945, .964.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.heads.numerics import Rows, ScaledRows, principal_directions, unit_rows

_CLUSTER_ROWS = 20_000  # images compared with the centres at a time


def k_means(rows: np.ndarray, clusters: int, *, seed: int, most: int = _CLUSTER_ROWS, rounds: int = 12) -> np.ndarray:
    """Return (K, D) unit centres of (at most `most`) directions (N, D), by k-means."""
    import faiss

    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]
    bounds = {"min_points_per_centroid": 1, "max_points_per_centroid": most}
    means: Any = faiss.Kmeans(rows.shape[1], clusters, niter=rounds, seed=seed + 1, spherical=True, **bounds)
    means.train(np.ascontiguousarray(rows, np.float32))
    return means.centroids


def assign(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    starts = range(0, max(1, len(rows)), _CLUSTER_ROWS)
    return np.concatenate([(rows[start : start + _CLUSTER_ROWS] @ centres.T).argmax(axis=1) for start in starts])


_LINEAR = 256  # dimensions of the features' half
_KERNEL = 256  # dimensions of the kernel's half: landmarks
_GAMMA = 1.0  # of exp(-gamma |u - v|^2 / 2) for directions u, v
_SQUARED_NORM = 1.0  # mean of the kernel half; features of three stages have 3. More helps trashnet, costs sign_digits
_MAX_FIT_IMAGES = 5_000  # images to fit to
_ROUNDS = 6  # of k-means
_ROWS = 8_192  # mapped at a time: copies of more never lie in memory


@dataclass(frozen=True)
class FeatureMap:
    """Mapping of features to rows; fitted once on the present images, and kept for later ones."""

    rotation: np.ndarray  # (D, K) principal axes of the images
    landmarks: np.ndarray  # (L, K) directions of length 1; none with too few images
    whitening: np.ndarray  # (L, L) makes inner products of rows equal the kernel's values
    middle: np.ndarray
    scale: float

    @classmethod
    def fitted(cls, inputs: Rows) -> "FeatureMap":
        rotation = principal_directions(inputs, _LINEAR)
        sample = inputs[:: max(1, len(inputs) // _MAX_FIT_IMAGES)] @ rotation
        count = min(_KERNEL, len(sample) // 4)
        none = np.zeros((0, rotation.shape[1]), np.float32)
        bare = cls(rotation, none, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), 1.0)
        if count < 2:
            return bare
        landmarks = k_means(unit_rows(sample), count, seed=0, most=_MAX_FIT_IMAGES, rounds=_ROUNDS)
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks).astype(np.float64) + 1e-6 * np.eye(count))
        whitening = (vectors / np.sqrt(np.maximum(values, 1e-6))).astype(np.float32)
        half = _kernel(unit_rows(sample), landmarks) @ whitening
        middle = half.mean(axis=0)
        norm = float(np.square(half - middle).sum(axis=1).mean())
        scale = float(np.sqrt(_SQUARED_NORM / norm)) if norm > 1e-9 else 1.0
        return cls(rotation, landmarks, whitening, middle, scale)

    @property
    def linear(self) -> int:
        return self.rotation.shape[1]

    def __call__(self, inputs: Rows) -> np.ndarray:
        """Return (N, K + L + 1) float32 rows of features (N, D)."""
        rows = np.full((len(inputs), self.linear + len(self.landmarks) + 1), INTERCEPT, np.float32)
        for start in range(0, len(inputs), _ROWS):
            turned = inputs[start : start + _ROWS] @ self.rotation
            rows[start : start + _ROWS, : self.linear] = turned
            if len(self.landmarks):
                half = _kernel(unit_rows(turned), self.landmarks) @ self.whitening
                rows[start : start + _ROWS, self.linear : -1] = (half - self.middle) * self.scale
        return rows


def _kernel(directions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return np.exp(_GAMMA * (directions @ landmarks.T - 1))


INTERCEPT = 3.0  # the last input of every image
STRENGTHS = (0.3, 1.0, 3.0)  # for features with a mean squared norm of 3 (three stages): flat between .1 and 3
_MAX_ROUNDING_GAIN = 100.0  # largest amplification of rounding in single precision
_CHANGES = 512  # labels after which x'P M is recomputed: rounding adds up


@dataclass(frozen=True)
class Terms:
    """Intermediate results of the classifiers for some images under one strength, in double precision."""

    products: np.ndarray  # (N, C) x'P M: the ridge regressions on zeros and ones
    leverage: np.ndarray  # (N) x'P x
    distances: np.ndarray  # (N, C) by the within-class scatter + strength I; infinite without an image
    counts: np.ndarray  # (N, C) or (C) number of training images of each class


def with_intercept(inputs: Rows) -> Rows:
    """Return (N, D + 1) float32 rows of features (N, D)."""
    if isinstance(inputs, ScaledRows):
        return replace(inputs, intercept=INTERCEPT)
    rows = np.full((len(inputs), inputs.shape[1] + 1), INTERCEPT, np.float32)
    rows[:, :-1] = inputs
    return rows


class ClosedForm:
    """Images as rows (N, D), float32 with the intercept last, their labels, and the resulting terms for all images.

    The first `linear` dimensions are the features themselves, for class means; None without a kernel. With `groups`
    (N,), an image is left out with all labelled images of its group, unless a class has no other image.
    """

    def __init__(
        self, rows: Rows, classes: int, *, linear: int | None = None, groups: np.ndarray | None = None
    ) -> None:
        width = rows.shape[1]
        self.rows = rows
        self.targets = np.zeros((len(rows), classes), np.uint8)
        self.is_labelled = np.zeros(len(rows), bool)
        self.counts = np.zeros(classes)  # (C,) labelled images of each class
        self.strengths = STRENGTHS  # (K) of the regularization
        self._linear = width - 1 if linear is None else linear
        self._inverses = np.stack([np.eye(width) / strength for strength in STRENGTHS])  # (K, D, D)
        self._sums = np.zeros((width, classes))  # M
        self._products = np.zeros((len(STRENGTHS), len(rows), classes), np.float32)
        norms = [np.einsum("nd,nd->n", rows[part], rows[part], dtype=np.float64) for part in self._parts()]
        self._leverages = np.concatenate([np.zeros(0), *norms]) / np.array(STRENGTHS)[:, None]  # (K, N)
        self._between: dict[int, np.ndarray] = {}  # by the number of a strength
        self._changes = 0
        self._groups = groups if groups is not None and len(np.unique(groups)) < len(groups) else None

    def __len__(self) -> int:
        return len(self.rows)

    def _parts(self) -> Iterator[slice]:
        return (slice(start, start + _ROWS) for start in range(0, len(self.rows), _ROWS))

    @property
    def classes(self) -> int:
        return self.targets.shape[1]

    @property
    def features(self) -> np.ndarray:
        """Return (N, K) the features themselves, in their principal directions."""
        return self.rows[:][:, : self._linear]

    def label(self, places: np.ndarray, targets: np.ndarray) -> None:
        """Replace the labels of images (B) by (B, C), zeros and ones."""
        self._set(np.asarray(places, np.intp), np.asarray(targets, np.float32), is_labelled=True)

    def unlabel(self, places: np.ndarray) -> None:
        places = np.asarray(places, np.intp)
        self._set(places, np.zeros((len(places), self.classes), np.float32), is_labelled=False)

    def _set(self, places: np.ndarray, targets: np.ndarray, *, is_labelled: bool) -> None:
        """Change labels: images with another label leave the labelled ones, then images join them."""
        before, was_labelled = self.targets[places].astype(np.float32), self.is_labelled[places]
        changes = (was_labelled != is_labelled) | (before != targets).any(axis=1)
        leaving, joining = was_labelled & changes, changes & is_labelled
        self.targets[places], self.is_labelled[places] = targets, is_labelled
        if leaving.sum() + joining.sum() > self.rows.shape[1] // 2:  # a new inverse is faster
            self._rebuild()
            return
        self.counts = self.counts + (targets - before).sum(axis=0)
        self._between.clear()
        if leaving.any():
            self._move(places[leaving], -before[leaving], sign=-1)
        if joining.any():
            self._move(places[joining], targets[joining], sign=1)
        self._changes += len(places)
        if self._changes > _CHANGES:
            self._recompute_products()

    def _move(self, places: np.ndarray, change: np.ndarray, *, sign: int) -> None:
        """Add images (B) with their labels to the labelled ones, or remove them (Woodbury with one rank for each).

        With P' = P - s P x' S x P and S = (I + s x P x')^-1, P' x' is P x' S, so that M' = M + x' t needs no other
        product with all images: X P' M' = X P M + X P x' S (t - s x P M).
        """
        chosen = self.rows[places].astype(np.float64)
        moved = self._inverses @ chosen.T  # (K, D, B)
        cores = np.linalg.inv(np.eye(len(places)) + sign * (chosen @ moved))  # (K, B, B)
        # The single pass over all images, all strengths at once. In double precision where only differences of the
        # result matter: removing a label divides by the small remaining variance of the image.
        is_exact = sign < 0 and np.abs(cores).max() > _MAX_ROUNDING_GAIN
        joined = np.hstack(list(moved)).astype(np.float64 if is_exact else np.float32)  # (D, K B)
        steps = cores @ (change - sign * moved.transpose(0, 2, 1) @ self._sums)  # (K, B, C)
        shrink, steps = (sign * cores).astype(joined.dtype), steps.astype(joined.dtype)
        for part in self._parts():
            seen = np.split(self.rows[part].astype(joined.dtype, copy=False) @ joined, len(moved), axis=1)
            for number, mine in enumerate(seen):
                self._products[number, part] += mine @ steps[number]
                self._leverages[number, part] -= np.einsum("nb,nb->n", mine @ shrink[number], mine)
        self._inverses -= sign * (moved @ cores @ moved.transpose(0, 2, 1))
        self._sums += chosen.T @ change

    def relearn(self, places: np.ndarray, targets: np.ndarray, *, strengths: Sequence[float] | None = None) -> None:
        """Replace all labels by (B, C) zeros and ones for the images at `places` (B); `strengths` replaces the grid."""
        self.targets[:], self.is_labelled[:] = 0, False
        self.targets[places], self.is_labelled[places] = targets, True
        self.strengths = self.strengths if strengths is None else tuple(strengths)
        self._rebuild()

    def _rebuild(self) -> None:
        """Recompute everything from the current labels, all strengths from one eigendecomposition."""
        width = self.rows.shape[1]
        labelled = np.flatnonzero(self.is_labelled)
        self._sums, scatter = np.zeros((width, self.classes)), np.zeros((width, width))
        for start in range(0, len(labelled), _ROWS):
            places = labelled[start : start + _ROWS]
            chosen = self.rows[places].astype(np.float64)
            self._sums += chosen.T @ self.targets[places].astype(np.float64)
            scatter += chosen.T @ chosen
        values, axes = np.linalg.eigh(scatter)
        factors = 1 / (np.maximum(values, 0) + np.array(self.strengths)[:, None])  # (K, D)
        self._inverses = np.stack([(axes * factor) @ axes.T for factor in factors])
        self._leverages = np.empty((len(factors), len(self.rows)))
        for part in self._parts():
            squares = np.square(self.rows[part] @ axes.astype(np.float32), dtype=np.float64)
            self._leverages[:, part] = factors @ squares.T
        self.counts = self.targets.sum(axis=0, dtype=np.float64)
        self._between.clear()
        self._recompute_products()

    def _recompute_products(self) -> None:
        joined = np.hstack(list(self._inverses @ self._sums)).astype(np.float32)  # (D, K C)
        self._products = np.empty((len(self._inverses), len(self), self.classes), np.float32)
        for part in self._parts():
            self._products[:, part] = np.split(self.rows[part] @ joined, len(self._inverses), axis=1)
        self._changes = 0

    def of_all(self, number: int, part: slice = slice(None)) -> Terms:
        """Return the terms of every image, or of a part of them, under the strength with this number."""
        counts, products, leverage = self.counts, self._products[number, part], self._leverages[number, part]
        inner = self._inner(number)
        known = counts > 0
        inward = products @ inner.astype(np.float32)
        distances = (leverage + np.einsum("nc,nc->n", inward, products))[:, None] - 2 * inward
        distances += np.diag(inner) - 1 / np.maximum(counts, 1)
        return Terms(products, leverage, _from_zero(distances, known), counts)

    def left_out(self, number: int, places: np.ndarray) -> Terms:
        """Return the terms of labelled images (B), each without itself and its group, under the strength `number`."""
        terms = self._leave_one_out_terms(number, places)
        if self._groups is None:
            return terms
        # Without the group G: K = (I - H)^-1 for H = X P X', the block of the hat matrix; E = X P M - H T; then
        # X P' M' = K E, leverages diag(K H), and M'' P' M' = M' P M - B'T - T'B + T'H T + E'K E.
        known = np.flatnonzero(self.counts > 0)
        whole = self._sums[:, known].T @ self._inverses[number] @ self._sums[:, known]
        counts = np.broadcast_to(terms.counts, terms.products.shape).copy()
        for chosen, members in self._groups_left_out(places):
            at = np.searchsorted(members, places[chosen])
            rows, own = self.rows[members].astype(np.float64), self.targets[members].astype(np.float64)
            hat = rows @ self._inverses[number] @ rows.T
            core = np.linalg.inv(np.eye(len(members)) - hat)
            products = rows @ (self._inverses[number] @ self._sums)
            errors = products - hat @ own
            without, leverage = core @ errors, np.diag(core @ hat)
            crossed = products.T @ own
            moment = whole + (own.T @ hat @ own - crossed - crossed.T + errors.T @ core @ errors)[np.ix_(known, known)]
            fewer = self.counts - own.sum(axis=0)
            inner = np.zeros((self.classes, self.classes))
            inner[np.ix_(known, known)] = np.linalg.inv(np.diag(fewer[known]) - moment)
            inward = without @ inner
            distances = (leverage + np.einsum("nc,nc->n", inward, without))[:, None] - 2 * inward
            distances += np.diag(inner) - 1 / np.maximum(fewer, 1)
            terms.products[chosen], terms.leverage[chosen] = without[at], leverage[at]
            terms.distances[chosen] = _from_zero(distances, fewer > 0)[at]
            counts[chosen] = fewer
        return replace(terms, counts=counts)

    def _groups_left_out(self, places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (indices in `places`, labelled members) of each group of several images that can be left out."""
        assert self._groups is not None
        labelled = np.flatnonzero(self.is_labelled)
        numbers, counts = np.unique(self._groups[labelled], return_counts=True)
        for group in np.intersect1d(numbers[counts > 1], self._groups[places]):
            members = labelled[self._groups[labelled] == group]
            own = self.targets[members].sum(axis=0)
            if not ((own > 0) & (own >= self.counts)).any():
                yield np.flatnonzero(self._groups[places] == group), members

    def _leave_one_out_terms(self, number: int, places: np.ndarray) -> Terms:
        """Return the terms of labelled images (B), each left out without its group, under the strength `number`."""
        targets = self.targets[places].astype(np.float64)
        leverage = np.minimum(self._leverages[number][places], 1 - 1e-9)
        rest = 1 - leverage
        products, inner = self._products[number][places].astype(np.float64), self._inner(number)
        left_out = (products - leverage[:, None] * targets) / rest[:, None]
        # Leaving an image out changes `inner` by a rank-one update (Sherman-Morrison) along its error.
        errors = products - targets  # (B, C)
        across = errors @ inner
        denominator = rest - np.einsum("nc,nc->n", across, errors)
        denominator = np.where(np.abs(denominator) < 1e-9, 1e-9, denominator)
        inward = left_out @ inner + (np.einsum("nc,nc->n", left_out, across) / denominator)[:, None] * across
        counts = self.counts - targets
        distances = (leverage / rest + np.einsum("nc,nc->n", inward, left_out))[:, None] - 2 * inward
        distances += np.diag(inner) + across**2 / denominator[:, None] - 1 / np.maximum(counts, 1)
        return Terms(left_out, leverage / rest, _from_zero(distances, counts > 0), counts)

    def _inner(self, number: int) -> np.ndarray:
        """Return (C, C) (N - M'P M)^-1, N the diagonal of the counts; zeros for classes without an image."""
        if number not in self._between:
            known = np.flatnonzero(self.counts > 0)
            inner = np.zeros((self.classes, self.classes))
            sums = self._sums[:, known]
            if len(known):
                matrix = np.diag(self.counts[known]) - sums.T @ self._inverses[number] @ sums
                inner[np.ix_(known, known)] = np.linalg.inv(matrix)
            self._between[number] = inner
        return self._between[number]

    def to_means(self, part: slice = slice(None)) -> np.ndarray:
        """Return the (N, C) products with the mean direction of each class; 0 for classes without an image."""
        sums = self._sums[: self._linear]
        means = sums / np.maximum(np.linalg.norm(sums, axis=0), 1e-12)
        return self.rows[part][:, : self._linear] @ means.astype(np.float32)

    def to_means_left_out(self, places: np.ndarray) -> np.ndarray:
        """Return the (B, C) leave-one-out products of labelled images with the class means."""
        chosen = self.rows[places][:, : self._linear].astype(np.float64)
        own = self.targets[places]
        sums = self._sums[: self._linear]
        norms = np.einsum("nd,nd->n", chosen, chosen)
        products = chosen @ sums
        squares = np.einsum("dc,dc->c", sums, sums) - own * (2 * products - norms[:, None])
        cosines = (products - own * norms[:, None]) / np.sqrt(np.maximum(squares, 1e-12))
        if self._groups is not None:
            for inside, members in self._groups_left_out(places):
                removed = self.rows[members][:, : self._linear].astype(np.float64).T @ self.targets[members]
                rest = sums - removed
                cosines[inside] = chosen[inside] @ (rest / np.maximum(np.linalg.norm(rest, axis=0), 1e-12))
        return cosines


def _from_zero(distances: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(known, np.maximum(distances, 0), np.inf)
