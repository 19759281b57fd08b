"""Models that are not made yet, next to runs: a run replaces its method, and few images prove little."""

import pytest
from advice_samples import model

from visionft.advice.models_to_make import not_made


@pytest.mark.parametrize(("train_images", "names"), [(100, ["full"]), (50, ["linear", "full"])])
def test_a_run_from_about_as_many_labels_replaces_its_method(train_images: int, names: list[str]):
    methods = [model("linear", "free", 0.8), model("full", "trained", 0.85)]
    run = model("001", "run", 0.82, method="linear")
    assert [each.name for each in not_made(methods, [(run, train_images)], 100)] == names


def test_eight_images_that_are_right_do_not_make_a_run_perfect():
    few, many = (model("001", "run", 1.0, images=images) for images in (8, 2000))
    assert few.top1 == 1.0 and few.expected == pytest.approx(0.944) and many.expected > 0.999
