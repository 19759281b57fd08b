"""Label files of MATLAB (`.mat`, up to version 7.2): arrays of structures, vectors of labels, and lists of splits.

A vector of labels without names belongs to images by their numbers: the first one to `image_00001.jpg`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.errors import ProjectError
from visionft.project.formats.watched import foreign_rows

_Table = tuple[list[str], Iterator[dict[str, Any]]]  # titles and rows
# Beginnings of the names of lists of numbers: `trnid`, `valid` and `tstid` in `setid.mat` of Oxford Flowers.
_SPLITS = (("trn", "train"), ("train", "train"), ("val", "val"), ("tst", "test"), ("test", "test"))


def mat_rows(file: Path) -> _Table:
    """Return the titles and rows of a MATLAB file; a `ProjectError` where it holds no table."""
    variables = list(foreign_rows("mat", file, "MATLAB"))
    vectors: dict[str, list[Any]] = {name: values for name, fields, values in variables if values and not fields}
    structures = [(fields, values) for _, fields, values in variables if fields]
    if structures:  # `annotations` with `fname` and `class` in Stanford Cars
        titles, rows = max(structures, key=lambda each: len(each[1]))
        return titles, (dict(zip(titles, row, strict=True)) for row in rows)
    table = _split_table([name for name, _, _ in variables], vectors) or _vector_table(vectors)
    if table is None:
        raise ProjectError(Message("{file} holds no table.", file=file), "Save the labels as CSV: file name, class.")
    return table


def mat_texts(file: Path) -> list[list[str]]:
    """Return the vectors of texts of a MATLAB file."""
    vectors = [values for _, fields, values in foreign_rows("mat", file, "MATLAB") if values and not fields]
    return [values for values in vectors if all(isinstance(each, str) for each in values)]


def _split_table(names: list[str], vectors: dict[str, list[Any]]) -> _Table | None:
    """Return the numbers of images with their splits: `trnid`, `valid` and `tstid` in Oxford Flowers."""
    splits = {name: split for name in names for start, split in _SPLITS if name.startswith(start)}
    if len(splits) < 2 or splits.keys() != vectors.keys():
        return None
    pairs = ((number, splits[name]) for name, numbers in vectors.items() for number in numbers)
    return ["number", "split"], ({"number": number, "split": split} for number, split in pairs)


def _vector_table(vectors: dict[str, list[Any]]) -> _Table | None:
    """Return the longest vectors as columns, with the numbers of the images: `labels` in Oxford Flowers."""
    length = max(map(len, vectors.values()), default=0)
    columns = {name: values for name, values in vectors.items() if len(values) == length}
    if not columns:
        return None
    rows = enumerate(zip(*columns.values(), strict=True), 1)
    return ["number", *columns], ({"number": number} | dict(zip(columns, cells, strict=True)) for number, cells in rows)
