"""The table of methods: one row each, in display order. Torch-free."""

from typing import Any

from models.backbone import Backbone
from models.methods.adapter import BottleneckAdapter
from models.methods.frozen import Ensemble, Knn, LinearProbe, Prototype, ZeroShot
from models.methods.full import FullFineTuning
from models.methods.lora import Lora
from models.methods.method import Method
from models.methods.prefix import PrefixTuning
from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message, choose_one

DEFAULT_METHOD = Lora.name

METHODS: dict[str, Method[Any]] = {
    method.name: method
    for method in (
        ZeroShot(),
        Prototype(),
        Knn(),
        LinearProbe(),
        Lora(),
        BottleneckAdapter(),
        PrefixTuning(),
        FullFineTuning(),
    )
}
ENSEMBLE = Ensemble()  # made by `run combine`, not selectable for training


def known_method(name: str) -> Method[Any] | None:
    """Return a run's method; None where this version does not know it."""
    return ENSEMBLE if name == ENSEMBLE.name else METHODS.get(name)


def get_method(name: str) -> Method[Any]:
    """Return a run's method, or raise a `ConfigError` with the list of names."""
    method = known_method(name)
    if method is None:
        message = Message("there is no method {name}", name=repr(name))
        raise ConfigError((Problem("method", message, choose_one(METHODS)),))
    return method


def supported_method(name: str, backbone: Backbone) -> str:
    """Return the method of the name, or a supported default where the network does not allow it."""
    return next(each for each in (name, DEFAULT_METHOD, *METHODS) if not get_method(each).refusal(backbone))
