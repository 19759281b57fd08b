"""Forecast of fine-tuning: wide before any trial, updated by trials according to their evidence."""

import pytest

from visionft.advice.forecast import ErrorRatio, forecast_accuracy, ratio_after, usual_ratio
from visionft.advice.trials import Trial


def trial(*, only_run: int, only_probe: int, images: int = 1000) -> Trial:
    wrong = images // 10
    right = images - wrong - only_run - only_probe
    return Trial(
        train_images=images // 2,
        epochs=4,
        both_right=right,
        only_run=only_run,
        only_probe=only_probe,
        both_wrong=wrong,
        seconds=1.0,
    )


def test_the_prior_gain_of_training_grows_with_the_images_of_a_class():
    means = [usual_ratio(each).mean for each in (1, 10, 100, 1000)]
    assert means == sorted(means, reverse=True) and means[0] > -0.1 and means[-1] < -0.5


def test_a_trial_moves_the_ratio_and_narrows_it_according_to_its_images():
    usual = usual_ratio(50)
    helped = ratio_after(trial(only_run=100, only_probe=10), 50)
    harmed = ratio_after(trial(only_run=5, only_probe=60), 50)
    assert helped.mean < usual.mean < harmed.mean
    assert max(helped.spread, harmed.spread) < usual.spread
    tiny = ratio_after(trial(only_run=1, only_probe=0, images=20), 50)
    assert abs(tiny.mean - usual.mean) < abs(helped.mean - usual.mean) and tiny.spread > helped.spread


def test_a_loss_from_training_remains_only_in_part():
    worse, better = (forecast_accuracy(0.2, 10_000, ErrorRatio(mean, 1e-9))[0] for mean in (1.0, -1.0))
    assert 0.7 < worse < 0.8 and better == pytest.approx(0.926, abs=1e-3)


@pytest.mark.parametrize("errors", [0.0, 0.02, 0.5, 1.0])
def test_intervals_contain_the_forecast_and_narrow_with_images(errors: float):
    found = [forecast_accuracy(errors, each, usual_ratio(20)) for each in (1, 60, 5000)]
    assert all(0 <= low <= accuracy <= high <= 1 and found[0][1] <= low for accuracy, low, high in found)
