"""The rows of a CSV file as people and spreadsheets write them; one that is none costs its own line only."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.project.formats.recognising import not_utf_8, text_encoding

MAX_CELL = 1_000_000
MAX_LINE = 4_000_000  # a row is held whole, and a file may be a single one
_LOOK_LINES = 20
_STATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # a first line with which Excel is told the sign between the cells


def csv_rows(file: Path) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows, or why one is none, with the numbers of their first lines; blank ones are left out."""
    csv.field_size_limit(MAX_CELL)
    try:
        with file.open(encoding=text_encoding(file), newline="") as handle:
            lines = [line for line in islice(_Lines(handle), _LOOK_LINES) if line.strip()]
            handle.seek(0)
            stated = _STATED.fullmatch(lines[0].strip()) if lines else None
            if stated:
                handle.readline()
            yield from _records(_Lines(handle), stated[1] if stated else _delimiter(lines), first=2 if stated else 1)
    except UnicodeError as error:
        raise not_utf_8(file) from error
    except _TooLong as error:
        raise ProjectError(
            f"{file} is no table: one of its lines has more than {MAX_LINE:,} characters.",
            "Choose the file that lists the pictures.",
        ) from error
    except OSError as error:
        raise ProjectError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def _delimiter(lines: list[str]) -> str:
    """Return the sign between the cells: the most frequent in the first line, blanks where there is no other."""
    first = lines[0] if lines else ""
    found = max(",;\t|", key=first.count)
    if found in first:
        return found
    widths = {len(line.split()) for line in lines}
    return " " if len(widths) == 1 and widths != {1} and any(map(_begins_with_file, lines)) else ","


def _begins_with_file(line: str) -> bool:
    """Say whether a line of cells with blanks between them begins with a file; `my cat.png` is one name."""
    return Path(line.split(maxsplit=1)[0].strip("\"'")).suffix.casefold() in IMAGE_SUFFIXES


class _TooLong(Exception):
    """A line that no row of a table has."""


class _Lines:
    """The lines of a file, those taken last can be put back."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._handle.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) >= MAX_LINE:
            raise _TooLong
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._ahead.extendleft(reversed(lines))


def _records(lines: _Lines, delimiter: str, *, first: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows of a CSV file from line `first` on. One of several lines must have as many cells as the first row.

    Else a quote that nobody closed would swallow all rows up to the next quote: there only its own line is lost.
    """
    width, number = 0, first
    while True:
        lines.taken = []
        try:
            cells: list[str] | str = next(_reader(lines, delimiter), None) or []
        except csv.Error:
            cells = ""
        taken = lines.taken
        if not taken:
            return
        if isinstance(cells, str) or (len(taken) > 1 and width and len(cells) != width):
            lines.put_back(taken[1:])
            taken = taken[:1]
            cells = _cells_of_line(taken[0], delimiter)
        if isinstance(cells, str) or any(cell.strip() for cell in cells):
            yield number, cells
            width = width or len(cells)
        number += len(taken)


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == " ")


def _cells_of_line(line: str, delimiter: str) -> list[str] | str:
    """Return the cells of a row that stands in one line, or why it is none."""
    try:
        return next(_reader([line], delimiter))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return "a quote is not closed"
    try:
        return next(csv.reader([line], delimiter=delimiter))  # text behind a closing quote, as some programs write
    except csv.Error as error:
        return f"it is no row of a CSV file: {error}"
