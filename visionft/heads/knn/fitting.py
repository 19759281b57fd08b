"""Making a memory of labelled pictures: the space, how many neighbours vote and how sharply, on held-out pictures.

Ten folds: those of one fold are asked with the space and the rows of the others, as a new picture will be. Leaving out
the row alone would not do: the space is fitted to the rows, so a picture lies nearer to its class than a new one does.
Doubles of the asked picture have no say, else the calibration is fiction. What makes the true classes most probable is
taken, or the mean of what does (`_believed`).

That the two or three nearest weigh alike would keep one wrong label from turning an answer: with it, trashnet's right
answers fall from .72 to .33 (20 a class), with the two nearest alike only to .66. But then these are right in 1 to 1.5
points less of trashnet, whose nearest pictures are often of the very object (sign_digits: within .2, at 10 a class 1
more). So it is not done: Curate finds wrong labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from visionft.events import ShouldStop, never_stop
from visionft.heads.folds import class_folds
from visionft.heads.knn.memory import (
    NONE,
    Memory,
    Voting,
    nearest_first,
    probabilities,
    set_aside,
    vote_shares,
    weighted_cosines,
)
from visionft.heads.knn.space import Space, Sums, Turn

FOLDS: Final = 10
SHRINKAGES, EMPHASES = (0.2, 0.5, 0.8), (1.0, 2.0, 4.0)
NEIGHBOURS, TEMPERATURES, SMOOTHINGS = (10, 30, 100), (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2), (0.01, 0.03, 0.1)
USUAL_TEMPERATURE, USUAL_SPREAD = 0.08, 0.4  # before anything is known: of few pictures the best is mostly luck
MOST_ASKED, MOST_ROWS = 2_000, 20_000  # pictures that are asked, and among how many, where there are more
SAME_FROM, SAME_AT_MOST = 0.9, 0.9999  # cosine from which a picture is another one, saved or cropped anew: `_border`
_ALIKE_RANK, _ALIKE_SHARE = 3, 0.98
_UNTRIED: Final = (0.5, Voting(neighbours=10, temperature=0.1, smoothing=0.1, emphasis=2.0, border=SAME_AT_MOST))


@dataclass(frozen=True)
class FittedMemory:
    """A memory, and what is known of it.

    Attributes:
        memory: What answers.
        accuracy: Share of held-out pictures that it is right for; None where no class has two.
        asked: How many those are.
        held_out: (asked, C) probabilities of these, by memories that do not hold them.
        askable: (asked,) which of the pictures they are.
    """

    memory: Memory
    accuracy: float | None
    asked: int
    held_out: np.ndarray
    askable: np.ndarray

    @property
    def held_out_logits(self) -> np.ndarray:
        """Return (asked, C) what `held_out` says as logits, as the memory's network gives them."""
        found = np.log(self.held_out)
        return found - np.log1p(-self.held_out) if self.memory.is_multilabel else found

    @property
    def words(self) -> str:
        """Say what it is, and how it did on pictures that it did not hold."""
        voters, count = min(self.memory.voting.neighbours, len(self.memory)), len(self.memory)
        if self.accuracy is None:
            return f"The {voters:,} most alike of {count:,} labelled pictures vote; there are too few to try it."
        return (
            f"The {voters:,} most alike of {count:,} labelled pictures vote; they are right for {self.accuracy:.1%} of "
            f"{self.asked:,} that were held out."
        )


@dataclass(frozen=True)
class _Asked:
    """Held-out pictures with those nearest to them, in one space."""

    products: np.ndarray  # (M, k) the nearest first, doubles behind
    places: np.ndarray  # (M, k) among all rows


def fit_memory(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    neighbours: int = 0,
    weights: np.ndarray | None = None,
    image_ids: np.ndarray | None = None,
    seed: int = 0,
    should_stop: ShouldStop = never_stop,
) -> FittedMemory:
    """Remember labelled pictures.

    Args:
        features: (N, D) of a frozen network, side by side from one or several parts of it.
        targets: (N, C) zeros and ones; one each row unless there are several labels.
        widths: Of the parts; their sum is D.
        is_multilabel: Whether a picture may have several labels.
        neighbours: How many vote; 0 for as many as suit held-out pictures.
        weights: (N,) how much each picture counts; all alike when None.
        image_ids: (N,) the project's numbers of the pictures.
        seed: Decides the folds.
        should_stop: Asked between folds.

    Raises:
        InterruptedError: `should_stop` said so.
        ValueError: A feature is not finite, or there is none.
    """
    if not len(features) or not np.isfinite(features).all():
        raise ValueError("the features of a memory must be finite numbers")
    turn = Turn.fitted(features, widths)
    rows, wanted = turn(features), targets.astype(np.float32)
    trial = _Trial(
        rows=rows,
        wanted=wanted,
        labels=labels_of(wanted),
        counts=np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32),
        is_multilabel=is_multilabel,
        neighbours=(neighbours,) if neighbours else NEIGHBOURS,
    )
    shrinkage, voting, held_out, asked = _tried(trial, seed, should_stop)
    space = Space.fitted(Sums.of(rows, wanted), shrinkage)
    memory = Memory(
        mean=turn.mean,
        projection=(turn.rotation @ space.projection).astype(np.float32),
        weights=space.weights(voting.emphasis),
        rows=space(rows),
        labels=trial.labels,
        counts=trial.counts,
        classes=wanted.shape[1],
        is_multilabel=is_multilabel,
        voting=voting,
        image_ids=np.zeros(len(rows), np.int64) if image_ids is None else image_ids.astype(np.int64),
    )
    accuracy = _accuracy(held_out, wanted[asked], is_multilabel) if len(asked) else None
    return FittedMemory(memory, accuracy, len(asked), held_out, asked)


