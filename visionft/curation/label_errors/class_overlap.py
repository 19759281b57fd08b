"""Which classes are mistaken for each other, by cleanlab's estimate of given against true labels (Northcutt 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

MOST_ROWS: Final = 50
_MOST_CLASSES: Final = 300  # cleanlab makes a row of each pair: of 1,000 classes half a million


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two classes between which labels seem to be mixed up.

    Attributes:
        first: A class.
        second: The other one.
        pictures: Estimated number of pictures that have the label of one and belong to the other.
        share: Of all labelled pictures.
    """

    first: str
    second: str
    pictures: int
    share: float


def class_overlaps(targets: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> tuple[Overlap, ...]:
    """Return the pairs of classes that are mixed up, the worst first; none for a single class or too many.

    Args:
        targets: (N, C) one-hot labels.
        probabilities: (N, C), each row by classifiers that the picture took no part in.
        class_names: (C).
    """
    has_pictures = np.flatnonzero(targets.sum(axis=0)).tolist()
    if not 2 <= len(has_pictures) <= _MOST_CLASSES:
        return ()
    from cleanlab.dataset import find_overlapping_classes

    shares = probabilities[:, has_pictures]
    names = [class_names[place] for place in has_pictures]
    table = find_overlapping_classes(
        labels=targets[:, has_pictures].argmax(axis=1),
        pred_probs=shares / shares.sum(axis=1, keepdims=True),
        class_names=names,
    )
    columns = ("Class Name A", "Class Name B", "Num Overlapping Examples", "Joint Probability")
    rows = zip(*(table[column].tolist()[:MOST_ROWS] for column in columns), strict=True)
    return tuple(
        Overlap(first=str(first), second=str(second), pictures=int(pictures), share=round(float(share), 6))
        for first, second, pictures, share in rows
        if pictures > 0
    )
