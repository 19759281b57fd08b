"""Existing runs next to methods: a run replaces its method, and few images prove little."""

import pytest
from advice_samples import candidate

from visionft.advice.model_candidates import merge_runs


@pytest.mark.parametrize(("train_images", "names"), [(100, ["001", "full"]), (50, ["001", "linear", "full"])])
def test_a_run_from_about_as_many_labels_replaces_its_method(train_images: int, names: list[str]):
    methods = [candidate("linear", "free", 0.8), candidate("full", "trained", 0.85)]
    run = candidate("001", "run", 0.82, method="linear", images=400, train_images=train_images)
    assert [each.name for each in merge_runs(methods, [run], 100)] == names


def test_eight_images_that_are_right_do_not_make_a_run_perfect():
    few, many = (candidate("001", "run", 1.0, images=images) for images in (8, 2000))
    assert few.accuracy == 1.0 and few.expected == pytest.approx(0.944) and many.expected > 0.999
