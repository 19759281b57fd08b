"""The linear head: accurate for separable classes, calibrated on unseen images, finite for any input."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from models.heads import linear_head, numerics
from models.heads.calibration import mean_cross_entropy, softmax
from models.heads.class_means import fit_class_means
from models.heads.linear_head import FittedHead, discriminant_heads, fit_head, logistic_heads, ridge_heads
from models.heads.scatter import Scatter
from visionft.core.jobs import JobCancelled, JobContext


def one_hot(labels: np.ndarray, classes: int = 4) -> np.ndarray:
    return np.eye(classes)[labels]


def logits(fitted: FittedHead, features: np.ndarray) -> np.ndarray:
    return features @ fitted.weight.T + fitted.bias


def test_each_kind_agrees_with_scikit_learn(blobs) -> None:
    features, labels = blobs(300, spread=2.0)
    features -= features.mean(axis=0)
    array, tensor, targets = features.astype(float), torch.from_numpy(features), torch.from_numpy(one_hot(labels))
    sums = Scatter.of(tensor, targets)
    scale = float(sums.covariance().diagonal().mean())
    for head, strength in zip(ridge_heads(sums, tensor.shape[1]), numerics.RIDGES, strict=True):
        expected = Ridge(alpha=strength * scale * len(array)).fit(array, np.eye(4)[labels])
        assert np.allclose(head.weight.T, expected.coef_, atol=1e-6) and np.allclose(head.bias, expected.intercept_)
    within = sum(np.cov(array[labels == c], rowvar=False, ddof=0) for c in range(4)) / 4 * len(array) / (len(array) - 4)
    means = np.stack([array[labels == c].mean(axis=0) for c in range(4)])
    for head, share in zip(discriminant_heads(sums, tensor.shape[1]), numerics.SHRINKAGES, strict=True):
        expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=share).fit(array, labels)
        ours = np.linalg.inv((1 - share) * within + share * np.trace(within) / 20 * np.eye(20))
        assert np.allclose(head.weight, (means @ ours).T, atol=1e-6)
        assert (head(tensor).argmax(dim=1).numpy() == expected.predict(array)).mean() > 0.98
    norm = np.sqrt((array**2).sum(axis=1).mean())
    for head, decay in zip(logistic_heads(tensor, targets, torch.ones(300)), linear_head.DECAYS, strict=True):
        expected = LogisticRegression(C=1 / (decay * len(array)), max_iter=2000).fit(array / norm, labels)
        assert np.abs(head(tensor).softmax(dim=1).numpy() - expected.predict_proba(array / norm)).max() < 0.04


def test_held_out_images_take_no_part() -> None:
    random = np.random.default_rng(0)
    labels, features = random.permutation(80) % 4, random.normal(size=(80, 500))  # nothing to be learnt
    fitted = fit_head(features, one_hot(labels), widths=(500,))
    assert fitted.accuracy is not None and fitted.accuracy < 0.45
    assert softmax(fitted.held_out).max(axis=1).mean() < 0.45 and len(fitted.held_out) == len(fitted.places) == 80


@pytest.mark.slow
@pytest.mark.parametrize("is_multilabel", [False, True])
def test_a_copy_is_held_out_with_its_image(is_multilabel) -> None:
    random = np.random.default_rng(0)
    labels, features = random.permutation(81) % 4, random.normal(size=(81, 200))  # nothing to be learnt
    targets = one_hot(np.where(np.arange(81) == 80, 4, labels), 5)  # and one class of a single image
    several = {"is_multilabel": is_multilabel, "weights": 1 + targets[:, 0]}
    copies = features + random.normal(size=features.shape) / 100
    fitted = fit_head(features, targets, widths=(200,), mirrored=copies, **several)
    assert fitted.accuracy is not None and fitted.accuracy < 0.45
    plain = fit_head(features, targets, widths=(200,), **several)
    assert np.array_equal(fitted.places, plain.places) and fitted.held_out.shape == plain.held_out.shape


@pytest.mark.slow
def test_copies_are_taken_where_classes_are_symmetric_and_not_where_they_are_mirrored(blobs) -> None:
    (features, labels), (copies, _) = blobs(40, spread=6.0), blobs(40, spread=6.0, seed=1)
    test, truth = blobs(4000, spread=6.0, seed=2)

    def loss(fitted: FittedHead) -> float:
        return mean_cross_entropy(logits(fitted, test), truth)

    plain = fit_head(features, one_hot(labels), widths=(20,))
    symmetric = fit_head(features, one_hot(labels), widths=(20,), mirrored=copies)
    assert symmetric.uses_mirrored and loss(symmetric) < loss(plain)
    assert len(symmetric.held_out) == 40 and symmetric.description != plain.description
    swapped = fit_head(features, one_hot(labels), widths=(20,), mirrored=np.roll(copies, 1, axis=0))
    assert not swapped.uses_mirrored and np.array_equal(swapped.weight, plain.weight)


@pytest.mark.parametrize(("fit", "accuracy"), [(fit_head, 0.9), (fit_class_means, 0.7)])
def test_several_labels_are_binary_decisions(fit, accuracy) -> None:
    random = np.random.default_rng(0)
    targets = (random.random((150, 3)) > 0.6).astype(int)
    features = targets @ random.normal(size=(3, 30)) * 3 + random.normal(size=(150, 30))
    fitted = fit(features, targets, widths=(30,), is_multilabel=True)
    assert fitted.accuracy is not None and fitted.accuracy > accuracy
    assert ((logits(fitted, features) > 0) == (targets > 0)).mean() > 0.9


def test_equal_images_give_a_finite_head() -> None:
    fitted = fit_head(np.zeros((12, 30)), one_hot(np.arange(12) % 4), widths=(10, 20))
    assert np.isfinite(fitted.weight).all() and np.isfinite(fitted.bias).all()


def test_features_that_are_not_finite_are_refused_and_a_job_can_be_cancelled(blobs) -> None:
    features, labels = blobs(20)
    with pytest.raises(ValueError, match="finite"):
        fit_head(np.full_like(features, np.nan), one_hot(labels), widths=(20,))
    calls = itertools.count()
    with pytest.raises(JobCancelled):
        fit_head(features, one_hot(labels), widths=(20,), job=JobContext(cancelled=lambda: next(calls) >= 3))