def labels_of(targets: np.ndarray) -> np.ndarray:
    """Return the (N, L) class indices of (N, C) zeros and ones, L being the most that a picture has, `NONE` behind."""
    most = max(1, int(targets.sum(axis=1).max(initial=0)))
    labels = np.full((len(targets), most), NONE, np.int64)
    line, column = np.nonzero(targets)
    slot = np.arange(len(line)) - np.searchsorted(line, line)
    labels[line, slot] = column
    return labels


@dataclass(frozen=True)
class _Trial:
    """What is tried on: (N, K) rows, (N, C) targets, (N, L) labels, (N,) counts; how many neighbours are tried."""

    rows: np.ndarray
    wanted: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    is_multilabel: bool
    neighbours: tuple[int, ...]

    def among(self, places: np.ndarray) -> "_Trial":
        """Return some of the pictures."""
        chosen = {name: getattr(self, name)[places] for name in ("rows", "wanted", "labels", "counts")}
        return replace(self, **chosen)

    def answers(self, asked: _Asked, voting: Voting) -> np.ndarray:
        """Return (M, C) probabilities of held-out pictures."""
        k, classes = voting.neighbours, self.wanted.shape[1]
        places = asked.places[:, :k]
        shares = vote_shares(asked.products[:, :k], self.counts[places], voting.temperature)
        return probabilities(places, shares, self.labels, classes, voting.smoothing, self.is_multilabel)


def _tried(trial: _Trial, seed: int, should_stop: ShouldStop) -> tuple[float, Voting, np.ndarray, np.ndarray]:
    """Return the shrinkage and the votes that make held-out labels most probable, what they say, and of which (M)."""
    generator = np.random.default_rng(seed)
    among = np.arange(len(trial.rows))
    if len(trial.rows) > MOST_ROWS:
        among = np.sort(generator.permutation(len(trial.rows))[:MOST_ROWS])
        trial = trial.among(among)
    folds = class_folds(trial.wanted, FOLDS, is_multilabel=trial.is_multilabel, generator=generator)
    asked = np.flatnonzero(folds >= 0)
    if not len(asked):
        shrinkage, voting = _UNTRIED
        nothing = np.zeros((0, trial.wanted.shape[1])), np.zeros(0, np.int64)
        return shrinkage, replace(voting, neighbours=trial.neighbours[0]), *nothing
    asked = np.sort(generator.permutation(asked)[:MOST_ASKED])
    borders = _borders(trial, folds, asked, should_stop)
    spaces = _neighbours(trial, folds, asked, borders, should_stop)
    tried: dict[tuple[float, float, int], list[_Weighed]] = {}
    for (shrinkage, emphasis), found in spaces.items():
        for neighbours, temperature in product(trial.neighbours, TEMPERATURES):
            bare = Voting(
                neighbours=neighbours,
                temperature=temperature,
                smoothing=0.0,
                emphasis=emphasis,
                border=borders[shrinkage],
            )
            tried.setdefault((shrinkage, emphasis, neighbours), []).extend(_weighed(trial, found, bare, asked))
    shrinkage, voting = _believed(tried, len(asked))
    return shrinkage, voting, trial.answers(spaces[shrinkage, voting.emphasis], voting), among[asked]


@dataclass(frozen=True)
class _Weighed:
    """A way to vote, and its loss on held-out pictures with what is usual counted in."""

    voting: Voting
    loss: float


def _weighed(trial: _Trial, found: _Asked, bare: Voting, asked: np.ndarray) -> Iterator[_Weighed]:
    """Yield a way to vote with each smoothing."""
    shares, wanted = trial.answers(found, bare), trial.wanted[asked]
    usual = (np.log(bare.temperature / USUAL_TEMPERATURE) / USUAL_SPREAD) ** 2 / (2 * len(asked))
    for smoothing in SMOOTHINGS:
        smoothed = _smoothed(shares, smoothing, trial.is_multilabel)
        yield _Weighed(replace(bare, smoothing=smoothing), _loss(smoothed, wanted, trial.is_multilabel) + usual)


