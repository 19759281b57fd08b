"""The split of each image in a table: the column that gives it, and the meaning of its cells."""

import re
from collections.abc import Mapping, Sequence

from visionft.data.types import Split
from visionft.project.formats.cells import Row, cells_of, is_flag, key_of, keys_in, says_yes
from visionft.project.formats.split_names import is_split_name

# `ml_use` of Vertex AI; the later ones, such as `dataset`, only with names of splits below.
_SPLIT_KEYS = ("split", "splits", "mluse", "set", "subset", "partition", "dataset")
_OF_CODES: tuple[Split, ...] = ("train", "val", "test")  # CelebA's 0, 1, 2


def split_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the split column by its name (`set` or `dataset` only with names of splits), or by its cells."""
    return split_and_codes(titles, sample)[0]


def split_and_codes(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, dict[str, Split]]:
    """Return the split column, and {cell: split} where its cells are codes; empty for none."""
    cells = {title: cells_of(title, sample) for title in titles}
    if named := _named_column(cells):
        return named, {}
    flags = [title for title in titles if cells[title] and all(map(is_flag, cells[title]))]
    for title in titles:
        codes = _codes(title, cells[title])
        is_class = title in flags and len(flags) > 1 and key_of(title) in ("train", "test")  # `bus, train` of one-hot
        if codes and not is_class:
            return title, codes
        if len(set(cells[title])) > 1 and all(map(is_split_name, cells[title])):
            return title, {}
    return "", {}


def _named_column(cells: Mapping[str, Sequence[str]]) -> str:
    """Return the title of splits among {title: cells}: `split`, or `set` and others with names of splits below."""
    for key in _SPLIT_KEYS:
        for title in (each for each in cells if key in keys_in(each)):
            is_sure = bool(cells[title]) and key in ("split", "splits") and not _codes(title, cells[title])
            if is_sure or any(map(is_split_name, cells[title])):
                return title
    return ""


def _codes(title: str, cells: Sequence[str]) -> dict[str, Split]:
    """Return {cell: split} of a column of numbers whose title tells of splits; empty for any other."""
    key, values = key_of(title), set(cells)
    if values == {"0", "1", "2"} and re.search("partition|split|evalset", key):
        return {str(number): split for number, split in enumerate(_OF_CODES)}
    if values and all(map(is_flag, values)) and re.fullmatch(r"(is)?(train|test)(ing)?(image|testsplit)?", key):
        is_train = "train" in key
        return {cell: "train" if says_yes(cell) == is_train else "test" for cell in values}
    return {}
