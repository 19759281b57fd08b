"""Linear probe: the network is frozen, only the classifier head learns. Merging is nothing: it is the plain network."""

from torch import nn  # noqa: TID253

from models.methods.options import LinearOptions


def inject(_network: nn.Module, _options: LinearOptions) -> None:
    """Add nothing: the classifier head, which every method trains, is all that learns."""
