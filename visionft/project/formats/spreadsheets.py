"""Rows of spreadsheets (`.xlsx`, `.xls`, `.ods`): the first sheet that has some, read by calamine.

calamine makes each cell of a sheet, and copies a text into each cell that repeats it, without a limit. What it would
make is counted before it reads a file.
"""

import copy
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator
from importlib import import_module
from lzma import LZMAError
from pathlib import Path
from typing import Any
from xml.parsers import expat

from models.messages import Message
from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.files import open_regular
from visionft.project.formats.old_workbooks import check_old_workbook
from visionft.project.formats.whole_files import MemoryLimit

_MAX_UNPACKED = 500 * 2**20  # bytes of XML: 20 million cells of 23, `<c r="A1"><v>1</v></c>`
# Of a sheet: calamine keeps the empty ones between two others, too. A cell in XFD1048576, Excel's last one, spans
# 17 billion.
_MAX_CELLS = 20_000_000
# Bytes of memory of a cell, measured: as it is read, and in the rectangle of all cells. calamine hands out copies of
# the sheets of OpenDocument, which also hold formulas.
_OF_CELL = 80
_OF_REPEATED_CELL = 120
_COPIES = 2  # of the texts in OpenDocument
_REFERENCE = re.compile(r"([A-Za-z]+)(\d+)")
_CHUNK = 1 << 20
# What damaged files raise in zipfile, and in calamine by way of Rust's panics.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    ValueError,
    OSError,
)


def spreadsheet_rows(file: Path) -> Generator[tuple[int, list[str] | str]]:
    """Yield the rows of a spreadsheet with their numbers; cells are text as in a CSV of it."""
    calamine = import_module("python_calamine")
    try:
        _check_size(file)
        book = calamine.CalamineWorkbook.from_path(file)
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
        sheet = next((each for each in sheets if each.height > 1), None)
        rows: Iterator[list[Any]] = sheet.iter_rows() if sheet is not None else iter(())
        for number, row in enumerate(_unmerged(rows, sheet), 1):
            cells = list(map(_text, row))
            if any(cells):
                yield number, cells
    except BaseException as error:
        # A panic of Rust is no `Exception`.
        if not isinstance(error, (calamine.CalamineError, *_DAMAGE)) and type(error).__name__ != "PanicException":
            raise
        message = Message("{file} cannot be read as a spreadsheet: {reason}.", file=file, reason=_reason(error))
        raise ProjectError(message, "Save the sheet with the labels as CSV, and import that.") from error


def _reason(error: BaseException) -> str:
    is_telling = isinstance(error, ValueError) and isinstance(error.args[0] if error.args else None, Message)
    if is_telling or not isinstance(error, _DAMAGE):
        return str(error).rstrip(".") or type(error).__name__
    return Message("it is damaged ({error})", error=str(error).rstrip(".") or type(error).__name__)


