"""The check of labels: planted errors come first, the scores follow a review, and poor sets end in a clear state."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visionft.curation.check import Inputs, read_result
from visionft.curation.label_errors import check as label_errors
from visionft.curation.label_errors.check import LabelErrors
from visionft.curation.label_errors.review import LEFT_OUT, PUT_IN, LabelReview
from visionft.curation.label_errors.run_answers import run_answers
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ProjectError, StoppedError
from visionft.features.feature_store import FeatureKind, Features

NAMES = ("apple", "pear", "plum")
WIDTHS = (8, 16)
KIND = FeatureKind(backbone="drawn", size=32, weights="w", preprocessing="p", widths=WIDTHS)


def features_of(images: tuple[SnapshotImage, ...], truth: np.ndarray, seed: int = 0) -> Features:
    """Return features under which classes `truth` lie apart."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(len(NAMES), sum(WIDTHS)))
    vectors = centres[truth] + rng.normal(size=(len(truth), sum(WIDTHS)))
    return Features(KIND, images, vectors.astype(np.float16))


def drawn(labels: list[int], task: str = "single") -> Snapshot:
    images = [SnapshotImage(n + 1, Path(f"{n}.jpg"), f"{n:064x}", (each,), None) for n, each in enumerate(labels)]
    return Snapshot(task, NAMES, tuple(images))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def planted() -> tuple[Features, Snapshot, np.ndarray, np.ndarray]:
    """Return features, pictures of which six have a wrong label, true classes, and the ids of the wrong ones."""
    truth = np.arange(120) % 3
    labels = truth.copy()
    wrong = np.array([4, 17, 33, 58, 71, 95])
    labels[wrong] = (truth[wrong] + 1) % 3
    images = drawn(labels.tolist())
    return features_of(images.images, truth), images, truth, wrong + 1


def test_planted_errors_come_first_with_the_true_class(planted):
    features, images, truth, wrong = planted
    findings = LabelReview(features, images).findings()
    assert {each.image_id for each in findings[:6]} == set(wrong.tolist())
    assert all(each.suggested == NAMES[truth[each.image_id - 1]] for each in findings[:6])
    assert all(each.score > 0.9 for each in findings[:6]) and all(each.score < 0.5 for each in findings[6:])
    assert [each.score for each in findings] == sorted((each.score for each in findings), reverse=True)
    own = NAMES[images.images[findings[0].image_id - 1].labels[0]]
    assert findings[0].reason.startswith(f"Labelled “{own}”, but looks more like “{findings[0].suggested}”")


def test_what_is_expected_to_be_wrong_is(planted):
    features, images, _, _ = planted
    assert LabelReview(features, images).expected_errors == pytest.approx(6, abs=1)


def test_a_relabelled_picture_is_suspicious_no_more_and_back_again(planted):
    features, images, truth, wrong = planted
    review = LabelReview(features, images)
    first, before = int(wrong[0]), {int(each): review.score(int(each)) for each in wrong}
    review.relabel(first, NAMES[truth[first - 1]])
    assert review.score(first) < 0.1 and first not in [each.image_id for each in review.findings()[:5]]
    review.relabel(first, NAMES[(truth[first - 1] + 1) % 3])
    assert {image_id: review.score(image_id) for image_id in before} == pytest.approx(before, abs=0.02)


def test_a_review_ends_where_a_new_look_begins(planted):
    features, images, truth, wrong = planted
    review = LabelReview(features, images)
    mended = list(images.images)
    for image_id in wrong.tolist():
        review.relabel(image_id, NAMES[truth[image_id - 1]])
        mended[image_id - 1] = replace(mended[image_id - 1], labels=(int(truth[image_id - 1]),))
    anew = LabelReview(features, replace(images, images=tuple(mended)))
    assert review.expected_errors < 0.5 and anew.expected_errors < 0.5
    assert review.probabilities == pytest.approx(anew.probabilities, abs=0.1)


def test_a_dropped_picture_is_gone_until_it_is_restored(planted):
    features, images, _, wrong = planted
    review = LabelReview(features, images)
    first = int(wrong[0])
    before = review.score(first)
    review.drop(first)
    assert len(review) == 119 and first not in {each.image_id for each in review.findings()}
    assert first not in review.image_ids
    review.restore(first)
    assert review.score(first) == pytest.approx(before, abs=0.02) and len(review) == 120


def test_the_project_is_followed_in_one_go(planted):
    features, images, truth, wrong = planted
    review = LabelReview(features, images)
    relabelled, dropped = int(wrong[0]), int(wrong[1])
    now = tuple(
        replace(each, labels=(int(truth[relabelled - 1]),)) if each.image_id == relabelled else each
        for each in images.images
        if each.image_id != dropped
    )
    assert review.follow(replace(images, images=now))
    assert review.score(relabelled) < 0.1 and len(review) == 119
    assert review.follow(images)
    assert review.score(relabelled) > 0.9 and len(review) == 120


def test_what_is_new_cannot_be_followed(planted):
    features, images, _, _ = planted
    review = LabelReview(features, replace(images, images=images.images[:-1]))
    assert not review.follow(images)  # a picture more has a label
    edited = replace(images.images[0], sha256="f" * 64)
    assert not review.follow(replace(images, images=(edited, *images.images[1:-1])))
    assert review.follow(replace(images, images=images.images[:-1]))


