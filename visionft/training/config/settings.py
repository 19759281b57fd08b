"""Settings dataclasses from plain values and from `KEY=VALUE` texts, with an error that names the key. Torch-free."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

from visionft.errors import ConfigError, NextStep, Problem

_T = TypeVar("_T")


def build(kind: type[_T], values: dict[str, Any], prefix: str = "") -> _T:
    """Build a settings dataclass, nested ones included, from plain values.

    Raises:
        ConfigError: Entries are unknown or of the wrong type; all of them at once.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments, found = dict[str, Any](), list[Problem]()
    for name, value in values.items():
        try:
            if name not in known:
                raise ConfigError((Problem(prefix + name, "is not a setting of this version", "Update this program."),))
            arguments[name] = _built(hints[name], value, prefix + name)
        except ConfigError as error:
            found += error.problems
    if found:
        raise ConfigError(tuple(found))
    return kind(**arguments)


def _built(kind: Any, value: Any, name: str) -> Any:
    if not dataclasses.is_dataclass(kind):
        return _checked(kind, value, name)
    if not isinstance(value, dict):
        raise ConfigError((Problem(name, f"must be a group of settings, got {value!r}"),))
    return build(kind, value, f"{name}.")  # type: ignore[arg-type]


def _checked(kind: type, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ConfigError((Problem(name, f"must be {_TYPE_NAMES[kind]}, got {value!r}"),))
    return value


_TYPE_NAMES: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def assign(config: _T, assignment: str) -> _T:
    """Return a copy of `config` with one `KEY=VALUE` text applied; `group.name` reaches into a nested dataclass.

    Raises:
        ConfigError: The text has another form, the key is unknown, or the value does not parse.
    """
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals:
        raise ConfigError((Problem(assignment, "is not of the form KEY=VALUE"),))
    group, _, name = key.rpartition(".")
    owner = getattr(config, group, None) if group else config
    fields = {field.name for field in dataclasses.fields(owner)} if dataclasses.is_dataclass(owner) else set()  # type: ignore[arg-type]
    if name not in fields or dataclasses.is_dataclass(getattr(owner, name)):
        raise ConfigError((Problem(key, "there is no such setting", next_step=NextStep("list_settings")),))
    value = _parse(typing.get_type_hints(type(owner))[name], text, key)
    changed = dataclasses.replace(owner, **{name: value})  # type: ignore[type-var]
    return dataclasses.replace(config, **{group: changed}) if group else changed  # type: ignore[type-var,return-value]


def _parse(kind: type | types.UnionType, text: str, key: str) -> Any:
    try:
        if kind is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        return {int: int, float: float, str: str}[kind](text)  # type: ignore[index]
    except (KeyError, ValueError):
        raise ConfigError((Problem(key, f"must be {_TYPE_NAMES[kind]}, got {text!r}"),)) from None  # type: ignore[index]
