"""The closed-form head: right where classes can be told apart, calibrated on pictures it has not seen, never broken."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from visionft.heads import linear_head, strengths
from visionft.heads.fitting import description, fit_head
from visionft.heads.linear_head import discriminant_heads, logistic_heads, ridge_heads
from visionft.heads.scatter import Scatter


def blobs(
    count: int, *, classes: int = 4, width: int = 20, spread: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return features (N, D) around class means, and their class indices."""
    generator = torch.Generator().manual_seed(7)
    centres = torch.randn(classes, width, generator=generator) * 2
    labels = torch.arange(count) % classes
    own = torch.Generator().manual_seed(seed)
    return centres[labels] + spread * torch.randn(count, width, generator=own), labels


def one_hot(labels: Tensor, classes: int = 4) -> Tensor:
    return torch.nn.functional.one_hot(labels, classes)


def sums_of(features: Tensor, labels: Tensor) -> Scatter:
    return Scatter.of(features, one_hot(labels), torch.ones(len(features)))


def test_it_tells_apart_what_can_be_told_apart_and_is_calibrated() -> None:
    features, labels = blobs(120, spread=3.0)
    fitted = fit_head(features, one_hot(labels), widths=(20,))
    test, truth = blobs(4000, spread=3.0, seed=1)
    logits = test @ fitted.weight.T + fitted.bias
    right = (logits.argmax(dim=1) == truth).float().mean()
    assert right > 0.9 and fitted.accuracy == pytest.approx(float(right), abs=0.06)
    assert logits.softmax(dim=1).max(dim=1).values.mean() == pytest.approx(float(right), abs=0.06)
    assert not fitted.uses_all_parts and f"{fitted.accuracy:.1%}" in description(fitted)


def test_each_part_counts_alike_and_a_useless_one_does_no_harm() -> None:
    features, labels = blobs(200, spread=4.0)
    noise = 1e4 * torch.randn(200, 300, generator=torch.Generator().manual_seed(3))
    fitted = fit_head(torch.cat([noise, features], dim=1), one_hot(labels), widths=(300, 20))
    alone = fit_head(features, one_hot(labels), widths=(20,))
    assert fitted.accuracy and alone.accuracy and fitted.accuracy > alone.accuracy - 0.03
    assert fit_head(features, one_hot(labels), widths=(20,), tries_last_alone=False).accuracy == alone.accuracy
    useful = fit_head(torch.cat([1e4 * features, noise], dim=1), one_hot(labels), widths=(20, 300))
    assert useful.uses_all_parts and useful.accuracy and useful.accuracy > 0.5


def test_each_kind_agrees_with_scikit_learn() -> None:
    features, labels = blobs(300, spread=2.0)
    features = features - features.mean(dim=0)
    array, classes = features.numpy().astype(float), labels.numpy()
    sums = sums_of(features, labels)
    scale = float(sums.covariance().diagonal().mean())
    for head, strength in zip(ridge_heads(sums), strengths.RIDGES, strict=True):
        expected = Ridge(alpha=strength * scale * len(array)).fit(array, np.eye(4)[classes])
        assert np.allclose(head.weight.T, expected.coef_, atol=1e-6) and np.allclose(head.bias, expected.intercept_)
    for head, share in zip(discriminant_heads(sums), strengths.SHRINKAGES, strict=True):
        covariance = sum(np.cov(array[classes == c], rowvar=False, ddof=0) for c in range(4)) / 4
        within = covariance * len(array) / (len(array) - 4)
        expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=share).fit(array, classes)
        ours = np.linalg.inv((1 - share) * within + share * np.trace(within) / 20 * np.eye(20))
        means = np.stack([array[classes == c].mean(axis=0) for c in range(4)])
        assert np.allclose(head.weight, (means @ ours).T, atol=1e-6)
        assert (head(features).argmax(dim=1).numpy() == expected.predict(array)).mean() > 0.98
    norm = np.sqrt((array**2).sum(axis=1).mean())
    for head, decay in zip(logistic_heads(features, one_hot(labels), torch.ones(300)), linear_head.DECAYS, strict=True):
        expected = LogisticRegression(C=1 / (decay * len(array)), max_iter=2000).fit(array / norm, classes)
        ours, theirs = head(features).softmax(dim=1).numpy(), expected.predict_proba(array / norm)
        assert np.abs(ours - theirs).max() < 0.04


