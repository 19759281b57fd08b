"""Parse class names from table cells: one name, a list of JSON, Python or NumPy, or names with separators."""

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from visionft.core.files import parse_json
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES

Row = Mapping[str, Any]  # {title: cell}

SEPARATORS = ("|", ";", ",")  # tried in this order
_MIN_RECURRING_PARTS_SHARE = 0.8  # 1.0 in `cat|dog`, `dog|cat` and `cat`
_MIN_RECURRING_WORDS_SHARE = 0.5  # a sample of Planet Amazon has `haze primary`
_YES_CELLS = ("1", "1.0", "true", "yes", "y", "t", "x", "ja", "j", "✓", "✔")
_NO_CELLS = ("", "0", "0.0", "-1", "-1.0", "false", "no", "n", "f", "nein", "-")
_QUOTED_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# Python writes ['a', 'b']; NumPy writes ['a' 'b'], also through `to_csv` of Hugging Face datasets.
_WRITTEN_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED_TEXT.pattern})[\s,]*)*\]")


def is_yes(value: Any) -> bool:
    """Return whether a cell of a class column assigns the class to the image; -1 and 0 do not."""
    return str(value).strip().casefold() in _YES_CELLS


def is_flag(cell: str) -> bool:
    """Return whether a cell means yes or no; an empty cell means no."""
    return cell.strip().casefold() in _YES_CELLS or cell.strip().casefold() in _NO_CELLS


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def has_letters(cell: str) -> bool:
    """Return whether a cell contains letters and is not a number such as `1e5`."""
    return any(map(str.isalpha, cell)) and not is_number(cell)


def is_image_name(cell: str) -> bool:
    """Return whether a cell ends in an image suffix: `cat.jpg`."""
    stem, dot, suffix = cell.rpartition(".")
    return bool(stem and dot) and f".{suffix.casefold()}" in IMAGE_SUFFIXES


def names_in(value: Any, *, separators: Sequence[str] = SEPARATORS) -> tuple[str, ...]:
    """Return the class names in a cell or a JSON value; text is split at the first matching separator.

    A number is a class name.

    Raises:
        ValueError: The value is a boolean, an object or of any other type.
    """
    match value:
        case None:
            return ()
        case bool() | dict():
            raise ValueError(Message("{value} is not a name", value=f"{value}"))
        case int():
            return (str(value),)
        case str():
            return _names_in_text(value.strip(), separators)
        case list():
            return tuple(name for item in value for name in names_in(item, separators=()))  # type: ignore[reportUnknownVariableType]
        case _:
            raise ValueError(Message("{value} is not a name", value=repr(value)))


def is_written_list(cell: str) -> bool:
    """Return whether a cell is a list in brackets, as JSON, Python or NumPy writes it."""
    return _written_list(cell.strip()) is not None


def separator_in(cell: str, separators: Sequence[str] = SEPARATORS) -> str:
    """Return the separator found in a cell; empty for a single name or a list in brackets."""
    return "" if is_written_list(cell) else next((separator for separator in separators if separator in cell), "")


def find_separators(cells: Sequence[str], *, is_plural: bool, is_multi_label: bool = False) -> tuple[str, ...]:
    """Return the separators to split the cells of a column with; empty if each cell is one name.

    Args:
        cells: The texts of the column.
        is_plural: The title is a plural such as `labels`. Otherwise parts must recur: as whole cells, or within other
            cells if the separator is not a blank.
        is_multi_label: An image may have several classes. Then lower-case words under a plural title are separate
            classes: `agriculture clear primary water`, `scab frog_eye_leaf_spot complex`.
    """
    if cells and all(map(is_written_list, cells)):
        return SEPARATORS
    texts = {cell.strip() for cell in cells if not is_written_list(cell)}
    if is_plural and any(separator_in(cell) for cell in texts):
        return SEPARATORS
    if is_plural and is_multi_label and _are_lists_of_words(texts):
        return (" ",)
    return next(
        ((separator,) for separator in (*SEPARATORS, " ") if _has_recurring_parts(texts, separator)),
        SEPARATORS * is_plural,
    )


def _are_lists_of_words(texts: set[str]) -> bool:
    """Return whether cells are lower-case words with blanks between, many of which recur."""
    words = [word for cell in texts for word in cell.split()]
    counts = Counter(words)
    recurring = sum(count for count in counts.values() if count > 1)
    is_list = any(" " in cell for cell in texts) and all(word == word.casefold() for word in words)
    return is_list and recurring >= _MIN_RECURRING_WORDS_SHARE * len(words)


def _has_recurring_parts(texts: set[str], separator: str) -> bool:
    """Return whether most parts between separators recur: as whole cells or (unless it is a blank) in other cells.

    Numbers separated by blanks always count as lists: `0 7 12` of the Human Protein Atlas.
    """
    uses = Counter(part for cell in texts if separator in cell for part in set(_parts(cell, separator)))
    if separator == " " and uses and all(map(str.isdecimal, uses)):
        return True
    recurring = sum(part in texts or (separator != " " and count > 1) for part, count in uses.items())
    return bool(uses) and recurring >= _MIN_RECURRING_PARTS_SHARE * len(uses)


def _names_in_text(text: str, separators: Sequence[str]) -> tuple[str, ...]:
    listed = _written_list(text) if separators else _label_studio_choices(text)
    if listed is not None:
        return names_in(listed)
    inner = text[1:-1] if separators and text.startswith("[") and text.endswith("]") else text
    if separators and (separator := separator_in(inner, separators)):
        return _parts(inner, separator)
    return (inner,) if inner else ()


def _parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _written_list(text: str) -> list[Any] | None:
    if not text.startswith("["):
        return _label_studio_choices(text)
    with suppress(ValueError):
        value = parse_json(text)
        return value if isinstance(value, list) else None  # type: ignore[reportUnknownVariableType]
    if not _WRITTEN_LIST.fullmatch(text):
        return None
    names: list[str] = []
    for quoted in _QUOTED_TEXT.findall(text):
        try:
            names.append(str(ast.literal_eval(quoted)))
        except (SyntaxError, ValueError):
            names.append(quoted[1:-1])
    return names


def _label_studio_choices(text: str) -> list[Any] | None:
    """Return the names in Label Studio's `{"choices": [...]}`; None for any other text."""
    if not text.startswith('{"choices"'):
        return None
    with suppress(ValueError, TypeError, KeyError):
        return list(parse_json(text)["choices"])
    return None


def key_of(title: str) -> str:
    """Return a title without case, blanks and punctuation: `Image Name` and `image_name` have the same key."""
    return re.sub(r"[\W_]+", "", title.casefold())


def keys_in(title: str) -> list[str]:
    """Return the keys of the dotted parts of a title such as `answer.name`."""
    return [key_of(part) for part in title.split(".")]


def cells_of(title: str, sample: Sequence[Row]) -> list[str]:
    """Return the non-empty cells of a column as text."""
    cells = (row.get(title) for row in sample)
    return [text for cell in cells if cell is not None and cell != [] and (text := str(cell).strip())]
