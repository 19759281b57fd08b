"""The nearest-class-mean head, calibrated on images left out of their own mean."""

import numpy as np
import pytest

from models.heads.calibration import softmax
from models.heads.class_means import fit_class_means
from models.heads.linear_head import FittedHead


def one_hot(labels: np.ndarray, classes: int = 4) -> np.ndarray:
    return np.eye(classes)[labels]


def logits(fitted: FittedHead, features: np.ndarray) -> np.ndarray:
    return features @ fitted.weight.T + fitted.bias


def nearest(queries: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    means = np.stack([features[labels == number].mean(axis=0) for number in range(4)])
    return np.linalg.norm(queries[:, None] - means, axis=2).argmin(axis=1)


def test_it_predicts_the_nearest_mean(blobs) -> None:
    features, labels = blobs(40, spread=3.0)
    queries, _ = blobs(400, spread=3.0, seed=1)
    fitted = fit_class_means(features, one_hot(labels), widths=(20,))
    assert (logits(fitted, queries).argmax(axis=1) == nearest(queries, features, labels)).all()


def test_its_accuracy_is_that_of_leaving_each_image_out(blobs) -> None:
    features, labels = blobs(12, spread=6.0)
    right = 0
    for place in range(12):
        kept = np.arange(12) != place
        # The scales of all images, as the closed form has them: of one part they change no order.
        right += nearest(features[place : place + 1], features[kept], labels[kept])[0] == labels[place]
    assert fit_class_means(features, one_hot(labels), widths=(20,)).accuracy == pytest.approx(right / 12)


def test_a_group_is_left_out_as_a_whole(blobs) -> None:
    features, labels = blobs(24, spread=6.0)
    groups = np.arange(24) // 8  # each holds images of all four classes
    right = 0
    for place in range(24):
        kept = groups != groups[place]
        right += nearest(features[place : place + 1], features[kept], labels[kept])[0] == labels[place]
    fitted = fit_class_means(features, one_hot(labels), widths=(20,), groups=groups)
    assert fitted.accuracy == pytest.approx(right / 24)


def test_it_is_calibrated(blobs) -> None:
    features, labels = blobs(400, spread=5.0)
    queries, truth = blobs(4000, spread=5.0, seed=1)
    shares = softmax(logits(fit_class_means(features, one_hot(labels), widths=(20,)), queries))
    assert abs(shares.max(axis=1).mean() - (shares.argmax(axis=1) == truth).mean()) < 0.06
