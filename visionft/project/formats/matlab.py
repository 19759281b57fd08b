"""Label files of MATLAB (`.mat`, up to version 7.2): arrays of structures, vectors of labels, and lists of splits.

A vector of labels without names belongs to images by their numbers: the first one to `image_00001.jpg`. Arrays come
from SciPy; how much they unpack to is measured before.
"""

import struct
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from models.messages import Message
from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.files import open_regular

_MAX_UNPACKED = 200 * 2**20  # as of a label file; 30 million zeros, 240 MB, are packed into 0.2 MB
_HEADER = 128  # bytes of the header, as in the format of MAT-File Level 5
_COMPRESSED = 15  # the type of a compressed variable
_ARRAY = 14  # the type of an array
_TYPES = frozenset((*range(1, 8), 9, 12, 13, 16, 17, 18))  # the types of numbers and text
_OF_ARRAYS = (1, 2, 3, 16, 17)  # classes of arrays: cells, structures, objects, functions, others
_MAX_DEPTH = 50  # arrays within others; a cell of text in an array of structures is the third
# What SciPy raises for damaged files; its compiled reader also returns variables that it never set.
_DAMAGE = (
    ValueError,
    TypeError,
    OSError,
    KeyError,
    IndexError,
    MemoryError,
    UnboundLocalError,
    zlib.error,
    struct.error,
)
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
        _check_variables(file)
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


def _check_variables(file: Path) -> None:
    """Raise a ValueError where variables unpack to more than a label file may hold, or have values of unknown types.

    SciPy looks types up in an array of C without a check: a text of type 241 ends the process.
    """
    room = _MAX_UNPACKED
    with open_regular(file) as handle:
        start = handle.read(_HEADER)
        if 0 in start[:4]:
            return  # version 4, which packs nothing
        order = "<" if start[126:128] == b"IM" else ">"
        while len(tag := handle.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            data = _unpacked(handle, size, room) if kind == _COMPRESSED else tag + handle.read(min(size, room))
            room -= len(data)
            if room < 0:
                raise ValueError(Message("it unpacks to more than {limit}", limit=size_text(_MAX_UNPACKED)))
            _check_types(memoryview(data), order)


def _unpacked(handle: BinaryIO, size: int, most: int) -> bytes:
    """Return a compressed variable of `size` bytes, cut where it has more than `most`."""
    unpacker, data = zlib.decompressobj(), bytearray()
    while size > 0 and (chunk := handle.read(min(size, 1 << 16))):
        size -= len(chunk)
        while chunk and len(data) <= most:
            data += unpacker.decompress(chunk, 1 << 20)
            chunk = unpacker.unconsumed_tail
    return bytes(data)


def _check_types(data: memoryview, order: str, *, depth: int = 0, holds_arrays: bool = True) -> None:
    """Raise a ValueError for a value of an unknown type, or an array within one of numbers or text.

    A value is a tag of type and size, and its bytes, filled up to eight; one of up to four bytes lies in its tag.
    """
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        is_small = kind >> 16 > 0
        kind &= 0xFFFF
        if kind not in _TYPES and not (kind == _ARRAY and holds_arrays and depth < _MAX_DEPTH):
            raise ValueError(Message("it is damaged"))
        if kind == _ARRAY:
            inner = data[at + 8 : at + 8 + size]
            array_class = struct.unpack_from(f"{order}I", inner, 8)[0] & 0xFF
            _check_types(inner, order, depth=depth + 1, holds_arrays=array_class in _OF_ARRAYS)
        at += 8 if is_small else 8 + size + -size % 8