def _believed(tried: dict[tuple[float, float, int], list[_Weighed]], pictures: int) -> tuple[float, Voting]:
    """Return the space and number of neighbours that are the most probable, and the mean of the rest of the vote there.

    Each way is as probable as it makes the held-out labels. Of few pictures many ways are about as good, and the very
    best of them is luck: it is too sure of itself. With 10 and 20 pictures a class of trashnet the mean has a
    calibration error of .076 and .048 where the best one has .089 and .062, and is as often right; from 60 on, and on
    sign_digits, they are the same.
    """
    least = min(each.loss for ways in tried.values() for each in ways)
    weights = {key: np.exp(-pictures * (np.array([each.loss for each in ways]) - least)) for key, ways in tried.items()}
    best = max(weights, key=lambda key: weights[key].sum())
    shares, ways = weights[best] / weights[best].sum(), [each.voting for each in tried[best]]
    temperature = float(np.exp(shares @ np.log([each.temperature for each in ways])))
    smoothing = float(shares @ [each.smoothing for each in ways])
    return best[0], replace(ways[0], temperature=temperature, smoothing=smoothing)


@dataclass(frozen=True)
class _Fold:
    """Pictures of one fold as the others see them, in one space.

    Attributes:
        shrinkage: Of the space.
        space: Fitted to the others.
        slots: (M) which of the asked pictures they are.
        directions: (M, K) of these.
        others: (N) places of the other pictures among all.
        rows: (N, K) of those.
    """

    shrinkage: float
    space: Space
    slots: np.ndarray
    directions: np.ndarray
    others: np.ndarray
    rows: np.ndarray


def _held_out(trial: _Trial, folds: np.ndarray, asked: np.ndarray, should_stop: ShouldStop) -> Iterator[_Fold]:
    """Yield each fold of the asked pictures in each space."""
    whole = Sums.of(trial.rows, trial.wanted)
    for fold in np.unique(folds[asked]):
        inside, slots = folds == fold, np.flatnonzero(folds[asked] == fold)
        others, sums = np.flatnonzero(~inside), whole.without(Sums.of(trial.rows[inside], trial.wanted[inside]))
        for shrinkage in SHRINKAGES:
            if should_stop():
                raise InterruptedError
            space = Space.fitted(sums, shrinkage)
            directions = space(trial.rows[asked[slots]])
            yield _Fold(shrinkage, space, slots, directions, others, space(trial.rows[others]))


def _borders(trial: _Trial, folds: np.ndarray, asked: np.ndarray, should_stop: ShouldStop) -> dict[float, float]:
    """Return for each shrinkage the cosine from which a picture is the same as another.

    Of pairs that the search for duplicates confirms, by laying one on the other, .67 to .89 are above .9; others are
    for .2 % of the pictures at most (trashnet and sign_digits, 5 to 420 a class). Where pictures that are not the same
    look so much alike, as those of one product on a belt do, the border lies above nearly all third neighbours:
    copies are few, look-alikes many.
    """
    third = {shrinkage: np.zeros(len(asked), np.float32) for shrinkage in SHRINKAGES}
    for fold in _held_out(trial, folds, asked, should_stop):
        cosines = nearest_first(fold.directions @ fold.rows.T, _ALIKE_RANK)[1]
        third[fold.shrinkage][fold.slots] = cosines[:, -1]
    found = {key: float(np.quantile(values, _ALIKE_SHARE, method="higher")) for key, values in third.items()}
    return {key: min(SAME_AT_MOST, max(SAME_FROM, value + 0.01)) for key, value in found.items()}


def _neighbours(
    trial: _Trial, folds: np.ndarray, asked: np.ndarray, borders: dict[float, float], should_stop: ShouldStop
) -> dict[tuple[float, float], _Asked]:
    """Return for each space those nearest to the asked pictures, a fold's among all but the fold."""
    most = min(max(trial.neighbours), len(trial.rows) - 1)
    found = {
        key: _Asked(np.full((len(asked), most), -np.inf, np.float32), np.zeros((len(asked), most), np.int64))
        for key in product(SHRINKAGES, EMPHASES)
    }
    for fold in _held_out(trial, folds, asked, should_stop):
        doubles = fold.directions @ fold.rows.T >= borders[fold.shrinkage]
        for emphasis in EMPHASES:
            products = weighted_cosines(fold.directions, fold.rows, fold.space.weights(emphasis))
            _keep(found[fold.shrinkage, emphasis], fold.slots, set_aside(products, doubles), fold.others)
    return found


def _keep(found: _Asked, slots: np.ndarray, products: np.ndarray, others: np.ndarray) -> None:
    """Write down the nearest of each asked picture, the nearest first."""
    places, values = nearest_first(products, found.products.shape[1])
    found.products[slots, : values.shape[1]] = values
    found.places[slots, : values.shape[1]] = others[places]


def _smoothed(shares: np.ndarray, smoothing: float, is_multilabel: bool) -> np.ndarray:
    floor = smoothing / 2 if is_multilabel else smoothing / shares.shape[1]
    return (shares + floor) / (1 + smoothing)


def _loss(found: np.ndarray, wanted: np.ndarray, is_multilabel: bool) -> float:
    if is_multilabel:
        return float(-np.log(np.where(wanted > 0, found, 1 - found)).sum(axis=1).mean())
    return float(-np.log((found * wanted).sum(axis=1)).mean())


def _accuracy(found: np.ndarray, wanted: np.ndarray, is_multilabel: bool) -> float:
    if is_multilabel:
        return float(((found >= 0.5) == (wanted > 0)).all(axis=1).mean())
    return float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean())
