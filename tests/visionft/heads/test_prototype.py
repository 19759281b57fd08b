"""Class means: the nearest one answers, calibrated on pictures that are left out of their own mean."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from visionft.calibration import softmax
from visionft.heads.prototype import fit_prototypes


def blobs(count: int, *, spread: float, seed: int = 0, classes: int = 4, width: int = 20) -> tuple[Tensor, Tensor]:
    """Return features (N, D) around class means, and their class indices."""
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(7)) * 2
    labels = torch.arange(count) % classes
    noise = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return centres[labels] + spread * noise, labels


def one_hot(labels: Tensor, classes: int = 4) -> Tensor:
    return functional.one_hot(labels, classes)


def test_the_nearest_mean_is_the_answer() -> None:
    features, labels = blobs(40, spread=3.0)
    fitted = fit_prototypes(features, one_hot(labels), widths=(20,))
    asked, _ = blobs(400, spread=3.0, seed=1)
    means = torch.stack([features[labels == number].mean(dim=0) for number in range(4)])
    nearest = torch.cdist(asked, means).argmin(dim=1)
    assert ((asked @ fitted.weight.T + fitted.bias).argmax(dim=1) == nearest).all()


def test_what_it_says_of_itself_is_what_leaving_each_out_by_hand_says() -> None:
    features, labels = blobs(12, spread=6.0)
    right = 0
    for place in range(12):
        kept = torch.arange(12) != place
        # The scales of all pictures, as the closed form has them: of one part they change no order.
        means = torch.stack([features[kept & (labels == number)].mean(dim=0) for number in range(4)])
        right += int(torch.cdist(features[place : place + 1], means).argmin()) == int(labels[place])
    assert fit_prototypes(features, one_hot(labels), widths=(20,)).accuracy == pytest.approx(right / 12)


def test_it_is_about_as_sure_as_it_is_right() -> None:
    features, labels = blobs(400, spread=5.0)
    fitted = fit_prototypes(features, one_hot(labels), widths=(20,))
    asked, truth = blobs(4000, spread=5.0, seed=1)
    rows = softmax((asked @ fitted.weight.T + fitted.bias).numpy())
    is_right = rows.argmax(axis=1) == truth.numpy()
    assert abs(rows.max(axis=1).mean() - is_right.mean()) < 0.06


def test_one_picture_a_class_is_enough_to_answer_and_too_few_to_judge() -> None:
    features, labels = blobs(4, spread=0.5)
    fitted = fit_prototypes(features, one_hot(labels), widths=(20,))
    asked, truth = blobs(40, spread=0.5, seed=1)
    assert fitted.accuracy is None and "too few" in fitted.words
    assert ((asked @ fitted.weight.T + fitted.bias).argmax(dim=1) == truth).all()


def test_a_class_without_a_picture_is_not_the_answer() -> None:
    features, labels = blobs(20, spread=1.0)
    fitted = fit_prototypes(features, one_hot(labels, 5), widths=(20,))
    assert ((features @ fitted.weight.T + fitted.bias).argmax(dim=1) == labels).all()


def test_several_labels_are_questions_of_their_own() -> None:
    random = np.random.default_rng(0)
    wanted = torch.from_numpy(random.integers(0, 2, (80, 3)))
    directions = torch.from_numpy(random.normal(size=(3, 16))).float() * 3
    features = wanted.float() @ directions + torch.from_numpy(random.normal(size=(80, 16))).float()
    fitted = fit_prototypes(features, wanted, widths=(16,), is_multilabel=True)
    said = features @ fitted.weight.T + fitted.bias > 0
    assert float((said == wanted.bool()).float().mean()) > 0.9
    assert fitted.accuracy is not None and fitted.accuracy > 0.7


def test_weights_count_like_repeated_pictures() -> None:
    features, labels = blobs(12, spread=3.0)
    repeated = torch.cat([features, features[:4], features[:4]])
    twice = fit_prototypes(repeated, one_hot(torch.cat([labels, labels[:4], labels[:4]])), widths=(20,))
    weighted = fit_prototypes(
        features, one_hot(labels), widths=(20,), weights=torch.tensor([3.0] * 4 + [1.0] * 8, dtype=torch.double)
    )
    asked, _ = blobs(200, spread=3.0, seed=2)
    first = (asked @ twice.weight.T + twice.bias).argmax(dim=1)
    assert float((first == (asked @ weighted.weight.T + weighted.bias).argmax(dim=1)).float().mean()) > 0.99


def test_what_is_not_finite_is_refused() -> None:
    features, labels = blobs(8, spread=1.0)
    features[0, 0] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        fit_prototypes(features, one_hot(labels), widths=(20,))
