"""Interpretation of the columns of an image table, by what their cells lead to; titles are a further hint.

Names of images are the cells that lead to images. A label recurs: it has few values beside the number of rows, or
agrees with the folders of the images. A guess is never silent: `Columns` records the interpretation, and an import
shows it with the other columns that may give the label.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.formats.cells import Row, cells_of, is_image_name, is_number, key_of, keys_in, signs_between
from visionft.project.formats.image_table import LabelChoice
from visionft.project.formats.label_columns import (
    are_boxed,
    is_exact_title,
    is_file_title,
    may_rival,
    one_hot_columns,
    only_candidate,
    ranked_labels,
)
from visionft.project.formats.split_names import split_and_codes

# Keys are titles in the form of `key_of`; these are names of images only where nothing else is: `name` of COCO's
# categories, `id` of the Dog Breed Identification, `id_code` of APTOS 2019.
_WEAK_FILE_KEYS = ("name", "id", "idcode")
# `Image_PathName_DAPI` of CellProfiler, `folder` of the COVID chest X-rays.
_FOLDER_KEY = re.compile(r"relativepath|pathname|folder|directory|^path$|^dir$|ordner|verzeichnis")
_LOOKED_UP = 40  # cells of a column, spread over it: a lookup may read folders
_FEW_ROWS = 10  # whose names may recur by chance, as those of parts of images: `Make Sense: rows of boxes`


class ImageNames(Protocol):
    """The names of the images that a table may list."""

    @property
    def takes_several(self) -> bool: ...
    def has(self, name: str) -> bool: ...
    def has_number(self, name: str) -> bool: ...
    def lookup(self, name: str) -> Path | None: ...


def image_column(titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column with image names: by the images that its cells lead to, its title and its looks."""
    weights = {title: _weight_of_names(title, sample, images) for title in titles}
    best = max(titles, key=lambda title: weights[title], default="")
    return best if weights.get(best, 0) >= 1 else ""


def _weight_of_names(title: str, sample: Sequence[Row], images: ImageNames) -> float:
    """Return the evidence that a column names images, at least 1 where it may."""
    cells = cells_of(title, sample)
    tried = _spread(cells)
    if not tried:
        return 0.0
    hint = _weight_of_title(title)
    if not hint and not any(is_image_name(cell) or images.has(cell) for cell in tried):
        return float(_numbers_images(cells, tried, images))
    names, look = _share(images.has, tried), _share(is_image_name, tried)
    if not names and not look:
        names = 0.5 * _share(images.has_number, tried)
    variety = _variety(cells)
    if names > 0.5 or look > 0.9:
        return variety * (3 * names + look) + hint - 1.5 * is_exact_title(key_of(title))
    are_numbers = names < 0.25 and all(map(is_number, tried))
    return 0.5 + hint if hint and variety == 1 and not are_numbers else 0.0


