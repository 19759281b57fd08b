"""Existing runs next to methods: a run replaces its method, and few images prove little."""

import pytest

from visionft.advice.model_candidates import Kind, ModelCandidate, merge_runs


def candidate(
    name: str, kind: Kind, accuracy: float, *, method: str = "linear", images: int = 0, train_images: int = 100
) -> ModelCandidate:
    return ModelCandidate(
        name=name, title=name, kind=kind, method=method, backbone="resnet18_in1k", accuracy=accuracy,
        low=accuracy - 0.055, high=accuracy + 0.055, expected=accuracy, is_forecast=kind == "full", images=images,
        train_images=train_images,
    )  # fmt: skip


METHODS = [candidate("linear", "free", 0.8), candidate("full", "full", 0.85, method="full")]


@pytest.mark.parametrize(("train_images", "names"), [(100, ["001", "full"]), (50, ["001", "linear", "full"])])
def test_a_run_from_about_as_many_labels_replaces_its_method(train_images: int, names: list[str]):
    run = candidate("001", "run", 0.82, images=400, train_images=train_images)
    assert [each.name for each in merge_runs(METHODS, [run], 100)] == names


def test_eight_images_that_are_right_do_not_make_a_run_perfect():
    few, many = (merge_runs(METHODS, [candidate("001", "run", 1.0, images=each)], 100)[0] for each in (8, 2000))
    assert few.expected == pytest.approx(0.81, abs=0.02) and many.expected > 0.97
    assert few.accuracy == 1.0  # measurements are shown unchanged
