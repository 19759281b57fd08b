"""Sizes of the pages of a Parquet file, from the header before each page.

The footer repeats them for each column chunk, but pyarrow creates what the pages hold, whatever the footer says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END
from typing import Any, BinaryIO

from models.messages import Message

_MAX_PAGES = 300_000  # 9 s; pages of 8 KB, the smallest advised, of 2 GB of values fit
_PADDING = 100  # bytes that pyarrow reads behind a chunk: versions of parquet-mr below 1.2.9 stated too few
_MAX_FIELDS = 64  # of a page's header; Parquet's format has 31, with the statistics
_MAX_DEPTH = 4  # header, data page, statistics
# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 12
# Fields of the struct `PageHeader` of parquet.thrift.
_TYPE, _UNPACKED_SIZE, _PACKED_SIZE = (1,), (2,), (3,)
_VALUES = {0: (5, 1), 3: (8, 1)}  # by the type of a page: data, and data of version 2
_DAMAGED = Message("the header of a page is damaged")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column in a row group; sizes in bytes.

    `values` counts the null ones, and each value of a list. `unpacked` is the size of the pages, before encoded values
    become longer (a text that many rows share is stored once).
    """

    path: str
    physical_type: str
    encodings: frozenset[str]
    packed: int
    unpacked: int
    values: int


def chunks_of(table: Any, handle: BinaryIO) -> list[Chunk]:
    """Return the column chunks of a `ParquetFile`; a ValueError for unfit page headers.

    Sizes and counts are the larger ones of the footer and of the pages in `handle`, the same file.
    """
    found: list[Chunk] = []
    size = handle.seek(0, SEEK_END)
    pages_left = _MAX_PAGES
    for number in range(table.metadata.num_row_groups):
        group = table.metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            unpacked = values = 0
            for page_size, page_values in _pages(handle, column):
                unpacked, values, pages_left = unpacked + page_size, values + page_values, pages_left - 1
                if pages_left < 0:
                    raise ValueError(Message("it has more than {count} pages", count=f"{_MAX_PAGES:,}"))
            found.append(
                Chunk(
                    path=column.path_in_schema,
                    physical_type=column.physical_type,
                    encodings=frozenset(column.encodings),
                    packed=min(size, column.total_compressed_size),
                    unpacked=max(unpacked, column.total_uncompressed_size),
                    values=max(values, column.num_values),
                )
            )
    return found


def _pages(handle: BinaryIO, column: Any) -> Iterator[tuple[int, int]]:
    """Yield the unpacked size and the number of values of each page that pyarrow reads of a column chunk."""
    starts = [column.data_page_offset, column.dictionary_page_offset if column.has_dictionary_page else None]
    position = min(start for start in starts if start)
    end, left = position + column.total_compressed_size + _PADDING, column.num_values
    while position < end and left > 0:
        handle.seek(position)
        header = _integers(handle)
        packed, unpacked = header.get(_PACKED_SIZE, -1), header.get(_UNPACKED_SIZE, -1)
        of_values = _VALUES.get(header.get(_TYPE, -1))
        values = header.get(of_values, -1) if of_values else 0
        if min(packed, unpacked, values) < 0:
            raise ValueError(_DAMAGED)
        yield unpacked, values
        left -= values
        position = handle.tell() + packed


def _integers(handle: BinaryIO) -> dict[tuple[int, ...], int]:
    """Return the 32-bit integers of a struct in Thrift's compact protocol, by field number within field numbers."""
    found: dict[tuple[int, ...], int] = {}
    numbers = [0]  # of the last field of each struct that is open
    for _ in range(_MAX_FIELDS):
        head = _byte(handle)
        kind, step = head & 15, head >> 4
        if not head:
            numbers.pop()
            if not numbers:
                return found
            continue
        numbers[-1] = numbers[-1] + step if step else _signed(handle)
        if not 0 <= numbers[-1] < 2**15:
            raise ValueError(_DAMAGED)
        if kind == _I32:
            found[tuple(numbers)] = _signed(handle)
        elif kind in (_I16, _I64):
            _varint(handle, bits=64)
        elif kind in (_BYTE, _DOUBLE, _BINARY):
            handle.seek({_BYTE: 1, _DOUBLE: 8}.get(kind) or _varint(handle), SEEK_CUR)
        elif kind == _STRUCT and len(numbers) < _MAX_DEPTH:
            numbers.append(0)
        elif kind not in (_TRUE, _FALSE):
            raise ValueError(_DAMAGED)
    raise ValueError(_DAMAGED)


def _signed(handle: BinaryIO) -> int:
    value = _varint(handle)  # with the sign in its lowest bit
    return (value >> 1) ^ -(value & 1)


def _varint(handle: BinaryIO, bits: int = 32) -> int:
    """Return an integer without a sign; a ValueError for one of more bits, which Thrift would cut."""
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(handle)
        value |= (byte & 127) << shift
        if byte < 128 and value < 1 << bits:
            return value
        if byte < 128:
            break
    raise ValueError(_DAMAGED)


def _byte(handle: BinaryIO) -> int:
    found = handle.read(1)
    if not found:
        raise ValueError(Message("it is cut short"))
    return found[0]
