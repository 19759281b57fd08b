"""Interpretation of the columns of an image table, by what their cells lead to; titles are a further hint.

Names of images are the cells that lead to images. A label recurs: it has few values beside the number of rows, or
agrees with the folders of the images. A guess is never silent: `Columns` records the interpretation, and an import
shows it with the other columns that may give the label.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.project.formats.cells import (
    Row,
    cells_of,
    is_flag,
    is_number,
    key_of,
    keys_in,
    names_in,
    signs_between,
)
from visionft.project.formats.label_titles import (
    is_exact_title,
    is_fact_title,
    is_file_title,
    is_group_title,
    is_label_title,
    is_whole_file_title,
    rank_of,
)
from visionft.project.formats.listing import LabelChoice
from visionft.project.formats.one_hot import is_numbering, one_hot_columns
from visionft.project.formats.split_columns import split_and_codes
from visionft.project.formats.split_names import is_split_name

# Keys are titles in the form of `key_of`; these are names of images only where nothing else is.
_WEAK_FILE_KEYS = ("name", "id", "idcode")
_WEAK_LABEL_KEYS = ("tags", "tag", "type", "kind", "text", "caption", "annotation", "answer", "name", "id")
_RANKS = {"order", "family", "genus"}  # of taxonomy, beside which `class` is another one
_FOLDER_KEY = re.compile(r"relativepath|pathname|folder|directory|^path$|^dir$|ordner|verzeichnis")
_OF_BOXES = tuple(set(keys.split()) for keys in ("xmin ymin xmax ymax", "x1 y1 x2 y2", "x y width height", "x y w h"))
_ANSWERS = {"accept", "reject", "ignore"}  # of Prodigy
_OWN_KEYS = ("tags", "review", "note", "sha256", "escaped")
_PLURALS = (
    "labels", "classes", "categories", "labelnames", "classnames", "targets", "choices", "tags", "classifications",
    "klassen", "kategorien",
)  # fmt: skip
_OF_IMAGES = 40  # cells of a column that are looked up
_MANY = 20  # rows of which classes would not all differ
_OF_FOLDERS = 200  # rows whose folders are compared with the cells
_CLASS_ID = re.compile(r"n\d{8}|/[mgt]/\w+")  # of WordNet and Freebase
_BOXED = re.compile(r"([^\s\d-]\S*(\s+-?\d+(\.\d+)?){4}\s*)+")  # a class with its box, several times
_MOST_ALTERNATIVES = 5
_MANY_FACTS = 2  # columns of a table that describes photographs
_FEW_CELLS = 3  # that may all be equal, or all differ, in a column of classes


class ImageNames(Protocol):
    """The names of the images that a table may list."""

    @property
    def takes_several(self) -> bool: ...
    def has(self, name: str) -> bool: ...
    def has_number(self, name: str) -> bool: ...
    def lookup(self, name: str) -> Path | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The meaning of each column; titles as written in the file, empty where there is none."""

    titles: tuple[str, ...]
    file: str
    labels: tuple[str, ...] = ()  # one, or several with a class in each
    classes: tuple[str, ...] = ()  # one yes/no column per class (one-hot)
    split: str = ""
    split_codes: Mapping[str, Split] = field(default_factory=dict[str, Split])  # {cell: split}; empty for names
    folder: str = ""  # of the folder of each image, where its name is in another column
    verdict: str = ""  # tells whether the class is present: a confidence, or Prodigy's `accept` and `reject`
    own: Mapping[str, str]  # {key: title} of this program's own: tags, review, note, sha256, escaped
    signs: tuple[str, ...] = ()  # between several names in a cell of the label column
    is_boxed: bool = False  # in a cell of the label column, four numbers follow each name
    is_of_parts: bool = False  # a row gives a box and its class, several rows an image
    alternatives: tuple[str, ...] = ()  # further columns that may give the label, best first
    views: tuple[str, ...] = ()  # further columns of images of the same row: `Photo front`, `Photo back`
    other_images: tuple[str, ...] = ()  # further columns of images called otherwise, perhaps of something else


