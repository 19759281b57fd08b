"""Settings as frozen dataclasses; field metadata feeds form, command line, docs and range checks. Torch-free."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message

_T = TypeVar("_T")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_TYPE_NAMES: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def setting(
    default: Any,
    *,
    label: str,
    help: str,  # noqa: A002
    limits: tuple[float, float] | None = None,
    unit: str = "",
    choices: Mapping[str, str] | None = None,
    advanced: bool = False,
    automatic: float | None = None,
) -> Any:
    """Declare a field with its metadata.

    Args:
        default: Its value.
        label: Its title.
        help: Its effect.
        limits: The lowest and highest value.
        unit: Of a number.
        choices: The possible values, each with its title.
        advanced: Whether few need it.
        automatic: The number that leaves the choice to the program.
    """
    low, high = limits or (None, None)
    metadata = {"label": label, "help": help, "min": low, "max": high, "unit": unit, "choices": choices or {}}
    return dataclasses.field(default=default, metadata=metadata | {"advanced": advanced, "automatic": automatic})


def choices_of(settings: type[Any], name: str) -> Mapping[str, str]:
    """Return the possible values of a field of a settings dataclass, each with its title."""
    return settings.__dataclass_fields__[name].metadata["choices"]


def range_words(metadata: Any) -> str:
    """Return the range of a field in words: `1 to 10,000 epochs`, `one of adamw, sgd`; empty for anything."""
    if choices := metadata["choices"]:
        return f"one of {', '.join(each or '(nothing)' for each in choices)}"
    low, high, unit = metadata["min"], metadata["max"], metadata["unit"]
    if low is None or high is None:
        return ""
    return f"{_number(low)} to {_number(high)} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def range_problems(settings: Any, *, prefix: str = "") -> list[Problem]:
    """Check each field of a settings dataclass against its own metadata and return every fault."""
    faults = {
        each.name: _range_fault(getattr(settings, each.name), each.metadata) for each in dataclasses.fields(settings)
    }
    return [Problem(prefix + name, message) for name, message in faults.items() if message]


def _range_fault(value: Any, metadata: Any) -> str:
    choices, low, high = metadata.get("choices"), metadata.get("min"), metadata.get("max")
    if choices and value not in choices:
        return Message("{value} is not one of {names}", value=repr(value), names=", ".join(choices))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value != value:
        return Message("must be a number")
    if low is not None and value < low:
        return Message("must be at least {low}, got {value}", low=f"{low:g}", value=f"{value:g}")
    if high is not None and value > high:
        return Message("must be at most {high}, got {value}", high=f"{high:g}", value=f"{value:g}")
    return ""


def build_settings(kind: type[_T], values: dict[str, Any], prefix: str = "") -> _T:
    """Build a settings dataclass from plain values (ConfigError: all faults at once, named with the prefix)."""
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments, found = dict[str, Any](), list[Problem]()
    for name, value in values.items():
        try:
            if name not in known:
                raise ConfigError((Problem(prefix + name, "is not a setting of this version", "Update this program."),))
            arguments[name] = _checked(hints[name], value, prefix + name)
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(tuple(found))
    return kind(**arguments)


def _checked(kind: Any, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise _mistyped(name, kind, value)
    return value


def _mistyped(name: str, kind: type, value: Any) -> ConfigError:
    name_of_kind = _TYPE_NAMES.get(kind, getattr(kind, "__name__", str(kind)))  # a method's may have any type
    message = Message("must be {kind}, got {text}", kind=name_of_kind, text=repr(value))
    return ConfigError((Problem(name, message),))


def with_text(settings: _T, name: str, text: str, *, key: str = "") -> _T:
    """Return a copy of a settings dataclass with one field set from its text, such as `4` or `true`.

    Raises:
        ConfigError: The text is not of the field's type; the fault is named `key`, or by the field.
    """
    kind: Any = typing.get_type_hints(type(settings))[name]
    try:
        value = _TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise _mistyped(key or name, kind, text) from None
    return dataclasses.replace(settings, **{name: value})  # type: ignore[type-var]
