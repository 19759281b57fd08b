"""Closed forms fitted to labelled features predict held-out ones, the better the more labels there are."""

import pytest

from visionft.analysis.advice import CLOSED_FORMS, measure_learning_curve, predict_right
from visionft.core.jobs import JobCancelled, JobContext


@pytest.mark.parametrize("is_multilabel", [False, True])
@pytest.mark.parametrize("method", CLOSED_FORMS)
def test_each_closed_form_predicts_held_out_images(make_labelled, method, is_multilabel):
    known = make_labelled(noise=0.5, is_multilabel=is_multilabel)
    held_out = make_labelled(each=10, noise=0.5, is_multilabel=is_multilabel, seed=1)
    assert predict_right(method, known, held_out).mean() > 0.9


def test_the_curve_rises_to_the_accuracy_with_all_labels(make_labelled):
    known, held_out = make_labelled(each=16, noise=2.5), make_labelled(each=40, noise=2.5, seed=1)
    right = predict_right("linear", known, held_out)
    points, gain = measure_learning_curve(known, held_out, right)
    assert [each.labels for each in points] == [12, 24, 48]
    assert points[0].accuracy < points[-1].accuracy == right.mean() and gain >= 0
    assert all(each.interval[0] <= each.accuracy <= each.interval[1] for each in points)
    assert measure_learning_curve(known, held_out, right) == (points, gain)


def test_parts_of_less_than_two_images_a_class_are_left_out(make_labelled):
    known, held_out = make_labelled(each=3, noise=0.5), make_labelled(noise=0.5, seed=1)
    right = predict_right("linear", known, held_out)
    assert [each.labels for each in measure_learning_curve(known, held_out, right)[0]] == [9]


def test_a_cancelled_job_ends(make_labelled):
    labelled = make_labelled(each=4)
    with pytest.raises(JobCancelled):
        predict_right("prototype", labelled, labelled, job=JobContext(cancelled=lambda: True))