def test_evidence_is_near_and_of_both_classes(planted):
    features, images, truth, wrong = planted
    review = LabelReview(features, images)
    first = int(wrong[0])
    evidence = review.evidence(first, NAMES[truth[first - 1]], count=3)
    labels = {image.image_id: image.labels[0] for image in images.images}
    assert len(evidence.own) == len(evidence.suggested) == 3 and first not in evidence.own
    assert {labels[each] for each in evidence.own} == {labels[first]}
    assert {labels[each] for each in evidence.suggested} == {int(truth[first - 1])}


def test_votes_are_weighed_and_a_run_is_heard(planted):
    features, images, truth, wrong = planted
    answers = {
        image.image_id: {name: 0.9 if index == truth[place] else 0.05 for index, name in enumerate(NAMES)}
        for place, image in enumerate(images.images)
    }
    review = LabelReview(features, images, answers=answers)
    assert set(review.shares) == {"ridge", "discriminant", "neighbours", "run"}
    assert all(0.9 < share.agreement <= 1 for share in review.shares.values()) and review.shares["run"].weight > 0
    assert {each.image_id for each in review.findings()[:6]} == set(wrong.tolist())
    few = dict(list(answers.items())[:10])
    assert "run" not in LabelReview(features, images, answers=few).shares


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
    review = LabelReview(Features(KIND, snapshot.images, vectors.astype(np.float16)), snapshot)
    found = {each.image_id: each for each in review.findings()[:2]}
    assert set(found) == {6, 7}
    assert (found[6].kind, found[6].suggested) == (LEFT_OUT, "pear")
    assert (found[7].kind, found[7].suggested, found[7].doubted) == (PUT_IN, "", "plum")
    review.relabel(6, ("apple", "pear"))
    assert review.score(6) < 0.5


def states() -> list[tuple[str, list[tuple[int, ...]], str]]:
    return [
        ("nothing", [()] * 6, "No picture has a label yet"),
        ("one class", [(0,)] * 6, "the same class"),
        ("too few", [(0,), (0,), (0,), (1,)], "too few labels"),
    ]


@pytest.mark.parametrize(("labels", "words"), [state[1:] for state in states()], ids=[state[0] for state in states()])
def test_without_enough_labels_the_reason_is_said_before_anything_is_computed(labels, words, tmp_path):
    images = drawn([0] * len(labels))
    images = replace(
        images, images=tuple(replace(i, labels=each) for i, each in zip(images.images, labels, strict=True))
    )
    with pytest.raises(ProjectError, match=words) as refused:
        LabelErrors().run(Inputs(tmp_path, images))
    assert refused.value.next_step is not None and not (tmp_path / "features").exists()


def test_identical_pictures_cannot_be_compared():
    images = drawn([0, 0, 1, 1, 0, 1])
    features = Features(KIND, images.images, np.ones((6, sum(WIDTHS)), np.float16))
    with pytest.raises(ProjectError, match="look the same"):
        LabelReview(features, images)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2], [0, 0, 1, 1], [0, 1, 0, 1, 2, 2]])
def test_a_handful_of_pictures_accuses_nobody(labels):
    images = drawn(labels)
    review = LabelReview(features_of(images.images, np.array(labels)), images)
    assert all(np.isfinite(each.score) and each.score < 0.5 for each in review.findings())
    single = [name for index, name in enumerate(NAMES) if labels.count(index) == 1]
    assert list(review.too_small) == single


def test_a_picture_without_usable_features_is_left_out_and_named(planted, tmp_path, monkeypatch):
    features, images, _, _ = planted
    broken = Features(KIND, features.images[1:], features.vectors[1:], unusable=features.images[:1])
    monkeypatch.setattr(Inputs, "features", broken)
    result = LabelErrors().run(Inputs(tmp_path, images))
    assert result.looked_at == 119 and [image_id for image_id, _ in result.unreadable] == [1]


def test_stopping_leaves_nothing(planted):
    features, images, _, _ = planted
    with pytest.raises(StoppedError):
        LabelReview(features, images, should_stop=lambda: True)


def test_the_result_is_kept_with_the_overlap_of_classes(planted, tmp_path, monkeypatch, capsys):
    features, images, truth, _ = planted
    mixed = list(images.images)
    for place in np.flatnonzero(truth == 1)[:8]:
        mixed[place] = replace(mixed[place], labels=(0,))
    monkeypatch.setattr(Inputs, "features", features)
    result = LabelErrors().run(Inputs(tmp_path, replace(images, images=tuple(mixed))))
    assert read_result(tmp_path, "label-errors") == result
    first = result.facts["overlap"][0]
    assert {first["first"], first["second"]} == {"apple", "pear"} and first["pictures"] >= 6
    assert capsys.readouterr().out == ""  # cleanlab says nothing
    assert result.threshold == label_errors.THRESHOLD and json.dumps(result.facts)


def test_without_runs_nobody_is_asked(tmp_path, planted):
    assert run_answers(tmp_path, planted[1]) == ("", {})
