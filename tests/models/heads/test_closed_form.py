"""The closed-form engine: any sequence of label changes gives the same terms as fitting from scratch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.closed_form import STRENGTHS, ClosedForm, FeatureMap, with_intercept

IMAGES, CLASSES = 40, 3


def made_inputs(seed: int = 0, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, D) features, mostly separable by class (N)."""
    generator = np.random.default_rng(seed)
    labels = np.arange(IMAGES) % CLASSES
    rows = generator.normal(0, 1, (IMAGES, width)) + 2.0 * np.eye(width)[labels]
    return ((rows - rows.mean(axis=0)) / np.sqrt(width / 3)).astype(np.float32), labels


def engine(inputs: np.ndarray) -> ClosedForm:
    feature_map = FeatureMap.fitted(inputs)
    return ClosedForm(feature_map(inputs), CLASSES, linear=feature_map.linear)


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
        st.tuples(st.lists(st.integers(0, IMAGES - 1), min_size=1, max_size=6, unique=True), st.integers(-1, 2)),
        min_size=1,
        max_size=8,
    )
)
def test_any_sequence_of_changes_equals_fitting_from_scratch(steps) -> None:
    inputs, _ = made_inputs()
    state = engine(inputs)
    for places, index in steps:
        if index < 0:
            state.unlabel(np.array(places))
        else:
            state.label(np.array(places), one_hot(np.full(len(places), index)))
    anew, places = engine(inputs), np.flatnonzero(state.is_labelled)
    anew.relearn(places, state.targets[places])
    assert_same(state, anew)


@pytest.mark.parametrize("shots", [2, 6])
def test_leaving_one_out_equals_removing_its_label(shots) -> None:
    inputs, labels = made_inputs()
    places = np.arange(shots * CLASSES)
    state = labelled(engine(inputs), places, labels)
    for place in places:
        without = labelled(engine(inputs), np.setdiff1d(places, [place]), labels)
        means = state.to_means_left_out(np.array([place]))
        np.testing.assert_allclose(means[0], without.to_means()[place], atol=1e-4)
        for number in range(len(STRENGTHS)):
            found, wanted = state.left_out(number, np.array([place])), without.of_all(number)
            np.testing.assert_allclose(found.products[0], wanted.products[place], atol=1e-3)
            np.testing.assert_allclose(found.distances[0], wanted.distances[place], rtol=1e-2, atol=2e-2)


def test_leaving_a_group_out_equals_removing_its_labels() -> None:
    inputs, labels = made_inputs()
    places = np.arange(6 * CLASSES)
    groups = np.arange(len(inputs))
    groups[[0, 1, CLASSES, 2 * CLASSES + 1]] = 0  # images of two classes
    groups[[2, CLASSES + 2]] = 2
    grouped = ClosedForm(with_intercept(inputs), CLASSES, groups=groups)
    state = labelled(grouped, places, labels)
    alone = labelled(ClosedForm(with_intercept(inputs), CLASSES), places, labels)
    means, means_alone = state.to_means_left_out(places), alone.to_means_left_out(places)
    for number in range(len(STRENGTHS)):
        found, single = state.left_out(number, places), alone.left_out(number, places)
        for place in places:
            members = places[groups[places] == groups[place]]
            if len(members) == 1:
                np.testing.assert_array_equal(found.products[place], single.products[place])
                np.testing.assert_array_equal(means[place], means_alone[place])
                continue
            rest = labelled(ClosedForm(with_intercept(inputs), CLASSES), np.setdiff1d(places, members), labels)
            wanted = rest.of_all(number)
            np.testing.assert_allclose(found.products[place], wanted.products[place], atol=1e-3)
            np.testing.assert_allclose(found.leverage[place], wanted.leverage[place], rtol=1e-3)
            np.testing.assert_allclose(found.distances[place], wanted.distances[place], rtol=1e-2, atol=2e-2)
            np.testing.assert_array_equal(found.counts[place], wanted.counts)
            np.testing.assert_allclose(means[place], rest.to_means()[place], atol=1e-4)


def test_a_group_of_a_whole_class_is_left_out_one_by_one() -> None:
    inputs, labels = made_inputs()
    places = np.arange(6 * CLASSES)
    groups = np.where(labels == 0, len(labels), np.arange(len(labels)))
    state = labelled(ClosedForm(with_intercept(inputs), CLASSES, groups=groups), places, labels)
    alone = labelled(ClosedForm(with_intercept(inputs), CLASSES), places, labels)
    np.testing.assert_array_equal(state.left_out(0, places).products, alone.left_out(0, places).products)


def test_distances_are_those_of_the_textbook() -> None:
    inputs, labels = made_inputs()
    places = np.arange(15)
    state = labelled(engine(inputs), places, labels)
    rows = state.rows.astype(np.float64)
    means = np.stack([rows[places][labels[places] == index].mean(axis=0) for index in range(CLASSES)])
    apart = rows[places] - means[labels[places]]
    for number, strength in enumerate(STRENGTHS):
        inverse = np.linalg.inv(apart.T @ apart + strength * np.eye(rows.shape[1]))
        wanted = [[(row - mean) @ inverse @ (row - mean) for mean in means] for row in rows]
        np.testing.assert_allclose(state.of_all(number).distances, wanted, rtol=1e-2, atol=1e-2)
