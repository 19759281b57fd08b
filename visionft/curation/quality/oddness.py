"""How odd numbers are beside those of their class and of the whole set: robust distances, ranks, rarity."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from visionft.data.types import SnapshotImage

_TRUSTED: Final = 20  # pictures of a class that count as much as all others do for what is usual in it
_MAD: Final = 1.4826  # times the median distance from the median: the standard deviation of a normal distribution
_RARE_SHARE: Final = 0.02
_STEPS: Final = 12


class Peers:
    """Which pictures are of one class, so that each is compared with its own."""

    def __init__(self, images: Sequence[SnapshotImage], class_names: Sequence[str]) -> None:
        """Take the first label of each picture; those without one are a class of their own."""
        self._class_of = np.array([image.labels[0] if image.labels else -1 for image in images], np.int64)
        self._class_names = class_names

    def members(self) -> list[np.ndarray]:
        """Return the places of each class's pictures, classes without any left out."""
        order = np.argsort(self._class_of, kind="stable")
        starts = np.flatnonzero(np.diff(self._class_of[order])) + 1
        return [places for places in np.split(order, starts) if len(places)]

    def name(self, place: int) -> str:
        """Return the class of a picture; empty where it has none."""
        index = int(self._class_of[place])
        return self._class_names[index] if index >= 0 else ""

    def low(self, values: np.ndarray, *, floor: float) -> np.ndarray:
        """Return how far below the usual values lie, in robust standard deviations: in the class or in the set.

        The lesser distance counts: what is usual in its class is not odd, nor is what is usual in the set. What is
        usual in a small class is drawn towards the set.

        Args:
            values: (N,) with NaN where nothing is known.
            floor: The least standard deviation, so that in a very even set nothing is odd for a trifle.

        Returns:
            (N,) 0 and more; NaN as in `values`.
        """
        in_set = _usual(values)
        if in_set is None:
            return np.full(len(values), np.nan)
        lowest = _distance(values, *in_set, floor)
        for places in self.members():
            in_class = _usual(values[places])
            if in_class is not None:
                weight = len(places) / (len(places) + _TRUSTED)
                centre, spread = (
                    weight * own + (1 - weight) * all_ for own, all_ in zip(in_class, in_set, strict=True)
                )
                lowest[places] = np.minimum(lowest[places], _distance(values[places], centre, spread, floor))
        return lowest

    def shares_below(self, values: np.ndarray) -> np.ndarray:
        """Return the (N,) share of its class's values that are below each value."""
        shares = np.zeros(len(values))
        for places in self.members():
            own = values[places]
            shares[places] = np.searchsorted(np.sort(own), own) / max(1, len(own) - 1)
        return shares

    def greater_share(self, is_so: np.ndarray) -> np.ndarray:
        """Return (N,) of what share of the others something holds: of its class or of the set, the greater."""
        others = max(1, len(is_so) - 1)
        shares = (is_so.sum() - is_so) / others
        for places in self.members():
            own = is_so[places]
            if len(places) > _TRUSTED:
                shares[places] = np.maximum(shares[places], (own.sum() - own) / (len(places) - 1))
        return shares


def _usual(values: np.ndarray) -> tuple[float, float] | None:
    """Return median and robust standard deviation of the lower half; None where there is nothing."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    centre = float(np.median(known))
    below = known[known <= centre]
    return centre, _MAD * float(np.median(centre - below))


def _distance(values: np.ndarray, centre: float, spread: float, floor: float) -> np.ndarray:
    return np.maximum(0.0, (centre - values) / max(spread, floor))


def from_distance(distance: np.ndarray, limit: float) -> np.ndarray:
    """Return a score that is .5 at a distance of `limit` and 1 at twice that; what is not known scores 0."""
    return np.nan_to_num(np.clip(distance / limit / 2, 0.0, 1.0), nan=0.0)


def ramp(values: np.ndarray, none: float, full: float) -> np.ndarray:
    """Return 0 at `none`, 1 at `full` and beyond, straight between; what is not known scores 0."""
    return np.nan_to_num(np.clip((values - none) / (full - none), 0.0, 1.0), nan=0.0)


def rarity(values: np.ndarray, *, step: float) -> np.ndarray:
    """Score how alone values are.

    A value is at home where 2 % of the others (at least one) lie near it, whether or not that is in the middle: a set
    may hold upright and wide pictures.

    Args:
        values: (N,) with NaN where nothing is known.
        step: A distance that is odd: it scores .5, twice that 1.

    Returns:
        (N,) 0 to 1.
    """
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    scores = np.zeros(len(values))
    if len(ordered) < 3:
        return scores
    needed = max(1, int(_RARE_SHARE * len(ordered)))
    for part in np.arange(1, _STEPS + 1) / _STEPS:
        near = part * 2 * step
        around = np.searchsorted(ordered, values + near, "right") - np.searchsorted(ordered, values - near, "left") - 1
        scores = np.where(known & (around < needed), part, scores)
    return scores
