"""Old workbooks of Excel (`.xls`): what calamine would make of one, counted before it reads it.

calamine follows chains of sectors without an end, reserves the memory that a file states, and copies a text into each
cell that shares it. The layouts are those of MS-CFB (compound files) and MS-XLS (records), both by Microsoft.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from models.messages import Message
from visionft.project.formats.whole_files import MemoryLimit

_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR_SIZES = {9: 512, 12: 4096}  # by the exponent in the header
_MINI_SECTOR = 64
_MINI_STREAM = 4096  # bytes; shorter streams consist of mini sectors
_END = 0xFFFFFFFE  # of a chain
_RESERVED = 0xFFFFFFFA  # and above: no number of a sector
_ENTRY = 128  # bytes of an entry of the directory
_STREAMS = ("Workbook", "Book")  # of Excel 97 and of Excel 5
_ENCRYPTED = "EncryptedPackage"  # of an `.xlsx` with a password
# Numbers of records, and the size of the part before a cell's value.
_EOF, _CONTINUE, _SHEET, _TEXTS, _NAME, _DIMENSIONS, _MANY = 0x0A, 0x3C, 0x85, 0xFC, 0x18, 0x200, 0xBD
_CELLS = frozenset((0x203, 0x204, 0x205, 0x27E, 0xFD, 0x06))
_SHARED, _FORMULA, _FORMULA_TEXT = 0xFD, 0x06, 0x207
# Bytes of memory, measured: of a cell as it is read, and in the rectangle of all, of which a copy is handed out.
_OF_CELL, _OF_PLACE, _COPIES = 48, 64, 2
_OF_TOKEN = 3  # least bytes of a formula's token that becomes a name
_LONGEST_FUNCTION = 20  # letters of its name


def check_old_workbook(content: bytes, memory: MemoryLimit, check_cells: Callable[[int], None]) -> None:
    """Count the memory that calamine takes for a workbook.

    Args:
        content: The file.
        memory: Its limit.
        check_cells: Raises a ValueError for more cells than a sheet may span.

    Raises:
        ProjectError: It takes too much.
        ValueError: It is no such workbook, or damaged.
    """
    try:
        _Records(_CompoundFile(content).workbook(), memory, check_cells).check()
    except (struct.error, IndexError) as error:
        raise _damaged() from error


def _damaged() -> ValueError:
    return ValueError(Message("it is damaged"))


class _CompoundFile:
    """The streams of a compound file (OLE): chains of sectors, as in a disk with FAT."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(_SIGNATURE):
            raise ValueError(Message("it is no workbook of Excel or OpenDocument"))
        self._content = content
        self._size = _SECTOR_SIZES.get(struct.unpack_from("<H", content, 30)[0], 0)
        if not self._size:
            raise _damaged()
        directories, tables, first, _, _, mini, minis, more, _ = struct.unpack_from("<9I", content, 40)
        if max(directories, tables, minis) > len(content) // self._size:
            raise _damaged()
        self._next = self._table(more)
        directory = self._chain(first)
        self._entries = [directory[at : at + _ENTRY] for at in range(0, len(directory) - _ENTRY + 1, _ENTRY)]
        if not self._entries:
            raise _damaged()
        self._small = self._chain(*self._extent(self._entries[0]))
        self._next_small = _numbers(self._chain(mini))

    def workbook(self) -> bytes:
        """Return the stream of the workbook."""
        names = [entry[:64].decode("utf-16-le", "ignore").partition("\0")[0] for entry in self._entries]
        for name in _STREAMS:
            if name in names:
                start, size = self._extent(self._entries[names.index(name)])
                return self._small_chain(start, size) if size < _MINI_STREAM else self._chain(start, size)
        if _ENCRYPTED in names:
            raise ValueError(Message("it is protected by a password"))
        raise ValueError(Message("it is no workbook of Excel or OpenDocument"))

    def _extent(self, entry: bytes) -> tuple[int, int]:
        """Return the first sector of a stream and its size in bytes, which calamine reserves."""
        start, size = struct.unpack_from("<IQ", entry, 116)
        size = size & 0xFFFFFFFF if self._size == _SECTOR_SIZES[9] else size
        if size > len(self._content):
            raise _damaged()
        return start, size

    def _table(self, more: int) -> tuple[int, ...]:
        """Return the sector that follows each one; the table's own sectors are listed in the header and a chain."""
        places = list(struct.unpack_from("<109I", self._content, 76))
        seen = set[int]()
        while more < _RESERVED:
            if more in seen:
                raise _damaged()
            seen.add(more)
            *found, more = _numbers(self._sector(more))
            places += found
        used = [place for place in places if place < _RESERVED]
        if len(set(used)) < len(used):
            raise _damaged()
        return tuple(number for place in used for number in _numbers(self._sector(place)))

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self._size
        found = self._content[start : start + self._size]
        if not found:
            raise _damaged()
        return found

    def _chain(self, start: int, size: int = 0) -> bytes:
        found = b"".join(map(self._sector, _numbered(start, self._next)))
        return found[:size] if size else found

    def _small_chain(self, start: int, size: int) -> bytes:
        places = (number * _MINI_SECTOR for number in _numbered(start, self._next_small))
        found = b"".join(self._small[place : place + _MINI_SECTOR] for place in places)
        return found[:size] if size else found


def _numbered(start: int, following: tuple[int, ...]) -> Iterator[int]:
    """Yield the numbers of a chain (ValueError: it has no end)."""
    for _ in following:
        if start == _END:
            return
        yield start
        start = following[start]
    if start != _END:
        raise _damaged()


