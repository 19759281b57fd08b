"""The table of fine-tuning methods: one row each, in the order in which they are shown. Torch-free."""

from typing import Any

from models.backbone import Backbone
from models.errors import ConfigError, Problem
from models.methods.adapter import BottleneckAdapter
from models.methods.full import FullFineTuning
from models.methods.knn import Knn
from models.methods.linear import LinearProbe
from models.methods.lora import Lora
from models.methods.method import Method
from models.methods.prefix import PrefixTuning
from models.methods.prototype import Prototype

DEFAULT_METHOD = Lora.name

METHODS: dict[str, Method[Any]] = {
    method.name: method
    for method in (
        Prototype(),
        Knn(),
        LinearProbe(),
        Lora(),
        BottleneckAdapter(),
        PrefixTuning(),
        FullFineTuning(),
    )
}


def get_method(name: str) -> Method[Any]:
    """Return the row of `METHODS`, or raise a `ConfigError` that lists the names."""
    if name not in METHODS:
        raise ConfigError((Problem("method", f"there is no method {name!r}", f"Choose one of {', '.join(METHODS)}."),))
    return METHODS[name]


def supported_method(name: str, backbone: Backbone) -> str:
    """Return the method of that name, or where it cannot be applied to the network the usual one that can."""
    return next(each for each in (name, DEFAULT_METHOD, *METHODS) if not get_method(each).refusal(backbone))
