"""Conversion of results to JSON values and back; missing or damaged stored results are computed again.

`from_plain` checks the types of stored values with pydantic, because the file may be untrusted.
"""

import dataclasses
import json
import logging
import math
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from visionft.core.messages import Message

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def none_if_unreadable(read: Callable[P, T | None]) -> Callable[P, T | None]:
    """Decorate a function to return None if its file is missing or damaged; damage is logged."""

    @wraps(read)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return read(*args, **kwargs)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
            logger.warning("%s of %s: the file cannot be read: %s", read.__name__, args[0], error)
            return None

    return guarded


class Record:
    """Base class of result dataclasses that can be converted to JSON values."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return {field: value} with JSON-compatible values, without the fields named in `HIDDEN`.

        Paths become strings, tuples become lists, and nested records become dicts.
        """
        fields: dict[str, Any] = to_plain(self)
        return fields


def finite_values(value: Any) -> Any:
    """Replace NaN and infinite numbers in a JSON value by None, because JSON cannot represent them."""
    if isinstance(value, Mapping):
        return {key: finite_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_plain(value: Any) -> Any:
    """Convert a value, including nested dataclasses and collections, to dicts, lists, strings, numbers, bools or None.

    The fields named in a dataclass's `HIDDEN` are left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hidden = getattr(value, "HIDDEN", ())
        names = [field.name for field in dataclasses.fields(value) if field.name not in hidden]
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path | str) else value


def from_plain(kind: type[T], value: Any, *, is_finite: bool = False) -> T:
    """Convert a JSON value to a value of type `kind`, the inverse of `to_plain`.

    Args:
        kind: A dataclass, or any other type that pydantic supports.
        value: The JSON value; parts may already be dataclasses. Unknown fields are ignored.
        is_finite: Whether to reject infinite numbers and NaN.

    Raises:
        ValueError: A value has the wrong type, or a field is missing.
    """
    from pydantic import ValidationError  # slow to import

    text = json.dumps(value, allow_nan=not is_finite, default=dataclasses.asdict)
    try:
        return _adapter(kind).validate_json(text, strict=True)  # strict JSON mode still converts lists to tuples
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, reason = ".".join(map(str, first["loc"])), first["msg"]
        raise ValueError(Message("{name}: {reason}", name=name, reason=reason) if name else reason) from error


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
