"""The numbers behind suggestions: whatever the way to a set of labels, the same follows as from scratch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionft.suggest.blend import answers, shares_at
from visionft.suggest.closed_form import STRENGTHS, ClosedForm

PICTURES, CLASSES = 40, 3


def made_inputs(seed: int = 0, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, D) features that tell their classes (N) apart, mostly."""
    generator = np.random.default_rng(seed)
    labels = np.arange(PICTURES) % CLASSES
    rows = generator.normal(0, 1, (PICTURES, width)) + 2.0 * np.eye(width)[labels]
    return ((rows - rows.mean(axis=0)) / np.sqrt(width / 3)).astype(np.float32), labels


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[labels]


def labelled(state: ClosedForm, places: np.ndarray, labels: np.ndarray) -> ClosedForm:
    state.label(places, one_hot(labels[places]))
    return state


def assert_same(state: ClosedForm, other: ClosedForm) -> None:
    for number in range(len(STRENGTHS)):
        mine, theirs = state.of_all(number), other.of_all(number)
        np.testing.assert_allclose(mine.products, theirs.products, atol=2e-4)
        np.testing.assert_allclose(mine.leverage, theirs.leverage, atol=1e-3)
        np.testing.assert_allclose(mine.distances, theirs.distances, atol=3e-3, rtol=1e-3)


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(
        st.tuples(st.lists(st.integers(0, PICTURES - 1), min_size=1, max_size=6, unique=True), st.integers(-1, 2)),
        min_size=1,
        max_size=8,
    )
)
def test_any_way_to_the_labels_ends_at_the_same_answers(steps: list[tuple[list[int], int]]):
    inputs, _ = made_inputs()
    state = ClosedForm(inputs, CLASSES)
    for places, index in steps:
        if index < 0:
            state.unlabel(np.array(places))
        else:
            state.label(np.array(places), one_hot(np.full(len(places), index)))
    anew = ClosedForm(inputs, CLASSES)
    anew.targets, anew.is_labelled = state.targets.copy(), state.is_labelled.copy()
    anew.rebuild()
    assert_same(state, anew)


@pytest.mark.parametrize("shots", [2, 6])
def test_leaving_a_picture_out_is_what_forgetting_it_would_give(shots: int):
    inputs, labels = made_inputs()
    places = np.arange(shots * CLASSES)
    state = labelled(ClosedForm(inputs, CLASSES), places, labels)
    for place in places:
        without = labelled(ClosedForm(inputs, CLASSES), np.setdiff1d(places, [place]), labels)
        means = state.to_means_left_out(np.array([place]))
        np.testing.assert_allclose(means[0], without.to_means()[place], atol=1e-4)
        for number in range(len(STRENGTHS)):
            found, wanted = state.left_out(number, np.array([place])), without.of_all(number)
            np.testing.assert_allclose(found.products[0], wanted.products[place], atol=1e-3)
            np.testing.assert_allclose(found.distances[0], wanted.distances[place], rtol=1e-2, atol=2e-2)


def test_distances_are_those_of_the_textbook():
    inputs, labels = made_inputs()
    places = np.arange(15)
    state = labelled(ClosedForm(inputs, CLASSES), places, labels)
    rows = state.rows.astype(np.float64)
    means = np.stack([rows[places][labels[places] == index].mean(axis=0) for index in range(CLASSES)])
    apart = rows[places] - means[labels[places]]
    for number, strength in enumerate(STRENGTHS):
        inverse = np.linalg.inv(apart.T @ apart + strength * np.eye(rows.shape[1]))
        wanted = [[(row - mean) @ inverse @ (row - mean) for mean in means] for row in rows]
        np.testing.assert_allclose(state.of_all(number).distances, wanted, rtol=1e-2, atol=1e-2)