def _unmerged(rows: Iterator[list[Any]], sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows with the value of a merged cell in each row that it spans."""
    merged = (sheet.merged_cell_ranges if sheet is not None else None) or ()
    ends = {start: end[0] for start, end in merged if end[0] > start[0]}  # {(row, column): last row}
    spanning: dict[int, tuple[int, Any]] = {}  # {column: last row and value}
    for number, row in enumerate(rows):
        for column in range(len(row)) if ends else ():
            if (last := ends.get((number, column))) is not None:
                spanning[column] = last, row[column]
            elif column in spanning and number <= spanning[column][0]:
                row[column] = spanning[column][1]
        yield row


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell)
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _check_size(file: Path) -> None:
    """Raise a ValueError, or a `ProjectError`, where calamine would make too much of a file: it may be anybody's."""
    with open_regular(file) as handle:
        if not zipfile.is_zipfile(handle):
            handle.seek(0)
            check_old_workbook(handle.read(), MemoryLimit(file), check_cells)
            return
        with zipfile.ZipFile(handle) as archive:
            _Parts(archive, file).check()


class _Parts:
    """The parts of a spreadsheet of Excel or OpenDocument, and what calamine makes of them."""

    def __init__(self, archive: zipfile.ZipFile, file: Path) -> None:
        self._archive, self._file = archive, file
        self._left = _MAX_UNPACKED
        self._lengths: list[int] = []  # characters of each text that cells of Excel share
        self._sheet_ids: list[str] = []  # of Excel's sheets
        self._places: list[tuple[str, str]] = []  # (id, place) of the parts that the workbook names

    def check(self) -> None:
        """Raise a ValueError, or a `ProjectError`, where they are too much."""
        sheets: list[tuple[zipfile.ZipInfo, int, MemoryLimit]] = []
        for entry in self._archive.infolist():
            name = entry.filename.replace("\\", "/").casefold()
            if name.endswith("workbook.bin"):
                raise ValueError(Message("it is a binary workbook"))
            if name.endswith((".xml", ".rels")):
                memory = MemoryLimit(self._file)
                shared = self._check_part(entry, name, memory)
                sheets += [(entry, shared, memory)] if shared else []
        self._check_places()
        for entry, shared, memory in sheets:
            if shared * max(self._lengths, default=0) > memory.left:
                self._left += entry.file_size  # it is read again
                memory.add(self._shared_text(entry))

    def _check_part(self, entry: zipfile.ZipInfo, name: str, memory: MemoryLimit) -> int:
        """Count the cells of a part, note its texts, sheets and places; return its cells with a shared text."""
        excel, lengths = _ExcelCells(), list[int]()
        repeated = _RepeatedCells(memory) if name.rpartition("/")[2] == "content.xml" else None
        is_of_workbook = name.endswith("workbook.xml.rels")
        parser = self._parser()

        def on_start(tag: str, attributes: dict[str, str]) -> None:
            kind = tag.rpartition(":")[2]
            if kind in ("c", "row"):
                excel.on_start(kind, attributes)
            elif kind == "si":
                lengths.append(0)
                parser.CharacterDataHandler = on_text
            elif kind == "sheet":
                self._sheet_ids += [value for title, value in attributes.items() if title.endswith(":id")]
            elif kind == "Relationship" and is_of_workbook:
                self._places.append((attributes.get("Id", ""), attributes.get("Target", "")))
            elif repeated is not None:
                repeated.on_start(kind, attributes)

        def on_text(text: str) -> None:
            lengths[-1] += len(text)

        parser.StartElementHandler = on_start
        if repeated is not None:
            parser.EndElementHandler = repeated.on_end
            parser.CharacterDataHandler = repeated.on_text
        self._parse(entry, parser)
        if lengths and (self._lengths or repeated is not None):
            raise ValueError(Message("it is damaged"))
        self._lengths = self._lengths or lengths
        memory.add(excel.check_extent())
        return excel.shared

    def _check_places(self) -> None:
        """Raise a ValueError where a sheet has another place than a part of XML of its own, which was checked."""
        places = [place.casefold() for number, place in self._places if number in self._sheet_ids]
        if len(set(places)) < len(places) or not all(place.endswith(".xml") for place in places):
            raise ValueError(Message("it is damaged"))

    def _shared_text(self, entry: zipfile.ZipInfo) -> int:
        """Return the characters of the shared texts of a sheet, in all of its cells."""
        found, is_shared, number = 0, False, ""

        def on_start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal is_shared, number
            if tag.rpartition(":")[2] == "c":
                is_shared, number = attributes.get("t") == "s", ""

        def on_text(text: str) -> None:
            nonlocal number
            if is_shared:
                number += text[:20]

        def on_end(tag: str) -> None:
            nonlocal found
            if tag.rpartition(":")[2] == "c" and is_shared and number.strip().isdecimal():
                place = int(number)
                found += self._lengths[place] if place < len(self._lengths) else 0

        parser = self._parser()
        parser.StartElementHandler = on_start
        parser.EndElementHandler = on_end
        parser.CharacterDataHandler = on_text
        self._parse(entry, parser)
        return found

    def _parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_declarations
        return parser

    def _parse(self, entry: zipfile.ZipInfo, parser: expat.XMLParserType) -> None:
        """Parse a part; its whole content counts, whatever size it states."""
        whole = copy.copy(entry)
        whole.file_size = _MAX_UNPACKED + 1  # zipfile would stop at the stated size, and calamine does not
        with self._archive.open(whole) as handle:
            try:
                while chunk := handle.read(_CHUNK):
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise ValueError(Message("it unpacks to more than {limit}", limit=size_text(_MAX_UNPACKED)))
                    parser.Parse(chunk)
                parser.Parse(b"", True)
            except (expat.ExpatError, LookupError) as error:  # `encoding="uto-8"` is a LookupError
                raise ValueError(Message("{entry} is no XML", entry=entry.filename)) from error


class _ExcelCells:
    """The cells of a sheet of Excel; those without a place follow each other."""

    def __init__(self) -> None:
        self.shared = 0  # cells with a shared text
        self._cells = 0
        self._rows = self._columns = self._row = self._column = 0

    def on_start(self, kind: str, attributes: dict[str, str]) -> None:
        place = attributes.get("r", "")
        if kind == "row":
            self._row = max(self._row + 1, int(place) if place.isdecimal() else 0)
            self._column = 0
            return
        column = 0
        if found := _REFERENCE.fullmatch(place):
            self._row = max(self._row, int(found[2]))
            for sign in found[1].upper():
                column = 26 * column + ord(sign) - 64
        self._column = max(self._column + 1, column)
        self._cells += 1
        self.shared += attributes.get("t") == "s"
        self._rows, self._columns = max(self._rows, self._row), max(self._columns, self._column)

    def check_extent(self) -> int:
        """Return the bytes of memory of all cells (ValueError: they span too many)."""
        check_cells(self._rows * self._columns)
        return (self._rows * self._columns + self._cells) * _OF_CELL // 2


class _RepeatedCells:
    """The cells of the sheets of OpenDocument: rows and cells are repeated, and calamine reads all sheets at once."""

    def __init__(self, memory: MemoryLimit) -> None:
        self._memory = memory
        self._rows = self._columns = self._empty_rows = 0  # of the table so far
        self._cells = 0  # in the row, the empty ones before another included
        self._empty_cells = 0  # behind the last cell of the row that has content
        self._row_times = self._cell_times = 0  # of the open row and cell; 0 outside
        self._text = 0  # characters of the row
        self._cell_text = 0
        self._has_content = False

    def on_start(self, kind: str, attributes: dict[str, str]) -> None:
        if kind == "table":
            self._rows = self._columns = self._empty_rows = 0
        elif kind == "table-row":
            if self._row_times:
                raise ValueError(Message("it is damaged"))
            self._row_times = _times(attributes, "number-rows-repeated")
            self._cells = self._empty_cells = self._text = 0
        elif kind in ("table-cell", "covered-table-cell"):
            if self._cell_times:
                raise ValueError(Message("it is damaged"))
            self._cell_times = _times(attributes, "number-columns-repeated")
            self._has_content = any(name.startswith(("office:", "calcext:", "table:formula")) for name in attributes)
            self._cell_text = sum(map(len, attributes.values()))
        elif self._cell_times:
            self._has_content |= kind == "p"
            if kind == "s":  # a number of blanks
                self._cell_text += _times(attributes, "c")

    def on_text(self, text: str) -> None:
        self._cell_text += len(text)

    def on_end(self, tag: str) -> None:
        kind = tag.rpartition(":")[2]
        if kind in ("table-cell", "covered-table-cell"):
            self._end_cell()
        elif kind == "table-row":
            self._end_row()
        elif kind == "table":
            cells = self._rows * self._columns
            check_cells(cells)
            self._memory.add(cells * _OF_REPEATED_CELL)

    def _end_cell(self) -> None:
        if not self._has_content:
            self._empty_cells += self._cell_times
        else:
            self._cells += self._empty_cells + self._cell_times
            self._empty_cells = 0
            self._text += self._cell_times * self._cell_text
            check_cells(self._cells)
            self._memory.add(self._cell_times * self._cell_text)
        self._cell_times = 0

    def _end_row(self) -> None:
        if self._cells:
            self._rows += self._empty_rows + self._row_times
            self._empty_rows = 0
            self._columns = max(self._columns, self._cells)
            self._memory.add(_COPIES * self._row_times * self._text)
            check_cells(self._rows * self._columns)
        else:
            self._empty_rows += self._row_times
        self._row_times = 0


def _times(attributes: dict[str, str], name: str) -> int:
    """Return the number in an attribute of any prefix, 1 without one (ValueError: it is none)."""
    for title, value in attributes.items():
        if title.rpartition(":")[2] == name:
            if not (value.isascii() and value.isdigit()):
                raise ValueError(Message("it is damaged"))
            return int(value[:20])
    return 1


def check_cells(count: int) -> None:
    """Raise a ValueError for more cells than a sheet may span."""
    if count > _MAX_CELLS:
        raise ValueError(Message("a sheet spans more than {count} cells", count=f"{_MAX_CELLS:,}"))


def _refuse_declarations(_name: str, _system_id: str | None, _public_id: str | None, has_declarations: int) -> None:
    """Raise a ValueError for a document type with declarations of its own, such as entities, which may expand.

    One that only names a file is of use, and expat does not open that file: LibreOffice writes
    `<!DOCTYPE library:libraries PUBLIC ... "libraries.dtd">` into `Basic/script-lc.xml` of an `.ods` with macros.
    """
    if has_declarations:
        raise ValueError("it declares a document type, which label files do not need")
