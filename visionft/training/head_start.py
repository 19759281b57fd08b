"""A classifier head in closed form: ridge regression on features, so that epoch 1 starts at linear-probe accuracy.

W = (X'X + k I)^-1 X'Y on centred features (Hoerl and Kennard 1970). The strength k is the one whose leave-one-out
predictions fit best; these come in closed form too: y_loo = (y_hat - h y) / (1 - h) with the leverage h.
"""

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from visionft.evaluation.metrics import fit_temperature, softmax

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


@torch.no_grad()
def set_head(head: nn.Linear, features: Tensor, targets: Tensor) -> None:
    """Set a head from features (N, D) and class indices (N,), in place.

    The logits are scaled so that their softmax is calibrated on the leave-one-out predictions.
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
    for strength in STRENGTHS:
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
