"""Votes say of each picture what a classifier fitted without it says, also after labels changed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from visionft.curation.label_errors.noise import Blend, _Problem, fit_blend
from visionft.curation.label_errors.votes import (
    DiscriminantVote,
    NeighbourVote,
    RidgeVote,
    discriminant_votes,
    ridge_votes,
)
from visionft.features.neighbours import nearest

COUNT, WIDTH, CLASSES = 90, 12, 3
STRENGTH, SHRINKAGE = 0.1, 0.2
DRAWN = 12_000


@pytest.fixture
def problem() -> SimpleNamespace:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, COUNT)
    rows = (rng.normal(size=(CLASSES, WIDTH))[labels] + rng.normal(size=(COUNT, WIDTH))).astype(np.float32)
    return SimpleNamespace(rows=rows, labels=labels, targets=np.eye(CLASSES)[labels])


def ridge(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray, hold: float) -> np.ndarray:
    """Return (C,) of the asked row by least squares with a free level, squared weights held by `hold`."""
    full = np.column_stack([rows.astype(float), np.ones(len(rows))])
    weight = np.linalg.solve(full.T @ full + hold * np.diag([1.0] * WIDTH + [0.0]), full.T @ targets)
    return np.append(asked, 1.0) @ weight - 0.5


def discriminant(rows: np.ndarray, labels: np.ndarray, asked: np.ndarray, *, share: float, hold: float) -> np.ndarray:
    """Return (C,) of the asked row, the prior left out."""
    means = np.stack([rows[labels == index].mean(axis=0, dtype=float) for index in range(CLASSES)])
    apart = rows - means[labels]
    weight = np.linalg.solve(share * apart.T @ apart + hold * np.eye(WIDTH), means.T)
    return asked @ weight - (means.T * weight).sum(axis=0) / 2


def holds(problem: SimpleNamespace) -> tuple[float, float, float]:
    """Return what the votes of all pictures hold weights back by: of ridge; share and hold of the discriminant."""
    rows = problem.rows.astype(float)
    means = np.stack([rows[problem.labels == index].mean(axis=0) for index in range(CLASSES)])
    within = ((rows - means[problem.labels]) ** 2).sum() / WIDTH / (COUNT - CLASSES)
    return STRENGTH * rows.var(axis=0).mean() * COUNT, (1 - SHRINKAGE) / (COUNT - CLASSES), SHRINKAGE * within


def prior(counts: np.ndarray) -> np.ndarray:
    return np.log((counts + 1) / (counts.sum() + CLASSES))


def check(problem: SimpleNamespace, votes: tuple, labels: np.ndarray, is_there: np.ndarray) -> None:
    """Compare with classifiers fitted anew without each picture."""
    targets = np.eye(CLASSES)[labels]
    hold, share, towards = holds(problem)
    said = [vote.held_out(targets) for vote in votes]
    for place in np.flatnonzero(is_there)[::7]:
        left = is_there.copy()
        left[place] = False
        asked = problem.rows[place]
        assert said[0][place] == pytest.approx(ridge(problem.rows[left], targets[left], asked, hold), abs=1e-4)
        wanted = discriminant(problem.rows[left], labels[left], asked, share=share, hold=towards)
        counts = np.bincount(labels[is_there], minlength=CLASSES)
        assert said[1][place] == pytest.approx(wanted + prior(counts), rel=1e-4, abs=1e-3)


def votes_of(problem: SimpleNamespace) -> tuple[RidgeVote, DiscriminantVote]:
    first = ridge_votes(problem.rows, problem.targets)(problem.rows, [STRENGTH])[0]
    second = discriminant_votes(problem.rows, problem.targets)(problem.rows, [SHRINKAGE])[0]
    return first, second


def test_leaving_one_out_is_exact(problem):
    check(problem, votes_of(problem), problem.labels, np.ones(COUNT, bool))


def test_changed_labels_and_dropped_pictures_are_followed_exactly(problem):
    votes, labels, is_there = votes_of(problem), problem.labels.copy(), np.ones(COUNT, bool)
    for place in range(30):
        before, after = np.eye(CLASSES)[labels[place]], np.eye(CLASSES)[(labels[place] + 1) % CLASSES]
        for vote in votes:
            vote.change(place, before, after)
        labels[place] = after.argmax()
    for place in range(10, 20):
        for vote in votes:
            vote.change(place, np.eye(CLASSES)[labels[place]], None)
        is_there[place] = False
    check(problem, votes, labels, is_there)
    for place in range(10, 20):
        for vote in votes:
            vote.change(place, None, np.eye(CLASSES)[labels[place]])
    check(problem, votes, labels, np.ones(COUNT, bool))


def test_a_class_may_run_empty_and_fill_again(problem):
    votes, targets = votes_of(problem), problem.targets.copy()
    before = [vote.held_out(targets) for vote in votes]
    members = np.flatnonzero(problem.labels == 2)
    for place in members:
        for vote in votes:
            vote.change(int(place), targets[place], np.eye(CLASSES)[0])
    empty = np.eye(CLASSES)[np.where(problem.labels == 2, 0, problem.labels)]
    assert np.isfinite(votes[1].held_out(empty)).all() and (votes[1].held_out(empty).argmax(axis=1) != 2).all()
    for place in members:
        for vote in votes:
            vote.change(int(place), np.eye(CLASSES)[0], targets[place])
    assert votes[0].held_out(targets) == pytest.approx(before[0], abs=1e-4)
    assert np.isfinite(votes[1].held_out(targets)).all()


def test_neighbours_leave_out_what_was_dropped(problem):
    directions = problem.rows / np.linalg.norm(problem.rows, axis=1, keepdims=True)
    vote = NeighbourVote(nearest(directions, k=COUNT), np.ones(COUNT, bool))
    first = int(nearest(directions, k=1).places[0, 0])
    before = vote.held_out(problem.targets)[0]
    vote.change(first, problem.targets[first], None)
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
    """Return logits of a calibrated classifier, one-hot labels drawn from them, some of them wrong, and which."""
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
    scores = blend.suspicion(blend.probabilities([logits, noise]), targets)
    assert blend.rates[int(is_confused)] == pytest.approx(rate, rel=0.3, abs=0.01)
    assert scores.sum() == pytest.approx(wrong.sum(), rel=0.3)
    likely = scores > 0.5
    assert wrong[likely].mean() == pytest.approx(scores[likely].mean(), abs=0.08)
    assert blend.weights[1] < 0.1 * blend.weights[0]  # a vote that knows nothing does not count


def test_the_rates_follow_the_labels(problem):
    logits, targets, wrong = generated(0.2, is_confused=False)
    blend = fit_blend([logits], targets)
    shares = blend.probabilities([logits])
    mended = np.where(wrong[:, None], np.eye(5)[logits.argmax(axis=1)], targets)
    assert sum(blend.refitted(shares, targets).rates) == pytest.approx(sum(blend.rates), abs=0.02)
    assert sum(blend.refitted(shares, mended).rates) < 0.03


def test_of_several_labels_left_out_ones_are_told_from_put_in_ones():
    rng = np.random.default_rng(3)
    logits = 3 * rng.normal(size=(2000, 4)) - 1
    truth = rng.random((2000, 4)) < 1 / (1 + np.exp(-logits))
    left_out = truth & (rng.random(truth.shape) < 0.15)
    blend = fit_blend([logits], (truth & ~left_out) * 1.0, is_multilabel=True)
    assert blend.rates[0] == pytest.approx(0.15, abs=0.04) and blend.rates[1] < 0.02
    scores = blend.suspicion(blend.probabilities([logits]), (truth & ~left_out) * 1.0)
    assert scores.sum() == pytest.approx(left_out.sum(), rel=0.25)
    assert replace(blend, rates=(0.1, 0.1)).refitted(blend.probabilities([logits]), truth * 1.0).rates[0] < 0.03


def test_without_any_signal_nothing_is_suspicious():
    targets = np.eye(2)[np.arange(40) % 2]
    blend = fit_blend([np.zeros((40, 2))], targets)
    assert isinstance(blend, Blend)
    assert (blend.suspicion(blend.probabilities([np.zeros((40, 2))]), targets) < 0.5).all()