def recognise(
    titles: Sequence[str], sample: Sequence[Row], choice: LabelChoice, *, images: ImageNames
) -> Columns | None:
    """Return the interpretation of the columns, or None when no column names images.

    `sample` holds some rows by title. A missing column in `choice` is a `ProjectError`.
    """
    for named in (choice.file, choice.label):
        if named and named not in titles:
            message = Message("There is no column “{named}”.", named=named)
            raise ProjectError(message, Message("The columns are: {titles}.", titles=shown_titles(titles)))
    file = choice.file or image_column(titles, sample, images)
    if not file:
        return None
    rest = [title for title in titles if title != file]
    split, codes = split_and_codes(rest, sample)
    own = {key_of(title): title for title in rest if key_of(title) in _OWN_KEYS}
    open_titles = [title for title in rest if title != split and (title not in own.values() or key_of(title) == "tags")]
    ranked = _ranked_labels(open_titles, sample, _folders_of(file, sample, images))
    labels, classes = (choice.label,) * bool(choice.label), ()
    if not (choice.is_unlabelled or choice.label):
        strong = [title for title, weight in ranked if weight >= 1]
        classes = () if strong else one_hot_columns([each for each in open_titles if each not in own.values()], sample)
        labels = tuple(strong[:1] or ([] if classes else _only_candidate([title for title, _ in ranked], sample)))
        labels += tuple(
            f"{title} {number}" for title in labels for number in range(2, 9) if f"{title} {number}" in rest
        )
    own = {key: title for key, title in own.items() if title not in labels}
    signs: tuple[str, ...] = ()
    if len(labels) == 1:
        is_plural = any(key in _PLURALS for key in keys_in(labels[0]))
        signs = (
            signs_between(cells_of(labels[0], sample), is_plural=is_plural, takes_several=images.takes_several)
            if is_plural or "sha256" not in own
            else ()
        )
    if choice.separator:
        signs = (choice.separator,)
    is_boxed = len(labels) == 1 and all(map(_BOXED.fullmatch, cells_of(labels[0], sample)))
    views, other_images = _views(file, rest, sample, images)
    alternatives = [title for title, _ in ranked if title not in (*labels, *own.values()) and _may_rival(title, sample)]
    return Columns(
        titles=tuple(titles), file=file, labels=labels, classes=classes, split=split, split_codes=codes, own=own,
        folder=_folder_column(file, rest, sample, images), verdict=_verdict_column(rest, labels, sample),
        signs=() if is_boxed else signs, is_boxed=is_boxed,
        is_of_parts=not choice.label and _are_boxes(file, rest, sample),
        alternatives=tuple(alternatives[:_MOST_ALTERNATIVES]), views=views, other_images=other_images,
    )  # fmt: skip


