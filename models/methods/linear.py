"""Linear probe: the network is frozen, only the classifier head learns. Merging is nothing: it is the plain network."""

from dataclasses import dataclass
from typing import Any

from models.methods.method import LAYERS, Method, MethodOptions
from visionft.core.messages import Message
from visionft.core.settings import setting

CLOSED_FORM, GRADIENT = "closed_form", "gradient"


@dataclass(frozen=True, kw_only=True)
class LinearOptions(MethodOptions):
    layers: str = setting(
        "auto",
        label="Head sees",
        choices={"auto": "Automatic", **LAYERS},
        advanced=True,
        help="last: the network's embedding; joined: its earlier stages or blocks too; auto: joined, and the earlier "
        "ones count as far as images that were held out say so.",
    )
    solver: str = setting(
        CLOSED_FORM,
        label="Solver",
        advanced=True,
        choices={CLOSED_FORM: "Closed form", GRADIENT: "Gradient"},
        help="closed_form: the best head at once, kind and strength decided on images held out; epochs and rates do "
        "not matter. gradient: in epochs, from there.",
    )


class LinearProbe(Method[LinearOptions]):
    name = "linear"
    title = Message("Linear probe")
    summary = Message("Only the last layer is trained; the network stays frozen.")
    when = Message("You want a model in seconds, or have only a few images.")
    options = LinearOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True

    def may_leave_parts_out(self, options: LinearOptions) -> bool:
        """Return whether held-out images decide about the earlier stages."""
        return options.layers == "auto"

    def is_closed_form(self, options: LinearOptions) -> bool:
        return options.solver == CLOSED_FORM

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Return the settings of runs of formats up to 3: gradient descent on the embedding alone."""
        return values if version > 3 else {"layers": "last", "solver": GRADIENT, **values}
