"""A k-NN classifier: labelled images, and the vote of an image's nearest ones. NumPy only.

`models.methods.layers` is the same as a part of a network; a test holds them together.

Metric space, number of neighbours and temperature are fitted by cross-validation in ten folds: each fold is predicted
with the space and the rows of the others, like a new image. Leaving out the row alone is not enough: the space is
fitted to the rows, so an image lies nearer to its class than a new one does. Duplicates of the query have no vote, or
the calibration is wrong. The parameters maximise the likelihood of the true classes, or are a mean over likely
parameters (`_believed`).

Features are whitened by the within-class covariance, which is shrunk (Fisher 1936; for nearest neighbours Goldberger et
al. 2004), so variation within a class, such as light and pose, counts less than variation between classes. Accuracy by
cosines, 60 images a class: trashnet .83 and sign_digits .97 whitened; .77 and .77 without.

Equal weights for the two or three nearest would protect against one wrong label: with a wrong nearest label, trashnet's
accuracy falls from .72 to .33 (20 a class), with equal weights for two only to .66. But they cost 1 to 1.5 points on
trashnet without wrong labels, where the nearest images often show the same object (sign_digits: within .2, at 10 a
class 1 more). So weights follow similarity, and Curate finds wrong labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from models.heads.calibration import are_right
from models.heads.numerics import class_folds, part_scaling, principal_directions, unit_rows
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message

if TYPE_CHECKING:
    from models.heads.scatter import Scatter

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


DIMENSIONS: Final = 256  # of an image; more are no better, and more cost time and space for each
_RIDGE: Final = 1e-6  # keeps the equations of the class means solvable, where a class has no image
_ROWS: Final = 8192  # turned at a time: copies of more never lie in memory
_NO_SPREAD: Final = 1e-9  # share of the variation that is rounding: copies of one image
FOLDS: Final = 10
# The grid of the search: shrinkage of the within-class covariance (`MetricSpace.fitted`), length of the axes between
# classes (`MetricSpace.weights`), and the number of voters, temperature and smoothing of the vote (`VoteParameters`).
SHRINKAGES: Final = (0.2, 0.5, 0.8)
EMPHASES: Final = (1.0, 2.0, 4.0)
NEIGHBOURS: Final = (10, 30, 100)
TEMPERATURES: Final = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2)
SMOOTHINGS: Final = (0.01, 0.03, 0.1)
# The prior of the logarithm of the temperature, mean and standard deviation: of few images the best is mostly luck.
USUAL_TEMPERATURE: Final = 0.08
USUAL_SPREAD: Final = 0.4
MOST_QUERIES: Final = 2_000  # held-out images
MOST_ROWS: Final = 20_000  # labelled images that they are compared with
# Cosine from which an image is another one, saved or cropped anew: `_borders`.
SAME_FROM: Final = 0.9
SAME_AT_MOST: Final = 0.9999
_ALIKE_RANK: Final = 3  # the neighbour of which images that look much alike are told by: copies are fewer
_ALIKE_SHARE: Final = 0.98  # of the images, whose neighbour of that rank is no duplicate


@dataclass(frozen=True)
class PrincipalProjection:
    """Features (N, D) into their K principal directions, each part of the network weighing alike."""

    mean: np.ndarray
    rotation: np.ndarray

    @classmethod
    def fitted(cls, features: np.ndarray, widths: Sequence[int]) -> Self:
        means, divisors = part_scaling(features, widths)
        if divisors.max() < _NO_SPREAD:  # one image, or copies of one: where they lie is all that is known
            means = np.zeros_like(means)
            divisors = np.full_like(divisors, max(1e-6, float(np.linalg.norm(features[0]))))
        sample = (features[:: max(1, len(features) // _ROWS)].astype(np.float32) - means) / divisors
        return cls(means, principal_directions(sample, DIMENSIONS) / divisors[:, None])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        rows = np.empty((len(features), self.rotation.shape[1]), np.float32)
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            rows[part] = (features[part].astype(np.float32) - self.mean) @ self.rotation
        return rows


@dataclass(frozen=True)
class MetricSpace:
    """A linear map (K, K) of rows into a space where cosines separate classes; the first `leading` axes do most.

    The within-class covariance is taken from the residuals of the class means, or of a regression on several labels.
    """

    mean: np.ndarray
    projection: np.ndarray
    leading: int

    @classmethod
    def fitted(cls, sums: "Scatter", shrinkage: float) -> Self:
        """Fit to sums; `shrinkage` from 0 to 1 is towards an isotropic covariance."""
        gram = sums.gram.numpy()
        counts = np.maximum(sums.targets.numpy(), 0)
        width = len(gram)
        mean = sums.mean.numpy()
        total = sums.covariance().numpy()
        if float(np.trace(total)) < _NO_SPREAD * max(1e-12, float(np.trace(gram))):
            return cls(np.zeros(width, np.float32), np.eye(width, dtype=np.float32), 0)
        # A target of ones stands behind the others, as several labels leave the level open.
        overlap = np.block([[sums.overlap.numpy(), counts[:, None]], [counts, float(sums.count)]])
        moment = np.vstack([sums.moment.numpy().T, sums.total.numpy()])
        levels = np.linalg.solve(overlap + _RIDGE * np.eye(len(overlap)), moment)  # (C + 1, K)
        within = (gram - moment.T @ levels) / max(1.0, float(sums.count))
        scale = float(np.trace(within)) / width
        if scale < 1e-3 * float(np.trace(total)) / width:  # an image a class: nothing is known of how classes vary
            within = total
            scale = float(np.trace(total)) / width
        values, vectors = np.linalg.eigh(within)
        spread = (1 - shrinkage) * np.maximum(values, 0) + shrinkage * max(scale, 1e-12)
        whitening = vectors / np.sqrt(spread)
        shares = np.sqrt(counts)[:, None]
        mean_level = counts @ levels[:-1] / max(1e-12, float(counts.sum()))
        between = shares * (levels[:-1] - np.where(shares > 0, mean_level, 0)) @ whitening
        spreads, basis = np.linalg.eigh(between.T @ between)  # the directions between classes last
        leading = int((spreads > 1e-9 * max(1e-12, float(spreads[-1]))).sum())
        projection = (whitening @ basis[:, ::-1]).astype(np.float32)
        return cls(mean.astype(np.float32), projection, min(leading, max(0, len(between) - 1) or width))

    def weights(self, emphasis: float) -> np.ndarray:
        """Return the weight (K,) of each axis in a product; leading ones are `emphasis` times as long."""
        weights = np.ones(self.projection.shape[1], np.float32)
        weights[: self.leading] = emphasis**2
        return weights

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return (N, K) float32 directions of length 1; zeros for a row equal to the mean."""
        return unit_rows((rows - self.mean) @ self.projection)