def test_what_was_held_out_took_no_part() -> None:
    features, _ = blobs(80)
    labels = torch.randperm(80, generator=torch.Generator().manual_seed(0)) % 4  # nothing to be learnt
    fitted = fit_head(torch.randn(80, 500, generator=torch.Generator().manual_seed(1)), one_hot(labels), widths=(500,))
    assert fitted.accuracy is not None and fitted.accuracy < 0.45
    assert fitted.held_out.softmax(dim=1).max(dim=1).values.mean() < 0.45
    assert len(features) == len(fitted.held_out)


def test_weights_make_a_rare_class_heard() -> None:
    features, labels = blobs(200, classes=2, spread=5.0)
    rare = torch.cat([(labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:8, 0]])
    features, labels = features[rare], labels[rare]
    weights = torch.where(labels == 1, 100.0 / 8, 1.0)
    test, truth = blobs(2000, classes=2, spread=5.0, seed=1)

    def recall(counts: Tensor | None) -> float:
        fitted = fit_head(features, one_hot(labels, 2), widths=(20,), weights=counts)
        said = (test @ fitted.weight.T + fitted.bias).argmax(dim=1)
        return float((said[truth == 1] == 1).float().mean())

    assert recall(weights) > recall(None)


def test_several_labels_are_questions_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(150, 3, generator=generator) > 0.6).long()
    features = targets.float() @ torch.randn(3, 30, generator=generator) * 3 + torch.randn(150, 30, generator=generator)
    fitted = fit_head(features, targets, widths=(30,), is_multilabel=True)
    assert fitted.accuracy is not None and fitted.accuracy > 0.9 and "gda" not in fitted.kinds
    assert ((features @ fitted.weight.T + fitted.bias > 0) == targets.bool()).all(dim=1).float().mean() > 0.95


@pytest.mark.parametrize("shape", [(4, 50), (5, 50), (8, 3), (12, 896)])
def test_very_few_pictures_give_a_head(shape: tuple[int, int]) -> None:
    features, labels = blobs(shape[0], width=shape[1])
    fitted = fit_head(features, one_hot(labels), widths=(shape[1],))
    assert fitted.weight.isfinite().all() and fitted.bias.isfinite().all()
    test, truth = blobs(400, width=shape[1], seed=1)
    assert ((test @ fitted.weight.T + fitted.bias).argmax(dim=1) == truth).float().mean() > 0.5
    assert description(fitted)


def test_one_picture_a_class_is_said_to_be_too_few() -> None:
    features, labels = blobs(4)
    fitted = fit_head(features, one_hot(labels), widths=(20,))
    assert fitted.accuracy is None and "too few" in description(fitted)


def test_pictures_that_are_all_alike_break_nothing() -> None:
    fitted = fit_head(torch.zeros(12, 30), one_hot(torch.arange(12) % 4), widths=(10, 20))
    assert fitted.weight.isfinite().all() and fitted.bias.isfinite().all()


def test_a_feature_that_is_no_number_is_refused_and_stopping_stops() -> None:
    features, labels = blobs(20)
    with pytest.raises(ValueError, match="finite"):
        fit_head(torch.full_like(features, float("nan")), one_hot(labels), widths=(20,))
    asked = itertools.count()
    with pytest.raises(InterruptedError):
        fit_head(features, one_hot(labels), widths=(20,), should_stop=lambda: next(asked) >= 3)
