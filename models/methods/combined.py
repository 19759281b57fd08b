"""Combination: several finished runs answer together. Nothing is trained and no network is changed.

It is a method as far as lists, settings and exports ask what a run is; nobody can train with it, so it stands beside
the table of those that can be chosen (`models.methods.table`). `visionft.combining` makes such runs.
"""

from models.backbone import Backbone
from models.methods.method import Method, MethodOptions


class Combined(Method[MethodOptions]):
    """The answers of several runs, added up."""

    name = "combined"
    title = "Combination"
    summary = "Several finished runs answer together, each with its share."
    when = "You have runs that err on different pictures."
    options = MethodOptions
    learning_rate = 0.0
    caches_features = True

    def refusal(self, backbone: Backbone) -> str:
        """Return why it cannot be trained, whatever the network."""
        return "it is made of finished runs"

    def is_closed_form(self, options: MethodOptions) -> bool:
        """Tell that there are no epochs."""
        return True

    def needs_base_weights(self, options: MethodOptions) -> bool:
        """Tell that what its parts need is their own matter."""
        return False
