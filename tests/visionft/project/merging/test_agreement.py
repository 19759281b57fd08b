"""Cohen's and Fleiss' kappa against statsmodels 0.14.5 (`cohens_kappa`, `fleiss_kappa`) and scikit-learn."""

import numpy as np
import pytest

from visionft.project.merging.agreement import agreement_of, kappa_of


@pytest.fixture
def ratings() -> np.ndarray:
    """Return (200, 3) classes of three annotators."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, 200)
    second = np.where(rng.random(200) < 0.75, first, rng.integers(0, 4, 200))
    return np.stack([first, second, np.where(rng.random(200) < 0.6, first, rng.integers(0, 4, 200))], axis=1)


def test_kappas_equal_those_of_statsmodels(ratings: np.ndarray) -> None:
    found = kappa_of(ratings[:, :2])
    assert found.kappa == pytest.approx(0.6857238381812104, abs=1e-12) and found.interval is not None
    assert found.interval == pytest.approx((0.607154833303083, 0.7642928430593376), abs=0.01)  # asymptotic there
    assert kappa_of(ratings).kappa == pytest.approx(0.5422847063551722, abs=1e-12)


def test_each_class_is_compared_with_the_rest(ratings: np.ndarray) -> None:
    names = [[(f"c{each}",) for each in row] for row in ratings[:, :2]]
    found = agreement_of(names, ("anna", "bert"))
    expected = [0.7460412309530924, 0.6537488347316553, 0.642478813559322, 0.7057020232985898]  # scikit-learn
    assert [each.kappa for each in found.classes.values()] == pytest.approx(expected, abs=1e-12)
    assert found.overall.images == 200 and sum(each.images for each in found.confused) == 47
    assert found.confused[0].images == max(each.images for each in found.confused)


def test_full_agreement_has_no_interval_and_one_class_no_kappa() -> None:
    assert kappa_of(np.array([[0, 0], [1, 1]])).interval is None
    assert kappa_of(np.array([[0, 0], [1, 1]])).kappa == 1
    assert kappa_of(np.array([[0, 0], [0, 0]])).kappa is None
