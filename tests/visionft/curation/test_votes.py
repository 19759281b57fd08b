"""Votes of classifiers and neighbours without the image itself, their blend, and the number of label errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from visionft.curation.label_errors.noise import (
    Blend,
    _Problem,
    estimate_mixture,
    fit_blend,
    fit_blends,
    posterior_weights,
)
from visionft.curation.label_errors.votes import DISCRIMINANT, RIDGE, LinearVotes, NeighbourVote
from visionft.features.neighbours import nearest

COUNT, WIDTH, CLASSES = 90, 12, 3
DRAWN = 12_000


@pytest.fixture
def problem() -> SimpleNamespace:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, COUNT)
    rows = (rng.normal(size=(CLASSES, WIDTH))[labels] + rng.normal(size=(COUNT, WIDTH))).astype(np.float32)
    return SimpleNamespace(rows=rows, labels=labels, targets=np.eye(CLASSES)[labels])


def test_a_class_may_run_empty_and_fill_again(problem):
    votes = LinearVotes(problem.rows, problem.targets, is_multilabel=False)
    before = votes.held_out()
    assert votes.names == (RIDGE, DISCRIMINANT)
    assert all((logits.argmax(axis=1) == problem.labels).mean() > 0.8 for logits in before)
    for place in np.flatnonzero(problem.labels == 2):
        votes.change(int(place), np.eye(CLASSES)[0])
    empty = votes.held_out()[1]
    assert np.isfinite(empty).all() and (empty.argmax(axis=1) != 2).all()
    for place in np.flatnonzero(problem.labels == 2):
        votes.change(int(place), problem.targets[place])
    assert np.stack(votes.held_out()) == pytest.approx(np.stack(before), abs=1e-2)


def test_neighbours_leave_out_what_was_dropped(problem):
    directions = problem.rows / np.linalg.norm(problem.rows, axis=1, keepdims=True)
    vote = NeighbourVote(nearest(directions, k=COUNT), np.ones(COUNT, bool))
    first = int(nearest(directions, k=1).places[0, 0])
    before = vote.held_out(problem.targets)[0]
    vote.change(first, None)
    after = vote.held_out(problem.targets)[0]
    index = problem.labels[first]
    assert after[index] < before[index]
    assert np.exp(after).sum() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("is_multilabel", [False, True])
def test_the_slope_of_the_loss_is_right(is_multilabel):
    rng = np.random.default_rng(1)
    votes = rng.normal(size=(2, 40, CLASSES))
    targets = (rng.random((40, CLASSES)) < 0.4) * 1.0 if is_multilabel else np.eye(CLASSES)[rng.integers(0, 3, 40)]
    loss = _Problem(votes, targets, is_multilabel)
    at = np.abs(rng.normal(size=len(loss.start)))
    at[-2:] = 0.05, 0.1
    steps = 1e-6 * np.eye(len(at))
    slopes = [(loss(at + step)[0] - loss(at - step)[0]) / 2e-6 for step in steps]
    assert loss(at)[1] == pytest.approx(slopes, abs=1e-6)


def generated(rate: float, *, is_confused: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits of a calibrated classifier, one-hot labels drawn from them with errors, and the error mask."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.normal(size=(DRAWN, 5))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (shares.cumsum(axis=1) > rng.random((DRAWN, 1))).argmax(axis=1)
    wrong = rng.random(DRAWN) < rate
    others = np.where(np.eye(5)[truth] > 0, 0, shares if is_confused else 1.0)
    others /= others.sum(axis=1, keepdims=True)
    drawn = (others.cumsum(axis=1) > rng.random((DRAWN, 1))).argmax(axis=1)
    return logits, np.eye(5)[np.where(wrong, drawn, truth)], wrong


@pytest.mark.parametrize("is_confused", [False, True])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.2])
def test_scores_are_the_probability_of_being_wrong(rate, is_confused):
    logits, targets, wrong = generated(rate, is_confused=is_confused)
    noise = np.random.default_rng(5).normal(size=logits.shape)
    blend = fit_blend([logits, noise], targets)
    scores = blend.error_probability(blend.probabilities([logits, noise]), targets)
    assert blend.rates[int(is_confused)] == pytest.approx(rate, rel=0.3, abs=0.01)
    assert scores.sum() == pytest.approx(wrong.sum(), rel=0.3)
    likely = scores > 0.5
    assert wrong[likely].mean() == pytest.approx(scores[likely].mean(), abs=0.08)
    assert blend.weights[1] < 0.1 * blend.weights[0]  # an uninformative vote does not count


def believed(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected rate of wrong labels."""
    blends = fit_blends([logits], labels)
    fits = np.array([blend.log_likelihood(blend.probabilities([logits]), labels) for blend in blends])
    return float(posterior_weights(blends, fits) @ [sum(blend.rates) for blend in blends])


def test_the_rate_that_is_believed_is_that_of_the_labels():
    logits, targets, wrong = generated(0.2, is_confused=False)
    mended = np.where(wrong[:, None], np.eye(5)[logits.argmax(axis=1)], targets)
    assert believed(logits, targets) == pytest.approx(0.2, abs=0.04) and believed(logits, mended) < 0.03


@pytest.mark.parametrize("is_multilabel", [False, True])
def test_of_few_labels_nearly_any_number_is_possible(is_multilabel):
    targets = np.array([[1.0, 0.0], [0.0, 1.0]] * 3)
    votes = [np.random.default_rng(2).normal(size=targets.shape)]
    blends = fit_blends(votes, targets, is_multilabel=is_multilabel)
    totals = [sum(blend.rates) for blend in blends]
    found = estimate_mixture(
        blends,
        lambda place: blends[place].probabilities(votes),
        targets,
        is_present=np.ones(6, bool),
        by_image=lambda wrong: wrong.max(axis=1) if is_multilabel else wrong,
    )
    least, most = found.possible_errors
    assert totals == sorted(totals) and least < 0.1 and most > 2
    assert found.error_probability.shape == (targets.shape if is_multilabel else (6,))
    assert is_multilabel or found.probabilities.sum(axis=1) == pytest.approx(1)


def test_of_several_labels_left_out_ones_are_told_from_put_in_ones():
    rng = np.random.default_rng(3)
    logits = 3 * rng.normal(size=(2000, 4)) - 1
    truth = rng.random((2000, 4)) < 1 / (1 + np.exp(-logits))
    left_out = truth & (rng.random(truth.shape) < 0.15)
    blend = fit_blend([logits], (truth & ~left_out) * 1.0, is_multilabel=True)
    assert blend.rates[0] == pytest.approx(0.15, abs=0.04) and blend.rates[1] < 0.02
    scores = blend.error_probability(blend.probabilities([logits]), (truth & ~left_out) * 1.0)
    assert scores.sum() == pytest.approx(left_out.sum(), rel=0.25)


def test_without_any_signal_nothing_is_suspicious():
    targets = np.eye(2)[np.arange(40) % 2]
    blend = fit_blend([np.zeros((40, 2))], targets)
    assert isinstance(blend, Blend)
    assert (blend.error_probability(blend.probabilities([np.zeros((40, 2))]), targets) < 0.5).all()