def _numbers(sector: bytes) -> tuple[int, ...]:
    count = len(sector) // 4
    return struct.unpack(f"<{count}I", sector[: 4 * count])


@dataclass(slots=True)
class _SheetCells:
    """The cells of a sheet, and their rectangle."""

    count: int = 0
    rows: tuple[int, int] = (1 << 32, 0)
    columns: tuple[int, int] = (1 << 32, 0)

    def add(self, row: int, first: int, last: int) -> None:
        self.count += last - first + 1
        self.rows = min(self.rows[0], row), max(self.rows[1], row)
        self.columns = min(self.columns[0], first), max(self.columns[1], last)

    @property
    def spanned(self) -> int:
        if not self.count:
            return 0
        return (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)


@dataclass(slots=True)
class _Records:
    """The records of a workbook: those for all sheets, and behind them those of each sheet."""

    stream: bytes
    memory: MemoryLimit
    check_cells: Callable[[int], None]
    places: list[int] = field(default_factory=list[int])  # of the sheets' records
    lengths: list[int] = field(default_factory=list[int])  # characters of the shared texts
    longest_name: int = _LONGEST_FUNCTION  # characters of a name in a formula
    read: int = 0  # bytes of records

    def check(self) -> None:
        texts: list[bytes] = []
        before = 0
        for kind, data in self._from(0):
            if kind == _SHEET:
                self.places.append(struct.unpack_from("<I", data)[0])
                self.longest_name = max(self.longest_name, data[6])
            elif kind == _NAME:
                self.longest_name = max(self.longest_name, data[3])
            elif kind == _TEXTS:
                texts = [data]  # calamine takes the last one
            elif kind == _CONTINUE and before == _TEXTS:
                texts.append(data)
            before = before if kind == _CONTINUE else kind
        if texts:
            self.lengths = _text_lengths(texts)
        for place in self.places:
            self._check_sheet(place)

    def _from(self, place: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records from a place to the end of its part; all parts together are no longer than the stream."""
        while place < len(self.stream):
            kind, size = struct.unpack_from("<HH", self.stream, place)
            self.read += 4 + size
            if self.read > len(self.stream) or place + 4 + size > len(self.stream):
                raise _damaged()
            if kind == _EOF:
                return
            yield kind, self.stream[place + 4 : place + 4 + size]
            place += 4 + size

    def _check_sheet(self, place: int) -> None:
        cells, formulas = _SheetCells(), _SheetCells()
        for kind, data in self._from(place):
            if kind in _CELLS:
                row, column = struct.unpack_from("<HH", data)
                cells.add(row, column, column)
                if kind == _SHARED:
                    number = struct.unpack_from("<I", data, 6)[0]
                    self.memory.add(_COPIES * (self.lengths[number] if number < len(self.lengths) else 0))
                elif kind == _FORMULA:
                    formulas.add(row, column, column)
                    self.memory.add(_COPIES * len(data) // _OF_TOKEN * self.longest_name)
            elif kind == _MANY:
                row, first = struct.unpack_from("<HH", data)
                cells.add(row, first, first + max(1, (len(data) - 6) // 6) - 1)
            elif kind == _DIMENSIONS:
                self._check_dimensions(data)
            elif kind == _FORMULA_TEXT:
                self.memory.add(_COPIES * len(data))
        for each in (cells, formulas):
            self.check_cells(each.spanned)
            self.memory.add(each.count * _OF_CELL + each.spanned * _OF_PLACE)

    def _check_dimensions(self, data: bytes) -> None:
        """Raise a ValueError for a stated rectangle, which calamine reserves, of too many cells."""
        layout = "<IIHH" if len(data) >= 14 else "<HHHH"
        top, bottom, left, right = struct.unpack_from(layout, data)
        if bottom and right:
            if bottom < top or right < left:
                raise _damaged()
            self.check_cells((bottom - top) * (right - left))


def _text_lengths(records: list[bytes]) -> list[int]:
    """Return the characters of the shared texts in their record and its continuations."""
    count = struct.unpack_from("<I", records[0], 4)[0]
    texts = _Continued([records[0][8:], *records[1:]])
    if count > sum(map(len, records)) // 3:  # bytes of an empty one
        raise _damaged()
    return [texts.skip_text() for _ in range(count)]


@dataclass(slots=True)
class _Continued:
    """Bytes that continue in further records; a text says there anew whether its characters have one or two bytes."""

    records: list[bytes]
    number: int = 0
    at: int = 0

    @property
    def _left(self) -> int:
        return len(self.records[self.number]) - self.at

    def _next(self) -> None:
        self.number += 1
        self.at = 0
        if self.number >= len(self.records):
            raise _damaged()

    def skip_text(self) -> int:
        """Move behind a text with its formats, and return its number of characters."""
        if not self._left:
            self._next()
        record = self.records[self.number]
        length, flags = struct.unpack_from("<HB", record, self.at)
        self.at += 3
        formats = extra = 0
        if flags & 8:
            formats = struct.unpack_from("<H", record, self.at)[0]
            self.at += 2
        if flags & 4:
            extra = struct.unpack_from("<I", record, self.at)[0]
            self.at += 4
        left, size = length, 1 + (flags & 1)
        while True:
            taken = min(left, self._left // size)
            self.at += taken * size
            left -= taken
            if not left:
                break
            self._next()
            size = 1 + (self.records[self.number][0] & 1)
            self.at = 1
        self._skip(4 * formats + extra)
        return length

    def _skip(self, count: int) -> None:
        while count > self._left:
            count -= self._left
            self._next()
        self.at += count
