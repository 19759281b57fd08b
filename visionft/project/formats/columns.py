"""Recognise the columns of an image table by their cells; titles are a further hint.

The cells of an image column resolve to image files. Labels recur: a label column has few distinct values for its rows.
`Columns` records every guess, and an import shows it with the alternative label columns.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.formats.cells import Row, cells_of, find_separators, is_image_name, is_number, key_of, keys_in
from visionft.project.formats.image_table import LabelChoice
from visionft.project.formats.label_columns import (
    are_boxed,
    find_one_hot_columns,
    find_only_candidate,
    is_alternative_label,
    is_exact_title,
    is_file_title,
    rank_label_columns,
)
from visionft.project.formats.split_names import split_and_codes

# Keys are titles normalized by `key_of`. Columns with these are image names only if no other column is: `name` of
# COCO's categories, `id` of Dog Breed Identification, `id_code` of APTOS 2019.
_WEAK_FILE_KEYS = ("name", "id", "idcode")
# `Image_PathName_DAPI` of CellProfiler, `folder` of the COVID chest X-rays.
_FOLDER_KEY = re.compile(r"relativepath|pathname|folder|directory|^path$|^dir$|ordner|verzeichnis")
_MAX_LOOKUPS = 40  # cells of a column that are resolved: a lookup may read folders
_MAX_FEW_ROWS = 10  # image names may recur in short tables of boxes (test case `Make Sense: rows of boxes`)


class ImageNames(Protocol):
    """Look-up of image files by name."""

    @property
    def is_multi_label(self) -> bool: ...
    def has(self, name: str) -> bool: ...
    def has_number(self, name: str) -> bool: ...
    def lookup(self, name: str) -> Path | None: ...


def image_column(titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column with image names, empty if none is found; judged by existing images, title and suffixes."""
    weights = {title: _image_name_weight(title, sample, images) for title in titles}
    best = max(titles, key=lambda title: weights[title], default="")
    return best if weights.get(best, 0) >= 1 else ""


def _image_name_weight(title: str, sample: Sequence[Row], images: ImageNames) -> float:
    """Return the evidence that a column contains image names; 1 and more is enough."""
    cells = cells_of(title, sample)
    probes = _spread(cells)
    if not probes:
        return 0.0
    hint = _title_weight(title)
    if not hint and not any(is_image_name(cell) or images.has(cell) for cell in probes):
        return float(_are_image_numbers(cells, probes, images))
    name_share, suffix_share = _share_of(images.has, probes), _share_of(is_image_name, probes)
    if not name_share and not suffix_share:
        name_share = 0.5 * _share_of(images.has_number, probes)
    variety = _variety(cells)
    if name_share > 0.5 or suffix_share > 0.9:
        return variety * (3 * name_share + suffix_share) + hint - 1.5 * is_exact_title(key_of(title))
    are_numbers = name_share < 0.25 and all(map(is_number, probes))
    return 0.5 + hint if hint and variety == 1 and not are_numbers else 0.0


