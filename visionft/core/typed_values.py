"""Values of types from JSON values, by pydantic: the one check of the types of stored values.

A stranger may have written them.
"""

import dataclasses
import json
from functools import cache
from typing import Any, TypeVar

from visionft.core.messages import Message

T = TypeVar("T")


def from_plain(kind: type[T], value: Any, *, is_finite: bool = False) -> T:
    """Return a value of a type from JSON values: the inverse of `records.plain_value`.

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
