"""The names that a cell of a table holds: one, or several as people, JSON, Python and NumPy write them."""

import ast
import re
from contextlib import suppress
from typing import Any

from visionft.files import parse_json

_SEPARATORS = ("|", ";", ",")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# ['a', 'b'] of Python, ['a' 'b'] of NumPy (which Hugging Face's `to_csv` writes)
_WRITTEN_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED.pattern})[\s,]*)*\]")


def names_in(value: Any, *, is_list: bool = True) -> tuple[str, ...]:
    """Return the names in a cell or a JSON value. A number is the name of a class, a truth value is not.

    Args:
        value: What stands there.
        is_list: Text may hold several names; else it is one.

    Raises:
        ValueError: It is of another kind.
    """
    match value:
        case None:
            return ()
        case bool() | dict():
            raise ValueError(f"{value} is not a name")
        case int():
            return (str(value),)
        case str():
            return _names_in_text(value.strip(), is_list=is_list)
        case list():
            return tuple(name for item in value for name in names_in(item, is_list=False))  # type: ignore[reportUnknownVariableType]
        case _:
            raise ValueError(f"{value!r} is not a name")


def is_written_list(cell: str) -> bool:
    """Say whether text is a list in brackets, as JSON, Python or NumPy write it."""
    return _written_list(cell.strip()) is not None


def separator_in(cell: str) -> str:
    """Return the sign between several names in a cell; empty where it holds one, or a list in brackets."""
    return "" if is_written_list(cell) else next((sign for sign in _SEPARATORS if sign in cell), "")


def _names_in_text(text: str, *, is_list: bool) -> tuple[str, ...]:
    written = _written_list(text) if is_list else _choices(text)
    if written is not None:
        return names_in(written)
    inner = text[1:-1] if is_list and text.startswith("[") and text.endswith("]") else text
    separator = separator_in(inner) if is_list else ""
    parts = inner.split(separator) if separator else [inner]
    return tuple(part.strip() for part in parts if part.strip())


def _written_list(text: str) -> list[Any] | None:
    if not text.startswith("["):
        return _choices(text)
    with suppress(ValueError):
        value = parse_json(text)
        return value if isinstance(value, list) else None  # type: ignore[reportUnknownVariableType]
    return list(map(_unquoted, _QUOTED.findall(text))) if _WRITTEN_LIST.fullmatch(text) else None


def _choices(text: str) -> list[Any] | None:
    """Return the names in `{"choices": [...]}`, as Label Studio writes several answers into a cell."""
    if not text.startswith('{"choices"'):
        return None
    with suppress(ValueError, TypeError, KeyError):
        return list(parse_json(text)["choices"])
    return None


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text[1:-1]
