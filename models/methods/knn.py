"""Retrieval: the nearest labelled images vote on the class (k-NN). It is never trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.methods.method import Method, MethodOptions, layers_setting
from visionft.core.messages import Message
from visionft.core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class KnnOptions(MethodOptions):
    layers: str = layers_setting(label=Message("Compares"))
    neighbours: int = setting(
        0,
        label="Neighbours",
        limits=(0, 1000),
        advanced=True,
        help="How many of the nearest images vote; 0: as many as suit images that were held out.",
    )


class Knn(Method[KnnOptions]):
    name = "knn"
    title = Message("Retrieval")
    summary = Message("The most similar labelled images decide the class; nothing is trained.")
    when = Message("Labels change often, or evidence is wanted: each prediction names its neighbors.")
    options = KnnOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    moves_buffers = True
    is_training_free = True
    is_live = True
    solution = "knn"

    def head_parameters(self, width: int, classes: int, options: KnnOptions) -> int:
        """Return 1: the temperature of the vote is fitted beside the images."""
        return 1

    def new_head(self, width: int, classes: int) -> "nn.Module":
        from models.methods.layers.memory_head import KnnHead

        return KnnHead(width, classes)

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        head.take_shapes(state)
