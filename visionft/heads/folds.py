"""Which pictures are held out together, to be asked by heads that do not know them. NumPy only, a leaf."""

import numpy as np


def class_folds(targets: np.ndarray, folds: int, *, is_multilabel: bool, generator: np.random.Generator) -> np.ndarray:
    """Return the (N,) fold of each picture, even within each class; -1 for the only picture of its class.

    Args:
        targets: (N, C) zeros and ones.
        folds: How many.
        is_multilabel: Whether a picture may have several labels: then all are divided as one class.
        generator: Draws who goes where.
    """
    found = np.full(len(targets), -1)
    groups = np.zeros(len(targets), np.int64) if is_multilabel else targets.argmax(axis=1)
    placed = 0
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if len(members) > 1:
            found[generator.permutation(members)] = (np.arange(len(members)) + placed) % folds
            placed += len(members)
    return found
