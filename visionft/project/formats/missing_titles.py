"""Titles for a table without a header, from the meaning of its first row."""

from collections.abc import Sequence

from visionft.project.formats.cells import is_image_name, is_number
from visionft.project.formats.image_columns import ImageNames
from visionft.project.formats.label_titles import is_whole_file_title
from visionft.project.formats.split_names import is_split_name


def titles_of_first_row(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return titles for a table without a header, where the first row describes an image; empty for a header.

    `TRAIN,a.jpg,cat` has the titles `split, file_name, label`. Rows of numbers without an image have numbers as titles.
    """
    place = _place_of_image(cells, images, following)
    if place is None or any(map(is_whole_file_title, cells)):
        return _numbered(cells) if cells and all(cell.isdecimal() for cell in cells) else []
    known = {place: "file_name"}
    split = next((other for other, cell in enumerate(cells) if other != place and is_split_name(cell)), None)
    if split is not None:
        known[split] = "split"
    others = [other for other in range(len(cells)) if other not in known]
    known |= _label_titles(cells, others, place, following)
    return [known.get(number, title) for number, title in enumerate(_numbered(cells))]


def _place_of_image(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]]) -> int | None:
    """Return the place of the first image in a row: `a.jpg`, or the one name without suffix, in `Abyssinian_1 1 1 1`.

    The latter counts where a cell beside it recurs in the `following` rows, or where it stands first of at most two.
    """
    files = (place for place, cell in enumerate(cells) if is_image_name(cell) and cell.isprintable())
    place = next(files, None)
    if place is not None:
        return place
    named = [place for place, cell in enumerate(cells) if cell and images.has(cell)]
    recurs = any(cell == other for row in following for cell, other in zip(cells, row, strict=False))
    return named[0] if len(named) == 1 and (recurs or (len(cells) <= 2 and named == [0])) else None


def _label_titles(
    cells: Sequence[str], others: Sequence[int], place: int, following: Sequence[Sequence[str]]
) -> dict[int, str]:
    """Return {place: title} of the cells with classes: the only other one, else all words behind the image.

    `a.jpg fabric_denim denim` has a class in each, `a.jpg 12 40` has none.
    """
    if len(others) == 1 and (others[0] > place or not _is_key(cells, others[0], following)):
        return {others[0]: "label"}
    if any(other < place or is_number(cells[other]) for other in others):
        return {}
    return {other: f"label {number}" if number > 1 else "label" for number, other in enumerate(others, 1)}


def _is_key(cells: Sequence[str], place: int, following: Sequence[Sequence[str]]) -> bool:
    """Return whether a cell before the name of an image is its number or key, `1 001.Ovenbird/a.jpg` of CUB.

    A class recurs: `cat a.jpg`.
    """
    values = {row[place] for row in (cells, *following) if len(row) > place}
    return cells[place].isdecimal() or len(values) > max(1, len(following))


def _numbered(cells: Sequence[str]) -> list[str]:
    return [f"column {number}" for number, _ in enumerate(cells, 1)]
