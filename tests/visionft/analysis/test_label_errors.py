"""The check of labels: planted errors come first, and poor sets end in a clear state."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visionft.analysis import label_errors
from visionft.analysis.check import Inputs, read_result
from visionft.analysis.label_errors import (
    LEFT_OUT,
    PUT_IN,
    LabelErrors,
    compare_labels,
    nearest_of_classes,
)
from visionft.core.errors import ProjectError
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_store import FeatureKind, Features

NAMES = ("apple", "pear", "plum")
WIDTHS = (8, 16)
KIND = FeatureKind(backbone="drawn", size=32, weights="w", preprocessing="p", widths=WIDTHS)


def features_of(images: tuple[SnapshotImage, ...], truth: np.ndarray, seed: int = 0) -> Features:
    """Return separable features for the classes `truth`."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(len(NAMES), sum(WIDTHS)))
    vectors = centres[truth] + rng.normal(size=(len(truth), sum(WIDTHS)))
    return Features(KIND, images, vectors.astype(np.float16))


def drawn(labels: list[int], task: str = "single") -> Snapshot:
    images = [SnapshotImage(n + 1, Path(f"{n}.jpg"), f"{n:064x}", (each,), None) for n, each in enumerate(labels)]
    return Snapshot(task, NAMES, tuple(images))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def planted() -> tuple[Features, Snapshot, np.ndarray, np.ndarray]:
    """Return features, images (six with a wrong label), true classes, and the ids of the wrong ones."""
    truth = np.arange(120) % 3
    labels = truth.copy()
    wrong = np.array([4, 17, 33, 58, 71, 95])
    labels[wrong] = (truth[wrong] + 1) % 3
    images = drawn(labels.tolist())
    return features_of(images.images, truth), images, truth, wrong + 1


def test_planted_errors_come_first_with_the_true_class(planted):
    features, images, truth, wrong = planted
    findings = compare_labels(features, images).issues
    assert {each.image_id for each in findings[:6]} == set(wrong.tolist())
    assert all(each.suggested == NAMES[truth[each.image_id - 1]] for each in findings[:6])
    assert all(each.score > 0.85 for each in findings[:6]) and all(each.score < 0.5 for each in findings[6:])
    assert [each.score for each in findings] == sorted((each.score for each in findings), reverse=True)
    own = NAMES[images.images[findings[0].image_id - 1].labels[0]]
    assert own in findings[0].reason and findings[0].suggested in findings[0].reason
    with pytest.raises(JobCancelled):
        compare_labels(features, images, job=JobContext(cancelled=lambda: True))


def test_neighbours_along_principal_axes_find_the_same_errors(planted):
    features, images, _, wrong = planted
    exact, approximate = (compare_labels(features, images, max_exact=most) for most in (10_000, 50))
    few, many = exact.issues, approximate.issues
    assert {each.image_id for each in few[:6]} == {each.image_id for each in many[:6]} == set(wrong.tolist())
    assert [each.suggested for each in few[:6]] == [each.suggested for each in many[:6]]
    assert approximate.is_approximate and not exact.is_approximate


def test_evidence_is_near_and_of_both_classes(planted):
    features, images, truth, wrong = planted
    first = int(wrong[0])
    own, suggested = nearest_of_classes(features, images, first, NAMES[truth[first - 1]])
    labels = {image.image_id: image.labels[0] for image in images.images}
    assert len(own) == len(suggested) == 4 and first not in own
    assert {labels[each] for each in own} == {labels[first]}
    assert {labels[each] for each in suggested} == {int(truth[first - 1])}


def test_of_several_labels_a_missing_and_a_mistaken_one_are_found():
    rng = np.random.default_rng(1)
    truth = rng.random((150, 3)) < 0.5
    truth[~truth.any(axis=1), 0] = True
    labels = truth.copy()
    labels[5] = labels[6] = truth[5] = truth[6] = (True, True, False)
    labels[5, 1], labels[6, 2] = False, True
    images = [
        SnapshotImage(n + 1, Path(f"{n}.jpg"), f"{n:064x}", tuple(np.flatnonzero(row).tolist()), None)
        for n, row in enumerate(labels)
    ]
    snapshot = Snapshot("multi", NAMES, tuple(images))
    centres = 3 * rng.normal(size=(3, sum(WIDTHS)))
    vectors = truth @ centres + rng.normal(size=(150, sum(WIDTHS)))
    result = compare_labels(Features(KIND, snapshot.images, vectors.astype(np.float16)), snapshot)
    found = {each.image_id: each for each in result.issues[:2]}
    assert set(found) == {6, 7}
    assert (found[6].kind, found[6].suggested) == (LEFT_OUT, "pear")
    assert (found[7].kind, found[7].suggested, found[7].doubted) == (PUT_IN, "", "plum")


@pytest.mark.parametrize("labels", [[()] * 6, [(0,)] * 6, [(0,), (0,), (0,), (1,)]])
def test_too_few_labels_are_refused_before_anything_is_computed(labels, tmp_path):
    images = drawn([0] * len(labels))
    images = replace(
        images, images=tuple(replace(i, labels=each) for i, each in zip(images.images, labels, strict=True))
    )
    with pytest.raises(ProjectError) as refused:
        LabelErrors().run(Inputs(tmp_path, images))
    assert refused.value.next_step is not None and not (tmp_path / "features").exists()


def test_identical_images_cannot_be_compared():
    images = drawn([0, 0, 1, 1, 0, 1])
    with pytest.raises(ProjectError):
        compare_labels(Features(KIND, images.images, np.ones((6, sum(WIDTHS)), np.float16)), images)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2], [0, 0, 1, 1], [0, 1, 0, 1, 2, 2], [0, 1] * 10])
def test_of_few_labels_none_is_flagged(labels):
    images = drawn(labels)
    result = compare_labels(features_of(images.images, np.array(labels)), images)
    assert all(np.isfinite(each.score) and each.score < 0.5 for each in result.issues)
    assert result.facts["single"] == [name for index, name in enumerate(NAMES) if labels.count(index) == 1]


def test_a_image_without_usable_features_is_left_out_and_named(planted, tmp_path, monkeypatch):
    features, images, _, _ = planted
    broken = Features(KIND, features.images[1:], features.vectors[1:], unusable=features.images[:1])
    monkeypatch.setattr(Inputs, "features", broken)
    result = LabelErrors().run(Inputs(tmp_path, images))
    assert result.checked == 119 and [image_id for image_id, _ in result.unreadable] == [1]


def test_the_result_is_kept_with_the_overlap_of_classes(planted, tmp_path, monkeypatch):
    features, images, truth, _ = planted
    mixed = list(images.images)
    for place in np.flatnonzero(truth == 1)[:8]:
        mixed[place] = replace(mixed[place], labels=(0,))
    monkeypatch.setattr(Inputs, "features", features)
    result = LabelErrors().run(Inputs(tmp_path, replace(images, images=tuple(mixed))))
    assert read_result(tmp_path, "label-errors") == result
    first = result.facts["overlap"][0]
    assert {first["first"], first["second"]} == {"apple", "pear"} and first["images"] >= 6
    assert result.threshold == label_errors.THRESHOLD and json.dumps(result.facts)
