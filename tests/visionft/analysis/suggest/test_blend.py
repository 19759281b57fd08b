"""The blend of closed-form classifiers: calibrated probabilities from one label a class on."""

import numpy as np
import pytest

from models.heads.closed_form import ClosedForm, with_intercept
from visionft.analysis.feature_suggester import predict

IMAGES, CLASSES, WIDTH = 40, 3, 12
LABELS = np.arange(IMAGES) % CLASSES


@pytest.fixture
def inputs() -> np.ndarray:
    """Return (N, D) features, mostly separable by class."""
    rows = np.random.default_rng(0).normal(0, 1, (IMAGES, WIDTH)) + 2.0 * np.eye(WIDTH)[LABELS]
    return ((rows - rows.mean(axis=0)) / np.sqrt(WIDTH / 3)).astype(np.float32)


def engine(inputs: np.ndarray, count: int) -> ClosedForm:
    """Return an engine with the labels of the first images."""
    state = ClosedForm(with_intercept(inputs), CLASSES)
    state.label(np.arange(count), np.eye(CLASSES, dtype=np.float32)[LABELS[:count]])
    return state


def test_identical_images_and_one_class_give_finite_probabilities():
    state = ClosedForm(with_intercept(np.zeros((6, 4))), 2)
    state.label(np.arange(3), np.eye(2, dtype=np.float32)[[0, 1, 1]])
    assert np.isfinite(predict(state, is_multilabel=False).probabilities).all()
    state.unlabel(np.array([0]))
    assert np.isfinite(predict(state, is_multilabel=False).probabilities).all()


def test_several_labels_are_binary_decisions(inputs):
    targets = np.stack([LABELS == 0, LABELS != 2], axis=1).astype(np.float32)
    state = ClosedForm(with_intercept(inputs), 2)
    state.label(np.arange(24), targets[:24])
    found = predict(state, is_multilabel=True)
    assert found.thresholds is not None
    assert ((found.probabilities[24:] >= found.thresholds) == targets[24:].astype(bool)).mean() > 0.8
