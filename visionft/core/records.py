"""Results as plain values; reading of stored ones, which may be missing or damaged: then they are measured again.

`from_plain` checks the types of stored values by pydantic: a stranger may have written them.
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
    """Let a function return None where its file is missing or damaged; the log names a damaged one."""

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
    """The base of result dataclasses that offer their fields as plain values."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return {field: value} of JSON types, without the fields named in `HIDDEN`.

        Paths are text, tuples are lists, nested records are dicts.
        """
        found: dict[str, Any] = plain_value(self)
        return found


def finite_values(value: Any) -> Any:
    """Return a JSON value with null in place of NaN and infinite numbers, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: finite_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite_values(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_value(value: Any) -> Any:
    """Return a value, a dataclass or a collection of them as JSON types: dict, list, text, number, bool or None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hidden = getattr(value, "HIDDEN", ())
        names = [field.name for field in dataclasses.fields(value) if field.name not in hidden]
        return {name: plain_value(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(each) for each in value]
    return str(value) if isinstance(value, Path | str) else value


def from_plain(kind: type[T], value: Any, *, is_finite: bool = False) -> T:
    """Return a value of a type from JSON values: the inverse of `plain_value`.

    Args:
        kind: A dataclass, or any other type that pydantic knows.
        value: The JSON value; parts may be dataclasses already. Fields that a dataclass lacks are passed over.
        is_finite: Whether infinite numbers and NaN are refused.

    Raises:
        ValueError: It is no such value: of another type, or a field is missing.
    """
    from pydantic import ValidationError  # takes its time to load

    text = json.dumps(value, allow_nan=not is_finite, default=dataclasses.asdict)
    try:
        return _adapter(kind).validate_json(text, strict=True)  # of JSON, where a list may be a tuple
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, reason = ".".join(map(str, first["loc"])), first["msg"]
        raise ValueError(Message("{name}: {reason}", name=name, reason=reason) if name else reason) from error


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
