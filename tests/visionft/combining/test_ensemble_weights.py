"""Weights of an ensemble: the better member gets more where the images support it, and chance moves little."""

import numpy as np
import pytest

from visionft.calibration import mean_cross_entropy
from visionft.combining.ensemble_weights import MemberPredictions, Mixture, fit_mixture, held_out, share_grid


def logits_of(targets: np.ndarray, strength: float, seed: int, *, classes: int = 4) -> np.ndarray:
    """Return logits in favour of the true class by `strength` standard deviations of their noise."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), classes))
    return 2 * (noise + strength * np.eye(classes)[targets])


def targets_of(images: int, classes: int = 4) -> np.ndarray:
    return np.arange(images) % classes


def test_equal_parts_share_equally() -> None:
    targets = targets_of(40)
    one = logits_of(targets, 1.5, 0)
    mixture = fit_mixture(MemberPredictions([one, one], targets))
    assert mixture.shares == pytest.approx([0.5, 0.5], abs=1e-3)
    np.testing.assert_allclose(mixture([one, one]), one / mixture.temperatures[0], atol=1e-6)


def test_few_images_move_the_shares_less_than_many() -> None:
    few, many = (
        fit_mixture(MemberPredictions([logits_of(targets, 2.0, 4), logits_of(targets, 1.5, 5)], targets)).shares[0]
        for targets in (targets_of(12), targets_of(800))
    )
    assert 0.5 < few < many


def test_parts_that_err_on_different_images_are_better_together() -> None:
    targets, seen = targets_of(200), targets_of(2000)
    fitted = fit_mixture(MemberPredictions([logits_of(targets, 1.2, 0), logits_of(targets, 1.2, 1)], targets))
    fresh = [logits_of(seen, 1.2, 2), logits_of(seen, 1.2, 3)]
    alone = max((each.argmax(axis=1) == seen).mean() for each in fresh)
    assert (fitted(fresh).argmax(axis=1) == seen).mean() > alone + 0.05


def test_several_labels_have_shares_too() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((300, 5)) < 0.3).astype(float)
    good, noise = 6 * (targets - 0.5) + random.normal(size=targets.shape), random.normal(size=targets.shape)
    mixture = fit_mixture(MemberPredictions([good, noise], targets))
    assert mixture.shares[0] > 0.8
    assert mean_cross_entropy(mixture([good, noise]), targets) < mean_cross_entropy((good + noise) / 2, targets)


def test_each_image_is_answered_by_shares_that_did_not_see_it() -> None:
    targets = targets_of(20)
    parts = [logits_of(targets, 1.0, 0), logits_of(targets, 1.0, 1)]
    changed = [each.copy() for each in parts]
    changed[0][7] = [9.0, -9.0, -9.0, -9.0]
    before, after = held_out(MemberPredictions(parts, targets)), held_out(MemberPredictions(changed, targets))
    same = [place for place in range(20) if np.allclose(before[place], after[place])]
    assert 7 not in same and 1 <= len(same) <= 4  # its own fold is predicted with the same weights


def test_one_image_is_enough_to_go_on() -> None:
    targets = np.array([1])
    parts = [logits_of(targets, 1.0, 0), logits_of(targets, 1.0, 1)]
    assert np.isfinite(held_out(MemberPredictions(parts, targets))).all()
    assert fit_mixture(MemberPredictions(parts, targets)).shares.sum() == pytest.approx(1)


def test_beside_a_part_that_is_clearly_better_the_others_count_nothing() -> None:
    targets = targets_of(200)
    mixture = fit_mixture(MemberPredictions([logits_of(targets, 2.5, 0), logits_of(targets, 0.3, 1)], targets))
    assert mixture.shares.tolist() == [1.0, 0.0]
    together, apart = logits_of(targets, 1.2, 2), logits_of(targets, 1.0, 3)  # these are better together
    assert fit_mixture(MemberPredictions([together, apart], targets)).shares.min() > 0.2


def test_other_images_beside_those_that_are_answered_make_the_shares_surer() -> None:
    few, many = targets_of(12), targets_of(300)
    few_images = MemberPredictions([logits_of(few, 2.5, 0), logits_of(few, 0.5, 1)], few)
    others = MemberPredictions([logits_of(many, 2.5, 2), logits_of(many, 0.5, 3)], many)
    expected = Mixture(np.array([1.0, 0.0]), fit_mixture(few_images.and_(others)).temperatures)(few_images.logits)
    np.testing.assert_allclose(held_out(few_images, others=others), expected, rtol=0.1)


@pytest.mark.parametrize("parts", [2, 3, 5, 8, 30])
def test_the_grid_has_each_part_alone_equal_ones_and_never_many(parts: int) -> None:
    grid = share_grid(parts)
    assert len(grid) <= 301 and np.allclose(grid.sum(axis=1), 1) and (grid >= 0).all()
    for wanted in (*np.eye(parts), np.full(parts, 1 / parts)):
        assert np.isclose(grid, wanted).all(axis=1).any()
