"""Votes of classifiers and neighbours without the image itself, their blend, and the number of label errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from visionft.curation.label_errors.noise import (
    Blend,
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
    every = np.arange(COUNT)
    before = votes.held_out(every)
    assert votes.names == (RIDGE, DISCRIMINANT)
    assert all((logits.argmax(axis=1) == problem.labels).mean() > 0.8 for logits in before)
    for place in np.flatnonzero(problem.labels == 2):
        votes.change(int(place), np.eye(CLASSES)[0])
    empty = votes.held_out(every)[1]
    assert np.isfinite(empty).all() and (empty.argmax(axis=1) != 2).all()
    for place in np.flatnonzero(problem.labels == 2):
        votes.change(int(place), problem.targets[place])
    assert np.stack(votes.held_out(every)) == pytest.approx(np.stack(before), abs=1e-2)


def test_neighbours_leave_out_what_was_dropped(problem):
    directions = problem.rows / np.linalg.norm(problem.rows, axis=1, keepdims=True)
    vote = NeighbourVote(nearest(directions, k=COUNT), np.ones(COUNT, bool))
    first = int(nearest(directions, k=1).places[0, 0])
    index, counts = problem.labels[first], problem.targets.sum(axis=0)
    before = vote.held_out(np.array([0]), problem.targets, counts)[0]
    vote.change(first, None)
    after = vote.held_out(np.array([0]), problem.targets, counts - problem.targets[first])[0]
    assert after[index] < before[index]
    assert np.exp(after).sum() == pytest.approx(1, abs=0.02)


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
    fits = np.array([blend.log_prior + blend.log_likelihood(blend.probabilities([logits]), labels) for blend in blends])
    return float(posterior_weights(blends, fits) @ [sum(blend.rates) for blend in blends])


def test_the_rate_that_is_believed_is_that_of_the_labels():
    logits, targets, wrong = generated(0.2, is_confused=False)
    mended = np.where(wrong[:, None], np.eye(5)[logits.argmax(axis=1)], targets)
    assert believed(logits, targets) == pytest.approx(0.2, abs=0.04) and believed(logits, mended) < 0.03


@pytest.mark.slow
def test_a_mixture_of_many_images_is_that_of_all_at_once():
    logits, targets, _ = (np.concatenate([each] * 3) for each in generated(0.1, is_confused=False))
    is_present, one = np.arange(len(logits)) % 7 > 0, np.ones(1)
    blends = [Blend(one, one, np.zeros(5), (rate, 1e-3), 0.0) for rate in (0.099, 0.1, 0.101)]
    found = estimate_mixture(
        blends,
        lambda places, chosen: (blends[at].probabilities([logits[places]]) for at in chosen),
        targets,
        is_present=is_present,
        by_image=lambda errors, _places: errors,
    )
    shares, now = [blend.probabilities([logits]) for blend in blends], is_present
    pairs = list(zip(blends, shares, strict=True))
    fits = [blend.log_prior + blend.log_likelihood(share[now], targets[now]) for blend, share in pairs]
    weights = posterior_weights(blends, np.array(fits))
    errors = [blend.error_probability(share, targets) for blend, share in pairs]
    assert found.best == np.argmax(fits)
    assert found.error_probability == pytest.approx(weights @ errors, abs=1e-6)
    assert found.probabilities == pytest.approx(np.tensordot(weights, shares, 1), abs=1e-6)
    least, most = found.possible_errors
    assert least < errors[found.best][now].sum() < most


def test_of_several_labels_left_out_ones_are_told_from_put_in_ones():
    rng = np.random.default_rng(3)
    logits = 3 * rng.normal(size=(2000, 4)) - 1
    truth = rng.random((2000, 4)) < 1 / (1 + np.exp(-logits))
    left_out = truth & (rng.random(truth.shape) < 0.15)
    blend = fit_blend([logits], (truth & ~left_out) * 1.0, is_multilabel=True)
    assert blend.rates[0] == pytest.approx(0.15, abs=0.04) and blend.rates[1] < 0.02
    scores = blend.error_probability(blend.probabilities([logits]), (truth & ~left_out) * 1.0)
    assert scores.sum() == pytest.approx(left_out.sum(), rel=0.25)
