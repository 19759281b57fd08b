"""The columns of a table that name images: by what their cells lead to, their titles and their looks."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from visionft.project.formats.cells import Row, cells_of, is_image_name, is_number, key_of
from visionft.project.formats.label_titles import is_exact_title, is_file_title

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
