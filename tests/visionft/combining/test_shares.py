"""Shares of a combination: the better part gets more as far as the pictures say so, and little luck moves little."""

import numpy as np
import pytest

from visionft.calibration import mean_cross_entropy
from visionft.combining.shares import fit_mixture, held_out


def answers_of(targets: np.ndarray, strength: float, seed: int, *, classes: int = 4) -> np.ndarray:
    """Return logits that favour the true class by `strength` standard deviations of their noise."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), classes))
    return 2 * (noise + strength * np.eye(classes)[targets])


def targets_of(pictures: int, classes: int = 4) -> np.ndarray:
    return np.arange(pictures) % classes


def test_equal_parts_share_equally() -> None:
    targets = targets_of(40)
    one = answers_of(targets, 1.5, 0)
    mixture = fit_mixture([one, one], targets)
    assert mixture.shares == pytest.approx([0.5, 0.5], abs=1e-3)
    np.testing.assert_allclose(mixture([one, one]), one / mixture.temperatures[0], atol=1e-6)


def test_many_pictures_silence_a_part_that_says_nothing() -> None:
    targets = targets_of(800)
    shares = fit_mixture([answers_of(targets, 2.0, 0), answers_of(targets, 0.0, 1)], targets).shares
    assert shares.sum() == pytest.approx(1) and shares[0] > 0.9


def test_few_pictures_move_the_shares_less_than_many() -> None:
    many, few = targets_of(800), targets_of(12)
    share_of_many, share_of_few = (
        fit_mixture([answers_of(targets, 2.0, 0), answers_of(targets, 0.5, 1)], targets).shares[0]
        for targets in (many, few)
    )
    assert 0.5 < share_of_few < share_of_many


def test_parts_that_err_on_different_pictures_are_better_together() -> None:
    targets, seen = targets_of(200), targets_of(2000)
    fitted = fit_mixture([answers_of(targets, 1.2, 0), answers_of(targets, 1.2, 1)], targets)
    fresh = [answers_of(seen, 1.2, 2), answers_of(seen, 1.2, 3)]
    alone = max((each.argmax(axis=1) == seen).mean() for each in fresh)
    assert (fitted(fresh).argmax(axis=1) == seen).mean() > alone + 0.05


def test_several_labels_have_shares_too() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((300, 5)) < 0.3).astype(float)
    good, noise = 6 * (targets - 0.5) + random.normal(size=targets.shape), random.normal(size=targets.shape)
    mixture = fit_mixture([good, noise], targets)
    assert mixture.shares[0] > 0.8
    assert mean_cross_entropy(mixture([good, noise]), targets) < mean_cross_entropy((good + noise) / 2, targets)


def test_each_picture_is_answered_by_shares_that_did_not_see_it() -> None:
    targets = targets_of(20)
    parts = [answers_of(targets, 1.0, 0), answers_of(targets, 1.0, 1)]
    changed = [each.copy() for each in parts]
    changed[0][7] = [9.0, -9.0, -9.0, -9.0]
    before, after = held_out(parts, targets), held_out(changed, targets)
    same = [place for place in range(20) if np.allclose(before[place], after[place])]
    assert 7 not in same and 1 <= len(same) <= 4  # those of its own fold are answered by the same shares


def test_one_picture_is_enough_to_go_on() -> None:
    targets = np.array([1])
    parts = [answers_of(targets, 1.0, 0), answers_of(targets, 1.0, 1)]
    assert np.isfinite(held_out(parts, targets)).all()
    assert fit_mixture(parts, targets).shares.sum() == pytest.approx(1)
