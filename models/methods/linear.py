"""Linear probe: the network is frozen, only the classifier head learns. Merging is nothing: it is the plain network."""

from dataclasses import dataclass

from models.methods.method import Method, MethodOptions


@dataclass(frozen=True, kw_only=True)
class LinearOptions(MethodOptions):
    """Linear probe: only the classifier head learns. It has no settings of its own."""


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
