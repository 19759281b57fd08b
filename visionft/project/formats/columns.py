"""Interpretation of the columns and cells of an image table: by title, otherwise by content.

A guess is never silent: `Columns` records the interpretation, and an import shows it. A cell holds one name, or several
as written by people, JSON, Python and NumPy.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.files import parse_json
from visionft.project.formats.listing import ColumnChoice
from visionft.project.formats.split_names import is_split_name

# Names in the form of `key_of`, most likely first.
_FILE_KEYS = (
    "filename", "filenames", "filepath", "imagepath", "imagename", "imagefile", "imagefilename", "imgpath", "imgname",
    "imgfile", "file", "files", "path", "image", "images", "img", "imgs", "picture", "photo", "imageurl", "imageuri",
    "datei", "dateiname", "dateien", "bild", "bilder", "bildname", "url", "uri", "imageid", "imgid", "idcode", "name",
    "id",
)  # fmt: skip
_LABEL_KEYS = (
    "label", "labels", "class", "classes", "classname", "classnames", "classlabel", "category", "categories",
    "categoryname", "labelname", "labelnames", "target", "targets", "species", "breed", "choice", "choices",
    "groundtruth", "diagnosis", "variety", "klasse", "klassen", "kategorie", "kategorien",
)  # fmt: skip
_WEAK_LABEL_KEYS = ("tags", "tag", "type", "kind", "text", "caption", "annotation", "answer", "name", "id")
_SPLIT_KEYS = ("split", "splits", "set", "subset", "partition", "dataset")
_OWN_KEYS = ("tags", "review", "note", "sha256", "escaped")
_NUMBERING = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")
_YES = ("1", "1.0", "true", "yes", "y", "t")
_NO = ("", "0", "0.0", "-1", "-1.0", "false", "no", "n", "f")
_LIST_KEYS = (
    "labels", "classes", "categories", "labelnames", "classnames", "targets", "choices", "tags", "classifications",
    "klassen", "kategorien",
)  # fmt: skip
_SEPARATORS = ("|", ";", ",")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# ['a', 'b'] of Python, ['a' 'b'] of NumPy (written by Hugging Face's `to_csv`)
_WRITTEN_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED.pattern})[\s,]*)*\]")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The meaning of each column; titles as written in the file, empty where there is none."""

    titles: tuple[str, ...]
    file: str
    label: str = ""
    classes: tuple[str, ...] = ()  # one yes/no column per class (one-hot)
    split: str = ""
    own: Mapping[str, str]  # {key: title} of this program's own: tags, review, note, sha256, escaped
    holds_lists: bool = False  # a cell of the label column may hold several names


def key_of(title: str) -> str:
    """Return a title normalized for comparison: without case, blanks and punctuation (`Image Name` is `image_name`)."""
    return re.sub(r"[\W_]+", "", title.casefold())


def recognise(
    titles: Sequence[str], sample: Sequence[Row], choice: ColumnChoice, *, is_image: Callable[[str], bool]
) -> Columns | None:
    """Return the interpretation of the columns, or None when no column names images.

    `sample` holds some rows by title; `is_image` tells whether a cell names an existing image. A missing column in
    `choice` is a `ProjectError`.
    """
    for named in (choice.file, choice.label):
        if named and named not in titles:
            message = Message("There is no column “{named}”.", named=named)
            hint = Message("The columns are: {titles}.", titles=", ".join(titles))
            raise ProjectError(message, hint)
    file = choice.file or image_column(titles, sample, is_image)
    if not file:
        return None
    rest = [title for title in titles if title != file]
    split = split_column(rest, sample)
    label = "" if choice.is_unlabelled else choice.label or _best_label(rest, sample)
    own = {key_of(title): title for title in rest if key_of(title) in _OWN_KEYS and title != label}
    rest = [title for title in rest if title not in (split, label, *own.values())]
    classes = () if label or choice.is_unlabelled else _class_columns(rest, sample)
    if not (label or classes or choice.is_unlabelled):
        label = _weak_label([*rest, *(own[key] for key in ("tags",) if key in own)], sample)
        own = {key: title for key, title in own.items() if title != label}
    is_plural = any(key in _LIST_KEYS for key in _keys_in(label))
    holds_lists = is_plural or ("sha256" not in own and bool(label) and _share(label, sample, is_written_list) == 1)
    return Columns(
        titles=tuple(titles), file=file, label=label, classes=classes, split=split, own=own, holds_lists=holds_lists
    )


