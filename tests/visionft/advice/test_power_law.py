"""Power laws: recovered where there is one, with wide intervals for few images."""

import numpy as np
import pytest

from visionft.advice.power_law import draw_laws, image_weights, weighted_means

SIZES = (50, 100, 200, 400)


def test_a_law_is_found_again_and_goes_on():
    true = 0.05 + 0.2 * (np.array(SIZES) / SIZES[-1]) ** -0.5
    drawn = np.tile(1 - true, (300, 1))
    laws = draw_laws(SIZES, drawn)
    assert np.median(laws.accuracies(400)) == pytest.approx(0.75, abs=0.01)
    low, high = np.quantile(laws.accuracies(1600), (0.025, 0.975))
    assert low < 1 - 0.05 - 0.1 < high and high - low < 0.12


def test_more_labels_never_make_it_worse_and_shares_stay_shares():
    generator = np.random.default_rng(0)
    laws = draw_laws(SIZES, generator.uniform(0, 1, (200, 4)))
    before = laws.accuracies(1)
    for labels in (10, 100, 1000, 10**6):
        now = laws.accuracies(labels)
        assert np.all((now >= 0) & (now <= 1)) and np.all(now >= before - 1e-12)
        before = now


def test_one_size_alone_leaves_the_forecast_wide():
    drawn = np.full((300, 1), 0.6)
    laws = draw_laws((10,), drawn)
    low, high = np.quantile(laws.accuracies(40), (0.025, 0.975))
    assert 0.6 <= low < 0.75 and high > 0.75  # no slope was measured, so none is claimed with certainty


def test_few_images_that_are_all_right_are_not_taken_for_certain():
    scores = np.ones((1, 8))
    drawn = weighted_means(scores, image_weights(8))[:, 0]
    assert np.quantile(drawn, 0.025) < 0.85 and np.median(drawn) > 0.9


def test_images_that_could_not_be_asked_do_not_count():
    scores = np.array([[1.0, np.nan, 0.0, np.nan]])
    drawn = weighted_means(scores, image_weights(4, draws=4000))
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)
