"""Rows of spreadsheets (`.xlsx`, `.xls`, `.ods`): the first sheet that has some, read by calamine."""

import re
import zipfile
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.parsers import expat

from models.messages import Message
from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.files import open_regular

_MAX_UNPACKED = 500 * 2**20  # bytes of XML: 20 million cells of 23, `<c r="A1"><v>1</v></c>`
# Of a sheet: calamine keeps the empty ones between two others, too. A cell in XFD1048576, Excel's last one, spans
# 17 billion.
_MAX_CELLS = 20_000_000
_REFERENCE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")
_CHUNK = 1 << 20


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
    except (calamine.CalamineError, zipfile.BadZipFile, ValueError, OSError) as error:
        message = Message("{file} cannot be read as a spreadsheet: {reason}.", file=file, reason=error)
        raise ProjectError(message, "Save the sheet with the labels as CSV, and import that.") from error


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
    """Raise a ValueError where a sheet unpacks to too much, or spans too many cells: it may come from anybody."""
    with open_regular(file) as handle:
        if not zipfile.is_zipfile(handle):
            return  # the old format is never compressed, and spans at most 17 million cells
        with zipfile.ZipFile(handle) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > _MAX_UNPACKED:
                raise ValueError(Message("it unpacks to more than {limit}", limit=size_text(_MAX_UNPACKED)))
            for entry in entries:
                if entry.filename.casefold().endswith((".xml", ".rels")):
                    rows, columns = _extent(archive, entry)
                    if rows * columns > _MAX_CELLS:
                        raise ValueError(Message("a sheet spans more than {count} cells", count=f"{_MAX_CELLS:,}"))


def _extent(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Return the last row and column with content of a part: as Excel names them, or OpenDocument repeats them."""
    rows = columns = row = column = 0

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal rows, columns, row, column
        kind = tag.rpartition(":")[2]
        if kind == "c" and (found := _REFERENCE.fullmatch(attributes.get("r", ""))):
            rows = max(rows, int(found[2]))
            places = enumerate(reversed(found[1].upper()))
            columns = max(columns, sum((ord(sign) - 64) * 26**place for place, sign in places))
        elif kind == "table-row":
            row = row + int(attributes.get("table:number-rows-repeated", 1))
            column = 0
        elif kind in ("table-cell", "covered-table-cell"):
            column += int(attributes.get("table:number-columns-repeated", 1))
            if any(name.startswith(("office:", "calcext:")) for name in attributes):
                rows = row
                columns = max(columns, column)
        elif kind == "p":
            rows, columns = max(rows, row), max(columns, column)

    parser = expat.ParserCreate()
    parser.StartElementHandler = on_start
    parser.StartDoctypeDeclHandler = _refuse_declarations
    with archive.open(entry) as handle:
        try:
            while chunk := handle.read(_CHUNK):
                parser.Parse(chunk)
        except (expat.ExpatError, LookupError) as error:  # `encoding="uto-8"` is a LookupError
            raise ValueError(Message("{entry} is no XML", entry=entry.filename)) from error
    return rows, columns


def _refuse_declarations(_name: str, _system_id: str | None, _public_id: str | None, has_declarations: int) -> None:
    """Raise a ValueError for a document type with declarations of its own, such as entities, which may expand.

    One that only names a file is of use, and expat does not open that file: LibreOffice writes
    `<!DOCTYPE library:libraries PUBLIC ... "libraries.dtd">` into `Basic/script-lc.xml` of an `.ods` with macros.
    """
    if has_declarations:
        raise ValueError("it declares a document type, which label files do not need")