def _views(
    file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of further images of each row, called like the first, `Foto vorne`, `Foto hinten`; others."""
    first, known = _words_of(file), {images.lookup(cell) for cell in cells_of(file, sample)[:_OF_IMAGES]}
    views: list[str] = []
    others: list[str] = []
    for title in titles:
        cells = cells_of(title, sample)
        if cells and len(set(cells)) == len(cells) and all(map(_looks_like_file, cells)):
            found = [images.lookup(cell) for cell in cells[:_OF_IMAGES] if images.has(cell)]
            words = _words_of(title)
            is_called_so = 1 < len(words) == len(first) and words[0] == first[0] and is_file_title(first[0])
            if len(found) == len(cells[:_OF_IMAGES]) and (is_called_so or known.isdisjoint(found)):
                (views if is_called_so else others).append(title)
    return tuple(views), tuple(others)


def _words_of(title: str) -> list[str]:
    return re.split(r"[\W_]+", title.casefold().strip())


def _folder_column(file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column that completes the names of images to paths; empty where names alone lead to all."""
    rows = [row for row in sample if str(row.get(file) or "").strip()][:_OF_IMAGES]
    alone = sum(images.lookup(name_in(row, file)) is not None for row in rows)
    for title in titles if alone < len(rows) else ():
        is_folder = bool(_FOLDER_KEY.search(key_of(title)))
        if is_folder and sum(images.lookup(name_in(row, file, title)) is not None for row in rows) > alone:
            return title
    return ""


def name_in(row: Row, file: str, folder: str = "") -> str:
    """Return the name of the image of a row, with the folder from another column, if any."""
    name, place = str(row.get(file) or ""), str(row.get(folder) or "").replace("\\", "/").strip("/ ")
    return f"{place}/{name}" if place else name


def _are_boxes(file: str, titles: Sequence[str], sample: Sequence[Row]) -> bool:
    """Return whether columns are those of boxes, and images recur."""
    keys = {re.sub("bbox|box|roi", "", key_of(title)) for title in titles}
    names = cells_of(file, sample)
    return any(map(keys.issuperset, _OF_BOXES)) and len(set(names)) < len(names)


def _verdict_column(titles: Sequence[str], labels: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the column that tells whether the class of a row is present; empty for none."""
    for title in titles:
        is_answer = key_of(title) == "answer" and _ANSWERS.issuperset(cells_of(title, sample))
        if title not in labels and (is_answer or key_of(title) == "confidence"):
            return title
    return ""


def shown_titles(titles: Sequence[str]) -> str:
    """Return the titles of a table for a message: the first ones, each cut."""
    first = ", ".join(title if len(title) <= 40 else f"{title[:40]}…" for title in titles[:10])
    return first if len(titles) <= 10 else f"{first}, … ({len(titles):,})"


def image_column(titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column with image names: by the images that its cells lead to, its title and its looks."""
    weights = {title: _weight_of_names(title, sample, images) for title in titles}
    best = max(titles, key=lambda title: weights[title], default="")
    return best if weights.get(best, 0) >= 1 else ""


def _weight_of_names(title: str, sample: Sequence[Row], images: ImageNames) -> float:
    """Return the evidence that a column names images, at least 1 where it may."""
    key = key_of(title)
    hint = 1 - 0.5 * (key in _WEAK_FILE_KEYS) + 0.2 * (key == "filename") if is_file_title(title) else 0.0
    cells = cells_of(title, sample)
    distinct = list(dict.fromkeys(cells))
    tried = distinct[:: max(1, len(distinct) // _OF_IMAGES)][:_OF_IMAGES]
    if not tried or not (hint or any(_looks_like_file(cell) or images.has(cell) for cell in tried[:8])):
        numbers = [cell for cell in tried if images.has_number(cell)]
        is_numbering = len(distinct) == len(cells) and len(numbers) > 0.9 * len(tried)
        return 1.0 if tried and is_numbering else 0.0
    names = sum(map(images.has, tried)) / len(tried)
    look = sum(map(_looks_like_file, tried)) / len(tried)
    if not names and not look and hint:
        names = 0.5 * sum(map(images.has_number, tried)) / len(tried)
    is_distinct = min(1.0, 3 * len(distinct) / len(cells)) if len(cells) > 10 else 1.0
    if names > 0.5 or look > 0.9:  # a column of few values may be called like images by chance
        return is_distinct * (3 * names + look) + hint - 1.5 * is_exact_title(key)
    is_named = hint and is_distinct == 1 and not (names < 0.25 and all(map(is_number, tried)))
    return 0.5 + hint if is_named else 0.0


def titles_of_first_row(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return titles for a table without a header, where the first row describes an image; empty for a header.

    A name without suffix counts where it is the only one, and the class beside it recurs in the `following` rows.
    """
    files = (place for place, cell in enumerate(cells) if _looks_like_file(cell) and cell.isprintable())
    place = next(files, None)
    if place is None:
        named = [place for place, cell in enumerate(cells) if cell and images.has(cell)]
        recurs = any(cell == row[place] for row in following for place, cell in enumerate(cells[: len(row)]))
        place = named[0] if len(named) == 1 and (recurs or (len(cells) <= 2 and named == [0])) else None
    if place is None or any(is_whole_file_title(cell) for cell in cells):
        return _numbered(cells) if cells and all(cell.lstrip("-").isdecimal() for cell in cells) else []
    splits = [other for other, cell in enumerate(cells) if other != place and is_split_name(cell)][:1]
    labels = [other for other in range(len(cells)) if other not in (place, *splits)]
    # before the name rather a number or key of the image, unless it recurs
    own = {row[labels[0]] for row in [cells, *following] if labels and len(row) > labels[0]}
    is_own = len(labels) == 1 and (cells[labels[0]].isdecimal() or len(own) > max(1, len(following)))
    is_class = len(labels) == 1 and (labels[0] > place or not is_own)
    known = {place: "file_name"} | dict.fromkeys(splits, "split") | dict.fromkeys(labels if is_class else (), "label")
    behind = [other for other in labels if other > place]
    if not is_class and behind == labels and not any(is_number(cells[other]) for other in labels):
        known |= {other: f"label {number}" if number > 1 else "label" for number, other in enumerate(labels, 1)}
    return [known.get(number, title) for number, title in enumerate(_numbered(cells))]


def _numbered(cells: Sequence[str]) -> list[str]:
    return [f"column {number}" for number, _ in enumerate(cells, 1)]


def _looks_like_file(cell: str) -> bool:
    stem, dot, suffix = cell.rpartition(".")
    return bool(stem and dot) and f".{suffix.casefold()}" in IMAGE_SUFFIXES


def _folders_of(file: str, sample: Sequence[Row], images: ImageNames) -> list[frozenset[str]]:
    """Return the folders of the images of the first rows."""
    found = (images.lookup(str(row.get(file) or "")) for row in sample[:_OF_FOLDERS])
    return [frozenset(path.parts[:-1] if path else ()) for path in found]


def _ranked_labels(
    titles: Sequence[str], sample: Sequence[Row], folders: Sequence[frozenset[str]]
) -> list[tuple[str, float]]:
    """Return the columns that may give the label with the weight of the evidence; 1 and more is enough."""
    ranked: list[tuple[float, int, str]] = []
    keys = set(map(key_of, titles))
    titles = [each for each in titles if key_of(each) != "class" or not keys >= _RANKS]
    titles = [each for each in titles if key_of(each) != "y" or "x" not in keys]  # of a place
    flags = [title for title in titles if all(map(is_flag, cells_of(title, sample)))]
    varying = {title for title in flags if len(set(cells_of(title, sample))) > 1}  # rather of one class each
    flags = [title for title in flags if varying - {title}]
    for place, title in enumerate(titles):
        cells = cells_of(title, sample)
        distinct = len(set(cells))
        is_exact = is_exact_title(title)
        is_of_names = len(cells) >= _MANY and distinct > 0.9 * len(cells)
        if not cells or is_of_names or is_numbering(title, sample):
            continue
        pairs = [(str(row.get(title) or "").strip(), each) for row, each in zip(sample, folders, strict=False) if each]
        agreement = sum(cell in each for cell, each in pairs) / len(pairs) if pairs and distinct > 1 else 0.0
        is_hinted = is_exact or (is_label_title(title) and title not in flags)
        is_hinted = is_hinted or all(map(_CLASS_ID.fullmatch, cells)) or all(map(_BOXED.fullmatch, cells))
        is_constant = distinct == 1 and len(cells) >= _FEW_CELLS
        if not is_hinted and agreement <= 0.9 and (is_constant or not _may_be_classes(cells)):
            continue
        words = any(map(_has_letters, cells))
        is_sorted = agreement > 0.9 and not key_of(title).endswith("id")  # not by patients
        hint = max(rank_of(title), 1.0) if is_exact else float(is_hinted or is_sorted)
        weight = hint + (0.5 * is_sorted + words - 0.5 * is_constant if is_hinted else 0.1 * words)
        ranked.append((weight + 0.1 * (1 - distinct / len(cells)), -place, title))
    ranked.sort(key=lambda each: (len(set(cells_of(each[2], sample))) > 1, each), reverse=True)
    return [(title, weight) for weight, _, title in ranked]


def _has_letters(cell: str) -> bool:
    return any(map(str.isalpha, cell)) and not is_number(cell)


def label_of_parts(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the title that gives the classes of parts of images; empty for none."""
    rows = [{key: _text_of(row.get(key)) for key in titles} for row in sample]
    named = [title for title in titles if any(_has_letters(row[title]) for row in rows) and "shape" not in title]
    ranked = _ranked_labels(named, rows, [])
    return ranked[0][0] if ranked else next(iter(named), "")


def _text_of(value: Any) -> str:
    first = next(iter(value), "") if isinstance(value, list) else value  # type: ignore[reportUnknownVariableType]
    return "" if first is None else str(first)  # type: ignore[reportUnknownArgumentType]


def _may_be_classes(cells: Sequence[str]) -> bool:
    """Return whether cells without a telling title may be classes: short, no measures, and no files."""
    is_measure = any("." in cell and is_number(cell) and not cell.endswith(".0") for cell in cells)
    is_short = sum(len(cell) <= 100 for cell in cells) > 0.9 * len(cells)
    is_file = sum(_looks_like_file(cell) or "://" in cell for cell in cells) > 0.9 * len(cells)
    return is_short and not is_measure and not is_file


def _only_candidate(titles: Sequence[str], sample: Sequence[Row]) -> list[str]:
    """Return the one remaining candidate for the label column: by a plausible name, else by repeated cells.

    Groups of images, such as those of a patient, repeat too, and are none; nor are codes of the classes beside them.
    """
    if sample and describes_photographs(sample[0]):
        return []
    cells = {title: _names(cells_of(title, sample)) for title in titles if not is_group_title(title)}
    repeating = [title for title in cells if len(set(cells[title])) <= max(1, len(cells[title]) // 2)]
    words = [title for title in repeating if any(map(_has_letters, cells[title]))]
    numbers = [title for title in repeating if title not in words and _are_codes(cells[title])]
    numbers = [title for title in numbers if not any(_is_code_of(title, each, sample) for each in words)]
    repeating = words if len(words) == 1 and not numbers else repeating  # rather than measures beside it
    if len(repeating) == 1:
        return repeating
    named = [title for key in _WEAK_LABEL_KEYS for title in titles if key_of(title) == key]
    return [title for title in named if not repeating or title in repeating][:1]


def describes_photographs(titles: Iterable[str]) -> bool:
    """Return whether a table tells how photographs were taken: `Make, Model, Flash, ISO`."""
    return sum(map(is_fact_title, titles)) >= _MANY_FACTS


def _may_rival(title: str, sample: Sequence[Row]) -> bool:
    """Return whether a column may give the label instead of another: of words or codes, not of groups of images."""
    cells = cells_of(title, sample)
    recurs = len(cells) < _FEW_CELLS or 1 < len(set(cells)) < len(cells)
    return (
        recurs
        and not is_group_title(title)
        and _may_be_classes(cells)
        and (_are_codes(cells) or any(map(_has_letters, cells)))
    )


def _names(cells: Sequence[str]) -> list[str]:
    """Return the names in the cells of a column, divided where parts recur."""
    signs = signs_between(cells, is_plural=False)
    try:
        return [name for cell in cells for name in names_in(cell, signs=signs)] if signs else list(cells)
    except ValueError:  # lists of something else
        return list(cells)


def _is_code_of(title: str, words: str, sample: Sequence[Row]) -> bool:
    """Return whether a column gives the same classes as another one, by numbers."""
    pairs = {(str(row.get(title)), str(row.get(words))) for row in sample}
    return len(pairs) == len({code for code, _ in pairs}) == len({word for _, word in pairs})


def _are_codes(cells: Sequence[str]) -> bool:
    """Return whether numbers may be codes of classes: dense, or with leading zeros."""
    if not all(map(str.isdecimal, cells)):
        return False
    return max(map(int, cells)) <= 2 * len(set(cells)) + 1 or any(len(cell) > 1 and cell[0] == "0" for cell in cells)