@dataclass(frozen=True)
class FittedKnn:
    """A fitted k-NN classifier with its cross-validation results."""

    memory: KnnClassifier
    accuracy: float | None  # held-out accuracy; None where no class has two images
    held_out: np.ndarray  # (M, C) held-out probabilities
    places: np.ndarray  # (M,) of these images

    @property
    def held_out_logits(self) -> np.ndarray:
        """Return (M, C) `held_out` as logits, on the scale of the network with this head."""
        logits = np.log(self.held_out)
        return logits - np.log1p(-self.held_out) if self.memory.is_multilabel else logits

    @property
    def description(self) -> str:
        voters = min(self.memory.voting.neighbours, len(self.memory))
        count = len(self.memory)
        text = Message("The {voters} nearest of {count} labelled images vote", voters=f"{voters:,}", count=f"{count:,}")
        if self.accuracy is None:
            return Message("{text}; there are too few to measure its accuracy.", text=text)
        return Message(
            "{text}; the accuracy on {places} held-out images is {accuracy}.",
            text=text,
            places=f"{len(self.places):,}",
            accuracy=f"{self.accuracy:.1%}",
        )


def fit_memory(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    neighbours: int = 0,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    image_ids: np.ndarray | None = None,
    seed: int = 0,
    job: JobContext = SILENT_JOB,
) -> FittedKnn:
    """Fit a k-NN classifier to labelled images; arguments and errors as in `linear_head.fit_head`.

    `neighbours` is the number of voters; 0 chooses it by cross-validation. `image_ids` (N,) are the project's.
    """
    if not len(features) or not np.isfinite(features).all():
        raise ValueError("the features of a memory must be finite numbers")
    projection = PrincipalProjection.fitted(features, widths)
    rows = projection(features)
    targets = targets.astype(np.float32)
    trial = _Trial(
        rows=rows,
        targets=targets,
        labels=labels_of(targets),
        counts=np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32),
        groups=groups,
        is_multilabel=is_multilabel,
        neighbours=(neighbours,) if neighbours else NEIGHBOURS,
    )
    shrinkage, voting, held_out, places = _cross_validated(trial, seed, job)
    space = MetricSpace.fitted(trial.sums(np.arange(len(rows))), shrinkage)
    memory = KnnClassifier(
        mean=projection.mean,
        projection=(projection.rotation @ space.projection).astype(np.float32),
        weights=space.weights(voting.emphasis),
        rows=space(rows),
        labels=trial.labels,
        counts=trial.counts,
        classes=targets.shape[1],
        is_multilabel=is_multilabel,
        voting=voting,
        image_ids=np.zeros(len(rows), np.int64) if image_ids is None else image_ids.astype(np.int64),
    )
    labels = targets[places] if is_multilabel else targets[places].argmax(axis=1)
    logits = held_out - 0.5 if is_multilabel else held_out
    accuracy = float(are_right(logits, labels).mean()) if len(places) else None
    return FittedKnn(memory, accuracy, held_out, places)


