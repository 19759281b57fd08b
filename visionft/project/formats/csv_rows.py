"""The rows of a CSV file as people and spreadsheets write them; one that is none costs its own line only."""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from visionft.errors import ProjectError

MAX_CELL = 1_000_000


def csv_rows(file: Path) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows, or why one is none, with the numbers of their first lines; blank ones are left out."""
    csv.field_size_limit(MAX_CELL)
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            first = handle.readline()
            handle.seek(0)
            yield from _records(_Lines(handle), max(",;\t", key=first.count))
    except UnicodeDecodeError as error:
        raise ProjectError(f"{file} is not UTF-8 text.", "Save it again as UTF-8.") from error
    except OSError as error:
        raise ProjectError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


class _Lines:
    """The lines of a file, those taken last can be put back."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._handle.readline()
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._ahead.extendleft(reversed(lines))


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows of a CSV file. One of several lines must have as many cells as the first row.

    Else a quote that nobody closed would swallow all rows up to the next quote: there only its own line is lost.
    """
    width, number = 0, 1
    while True:
        lines.taken = []
        try:
            cells: list[str] | str = next(csv.reader(lines, delimiter=delimiter, strict=True), None) or []
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


def _cells_of_line(line: str, delimiter: str) -> list[str] | str:
    """Return the cells of a row that stands in one line, or why it is none."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return "a quote is not closed"
    try:
        return next(csv.reader([line], delimiter=delimiter))  # text behind a closing quote, as some programs write
    except csv.Error as error:
        return f"it is no row of a CSV file: {error}"