def test_pictures_that_come_later_are_answered_as_if_they_had_been_there():
    inputs, labels = made_inputs()
    state = labelled(ClosedForm(inputs[:30], CLASSES), np.arange(12), labels)
    state.add(inputs[30:])
    early = ClosedForm(inputs[:30], CLASSES)
    early.add(inputs[30:])
    assert_same(state, labelled(early, np.arange(12), labels))


def test_classes_that_come_later_have_no_picture_and_are_never_answered():
    inputs, labels = made_inputs()
    state = labelled(ClosedForm(inputs, CLASSES), np.arange(12), labels)
    before = answers(state, is_multilabel=False).probabilities
    state.arrange_classes([2, -1, 0, 1, -1])
    found = answers(state, is_multilabel=False).probabilities
    assert found[:, [1, 4]].max() < 1e-6
    np.testing.assert_allclose(found[:, [2, 3, 0]], before, atol=1e-4)


def test_taking_every_label_away_leaves_what_was_there_before():
    inputs, labels = made_inputs()
    state = ClosedForm(inputs, CLASSES)
    for _ in range(3):
        labelled(state, np.arange(30), labels)
        state.unlabel(np.arange(30))
    assert_same(labelled(state, np.arange(9), labels), labelled(ClosedForm(inputs, CLASSES), np.arange(9), labels))


@pytest.mark.parametrize("size", [1, 30])
def test_labels_given_and_taken_back_a_hundred_times_leave_no_trace(size: int):
    """Long rows multiply rounding by thousands when the last label goes: then it is computed exactly."""
    inputs, labels = made_inputs()
    state = labelled(ClosedForm(inputs * np.float32(size), CLASSES), np.arange(3), labels)
    for turn in range(100):
        place = np.array([3 + turn % 6])
        labelled(state, place, labels)
        state.unlabel(place)
    anew = labelled(ClosedForm(inputs * np.float32(size), CLASSES), np.arange(3), labels)
    for number in range(len(STRENGTHS)):
        np.testing.assert_allclose(state.of_all(number).products, anew.of_all(number).products, atol=1e-3)
        np.testing.assert_allclose(state.of_all(number).leverage, anew.of_all(number).leverage, rtol=2e-3, atol=1e-3)


def test_who_speaks_goes_smoothly_from_means_to_gaussians():
    assert shares_at(np.array([1, 1])) == {"prototype": 1}
    assert shares_at(np.array([4, 4])) == {"ridge": 0.5, "gda": 0.5}
    assert shares_at(np.array([9, 20])) == {"gda": 1}
    for shots in range(1, 12):
        assert sum(shares_at(np.array([shots])).values()) == pytest.approx(1)


@pytest.mark.parametrize("shots", [1, 2, 4, 9])
def test_probabilities_are_finite_and_mostly_right(shots: int):
    inputs, labels = made_inputs()
    state = labelled(ClosedForm(inputs, CLASSES), np.arange(shots * CLASSES), labels)
    found = answers(state, is_multilabel=False)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-4)
    assert (found.probabilities.argmax(axis=1) == labels).mean() > 0.6


def test_identical_pictures_and_one_class_give_finite_answers():
    state = ClosedForm(np.zeros((6, 4), np.float32), 2)
    state.label(np.arange(3), np.eye(2, dtype=np.float32)[[0, 1, 1]])
    assert np.isfinite(answers(state, is_multilabel=False).probabilities).all()
    state.unlabel(np.array([0]))
    assert np.isfinite(answers(state, is_multilabel=False).probabilities).all()


def test_several_labels_are_answered_one_by_one():
    inputs, labels = made_inputs()
    targets = np.stack([labels == 0, labels != 2], axis=1).astype(np.float32)
    state = ClosedForm(inputs, 2)
    state.label(np.arange(24), targets[:24])
    found = answers(state, is_multilabel=True)
    assert found.thresholds is not None
    right = (found.probabilities[24:] >= found.thresholds) == targets[24:].astype(bool)
    assert right.mean() > 0.8
