"""A checked sample: how it is drawn, and how often its bound is broken."""

import numpy as np
import pytest

from visionft.suggest.sample_check import draw_sample, least_right

SUGGESTED = dict.fromkeys(range(1, 701), ("cat",))


def test_a_sample_is_drawn_without_repeats_and_is_at_most_all() -> None:
    sample = draw_sample(SUGGESTED, size=120, seed=1)
    assert len(set(sample.images)) == 120 and set(sample.images) <= set(SUGGESTED)
    assert sample == draw_sample(SUGGESTED, size=120, seed=1) != draw_sample(SUGGESTED, size=120, seed=2)
    assert set(draw_sample(SUGGESTED, size=1000).images) == set(SUGGESTED)


@pytest.mark.parametrize(("checked", "share"), [(59, 0.95), (99, 0.97), (299, 0.99), (598, 0.995)])
def test_samples_without_an_error_prove_the_known_shares(checked: int, share: float) -> None:
    assert least_right(checked, checked) >= share > least_right(checked - 1, checked - 1)


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert least_right(148, 150) == pytest.approx(0.9587, abs=1e-4) and least_right(0, 30) == 0


@pytest.mark.parametrize("wrong", [3, 20, 60])
def test_a_bound_is_broken_no_more_often_than_it_says(wrong: int) -> None:
    seen = np.random.default_rng(wrong).hypergeometric(wrong, 700 - wrong, 120, size=4000)
    bounds = {int(each): least_right(120 - int(each), 120) for each in set(seen)}
    assert np.mean([bounds[int(each)] > 1 - wrong / 700 for each in seen]) <= 0.05 + 0.012
