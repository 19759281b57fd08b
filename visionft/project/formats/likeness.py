"""Likeness of images: whether those of equal names show the same, as versions and masks do, by grey thumbnails."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from visionft.core.errors import ImageError
from visionft.data.decode import decode

_EQUAL_NAMES = 0.8  # share of the names of the larger folder that are in both
_PAIRS = 20  # of images of two folders that are compared
_FIRST_PAIRS = 4  # of which one has to be alike, before the others are read
_SIDE = 16  # pixels of a thumbnail, in both directions
_DECODED = 64  # pixels of the longest side from which it is made
# Correlations, measured on the first 2, 5 and 20 images of 16 pairs of classes of four data sets (clothes, waste, hand
# signs, magnetic tiles) and of their own grey, smaller, brighter, cropped, segmented and mask versions: of classes, the
# median is .10 to .68; of grey and smaller versions 1.0, of masks .3 to .9.
_ALIKE = 0.9  # median of versions that differ in colour or size alone
_PARTLY = 0.5  # of one of the first pairs of other versions
_LEAST_GAIN = 0.2  # of the median of pairs over that of other images, where half of the pairs are the most alike
_CLOSER = 0.5  # of the distance of other images, where all are alike: a fixed camera's, and not their versions
_LEAST_PAIRS = 4  # of fewer, half are the most alike by chance


def are_versions(first: Mapping[str, Path], second: Mapping[str, Path]) -> bool:
    """Return whether images of equal names are versions of one another: grey, smaller, cropped, segmented, a mask.

    Args:
        first: {name: image} of one folder.
        second: The same of another one, whose names are equal, or begin with those of the first.
    """
    partners = _partners(first, second)
    if not partners or len(partners) < _EQUAL_NAMES * max(len(first), len(second)):
        return False
    return look_alike([(first[name], second[other]) for name, other in partners.items()])


def look_alike(pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Return whether the images of each pair show the same, more so than those of different pairs."""
    spread = pairs[:: max(1, len(pairs) // _PAIRS)][:_PAIRS]
    if len(spread) < _LEAST_PAIRS:
        return False
    if np.diag(_correlations(spread[:_FIRST_PAIRS])).max() < _PARTLY:
        return False
    correlations = _correlations(spread)
    paired = np.diag(correlations)
    most_alike = int(np.count_nonzero(paired >= correlations.max(axis=1)))
    others = correlations[~np.eye(len(spread), dtype=bool)]
    gain = np.median(paired) - np.median(others)
    closeness = (1 - np.median(paired)) / (1 - np.median(others) + 1e-6)
    are_alike = gain >= _LEAST_GAIN or (np.median(paired) >= _ALIKE and closeness <= _CLOSER)
    return bool(are_alike) and most_alike >= len(spread) / 2


def _partners(first: Collection[str], second: Collection[str]) -> dict[str, str]:
    """Return {name in the first: the equal name in the second, or one that begins so: `1` and `1_masked`}."""
    ordered = sorted(second)
    found = dict[str, str]()
    for name in first:
        place = bisect_left(ordered, name)
        if place < len(ordered) and ordered[place].startswith(name):
            found[name] = ordered[place]
    return found


def _correlations(pairs: Sequence[tuple[Path, Path]]) -> np.ndarray:
    """Return the absolute correlations of the first images of some pairs and the second ones, (pairs, pairs)."""
    one, other = (np.stack([_thumbnail(pair[place]) for pair in pairs]) for place in (0, 1))
    return np.abs(one @ other.T)


def _thumbnail(path: Path) -> np.ndarray:
    """Return the grey levels of an image of 16 x 16, centred and of length 1; zeros for one colour or no image."""
    try:
        pixels = decode(path, max_side=_DECODED)
    except ImageError:
        return np.zeros(_SIDE * _SIDE)
    image = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float32).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length > 1 else np.zeros_like(grey)
