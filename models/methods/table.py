"""The table of methods that can be chosen: one row each, in the order in which they are shown. Torch-free."""

from typing import Any

from models.backbone import Backbone
from models.errors import ConfigError, Problem
from models.methods.adapter import BottleneckAdapter
from models.methods.combined import Combined
from models.methods.full import FullFineTuning
from models.methods.knn import Knn
from models.methods.linear import LinearProbe
from models.methods.lora import Lora
from models.methods.method import Method
from models.methods.prefix import PrefixTuning
from models.methods.prototype import Prototype
from models.methods.zero_shot import ZeroShot

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
COMBINED = Combined()  # what a run can be, but nobody can choose to train


def known_method(name: str) -> Method[Any] | None:
    """Return what a run's method is; None where this version does not know it."""
    return COMBINED if name == COMBINED.name else METHODS.get(name)


def get_method(name: str) -> Method[Any]:
    """Return what a run's method is, or raise a `ConfigError` that lists the names that can be chosen."""
    method = known_method(name)
    if method is None:
        raise ConfigError((Problem("method", f"there is no method {name!r}", f"Choose one of {', '.join(METHODS)}."),))
    return method


def supported_method(name: str, backbone: Backbone) -> str:
    """Return the method of that name, or where it cannot be applied to the network the usual one that can."""
    return next(each for each in (name, DEFAULT_METHOD, *METHODS) if not get_method(each).refusal(backbone))
