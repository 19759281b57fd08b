"""Retrieval: the labelled pictures most like a picture say what it is. Knowledge, not a skill: it is never trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.backbone import Backbone
from models.methods.head_parts import widths_seen, with_head
from models.methods.method import Method, MethodOptions
from models.settings import setting

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class KnnOptions(MethodOptions):
    """Retrieval: the nearest labelled pictures vote."""

    layers: str = setting(
        "joined",
        label="Compares",
        help="last: the network's embedding; joined: its earlier stages or blocks too.",
        choices=("last", "joined"),
        advanced=True,
    )
    neighbours: int = setting(
        0,
        label="Neighbours",
        help="How many of the nearest pictures vote; 0: as many as suit pictures that were held out.",
        minimum=0,
        maximum=1000,
        advanced=True,
    )


class Knn(Method[KnnOptions]):
    """The head holds the labelled pictures."""

    name = "knn"
    title = "Retrieval"
    summary = "Your labelled pictures that are most alike say what a picture is; nothing is trained."
    when = "Labels change often, or people want to see why: the answer names the pictures behind it."
    options = KnnOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    moves_buffers = True
    is_training_free = True
    is_live = True
    solution = "knn"

    def head_parts(self, backbone: Backbone, options: KnnOptions) -> tuple[int, ...]:
        """Return the embedding's width, behind those of the earlier stages or blocks where they are joined."""
        return widths_seen(backbone, options.layers)

    def head_parameters(self, width: int, classes: int, options: KnnOptions) -> int:
        """Return the one number that is found beside the pictures: how sharply they vote."""
        return 1

    def inject(self, network: Any, backbone: Backbone, options: KnnOptions) -> Any:
        """Put a head around the network that holds pictures."""
        from models.methods.layers.memory_head import MemoryHead

        width = sum(self.head_parts(backbone, options))
        return with_head(network, backbone, options.layers, MemoryHead(width, network.num_classes))

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        """Make room for the pictures that are held."""
        head.take_shapes(state)
