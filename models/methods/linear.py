"""Linear probe: the network is frozen, only the classifier head learns. Merging is nothing: it is the plain network."""

from dataclasses import dataclass
from typing import Any

from models.backbone import Backbone
from models.methods.head_parts import widths_seen, with_head
from models.methods.method import Method, MethodOptions
from models.settings import setting

CLOSED_FORM, GRADIENT = "closed_form", "gradient"


@dataclass(frozen=True, kw_only=True)
class LinearOptions(MethodOptions):
    """Linear probe: only the classifier head learns."""

    layers: str = setting(
        "auto",
        label="Head sees",
        help="last: the network's embedding; joined: its earlier stages or blocks too; auto: joined, and the earlier "
        "ones count as far as pictures that were held out say so.",
        choices=("auto", "last", "joined"),
        advanced=True,
    )
    solver: str = setting(
        CLOSED_FORM,
        label="Solver",
        help="closed_form: the best head at once, kind and strength decided on pictures held out; epochs and rates do "
        "not matter. gradient: in epochs, from there.",
        choices=(CLOSED_FORM, GRADIENT),
        advanced=True,
    )


class LinearProbe(Method[LinearOptions]):
    """Only the classifier head, which every method trains, learns."""

    name = "linear"
    title = "Linear probe"
    summary = "Only the last layer learns; the network stays as it is."
    when = "You want an answer in seconds, or have only a few pictures."
    options = LinearOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True

    def head_parts(self, backbone: Backbone, options: LinearOptions) -> tuple[int, ...]:
        """Return the embedding's width, behind those of the earlier stages or blocks where they are joined."""
        return widths_seen(backbone, options.layers)

    def may_leave_parts_out(self, options: LinearOptions) -> bool:
        """Tell whether what was held out decides on the earlier parts."""
        return options.layers == "auto"

    def is_closed_form(self, options: LinearOptions) -> bool:
        """Tell whether the head is solved for at once."""
        return options.solver == CLOSED_FORM

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Return what runs of formats up to 3 did: gradient descent on the embedding alone."""
        return values if version > 3 else {"layers": "last", "solver": GRADIENT, **values}

    def inject(self, network: Any, backbone: Backbone, options: LinearOptions) -> Any:
        """Put a head over several stages or blocks around the network, or leave it as it is."""
        return with_head(network, backbone, options.layers)
