"""Cells of tables: names of classes, written singly, as lists of JSON, Python and NumPy, or with signs between them."""

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from visionft.core.files import parse_json
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES

Row = Mapping[str, Any]  # the cells by title

SIGNS = ("|", ";", ",")  # between several names of a cell, in a column that holds lists
_RECURRING_PARTS = 0.8  # share of the parts between signs that recur: all of `cat|dog`, `dog|cat` and `cat`
_RECURRING_WORDS = 0.5  # share of the words that are in several cells: `haze primary` of a sample of Planet Amazon
_YES = ("1", "1.0", "true", "yes", "y", "t", "x", "ja", "j", "✓", "✔")
_NO = ("", "0", "0.0", "-1", "-1.0", "false", "no", "n", "f", "nein", "-")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# ['a', 'b'] of Python, ['a' 'b'] of NumPy (written by Hugging Face's `to_csv`)
_WRITTEN_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED.pattern})[\s,]*)*\]")


def says_yes(value: Any) -> bool:
    """Return whether a cell of a class column assigns the class to the image; -1 and 0 do not."""
    return str(value).strip().casefold() in _YES


def is_flag(cell: str) -> bool:
    """Return whether a cell says yes or no; an empty one says no."""
    return cell.strip().casefold() in _YES or cell.strip().casefold() in _NO


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def has_letters(cell: str) -> bool:
    """Return whether a cell holds words: letters, and not only those of a number such as `1e5`."""
    return any(map(str.isalpha, cell)) and not is_number(cell)


def is_image_name(cell: str) -> bool:
    """Return whether a cell ends like the name of an image: `cat.jpg`."""
    stem, dot, suffix = cell.rpartition(".")
    return bool(stem and dot) and f".{suffix.casefold()}" in IMAGE_SUFFIXES


def names_in(value: Any, *, signs: Sequence[str] = SIGNS) -> tuple[str, ...]:
    """Return the names in a cell or a JSON value, of a text several only where there are `signs` between them.

    A number is a class name; a boolean and any other type are a `ValueError`.
    """
    match value:
        case None:
            return ()
        case bool() | dict():
            raise ValueError(Message("{value} is not a name", value=f"{value}"))
        case int():
            return (str(value),)
        case str():
            return _names_in_text(value.strip(), signs)
        case list():
            return tuple(name for item in value for name in names_in(item, signs=()))  # type: ignore[reportUnknownVariableType]
        case _:
            raise ValueError(Message("{value} is not a name", value=repr(value)))


def is_written_list(cell: str) -> bool:
    """Return whether text is a list in brackets, as written by JSON, Python or NumPy."""
    return _written_list(cell.strip()) is not None


def separator_in(cell: str, signs: Sequence[str] = SIGNS) -> str:
    """Return the separator of several names in a cell; empty for a single name or a list in brackets."""
    return "" if is_written_list(cell) else next((sign for sign in signs if sign in cell), "")


def signs_between(cells: Sequence[str], *, is_plural: bool, takes_several: bool = False) -> tuple[str, ...]:
    """Return the signs between several names in the cells of a column; empty where a cell is one name.

    Args:
        cells: The texts of the column.
        is_plural: The title promises lists. Otherwise parts must recur: alone, or (with a clear sign) in other cells.
        takes_several: An image may have several classes. Then words without capitals are classes of their own in a
            column that promises lists: `agriculture clear primary water`, `scab frog_eye_leaf_spot complex`.
    """
    if cells and all(map(is_written_list, cells)):
        return SIGNS
    whole = {cell.strip() for cell in cells if not is_written_list(cell)}
    if is_plural and any(separator_in(cell) for cell in whole):
        return SIGNS
    if is_plural and takes_several and _are_lists_of_words(whole):
        return (" ",)
    return next(((sign,) for sign in (*SIGNS, " ") if _recurs(whole, sign)), SIGNS * is_plural)


def _are_lists_of_words(whole: set[str]) -> bool:
    """Return whether cells are lists of words with blanks between: without capitals, and many of them recur."""
    words = [word for cell in whole for word in cell.split()]
    counts = Counter(words)
    recurring = sum(count for count in counts.values() if count > 1)
    is_list = any(" " in cell for cell in whole) and all(word == word.casefold() for word in words)
    return is_list and recurring >= _RECURRING_WORDS * len(words)


def _recurs(whole: set[str], sign: str) -> bool:
    """Return whether the parts between signs are mostly cells of their own, or (with a clear sign) in other cells too.

    Numbers with blanks between them are several: `0 7 12` of the Human Protein Atlas.
    """
    uses = Counter(part for cell in whole if sign in cell for part in set(_parts(cell, sign)))
    if sign == " " and uses and all(map(str.isdecimal, uses)):
        return True
    recurring = sum(part in whole or (sign != " " and count > 1) for part, count in uses.items())
    return bool(uses) and recurring >= _RECURRING_PARTS * len(uses)


def _names_in_text(text: str, signs: Sequence[str]) -> tuple[str, ...]:
    written = _written_list(text) if signs else _choices(text)
    if written is not None:
        return names_in(written)
    inner = text[1:-1] if signs and text.startswith("[") and text.endswith("]") else text
    if signs and (separator := separator_in(inner, signs)):
        return _parts(inner, separator)
    return (inner,) if inner else ()


def _parts(text: str, sign: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(sign) if part.strip())


def _written_list(text: str) -> list[Any] | None:
    if not text.startswith("["):
        return _choices(text)
    with suppress(ValueError):
        value = parse_json(text)
        return value if isinstance(value, list) else None  # type: ignore[reportUnknownVariableType]
    if not _WRITTEN_LIST.fullmatch(text):
        return None
    names: list[str] = []
    for quoted in _QUOTED.findall(text):
        try:
            names.append(str(ast.literal_eval(quoted)))
        except (SyntaxError, ValueError):
            names.append(quoted[1:-1])
    return names


def _choices(text: str) -> list[Any] | None:
    """Return the names in `{"choices": [...]}`, Label Studio's form of several answers in a cell."""
    if not text.startswith('{"choices"'):
        return None
    with suppress(ValueError, TypeError, KeyError):
        return list(parse_json(text)["choices"])
    return None


def key_of(title: str) -> str:
    """Return a title normalized for comparison: without case, blanks and punctuation (`Image Name` is `image_name`)."""
    return re.sub(r"[\W_]+", "", title.casefold())


def keys_in(title: str) -> list[str]:
    """Return the keys of the parts of a title such as `answer.name`."""
    return [key_of(part) for part in title.split(".")]


def cells_of(title: str, sample: Sequence[Row]) -> list[str]:
    """Return the texts of a column that are not empty."""
    found = (row.get(title) for row in sample)
    return [text for cell in found if cell is not None and cell != [] and (text := str(cell).strip())]
