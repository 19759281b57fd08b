"""A checked sample: how it is drawn, and how often its bound is broken."""

import numpy as np
import pytest

from visionft.analysis.suggestions import least_right


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert least_right(148, 150) == pytest.approx(0.9587, abs=1e-4) and least_right(0, 30) == 0


@pytest.mark.parametrize("wrong", [3, 20, 60])
def test_a_bound_is_broken_no_more_often_than_it_says(wrong: int) -> None:
    seen = np.random.default_rng(wrong).hypergeometric(wrong, 700 - wrong, 120, size=4000)
    bounds = {int(each): least_right(120 - int(each), 120) for each in set(seen)}
    assert np.mean([bounds[int(each)] > 1 - wrong / 700 for each in seen]) <= 0.05 + 0.012
