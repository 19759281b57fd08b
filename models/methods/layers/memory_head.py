"""A k-NN head: the nearest labelled images vote on the class (`models.heads.knn`).

Plain operators only (products, TopK, comparisons), so an exported file needs nothing else.
"""

from collections.abc import Mapping
from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

SET_ASIDE = 4.0  # as `models.heads.knn`; a test holds them together
_LEAST = 1e-12  # a length or a sum that is divided by


class KnnHead(nn.Module):
    """Maps (B, D) features to (B, C) logits by the vote of its images, the arrays of a `KnnClassifier`."""

    mean: Tensor
    projection: Tensor
    weights: Tensor
    rows: Tensor
    lengths: Tensor
    labels: Tensor
    counts: Tensor
    classes: Tensor
    is_multilabel: Tensor
    neighbours: Tensor
    smoothing: Tensor
    border: Tensor
    image_ids: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out_features = classes
        self.temperature = nn.Parameter(torch.ones(()))
        integers = torch.int64
        for name, value in {
            "mean": torch.zeros(width),
            "projection": torch.zeros(width, 1),
            "weights": torch.zeros(1),
            "rows": torch.zeros(0, 1),
            "lengths": torch.zeros(0),
            "labels": torch.zeros(0, 1, dtype=integers),
            "counts": torch.zeros(0),
            "classes": torch.tensor(classes),
            "is_multilabel": torch.tensor(False),
            "neighbours": torch.tensor(1),
            "smoothing": torch.tensor(0.1),
            "border": torch.tensor(1.0),
            "image_ids": torch.zeros(0, dtype=integers),
        }.items():
            self.register_buffer(name, value)
        # As numbers: an export cannot look into tensors.
        self._voters, self._asks_each_class = 1, False
        self.register_load_state_dict_post_hook(_read_numbers)

    def take_shapes(self, state: Mapping[str, Tensor]) -> None:
        for name, value in self.named_buffers():
            if name in state and state[name].shape != value.shape:
                setattr(self, name, value.new_zeros(state[name].shape))

    def directions(self, features: Tensor) -> Tensor:
        """Map (B, D) features to (B, K) directions of length 1; their products with `rows` are cosines."""
        return functional.normalize((features.float() - self.mean) @ self.projection, dim=1, eps=_LEAST)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D) features to (B, C) logits: the logarithms of the probabilities, or of several labels the odds."""
        device = features.device.type
        if torch.is_autocast_enabled(device):  # half precision is too coarse for what a temperature divides
            with torch.autocast(device, enabled=False):
                return self.logits_of(self.directions(features))
        return self.logits_of(self.directions(features))

    def logits_of(self, directions: Tensor) -> Tensor:
        if not len(self.rows):
            return self.temperature * directions.new_zeros(len(directions), self.out_features)
        weighted = directions * self.weights
        lengths = (weighted * directions).sum(dim=1, keepdim=True).clamp_min(_LEAST).sqrt()
        products = weighted @ self.rows.T / self.lengths / lengths  # (B, N)
        is_double = directions @ self.rows.T >= self.border
        found, places = torch.where(is_double, products - SET_ASIDE, products).topk(self._voters, dim=1)  # (B, k)
        shares = ((found - found[:, :1]) / self.temperature).exp() * self.counts[places]
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(_LEAST)
        classes = torch.arange(self.out_features, device=directions.device)
        says = (self.labels[places][..., None] == classes).any(dim=2).to(shares.dtype)  # (B, k, C)
        votes = (shares[..., None] * says).sum(dim=1)
        floor = self.smoothing / (2 if self._asks_each_class else self.out_features)
        chances = (votes + floor) / (1 + self.smoothing)
        return chances.log() - (1 - chances).log() if self._asks_each_class else chances.log()


def _read_numbers(head: Any, _incompatible: Any) -> None:
    head._voters = max(1, min(int(head.neighbours), len(head.rows)))
    head._asks_each_class = bool(head.is_multilabel)
