"""What fine-tuning is believed to give: wide before anything was tried, moved by trials as far as they tell."""

import numpy as np
import pytest

from visionft.advice.forecast import (
    Belief,
    probe_accuracies,
    ratio_after,
    tuned_accuracies,
    untrained_accuracies,
    usual_ratio,
)
from visionft.advice.trials import Trial

ERRORS = np.full(400, 0.2)


def trial(*, only_run: int, only_probe: int, pictures: int = 1000) -> Trial:
    wrong = pictures // 10
    right = pictures - wrong - only_run - only_probe
    return Trial(
        learnt_from=pictures // 2, epochs=4, both_right=right, only_run=only_run, only_probe=only_probe,
        both_wrong=wrong, seconds=1.0,
    )  # fmt: skip


def test_training_is_believed_to_help_more_the_more_pictures_a_class_has():
    means = [usual_ratio(each).mean for each in (1, 10, 100, 1000)]
    assert means == sorted(means, reverse=True) and means[0] > -0.1 and means[-1] < -0.5


def test_a_trial_moves_the_belief_towards_what_it_saw_and_narrows_it():
    usual = usual_ratio(50)
    helped, harmed = (
        ratio_after(trial(only_run=100, only_probe=10), 50),
        ratio_after(trial(only_run=5, only_probe=60), 50),
    )
    assert helped.mean < usual.mean < harmed.mean
    assert max(helped.spread, harmed.spread) < usual.spread
    tiny = ratio_after(trial(only_run=1, only_probe=0, pictures=20), 50)
    assert abs(tiny.mean - usual.mean) < abs(helped.mean - usual.mean) and tiny.spread > helped.spread


def test_what_training_spoils_is_mostly_not_kept():
    worse = tuned_accuracies(ERRORS, Belief(1.0, 1e-9), kind="full", family="resnet")
    better = tuned_accuracies(ERRORS, Belief(-1.0, 1e-9), kind="full", family="resnet")
    assert 0.7 < np.median(worse) < 0.8 and np.median(better) == pytest.approx(1 - 0.2 / np.e, abs=1e-3)


def test_a_better_backbone_carries_over_in_part_and_shares_stay_shares():
    belief = Belief(0.0, 0.5)
    same = tuned_accuracies(ERRORS, belief, kind="peft", family="vit")
    ahead = tuned_accuracies(ERRORS, belief, kind="peft", family="vit", against=0.25)
    assert np.median(ahead) == pytest.approx(1 - (1 - np.median(same)) / 2, abs=0.02)
    assert np.all((same >= 0) & (same <= 1))


def test_the_probe_is_near_the_curve_and_not_exactly_it():
    found = probe_accuracies(ERRORS)
    assert np.median(found) == pytest.approx(0.8, abs=0.01) and 0.02 < found.std() < 0.05


def test_what_needs_no_training_is_held_against_the_curve_that_knew_as_many_labels():
    def expected(method: str, accuracy: float, asked: int) -> float:
        return float(np.median(untrained_accuracies(ERRORS, method, accuracy=accuracy, asked=asked, beside=0.25)))

    # With the labels of then it had as many wrong as the curve; so it has with those of now.
    assert expected("knn", 0.75, 10_000) == pytest.approx(0.8, abs=0.01)
    assert expected("linear", 0.80, 10_000) > expected("knn", 0.75, 10_000) + 0.02
    assert expected("knn", 1.0, 8) < 0.9  # eight that are right prove little