def _spread(cells: Sequence[str]) -> list[str]:
    """Return some distinct cells from all over a column."""
    distinct = list(dict.fromkeys(cells))
    return distinct[:: max(1, len(distinct) // _LOOKED_UP)][:_LOOKED_UP]


def _weight_of_title(title: str) -> float:
    """Return the evidence of a title: most for `filename`, least for `id`, none for `Width`."""
    key = key_of(title)
    return 1 - 0.5 * (key in _WEAK_FILE_KEYS) + 0.2 * (key == "filename") if is_file_title(title) else 0.0


def _numbers_images(cells: Sequence[str], tried: Sequence[str], images: ImageNames) -> bool:
    """Return whether each cell is the number of an image: `Nr.` 1 to 30 in a workbook for `DSC00001.JPG` and so on."""
    return len(set(cells)) == len(cells) and _share(images.has_number, tried) > 0.9


def _share(is_so: Callable[[str], bool], cells: Sequence[str]) -> float:
    return sum(map(is_so, cells)) / len(cells)


def _variety(cells: Sequence[str]) -> float:
    """Return 1, or less where a column of few values may be called like images by chance: a class `a` and `a.jpg`."""
    return min(1.0, 3 * len(set(cells)) / len(cells)) if len(cells) > _FEW_ROWS else 1.0


def further_image_columns(
    file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of further images of each row, called like the first, `Foto vorne`, `Foto hinten`; others."""
    known = {images.lookup(cell) for cell in cells_of(file, sample)[:_LOOKED_UP]}
    found = {title: _images_in(cells_of(title, sample), images) for title in titles}
    views = tuple(title for title in titles if found[title] and _is_view(title, file))
    return views, tuple(
        title for title in titles if title not in views and found[title] and known.isdisjoint(found[title])
    )


def _images_in(cells: Sequence[str], images: ImageNames) -> list[Path | None]:
    """Return the images that distinct cells lead to; empty where one of them leads to none."""
    if len(set(cells)) < len(cells) or not all(map(is_image_name, cells)):
        return []
    first = cells[:_LOOKED_UP]
    return [images.lookup(cell) for cell in first] if all(map(images.has, first)) else []


def _is_view(title: str, file: str) -> bool:
    """Return whether a column of images is called like another one, but for the end: `Foto hinten` and `Foto vorne`."""
    words, first = _words_of(title), _words_of(file)
    return 1 < len(words) == len(first) and words[0] == first[0] and is_file_title(first[0])


def _words_of(title: str) -> list[str]:
    return re.split(r"[\W_]+", title.casefold().strip())


def folder_column(file: str, titles: Sequence[str], sample: Sequence[Row], images: ImageNames) -> str:
    """Return the column that completes the names of images to paths; empty where names alone lead to all."""
    rows = [row for row in sample if str(row.get(file) or "").strip()][:_LOOKED_UP]
    alone = sum(images.lookup(name_in(row, file)) is not None for row in rows)
    for title in titles if alone < len(rows) else ():
        is_folder = bool(_FOLDER_KEY.search(key_of(title)))
        if is_folder and sum(images.lookup(name_in(row, file, title)) is not None for row in rows) > alone:
            return title
    return ""


def name_in(row: Row, file: str, folder: str = "") -> str:
    """Return the name of the image of a row, with the folder from another column, if any."""
    name = str(row.get(file) or "")
    place = str(row.get(folder) or "").replace("\\", "/").strip("/ ")
    return f"{place}/{name}" if place else name


# `xmin,ymin,xmax,ymax` of Roboflow for TensorFlow, `bb_x1 bb_y1 bb_x2 bb_y2` of Birdsnap.
_OF_BOXES = tuple(set(keys.split()) for keys in ("xmin ymin xmax ymax", "x1 y1 x2 y2", "x y width height", "x y w h"))
_ANSWERS = {"accept", "reject", "ignore"}  # `"answer": "accept"` of Prodigy
_NO_LABELS = ("review", "note", "sha256", "escaped")  # of this program's own columns
_OWN_KEYS = ("tags", *_NO_LABELS)
_PLURALS = (
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
_MOST_NUMBERED = 8  # columns of classes of an image: `label`, `label 2`, ... of rows for Google's AutoML Vision
_MOST_ALTERNATIVES = 5  # of the many columns of a table such as ISIC's or GBIF's


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
    _check_choice(titles, choice)
    file = choice.file or image_column(titles, sample, images)
    if not file:
        return None
    rest = [title for title in titles if title != file]
    split, codes = split_and_codes(rest, sample)
    possible = [title for title in rest if title != split and key_of(title) not in _NO_LABELS]
    ranked = ranked_labels(possible, sample)
    labels, classes = _label_columns(ranked, possible, sample, choice)
    own = _own_columns(title for title in rest if title not in labels)
    is_boxed = len(labels) == 1 and are_boxed(cells_of(labels[0], sample))
    views, other_images = further_image_columns(file, rest, sample, images)
    taken = (*labels, *own.values())
    return Columns(
        titles=tuple(titles),
        file=file,
        labels=labels,
        classes=classes,
        split=split,
        split_codes=codes,
        folder=folder_column(file, rest, sample, images),
        verdict=_verdict_column(rest, labels, sample),
        own=own,
        signs=_signs(labels, sample, choice, own=own, takes_several=images.takes_several),
        is_boxed=is_boxed,
        is_of_parts=not choice.label and _are_boxes(file, rest, sample),
        alternatives=_rivals([title for title, _ in ranked if title not in taken], sample),
        views=views,
        other_images=other_images,
    )


def _check_choice(titles: Sequence[str], choice: LabelChoice) -> None:
    """Raise a `ProjectError` where a chosen column is missing."""
    for named in (choice.file, choice.label):
        if named and named not in titles:
            message = Message("There is no column “{named}”.", named=named)
            raise ProjectError(message, Message("The columns are: {titles}.", titles=shown_titles(titles)))


def _own_columns(titles: Iterable[str]) -> dict[str, str]:
    """Return {key: title} of the columns of this program's own."""
    return {key: title for title in titles if (key := key_of(title)) in _OWN_KEYS}


def _rivals(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, ...]:
    """Return the first columns that may give the label instead of the one that does."""
    return tuple(title for title in titles if may_rival(title, sample))[:_MOST_ALTERNATIVES]


def _label_columns(
    ranked: Sequence[tuple[str, float]], titles: Sequence[str], sample: Sequence[Row], choice: LabelChoice
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column with the label, and the columns of a class each; at most one of both is not empty.

    The user's choice, strong evidence, one-hot columns and the only candidate are tried in this order.
    """
    if choice.label:
        return (choice.label,), ()
    if choice.is_unlabelled:
        return (), ()
    first = [title for title, weight in ranked if weight >= 1][:1]
    if not first and (classes := one_hot_columns([title for title in titles if key_of(title) != "tags"], sample)):
        return (), classes
    first = first or only_candidate([title for title, _ in ranked], sample)
    return (*first, *_numbered_after(first, titles)), ()


def _numbered_after(labels: Sequence[str], titles: Sequence[str]) -> tuple[str, ...]:
    """Return the further columns of classes, called like the first: `label 2` after `label`."""
    numbered = (f"{title} {number}" for title in labels for number in range(2, _MOST_NUMBERED + 1))
    return tuple(title for title in numbered if title in titles)


def _signs(
    labels: Sequence[str], sample: Sequence[Row], choice: LabelChoice, *, own: Mapping[str, str], takes_several: bool
) -> tuple[str, ...]:
    """Return the signs between several names in a cell of the one label column, or those that the user chose.

    In a table that this program wrote, only a title such as `labels` tells of several.
    """
    if choice.separator:
        return (choice.separator,)
    is_plural = any(key in _PLURALS for title in labels for key in keys_in(title))
    if len(labels) != 1 or ("sha256" in own and not is_plural):
        return ()
    return signs_between(cells_of(labels[0], sample), is_plural=is_plural, takes_several=takes_several)


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