def labels_of(targets: np.ndarray) -> np.ndarray:
    """Return the (N, L) class indices of (N, C) zeros and ones, L the most labels of an image, padded with `NONE`."""
    most = max(1, int(targets.sum(axis=1).max(initial=0)))
    labels = np.full((len(targets), most), NONE, np.int64)
    line, column = np.nonzero(targets)
    slot = np.arange(len(line)) - np.searchsorted(line, line)
    labels[line, slot] = column
    return labels


@dataclass(frozen=True)
class _Trial:
    """The data of the search: (N, K) rows, (N, C) targets, (N, L) labels, (N,) counts and groups, numbers of voters."""

    rows: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    groups: np.ndarray | None
    is_multilabel: bool
    neighbours: tuple[int, ...]

    def sums(self, places: np.ndarray) -> "Scatter":
        import torch

        from models.heads.scatter import Scatter

        return Scatter.of(torch.from_numpy(self.rows[places]), torch.from_numpy(self.targets[places]))

    def probabilities(self, products: np.ndarray, places: np.ndarray, voting: VoteParameters) -> np.ndarray:
        """Return (M, C) probabilities of held-out images from their nearest (M, k), as `_neighbours` gives them."""
        k, classes = voting.neighbours, self.targets.shape[1]
        shares = vote_shares(products[:, :k], self.counts[places[:, :k]], voting.temperature)
        return probabilities(places[:, :k], shares, self.labels, classes, voting.smoothing, self.is_multilabel)


def _cross_validated(trial: _Trial, seed: int, job: JobContext) -> tuple[float, VoteParameters, np.ndarray, np.ndarray]:
    """Return the shrinkage and vote of the greatest held-out likelihood, the predictions, and their images (M)."""
    generator = np.random.default_rng(seed)
    among = np.arange(len(trial.rows))
    if len(trial.rows) > MOST_ROWS:
        among = np.sort(generator.permutation(len(trial.rows))[:MOST_ROWS])
        chosen = {name: getattr(trial, name)[among] for name in ("rows", "targets", "labels", "counts")}
        trial = replace(trial, **chosen, groups=None if trial.groups is None else trial.groups[among])
    folds = class_folds(
        trial.targets, FOLDS, is_multilabel=trial.is_multilabel, generator=generator, groups=trial.groups
    )
    queries = np.flatnonzero(folds >= 0)
    if not len(queries):
        shrinkage = 0.5
        voting = VoteParameters(neighbours=10, temperature=0.1, smoothing=0.1, emphasis=2.0, border=SAME_AT_MOST)
        nothing = np.zeros((0, trial.targets.shape[1])), np.zeros(0, np.int64)
        return shrinkage, replace(voting, neighbours=trial.neighbours[0]), *nothing
    queries = np.sort(generator.permutation(queries)[:MOST_QUERIES])
    borders = _borders(trial, folds, queries, job)
    spaces = _neighbours(trial, folds, queries, borders, job)
    targets = trial.targets[queries]
    tried: dict[tuple[float, float, int], list[tuple[VoteParameters, float]]] = {}
    for (shrinkage, emphasis), nearest in spaces.items():
        for neighbours, temperature in product(trial.neighbours, TEMPERATURES):
            bare = VoteParameters(
                temperature=temperature,
                smoothing=0.0,
                neighbours=neighbours,
                emphasis=emphasis,
                border=borders[shrinkage],
            )
            shares = trial.probabilities(*nearest, bare)
            prior = (np.log(temperature / USUAL_TEMPERATURE) / USUAL_SPREAD) ** 2 / (2 * len(queries))
            for smoothing in SMOOTHINGS:
                floor = smoothing / 2 if trial.is_multilabel else smoothing / shares.shape[1]
                smoothed = (shares + floor) / (1 + smoothing)
                if trial.is_multilabel:
                    loss = float(-np.log(np.where(targets > 0, smoothed, 1 - smoothed)).sum(axis=1).mean())
                else:
                    loss = float(-np.log((smoothed * targets).sum(axis=1)).mean())
                candidate = (replace(bare, smoothing=smoothing), loss + prior)
                tried.setdefault((shrinkage, emphasis, neighbours), []).append(candidate)
    shrinkage, voting = _believed(tried, len(queries))
    held_out = trial.probabilities(*spaces[shrinkage, voting.emphasis], voting)
    return shrinkage, voting, held_out, among[queries]


