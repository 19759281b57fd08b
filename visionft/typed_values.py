"""Values of types from JSON values: the one check of the types of stored values, which may be a stranger's.

Knows dataclasses and plain types, not what they mean.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from models.messages import Message

T = TypeVar("T")
_LARGEST = 2**63  # of stored numbers: those of files and counts take less, and a float can hold it
_TYPE_NAMES: dict[type, Message] = {
    int: Message("a whole number"),
    float: Message("a number"),
    bool: Message("true or false"),
    str: Message("text"),
    NoneType: Message("null"),
}


def from_plain(kind: type[T], value: Any, *, is_open: bool = False, is_finite: bool = False) -> T:
    """Return a value of a type from JSON values: the inverse of `records.plain_value`.

    Args:
        kind: A dataclass, or int, float, bool, str, Path, None, Literal, Any; a union, tuple, dict or Mapping of such.
        value: The JSON value; parts may be of their type already.
        is_open: Whether fields that a dataclass lacks are passed over.
        is_finite: Whether infinite numbers and NaN are refused.

    Raises:
        ValueError: It is no such value: of another type, or a field is missing or unknown.
    """
    return _reader(kind, is_open, is_finite)(value)


def _wrong(words: str, value: Any) -> ValueError:
    return ValueError(Message("{value} is not {words}", value=repr(value)[:80], words=words))


@cache
def _reader(kind: Any, is_open: bool, is_finite: bool) -> Callable[[Any], Any]:
    """Return the function that checks and converts a value of a type; made once a type, as files hold millions."""
    origin, arguments = get_origin(kind), get_args(kind)
    of = partial(_reader, is_open=is_open, is_finite=is_finite)
    if dataclasses.is_dataclass(kind):
        return partial(_read_fields, kind, is_open, is_finite)
    if origin is Literal:
        return partial(_read_choice, arguments)
    if origin in (Union, UnionType):
        return partial(_read_one_of, tuple(of(each) for each in arguments))
    if origin is tuple and arguments[-1] is ...:
        return partial(_read_items, of(arguments[0]))
    if origin is tuple:
        return partial(_read_places, tuple(of(each) for each in arguments))
    if origin in (dict, Mapping):
        return partial(_read_entries, of(arguments[1]))
    if kind is float:
        return partial(_read_float, is_finite)
    if kind is Path:
        return lambda value: value if isinstance(value, Path) else Path(_read_simple(str, value))
    if kind is Any:
        return lambda value: value
    return partial(_read_simple, kind)


def _read_simple(kind: type, value: Any) -> Any:
    is_truth = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or is_truth or (kind is int and not -_LARGEST <= value < _LARGEST):
        raise _wrong(_TYPE_NAMES.get(kind, kind.__name__), value)
    return value


def _read_float(is_finite: bool, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or (type(value) is int and abs(value) > _LARGEST):
        raise _wrong(_TYPE_NAMES[float], value)
    if is_finite and not math.isfinite(value):
        raise _wrong(Message("a finite number"), value)
    return float(value)


def _read_choice(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if (type(choice) is type(value) and choice == value) or (isinstance(value, str) and choice == value):
            return choice
    raise _wrong(Message("one of {names}", names=", ".join(map(str, choices))), value)


def _read_one_of(readers: tuple[Callable[[Any], Any], ...], value: Any) -> Any:
    fault = None  # its words alone: an error in a variable keeps all frames below it alive, and what they hold
    for read in readers:
        try:
            return read(value)
        except ValueError as error:
            fault = fault or error.args[0]
    raise ValueError(fault)


def _read_items(read: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(Message("a list"), value)
    return tuple(map(read, value))


def _read_places(readers: tuple[Callable[[Any], Any], ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) != len(readers):
        raise _wrong(Message("a list of {number}", number=len(readers)), value)
    return tuple(read(each) for read, each in zip(readers, value, strict=True))


def _read_entries(read: Callable[[Any], Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(Message("an object"), value)
    return {name: read(each) for name, each in value.items()}


def _read_fields(kind: Any, is_open: bool, is_finite: bool, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise _wrong(Message("an object"), value)
    hints = _hints(kind)
    if not is_open and (odd := value.keys() - hints.keys()):
        raise ValueError(Message("{name} is unknown", name=min(map(str, odd))[:80]))
    found = dict[str, Any]()
    for field in dataclasses.fields(kind):
        if field.name in value:
            try:
                found[field.name] = _reader(hints[field.name], is_open, is_finite)(value[field.name])
            except ValueError as error:
                raise ValueError(Message("{name}: {reason}", name=field.name, reason=error.args[0])) from error
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(Message("{name} is missing", name=field.name))
    return kind(**found)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
