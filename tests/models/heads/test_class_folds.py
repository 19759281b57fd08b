"""The folds of held-out predictions: stratified, groups in one fold, and each class in several."""

import numpy as np
import pytest

from models.heads.linear_head import fit_head
from models.heads.numerics import class_folds, separable_groups


def folds_of(labels: np.ndarray, groups: np.ndarray | None, folds: int = 5) -> np.ndarray:
    targets = np.eye(labels.max() + 1)[labels]
    return class_folds(targets, folds, is_multilabel=False, generator=np.random.default_rng(0), groups=groups)


def test_a_group_is_in_one_fold_and_each_class_in_several() -> None:
    labels, groups = np.arange(120) % 3, np.arange(120) // 6
    folds = folds_of(labels, groups)
    assert all(len(set(folds[groups == group])) == 1 for group in range(20)) and folds.min() >= 0
    assert all(len(set(folds[labels == label])) > 1 for label in range(3))


def test_images_on_their_own_have_the_folds_of_no_groups() -> None:
    labels = np.arange(50) % 4
    np.testing.assert_array_equal(folds_of(labels, np.arange(50)), folds_of(labels, None))


@pytest.mark.parametrize("size", [2, 12])
def test_a_group_of_a_whole_class_is_divided(size: int) -> None:
    """Thirty images of one fixed camera look all alike: without them the class could not be learned."""
    labels = np.array([0] * size + [1] * 12)
    groups = np.array([0] * size + [1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5])
    separable = separable_groups(np.eye(2)[labels], groups)
    assert separable is not None and len(set(separable[:size])) == size and len(set(separable[size:])) == 5
    assert len(set(folds_of(labels, groups)[:size])) > 1


def test_a_class_of_one_image_is_in_no_fold() -> None:
    labels = np.array([0] + [1] * 9 + [2] * 9)
    folds = folds_of(labels, np.array([0, *np.arange(18) // 3 + 1]))
    assert folds[0] == -1 and folds[1:].min() >= 0


def test_copies_do_not_confirm_each_other() -> None:
    """Labels drawn by chance for groups of six copies: held out alone, their copies give the answer away."""
    generator = np.random.default_rng(0)
    groups = np.arange(240) // 6
    features = generator.normal(size=(40, 30))[groups] + 0.01 * generator.normal(size=(240, 30))
    targets = np.eye(2)[generator.integers(0, 2, 40)[groups]]
    alone, together = (fit_head(features, targets, widths=(30,), groups=each) for each in (None, groups))
    assert alone.accuracy is not None and together.accuracy is not None
    assert alone.accuracy > 0.95 and together.accuracy < 0.75
