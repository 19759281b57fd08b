"""Label files of MATLAB (`.mat`, up to version 7.2): arrays of structures, vectors of labels, and lists of splits.

A vector of labels without names belongs to images by their numbers: the first one to `image_00001.jpg`. Arrays come
from SciPy; how much they unpack to is measured before.
"""

import struct
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.files import open_regular

_MAX_UNPACKED = 200 * 2**20  # as of a label file; 30 million zeros, 240 MB, are packed into 0.2 MB
_HEADER, _COMPRESSED = 128, 15  # bytes of the header; type of a compressed variable
_DAMAGE = (ValueError, TypeError, OSError, KeyError, IndexError, MemoryError, zlib.error, struct.error)
_Table = tuple[list[str], Iterator[dict[str, Any]]]  # titles and rows
# Beginnings of the names of lists of numbers: `trnid`, `valid` and `tstid` in `setid.mat` of Oxford Flowers.
_SPLITS = (("trn", "train"), ("train", "train"), ("val", "val"), ("tst", "test"), ("test", "test"))


def mat_rows(file: Path) -> _Table:
    """Return the titles and rows of a MATLAB file; a `ProjectError` where it holds no table."""
    variables = mat_variables(file)
    vectors = {name: value.reshape(-1) for name, value in variables.items() if value.ndim <= 1 and value.size}
    table = _structure_table(variables) or _split_table(variables, vectors) or _vector_table(vectors)
    if table is None:
        raise ProjectError(Message("{file} holds no table.", file=file), "Save the labels as CSV: file name, class.")
    return table


def _structure_table(variables: dict[str, Any]) -> _Table | None:
    """Return the largest array of structures: `annotations` with `fname` and `class` in Stanford Cars."""
    structures = [value for value in variables.values() if value.dtype.names and value.size > 1]
    if not structures:
        return None
    array = max(structures, key=lambda value: value.size)
    titles = list(array.dtype.names)
    return titles, ({title: _plain(each[title]) for title in titles} for each in array)


def _split_table(variables: dict[str, Any], vectors: dict[str, Any]) -> _Table | None:
    """Return the numbers of images with their splits: `trnid`, `valid` and `tstid` in Oxford Flowers."""
    splits = {name: split for name in variables for start, split in _SPLITS if name.startswith(start)}
    if len(splits) < 2 or splits.keys() != vectors.keys():
        return None
    pairs = ((number, splits[name]) for name, numbers in vectors.items() for number in numbers)
    return ["number", "split"], ({"number": _plain(number), "split": split} for number, split in pairs)


def _vector_table(vectors: dict[str, Any]) -> _Table | None:
    """Return the longest vectors as columns, with the numbers of the images: `labels` in Oxford Flowers."""
    length = max((value.size for value in vectors.values()), default=0)
    columns = {name: value for name, value in vectors.items() if value.size == length}
    if not columns:
        return None
    rows = enumerate(zip(*columns.values(), strict=True), 1)
    return ["number", *columns], (
        {"number": number} | dict(zip(columns, map(_plain, cells), strict=True)) for number, cells in rows
    )


def mat_variables(file: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file, or of its lone structure, as squeezed NumPy arrays."""
    scipy_io, numpy = import_module("scipy.io"), import_module("numpy")
    try:
        _check_unpacked(file)
        with open_regular(file) as handle:
            loaded: dict[str, Any] = scipy_io.loadmat(handle, squeeze_me=True)
    except NotImplementedError as error:
        message = Message("{file} is a MATLAB file of version 7.3, which is not read.", file=file)
        raise ProjectError(message, "Save it in MATLAB with the option -v7, or save the labels as CSV.") from error
    except (*_DAMAGE, scipy_io.matlab.MatReadError) as error:
        message = Message("{file} cannot be read as a MATLAB file: {reason}.", file=file, reason=error)
        raise ProjectError(message, "Save it again, or save the labels as CSV.") from error
    found: dict[str, Any] = {name: numpy.asarray(value) for name, value in loaded.items() if not name.startswith("__")}
    if len(found) == 1 and (only := next(iter(found.values()))).dtype.names and only.size == 1:
        found: dict[str, Any] = {name: numpy.asarray(only[name].item()) for name in only.dtype.names}
    return found


def _plain(value: Any) -> Any:
    """Return a cell as text, a number or a list."""
    while hasattr(value, "dtype"):
        value = value.item() if value.size == 1 else value.tolist()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_unpacked(file: Path) -> None:
    """Raise a ValueError where the variables unpack to more than a label file may hold."""
    total = 0
    with open_regular(file) as handle:
        start = handle.read(_HEADER)
        order = "<" if start[126:128] == b"IM" else ">"
        while len(tag := handle.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != _COMPRESSED:
                total += size
                handle.seek(size, 1)
            else:
                unpacker, left = zlib.decompressobj(), size
                while left > 0 and (chunk := handle.read(min(left, 1 << 16))):
                    left -= len(chunk)
                    while chunk and total <= _MAX_UNPACKED:
                        total += len(unpacker.decompress(chunk, 1 << 20))
                        chunk = unpacker.unconsumed_tail
            if total > _MAX_UNPACKED:
                raise ValueError(Message("it unpacks to more than {limit}", limit=size_text(_MAX_UNPACKED)))
