"""A classifier head in closed form: ridge regression on features, so that a linear probe starts near its end.

W = (X'X + k I)^-1 X'Y on centred features (Hoerl and Kennard 1970). The strength k is the one whose leave-one-out
predictions fit best; these come in closed form too: y_loo = (y_hat - h y) / (1 - h) with the leverage h.

That head suits features that stay as they are. Where they learn too it would harm: it fits the training pictures nearly
perfectly, so little loss is left that could teach the features, and they end below those of a random head. There, a
strength far above the features' variance leaves little more than the differences of the class means, with small logits:
the first epochs keep most of the lead, and the last lose nothing.
"""

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from visionft.calibration import fit_temperature, softmax

# Ridge strengths relative to the features' mean variance: to choose from, and the one for features that will learn.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
STRENGTH_FOR_LEARNING_FEATURES = 100.0


@torch.no_grad()
def set_head(head: nn.Linear, features: Tensor, targets: Tensor, *, features_learn: bool = False) -> None:
    """Set a head from features (N, D) and class indices (N,), in place.

    The logits are scaled so that their softmax is calibrated on the leave-one-out predictions, as far as a factor of 20
    goes.

    Args:
        head: The classifier head, (D) -> (C).
        features: What the network sees in the training pictures now.
        targets: Their classes.
        features_learn: Whether the network below the head will learn as well.
    """
    inputs = features.double().cpu()
    labels = targets.cpu()
    mean = inputs.mean(dim=0)
    centred = inputs - mean
    wanted = nn.functional.one_hot(labels, head.out_features).double()
    prior = wanted.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    values = values.clamp_min(0)
    rotated, moments = centred @ vectors, vectors.T @ (centred.T @ (wanted - prior))
    best_loss, weight, scale = float("inf"), None, 1.0
    for strength in (STRENGTH_FOR_LEARNING_FEATURES,) if features_learn else STRENGTHS:
        inverse = 1 / (values + strength * values.mean() + 1e-12)
        fitted = rotated @ (inverse[:, None] * moments) + prior  # (N, C)
        leverage = ((rotated.square() * inverse).sum(dim=1) + 1 / len(inputs)).clamp(max=0.999)[:, None]
        left_out = (fitted - leverage * wanted) / (1 - leverage)
        loss, temperature = _fit(left_out, labels)
        if loss < best_loss:
            best_loss, scale = loss, 1 / temperature
            weight = vectors @ (inverse[:, None] * moments)  # (D, C)
    assert weight is not None
    head.weight.copy_(weight.T * scale)
    head.bias.copy_((prior - mean @ weight) * scale)


def _fit(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the cross-entropy at the best temperature, and that temperature."""
    array, classes = logits.numpy(), labels.numpy()
    temperature = fit_temperature(array, classes)
    chosen = softmax(array / temperature)[range(len(classes)), classes]
    return float(-torch.from_numpy(chosen).clamp_min(1e-12).log().mean()), temperature
