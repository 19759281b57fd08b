"""Which column of a table of pictures means what: by its name as people write it, else by what is in it.

A guess is never silent: `Columns` says what was taken as what, and an import shows it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.project.formats.cells import is_written_list
from visionft.project.formats.listing import ColumnChoice, is_split_name

# Names in the form of `key_of`, the likelier first.
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
_SURE = ("split", "splits")
_OWN_KEYS = ("tags", "review", "note", "sha256", "escaped")
_NUMBERING = re.compile(r"|#|no|nr|index|idx|id|row|rowid|unnamed\d*")
_YES, _NO = (
    frozenset(("1", "1.0", "true", "yes", "y", "t")),
    frozenset(("", "0", "0.0", "-1", "-1.0", "false", "no", "n", "f")),
)
_LIST_KEYS = (
    "labels", "classes", "categories", "labelnames", "classnames", "targets", "choices", "tags", "classifications",
    "klassen", "kategorien",
)  # fmt: skip
_MOST_LOOKS = 50
_LONGEST_CLASS = 100

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What each column means; titles are as the file writes them, empty where there is none.

    Attributes:
        file: Names the picture.
        label: Gives the class, or several.
        classes: One column per class that says whether the picture has it (one-hot).
        split: Gives the split.
        own: {key: title} of what only this program writes: tags, review, note, sha256, escaped.
        holds_lists: A cell of the label column may hold several names.
    """

    titles: tuple[str, ...]
    file: str
    label: str = ""
    classes: tuple[str, ...] = ()
    split: str = ""
    own: Mapping[str, str]
    holds_lists: bool = False


def key_of(title: str) -> str:
    """Return a title as names are compared: without case, blanks and punctuation (`Image Name` is `image_name`)."""
    return re.sub(r"[\W_]+", "", title.casefold())


def has_file_column(titles: Sequence[str]) -> bool:
    """Say whether one of these titles is the name of a column of pictures."""
    return any(key_of(title) in _FILE_KEYS for title in titles)


def recognise(
    titles: Sequence[str], sample: Sequence[Row], choice: ColumnChoice, *, is_picture: Callable[[str], bool]
) -> Columns | None:
    """Return what the columns mean, or None when none of them names pictures.

    Args:
        titles: The columns.
        sample: Some rows by title.
        choice: What the user said; it is taken as it is.
        is_picture: Says whether a cell names a picture that is there.

    Raises:
        ProjectError: The user named a column that is not there.
    """
    for named in (choice.file, choice.label):
        if named and named not in titles:
            raise ProjectError(f"There is no column “{named}”.", f"The columns are: {', '.join(titles)}.")
    file = choice.file or picture_column(titles, sample, is_picture)
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
    holds_lists = bool(label) and _holds_lists(label, sample, is_ours="sha256" in own)
    return Columns(
        titles=tuple(titles), file=file, label=label, classes=classes, split=split, own=own, holds_lists=holds_lists
    )


def split_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the column that gives splits, by its name; empty where there is none.

    What is called `set` or `dataset` often says where a picture comes from: then a cell must be a split.
    """
    named = (title for key in _SPLIT_KEYS for title in titles if key_of(title) == key)
    is_one = (title for title in named if key_of(title) in _SURE or any(map(is_split_name, _cells(title, sample))))
    return next(is_one, "")


def titles_of_first_row(cells: Sequence[str], finder_has: Callable[[str], bool]) -> list[str]:
    """Return titles for a table that has none: its first row tells of a picture already. Empty where it is a header."""
    files = (place for place, cell in enumerate(cells) if _looks_like_file(cell) and cell.isprintable())
    place = next(files, None)
    if place is None and len(cells) <= 2 and finder_has(cells[0]):
        place = 0
    if place is None or has_file_column(cells):
        return []
    splits = [other for other, cell in enumerate(cells) if other != place and is_split_name(cell)][:1]
    labels = [other for other in range(len(cells)) if other not in (place, *splits)]
    is_class = len(labels) == 1 and (labels[0] > place or not cells[labels[0]].isdecimal())  # a number before: its own
    known = {
        place: "file_name",
        **dict.fromkeys(splits, "split"),
        **(dict.fromkeys(labels, "label") if is_class else {}),
    }
    return [known.get(number, f"column {number + 1}") for number in range(len(cells))]


def says_yes(value: Any) -> bool:
    """Say whether a cell of a class column gives the picture that class; -1 and 0 do not."""
    return str(value).strip().casefold() in _YES


def picture_column(titles: Sequence[str], sample: Sequence[Row], is_picture: Callable[[str], bool]) -> str:
    """Return the column that names pictures, by its name or else by its cells; empty where there is none."""
    named = [title for key in _FILE_KEYS for title in titles if key_of(title) == key]
    if len(named) > 1:  # `id` beside `image`, `name` beside `file`: the one whose cells are pictures
        named.sort(key=lambda title: -_share(title, sample, lambda cell: _looks_like_file(cell) or is_picture(cell)))
    if named:
        return named[0]
    by_look = (title for title in titles if _share(title, sample, _looks_like_file) > 0.9)
    by_pictures = (title for title in titles if _names_pictures(title, sample[:_MOST_LOOKS], is_picture))
    return next(chain(by_look, by_pictures), "")


def _names_pictures(title: str, sample: Sequence[Row], is_picture: Callable[[str], bool]) -> bool:
    """Say whether a column's cells are names without suffix of pictures that are there, hardly any of them twice."""
    cells = _cells(title, sample)
    return len(set(cells)) > 0.9 * len(cells) and _share(title, sample, is_picture) > 0.9