def _spread(cells: Sequence[str]) -> list[str]:
    """Return some distinct cells, evenly spaced over a column."""
    distinct = list(dict.fromkeys(cells))
    return distinct[:: max(1, len(distinct) // _MAX_LOOKUPS)][:_MAX_LOOKUPS]


def _title_weight(title: str) -> float:
    """Return the evidence in a title: most for `filename`, least for `id`, none for `Width`."""
    key = key_of(title)
    return 1 - 0.5 * (key in _WEAK_FILE_KEYS) + 0.2 * (key == "filename") if is_file_title(title) else 0.0


def _are_image_numbers(cells: Sequence[str], probes: Sequence[str], images: ImageNames) -> bool:
    """Return whether each cell is the number of an image: `1` for `DSC00001.JPG`."""
    return len(set(cells)) == len(cells) and _share_of(images.has_number, probes) > 0.9


def _share_of(predicate: Callable[[str], bool], cells: Sequence[str]) -> float:
    return sum(map(predicate, cells)) / len(cells)


def _variety(cells: Sequence[str]) -> float:
    """Return 1, or less for few distinct values, which may match image names by chance: class `a` and `a.jpg`."""
    return min(1.0, 3 * len(set(cells)) / len(cells)) if len(cells) > _MAX_FEW_ROWS else 1.0


def find_further_image_columns(
    file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of further views (`Foto hinten` for `Foto vorne`), and the columns of other images."""
    main_images = {images.lookup(cell) for cell in cells_of(file, sample)[:_MAX_LOOKUPS]}
    images_by_title = {title: _find_images(cells_of(title, sample), images) for title in titles}
    views = tuple(title for title in titles if images_by_title[title] and _is_view(title, file))
    return views, tuple(
        title
        for title in titles
        if title not in views and images_by_title[title] and main_images.isdisjoint(images_by_title[title])
    )


def _find_images(cells: Sequence[str], images: ImageNames) -> list[Path | None]:
    """Return the images of the first cells; empty if cells recur or any image is missing."""
    if len(set(cells)) < len(cells) or not all(map(is_image_name, cells)):
        return []
    probes = cells[:_MAX_LOOKUPS]
    return [images.lookup(cell) for cell in probes] if all(map(images.has, probes)) else []


def _is_view(title: str, file: str) -> bool:
    """Return whether two titles share the first word, a word for images: `Foto hinten` and `Foto vorne`."""
    title_words, file_words = _words_of(title), _words_of(file)
    return 1 < len(title_words) == len(file_words) and title_words[0] == file_words[0] and is_file_title(file_words[0])


def _words_of(title: str) -> list[str]:
    return re.split(r"[\W_]+", title.casefold().strip())


def find_folder_column(file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column with the folder of each image; empty if names alone resolve to all images."""
    rows = [row for row in sample if str(row.get(file) or "").strip()][:_MAX_LOOKUPS]
    found_without_folder = sum(images.lookup(name_in(row, file)) is not None for row in rows)
    for title in titles if found_without_folder < len(rows) else ():
        is_folder = bool(_FOLDER_KEY.search(key_of(title)))
        if (
            is_folder
            and sum(images.lookup(name_in(row, file, title)) is not None for row in rows) > found_without_folder
        ):
            return title
    return ""


def name_in(row: Row, file: str, folder: str = "") -> str:
    """Return the image name of a row, joined to the folder from another column, if any."""
    name = str(row.get(file) or "")
    folder_name = str(row.get(folder) or "").replace("\\", "/").strip("/ ")
    return f"{folder_name}/{name}" if folder_name else name


# `xmin,ymin,xmax,ymax` of Roboflow for TensorFlow, `bb_x1 bb_y1 bb_x2 bb_y2` of Birdsnap.
_BOX_KEYS = tuple(set(keys.split()) for keys in ("xmin ymin xmax ymax", "x1 y1 x2 y2", "x y width height", "x y w h"))
_VERDICTS = {"accept", "reject", "ignore"}  # of Prodigy: `"answer": "accept"`
_OWN_KEYS_EXCEPT_TAGS = ("review", "note", "sha256", "escaped")  # columns of this program's exports
_OWN_KEYS = ("tags", *_OWN_KEYS_EXCEPT_TAGS)
_PLURAL_LABEL_KEYS = (
    "labels",
    "classes",
    "categories",
    "labelnames",
    "classnames",
    "targets",
    "choices",
    "tags",
    "classifications",
    "klassen",
    "kategorien",
)
_MAX_NUMBERED_COLUMNS = 8  # label columns `label`, `label 2`, ... of Google's AutoML Vision
_MAX_ALTERNATIVES = 5  # tables of ISIC and GBIF have many such columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The recognised columns, by their titles in the file; empty if a table has no such column."""

    titles: tuple[str, ...]
    file: str
    labels: tuple[str, ...] = ()  # one column, or several with one class each
    classes: tuple[str, ...] = ()  # one yes/no column per class (one-hot)
    split: str = ""
    split_codes: Mapping[str, Split] = field(
        default_factory=dict[str, Split]
    )  # {cell: split}; empty if cells are split names
    folder: str = ""  # the folder of each image; empty if `file` holds whole paths
    verdict: str = ""  # whether the class is present: a confidence, or Prodigy's `accept` and `reject`
    exported: Mapping[str, str]  # {key: title} of this program's exports: tags, review, note, sha256, escaped
    separators: tuple[str, ...] = ()  # between several classes in a cell of the label column
    is_boxed: bool = False  # four numbers follow each class in the label column
    is_of_parts: bool = False  # a row is a box with its class; an image has several rows
    alternatives: tuple[str, ...] = ()  # further candidates for the label column, best first
    views: tuple[str, ...] = ()  # further views of the same object: `Photo back` beside `Photo front`
    other_images: tuple[str, ...] = ()  # image columns with other titles, perhaps of other objects


def recognise_columns(
    titles: Sequence[str], sample: Sequence[Row], choice: LabelChoice, *, images: ImageNames
) -> Columns | None:
    """Return the recognised columns; None if no column contains image names.

    Args:
        sample: Some rows of the table, each {title: cell}.

    Raises:
        ProjectError: A column of `choice` does not exist.
    """
    _check_choice(titles, choice)
    file = choice.file or image_column(titles, sample, images)
    if not file:
        return None
    other_titles = [title for title in titles if title != file]
    split, codes = split_and_codes(other_titles, sample)
    candidates = [title for title in other_titles if title != split and key_of(title) not in _OWN_KEYS_EXCEPT_TAGS]
    ranked = rank_label_columns(candidates, sample)
    labels, classes = _label_columns(ranked, candidates, sample, choice)
    exported = _exported_columns(title for title in other_titles if title not in labels)
    is_boxed = len(labels) == 1 and are_boxed(cells_of(labels[0], sample))
    views, other_images = find_further_image_columns(file, other_titles, sample, images)
    used = (*labels, *exported.values())
    return Columns(
        titles=tuple(titles),
        file=file,
        labels=labels,
        classes=classes,
        split=split,
        split_codes=codes,
        folder=find_folder_column(file, other_titles, sample, images),
        verdict=_verdict_column(other_titles, labels, sample),
        exported=exported,
        separators=_separators(labels, sample, choice, exported=exported, is_multi_label=images.is_multi_label),
        is_boxed=is_boxed,
        is_of_parts=not choice.label and _are_box_rows(file, other_titles, sample),
        alternatives=_alternatives([title for title, _ in ranked if title not in used], sample),
        views=views,
        other_images=other_images,
    )


def _check_choice(titles: Sequence[str], choice: LabelChoice) -> None:
    """Raise a `ProjectError` if a chosen column is missing."""
    for title in (choice.file, choice.label):
        if title and title not in titles:
            message = Message("There is no column “{named}”.", named=title)
            raise ProjectError(message, Message("The columns are: {titles}.", titles=titles_text(titles)))


def _exported_columns(titles: Iterable[str]) -> dict[str, str]:
    """Return {key: title} of the columns that this program's exports write."""
    return {key: title for title in titles if (key := key_of(title)) in _OWN_KEYS}


def _alternatives(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the first alternative label columns."""
    return tuple(title for title in titles if is_alternative_label(title, sample))[:_MAX_ALTERNATIVES]


def _label_columns(
    ranked: Sequence[tuple[str, float]], titles: Sequence[str], sample: Sequence[Row], choice: LabelChoice
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the label columns and the one-hot columns; at most one of the two is not empty.

    Tried in this order: the user's choice, strong evidence, one-hot columns, the only candidate.
    """
    if choice.label:
        return (choice.label,), ()
    if choice.is_unlabelled:
        return (), ()
    best = [title for title, weight in ranked if weight >= 1][:1]
    if not best and (classes := find_one_hot_columns([title for title in titles if key_of(title) != "tags"], sample)):
        return (), classes
    best = best or find_only_candidate([title for title, _ in ranked], sample)
    return (*best, *_numbered_columns(best, titles)), ()


def _numbered_columns(labels: Sequence[str], titles: Sequence[str]) -> tuple[str, ...]:
    """Return the numbered label columns after the first: `label 2` after `label`."""
    numbered = (f"{title} {number}" for title in labels for number in range(2, _MAX_NUMBERED_COLUMNS + 1))
    return tuple(title for title in numbered if title in titles)


def _separators(
    label_titles: Sequence[str],
    sample: Sequence[Row],
    choice: LabelChoice,
    *,
    exported: Mapping[str, str],
    is_multi_label: bool,
) -> tuple[str, ...]:
    """Return the separators between several classes in a cell; empty if each cell is one class.

    In a table exported by this program, which has a column `sha256`, cells hold several classes only under a title such
    as `labels`.
    """
    if choice.separator:
        return (choice.separator,)
    is_plural = any(key in _PLURAL_LABEL_KEYS for title in label_titles for key in keys_in(title))
    if len(label_titles) != 1 or ("sha256" in exported and not is_plural):
        return ()
    return find_separators(cells_of(label_titles[0], sample), is_plural=is_plural, is_multi_label=is_multi_label)


def _are_box_rows(file: str, titles: Sequence[str], sample: Sequence[Row]) -> bool:
    """Return whether the rows are boxes: they have coordinates, and image names recur."""
    keys = {re.sub("bbox|box|roi", "", key_of(title)) for title in titles}
    image_names = cells_of(file, sample)
    return any(map(keys.issuperset, _BOX_KEYS)) and len(set(image_names)) < len(image_names)


def _verdict_column(titles: Sequence[str], labels: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the column that records whether the class of a row is present; empty for none."""
    for title in titles:
        is_answer = key_of(title) == "answer" and _VERDICTS.issuperset(cells_of(title, sample))
        if title not in labels and (is_answer or key_of(title) == "confidence"):
            return title
    return ""


def titles_text(titles: Sequence[str]) -> str:
    """Return the first titles of a table as text for a message, each shortened."""
    first = ", ".join(title if len(title) <= 40 else f"{title[:40]}…" for title in titles[:10])
    return first if len(titles) <= 10 else f"{first}, … ({len(titles):,})"
