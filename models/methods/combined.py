"""Ensemble: several finished runs predict together. Nothing is trained and no network is changed.

It is a method for lists, settings and exports, but cannot be trained, so it is no row of `models.methods.table`.
`visionft.training.combining` makes such runs.
"""

from models.backbone import Backbone
from models.methods.method import Method, MethodOptions
from visionft.core.messages import Message


class Ensemble(Method[MethodOptions]):
    name = "combined"
    title = Message("Combination")
    summary = Message("An ensemble of several finished runs, each with its weight.")
    when = Message("You have runs that err on different images.")
    options = MethodOptions
    learning_rate = 0.0
    caches_features = True

    def refusal(self, backbone: Backbone) -> str:
        return Message("it is made of finished runs")

    def is_closed_form(self, options: MethodOptions) -> bool:
        return True

    def needs_base_weights(self, options: MethodOptions) -> bool:
        """Return False: its members load their own base weights."""
        return False