def _best_label(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the label column by its name; of a number and a name for the same class, the name.

    FiftyOne calls it `ground_truth.label`.
    """
    named = [title for key in _LABEL_KEYS for title in titles if key_of(title) == key]
    named = named or [title for key in _LABEL_KEYS for title in titles if _keys_in(title)[-1] == key]
    words = [title for title in named if _share(title, sample, lambda cell: not _is_number(cell)) > 0]
    return (words or named or [""])[0]


def _keys_in(title: str) -> list[str]:
    return [key_of(part) for part in title.split(".")]


def _holds_lists(title: str, sample: Sequence[Row], *, is_ours: bool) -> bool:
    """Say whether cells may hold several names: by the title, or because all are lists in brackets."""
    if any(key in _LIST_KEYS for key in _keys_in(title)):
        return True
    return not is_ours and _share(title, sample, is_written_list) == 1


def _class_columns(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of a one-hot table: two or more of yes and no; a numbering of the rows is none."""
    candidates = [title for title in titles if not _is_numbering(title, sample)]
    flags = [title for title in candidates if _share(title, sample, _is_flag, is_all=True) == 1]
    has_yes = any(says_yes(row.get(title, "")) for row in sample for title in flags)
    return tuple(flags) if len(flags) > 1 and has_yes else ()


def _weak_label(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the one remaining column that may hold classes: by a name that could mean it, else if its cells repeat."""
    fitting = [title for title in titles if _may_be_classes(title, sample)]
    named = [title for key in _WEAK_LABEL_KEYS for title in fitting if key_of(title) == key]
    repeating = [title for title in fitting if _repeats(title, sample)]
    if len(repeating) == 1:
        return repeating[0]
    return named[0] if named and not repeating else next((title for title in named if title in repeating), "")


def _may_be_classes(title: str, sample: Sequence[Row]) -> bool:
    cells = _cells(title, sample)
    is_short = bool(cells) and max(map(len, cells)) <= _LONGEST_CLASS
    return is_short and not (_is_numbering(title, sample) or any("." in cell and _is_number(cell) for cell in cells))


def _repeats(title: str, sample: Sequence[Row]) -> bool:
    cells = _cells(title, sample)
    return len(set(cells)) <= max(1, len(cells) // 2)


def _is_numbering(title: str, sample: Sequence[Row]) -> bool:
    """Say whether a column only numbers the rows: every cell another whole number."""
    cells = _cells(title, sample)
    counts = bool(cells) and all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    return not cells or (counts and (len(cells) > 2 or bool(_NUMBERING.fullmatch(key_of(title)))))


def _cells(title: str, sample: Sequence[Row]) -> list[str]:
    found = (row.get(title) for row in sample)
    return [text for cell in found if cell is not None and (text := str(cell).strip())]


def _share(title: str, sample: Sequence[Row], fits: Callable[[str], bool], *, is_all: bool = False) -> float:
    """Return the share of a column's filled cells that fit (`is_all`: of all cells, empty ones included)."""
    cells = [str(row.get(title) or "").strip() for row in sample] if is_all else _cells(title, sample)
    return sum(map(fits, cells)) / len(cells) if cells else 0.0


def _is_flag(cell: str) -> bool:
    return cell.casefold() in _YES or cell.casefold() in _NO


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _looks_like_file(cell: str) -> bool:
    stem, dot, suffix = cell.rpartition(".")
    return bool(stem and dot) and f".{suffix.casefold()}" in IMAGE_SUFFIXES