def split_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the split column by its name; `set` or `dataset` count only with names of splits. Empty for none."""
    for key in _SPLIT_KEYS:
        for title in titles:
            is_sure = key in ("split", "splits")
            if key_of(title) == key and (is_sure or any(map(is_split_name, _cells(title, sample)))):
                return title
    return ""


def titles_of_first_row(cells: Sequence[str], finder_has: Callable[[str], bool]) -> list[str]:
    """Return titles for a table without a header, where the first row describes an image; empty for a header."""
    files = (place for place, cell in enumerate(cells) if _looks_like_file(cell) and cell.isprintable())
    place = next(files, None)
    if place is None and len(cells) <= 2 and finder_has(cells[0]):
        place = 0
    if place is None or any(key_of(cell) in _FILE_KEYS for cell in cells):
        return []
    splits = [other for other, cell in enumerate(cells) if other != place and is_split_name(cell)][:1]
    labels = [other for other in range(len(cells)) if other not in (place, *splits)]
    is_class = len(labels) == 1 and (labels[0] > place or not cells[labels[0]].isdecimal())  # a number before: its own
    known = {place: "file_name"} | dict.fromkeys(splits, "split") | dict.fromkeys(labels if is_class else (), "label")
    return [known.get(number, f"column {number + 1}") for number in range(len(cells))]


def says_yes(value: Any) -> bool:
    """Return whether a cell of a class column assigns the class to the image; -1 and 0 do not."""
    return str(value).strip().casefold() in _YES


def image_column(titles: Sequence[str], sample: Sequence[Row], is_image: Callable[[str], bool]) -> str:
    """Return the column with image names, by its title or else by its cells; empty where there is none."""
    named = [title for key in _FILE_KEYS for title in titles if key_of(title) == key]
    if len(named) > 1:  # `id` beside `image`, `name` beside `file`: prefer the column with existing images
        named.sort(key=lambda title: -_share(title, sample, lambda cell: _looks_like_file(cell) or is_image(cell)))
    if named:
        return named[0]

    def names_images(title: str) -> bool:
        """Return whether the cells name existing images without suffix, nearly all distinct."""
        cells = _cells(title, sample[:50])
        return len(set(cells)) > 0.9 * len(cells) and _share(title, sample[:50], is_image) > 0.9

    by_look = (title for title in titles if _share(title, sample, _looks_like_file) > 0.9)
    return next(chain(by_look, filter(names_images, titles)), "")


def _best_label(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the label column by its title (FiftyOne's: `ground_truth.label`); rather one of names than of numbers."""
    named = [title for key in _LABEL_KEYS for title in titles if key_of(title) == key]
    named = named or [title for key in _LABEL_KEYS for title in titles if _keys_in(title)[-1] == key]
    words = [title for title in named if _share(title, sample, lambda cell: not _is_number(cell)) > 0]
    return (words or named or [""])[0]


def _keys_in(title: str) -> list[str]:
    return [key_of(part) for part in title.split(".")]


def _class_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a one-hot table: two or more of yes and no, without row numbers."""
    candidates = [title for title in titles if not _is_numbering(title, sample)]
    cells = {title: [str(row.get(title) or "").strip().casefold() for row in sample] for title in candidates}
    flags = [title for title in candidates if cells[title] and all(cell in _YES + _NO for cell in cells[title])]
    has_yes = any(says_yes(row.get(title, "")) for row in sample for title in flags)
    return tuple(flags) if len(flags) > 1 and has_yes else ()


def _weak_label(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the one remaining candidate for the label column: by a plausible name, else by repeated cells."""
    fitting: list[str] = []
    repeating: list[str] = []
    for title in titles:
        cells = _cells(title, sample)
        is_measure = any("." in cell and _is_number(cell) for cell in cells)
        if cells and max(map(len, cells)) <= 100 and not (_is_numbering(title, sample) or is_measure):
            fitting.append(title)
            if len(set(cells)) <= max(1, len(cells) // 2):
                repeating.append(title)
    named = [title for key in _WEAK_LABEL_KEYS for title in fitting if key_of(title) == key]
    if len(repeating) == 1:
        return repeating[0]
    return named[0] if named and not repeating else next((title for title in named if title in repeating), "")


def _is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column only numbers the rows: distinct whole numbers."""
    cells = _cells(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))


def _cells(title: str, sample: Sequence[Row]) -> list[str]:
    found = (row.get(title) for row in sample)
    return [text for cell in found if cell is not None and (text := str(cell).strip())]


def _share(title: str, sample: Sequence[Row], fits: Callable[[str], bool]) -> float:
    """Return the share of matching cells among a column's filled cells."""
    cells = _cells(title, sample)
    return sum(map(fits, cells)) / len(cells) if cells else 0.0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _looks_like_file(cell: str) -> bool:
    stem, dot, suffix = cell.rpartition(".")
    return bool(stem and dot) and f".{suffix.casefold()}" in IMAGE_SUFFIXES


def names_in(value: Any, *, is_list: bool = True) -> tuple[str, ...]:
    """Return the names in a cell or a JSON value, of a text several only where it `is_list`.

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
            return _names_in_text(value.strip(), is_list=is_list)
        case list():
            return tuple(name for item in value for name in names_in(item, is_list=False))  # type: ignore[reportUnknownVariableType]
        case _:
            raise ValueError(Message("{value} is not a name", value=repr(value)))


def is_written_list(cell: str) -> bool:
    """Return whether text is a list in brackets, as written by JSON, Python or NumPy."""
    return _written_list(cell.strip()) is not None


def separator_in(cell: str) -> str:
    """Return the separator of several names in a cell; empty for a single name or a list in brackets."""
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