def _believed(
    tried: dict[tuple[float, float, int], list[tuple[VoteParameters, float]]], images: int
) -> tuple[float, VoteParameters]:
    """Return the most likely space and number of neighbours, and the posterior mean of the other parameters there.

    The posterior follows the held-out likelihood. With few images many parameters are about as good, and the best
    one is overconfident. With 10 and 20 images a class of trashnet the mean has an ECE of .076 and .048, the best
    one .089 and .062, at the same accuracy; from 60 on, and on sign_digits, they are equal.
    """
    losses = {key: np.array([loss for _, loss in candidates]) for key, candidates in tried.items()}
    least = min(each.min() for each in losses.values())
    weights = {key: np.exp(-images * (each - least)) for key, each in losses.items()}
    best = max(weights, key=lambda key: weights[key].sum())
    shares = weights[best] / weights[best].sum()
    votings = [voting for voting, _ in tried[best]]
    temperature = float(np.exp(shares @ np.log([voting.temperature for voting in votings])))
    smoothing = float(shares @ [voting.smoothing for voting in votings])
    return best[0], replace(votings[0], temperature=temperature, smoothing=smoothing)


class _Fold(NamedTuple):
    """Queries of one fold, and all other images, in the space fitted to those others."""

    shrinkage: float
    space: MetricSpace
    slots: np.ndarray  # (M) places among the queries
    directions: np.ndarray  # (M, K)
    others: np.ndarray  # (N) places among all images
    rows: np.ndarray  # (N, K)


def _held_out(trial: _Trial, folds: np.ndarray, queries: np.ndarray, job: JobContext) -> Iterator[_Fold]:
    whole = trial.sums(np.arange(len(folds)))
    for fold in np.unique(folds[queries]):
        slots = np.flatnonzero(folds[queries] == fold)
        others = np.flatnonzero(folds != fold)
        sums = whole.without(trial.sums(np.flatnonzero(folds == fold)))
        for shrinkage in SHRINKAGES:
            job.check_cancelled()
            space = MetricSpace.fitted(sums, shrinkage)
            directions = space(trial.rows[queries[slots]])
            yield _Fold(shrinkage, space, slots, directions, others, space(trial.rows[others]))


def _borders(trial: _Trial, folds: np.ndarray, queries: np.ndarray, job: JobContext) -> dict[float, float]:
    """Return for each shrinkage the cosine from which two images count as duplicates.

    Of the pairs confirmed by registration, .67 to .89 are above .9; other pairs for .2 % of the images at most
    (trashnet and sign_digits, 5 to 420 a class). Where different images look much alike, such as one product on a
    belt, the border lies above nearly all third neighbours: copies are few, look-alikes many.
    """
    third = {shrinkage: np.zeros(len(queries), np.float32) for shrinkage in SHRINKAGES}
    for fold in _held_out(trial, folds, queries, job):
        cosines = nearest_first(fold.directions @ fold.rows.T, _ALIKE_RANK)[1]
        third[fold.shrinkage][fold.slots] = cosines[:, -1]
    found = {key: float(np.quantile(values, _ALIKE_SHARE, method="higher")) for key, values in third.items()}
    return {key: min(SAME_AT_MOST, max(SAME_FROM, value + 0.01)) for key, value in found.items()}


def _neighbours(
    trial: _Trial, folds: np.ndarray, queries: np.ndarray, borders: dict[float, float], job: JobContext
) -> dict[tuple[float, float], tuple[np.ndarray, np.ndarray]]:
    """Return for each space the products (M, k) and places of the rows nearest to the queries, outside their fold.

    The nearest come first, duplicates last.
    """
    shape = (len(queries), min(max(trial.neighbours), len(trial.rows) - 1))
    nearest = {
        key: (np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64)) for key in product(SHRINKAGES, EMPHASES)
    }
    for fold in _held_out(trial, folds, queries, job):
        duplicates = fold.directions @ fold.rows.T >= borders[fold.shrinkage]
        for emphasis in EMPHASES:
            products = weighted_cosines(fold.directions, fold.rows, fold.space.weights(emphasis))
            places, values = nearest_first(set_aside(products, duplicates), shape[1])
            kept_products, kept_places = nearest[fold.shrinkage, emphasis]
            kept_products[fold.slots, : values.shape[1]] = values
            kept_places[fold.slots, : values.shape[1]] = fold.others[places]
    return nearest
