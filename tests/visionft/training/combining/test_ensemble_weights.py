"""Weights of an ensemble: the better member gets more where the images support it, and chance moves little."""

import numpy as np

from models.heads.calibration import mean_cross_entropy
from visionft.training.combining import MemberPredictions, fit_mixture, held_out


def logits_of(targets: np.ndarray, strength: float, seed: int, *, classes: int = 4) -> np.ndarray:
    """Return logits in favour of the true class by `strength` standard deviations of their noise."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), classes))
    return 2 * (noise + strength * np.eye(classes)[targets])


def targets_of(images: int, classes: int = 4) -> np.ndarray:
    return np.arange(images) % classes


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
