"""Prototype: each class is the mean of its pictures' features, and the nearest mean is the answer."""

from dataclasses import dataclass
from typing import Any

from models.backbone import Backbone
from models.methods.head_parts import widths_seen, with_head
from models.methods.method import Method, MethodOptions
from models.settings import setting


@dataclass(frozen=True, kw_only=True)
class PrototypeOptions(MethodOptions):
    """Prototype: class means."""

    layers: str = setting(
        "joined",
        label="Head sees",
        help="last: the network's embedding; joined: its earlier stages or blocks too.",
        choices=("last", "joined"),
        advanced=True,
    )


class Prototype(Method[PrototypeOptions]):
    """The head is made of the means of the classes."""

    name = "prototype"
    title = "Prototype"
    summary = "Each class is the mean of its pictures; nothing is trained."
    when = "You have one to five pictures of each class."
    options = PrototypeOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True
    solution = "prototype"

    def head_parts(self, backbone: Backbone, options: PrototypeOptions) -> tuple[int, ...]:
        """Return the embedding's width, behind those of the earlier stages or blocks where they are joined."""
        return widths_seen(backbone, options.layers)

    def inject(self, network: Any, backbone: Backbone, options: PrototypeOptions) -> Any:
        """Put a head over several stages or blocks around the network, or leave it as it is."""
        return with_head(network, backbone, options.layers)
