"""The metrics against scikit-learn on random cases, and at their edges."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from models.heads.calibration import fit_temperature, sigmoid, softmax
from visionft.training.evaluation import metrics


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    rng = np.random.default_rng(seed)
    classes, count = int(rng.integers(2, 9)), int(rng.integers(1, 200))
    logits = rng.normal(size=(count, classes)) * 2
    targets = rng.integers(0, classes, count)
    logits[np.arange(count), targets] += rng.choice([0, 2])
    return targets, softmax(logits), classes


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_equal_to_scikit_learn(seed: int) -> None:
    targets, probabilities, classes = random_case(seed)
    predictions = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(targets, predictions, classes)
    labels = list(range(classes))
    assert np.array_equal(confusion, oracle.confusion_matrix(targets, predictions, labels=labels))
    assert metrics.accuracy(confusion) == pytest.approx(oracle.accuracy_score(targets, predictions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        balanced = oracle.balanced_accuracy_score(targets, predictions)
        expected = oracle.precision_recall_fscore_support(targets, predictions, labels=labels, zero_division=0)
    assert metrics.balanced_accuracy(confusion) == pytest.approx(balanced)
    scores = metrics.class_scores(confusion)
    present = [place for place, score in enumerate(scores) if score.support]
    for column, name in enumerate(("precision", "recall", "f1", "support")):
        values = [getattr(score, name) for score in scores]
        assert [values[place] for place in present] == pytest.approx(expected[column][present].tolist())
        absent = {value for place, value in enumerate(values) if place not in present}
        assert absent <= ({0} if name == "support" else {None})
    if classes > 2:
        top_k = oracle.top_k_accuracy_score(targets, probabilities, k=2, labels=labels)
        assert metrics.top_k_accuracy(probabilities, targets, 2) == pytest.approx(top_k)


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4))
    targets = np.array([rng.choice(4, p=row) for row in softmax(logits)])
    temperature = fit_temperature(logits * 3, targets)
    assert temperature == pytest.approx(3, rel=0.1)
    before, after = (
        metrics.expected_calibration_error(softmax(logits * 3 / each), targets) for each in (1.0, temperature)
    )
    assert after < 0.3 * before
    calibrated = np.full((10, 2), 0.5)
    assert metrics.expected_calibration_error(calibrated, np.array([0, 1] * 5)) == pytest.approx(0)
    labels = (rng.random((4000, 4)) < sigmoid(logits)).astype(float)
    assert fit_temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.1)


def test_wilson_interval() -> None:
    for hits, count, *interval in ((0, 10, 0, 0.278), (10, 10, 0.722, 1), (50, 100, 0.404, 0.596)):
        assert metrics.wilson_interval(hits, count) == pytest.approx(interval, abs=5e-4)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_average_precision_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, int(rng.integers(1, 80)))
    scores = rng.integers(0, 12, len(targets)) / 12  # with ties
    if targets.any():
        assert metrics.average_precision(scores, targets) == pytest.approx(
            oracle.average_precision_score(targets, scores)
        )
        limit = metrics.best_threshold(scores, targets)
        best = max(oracle.f1_score(targets, scores >= level, zero_division=0) for level in np.unique(scores))
        assert oracle.f1_score(targets, scores >= limit, zero_division=0) == pytest.approx(best)
    else:
        assert metrics.average_precision(scores, targets) == 0 and metrics.best_threshold(scores, targets) == 0.5
