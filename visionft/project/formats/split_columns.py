"""The split of each image in a table: the column that gives it, and the meaning of its cells."""

import re
from collections.abc import Sequence

from visionft.data.types import Split
from visionft.project.formats.cells import Row, cells_of, is_flag, key_of, keys_in, says_yes
from visionft.project.formats.split_names import is_split_name

_SPLIT_KEYS = ("split", "splits", "mluse", "set", "subset", "partition", "dataset")
_OF_CODES: tuple[Split, ...] = ("train", "val", "test")  # CelebA's 0, 1, 2


def split_column(titles: Sequence[str], sample: Sequence[Row]) -> str:
    """Return the split column by its name (`set` or `dataset` only with names of splits), or by its cells."""
    return split_and_codes(titles, sample)[0]


def split_and_codes(titles: Sequence[str], sample: Sequence[Row]) -> tuple[str, dict[str, Split]]:
    """Return the split column, and {cell: split} where its cells are codes; empty for none."""
    for key in _SPLIT_KEYS:
        for title in titles:
            cells = cells_of(title, sample) if key in keys_in(title) else []
            is_sure = bool(cells) and key in ("split", "splits") and not _codes(title, cells)
            if is_sure or any(map(is_split_name, cells)):
                return title, {}
    flags = [title for title in titles if (cells := cells_of(title, sample)) and all(map(is_flag, cells))]
    for title in titles:
        cells = cells_of(title, sample)
        codes = _codes(title, cells)
        if codes and (len(flags) == 1 or title not in flags or key_of(title) not in ("train", "test")):
            return title, codes
        if len(set(cells)) > 1 and all(map(is_split_name, cells)):
            return title, {}
    return "", {}


def _codes(title: str, cells: Sequence[str]) -> dict[str, Split]:
    """Return {cell: split} of a column of numbers whose title tells of splits; empty for any other."""
    key, values = key_of(title), set(cells)
    if values == {"0", "1", "2"} and re.search("partition|split|evalset", key):
        return {str(number): split for number, split in enumerate(_OF_CODES)}
    if (
        len(values) > 1
        and all(map(is_flag, values))
        and re.fullmatch(r"(is)?(train|test)(ing)?(image|testsplit)?", key)
    ):
        is_train = "train" in key
        return {cell: "train" if says_yes(cell) == is_train else "test" for cell in values}
    return {}
