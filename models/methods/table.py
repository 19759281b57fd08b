"""The table of methods: one row each, in display order, and those of extensions. Torch-free."""

from typing import Any, cast

from models.backbone import Backbone
from models.errors import ConfigError, Problem
from models.extensions import extension_rows
from models.messages import Message, choose_one
from models.methods.adapter import BottleneckAdapter
from models.methods.combined import Ensemble
from models.methods.full import FullFineTuning
from models.methods.knn import Knn
from models.methods.linear import LinearProbe
from models.methods.lora import Lora
from models.methods.method import Method, MethodOptions
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


def _is_usable(row: Any) -> bool:
    """Return whether an extension's row is a method (TypeError: it is one that lacks something, which is named)."""
    if not isinstance(row, Method):
        return False
    method = cast("Method[Any]", row)
    needed = ("name", "title", "summary", "when", "learning_rate", "options")
    if missing := [name for name in needed if not hasattr(method, name)]:
        raise TypeError(f"{type(method).__name__} has no {', '.join(missing)}")
    if not method.name.isidentifier():  # as in `lora.rank`, and in the names of runs
        raise TypeError(f"the name {method.name!r} has other characters than letters, digits and _")
    if not isinstance(method.options(), MethodOptions):
        raise TypeError(f"{type(method).__name__}.options is no subclass of MethodOptions")
    return True


METHODS.update(extension_rows("visionft.methods", _is_usable, taken=METHODS))
COMBINED = Ensemble()  # what a run can be, but nobody can choose to train


def known_method(name: str) -> Method[Any] | None:
    """Return a run's method; None where this version does not know it."""
    return COMBINED if name == COMBINED.name else METHODS.get(name)


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
