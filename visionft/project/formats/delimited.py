"""Rows of delimited text: CSV of any delimiter, and lists with blanks between a name and its class.

A malformed row is yielded as the reason for its rejection. Cells are plain text.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TextIO

from visionft.core.errors import ProjectError
from visionft.core.files import open_regular
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.project.formats.whole_files import reading_errors, text_encoding

# Title and blank rows above the header: `Prüfung Werk 2;;` above `Bild;Befund;Prüfer`.
MAX_TITLE_ROWS = 5
_MAX_CELL_LENGTH = 1_000_000  # characters; run-length masks exceed the 131,072 of `csv`
_MAX_LINE_LENGTH = 4_000_000  # characters; a whole row is held in memory, and a file may be a single row
_SAMPLE_LINES = 200  # `annotations/list.txt` of the Oxford-IIIT Pets begins with comments
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # a first line that declares the delimiter for Excel
_SUFFIXES = "|".join(re.escape(suffix[1:]) for suffix in IMAGE_SUFFIXES)
_AFTER_SUFFIX = re.compile(rf"(\S.*?\.(?:{_SUFFIXES}))\s+(\S.*)", re.IGNORECASE)  # `IMG 1.jpg red fox`
_AFTER_BLANK = re.compile(r"(\S+)\s+(\S.*)")  # `1025794 Boeing 707`, of FGVC Aircraft
_BLANKS = re.compile(r"\s+")
_MIN_SUFFIX_SHARE = 0.9  # of the lines; the header `image label` has no image suffix


def csv_rows(file: Path, is_known: Callable[[str], bool] | None = None) -> Generator[tuple[int, list[str] | str]]:
    """Yield (first line number, cells, or the reason for a malformed row) of each row that is not blank.

    The code page is chosen so that `is_known` is true for the most cells, such as names of images.
    """
    csv.field_size_limit(_MAX_CELL_LENGTH)
    with reading_errors(file):
        encoding = text_encoding(file, is_known)
    with reading_errors(file), TextIOWrapper(open_regular(file), encoding=encoding, newline="") as handle:
        lines = [line for line in islice(_Lines(file, handle), _SAMPLE_LINES) if line.strip()]
        handle.seek(0)
        declared = _DELIMITER_LINE.fullmatch(lines[0].strip()) if lines else None
        if declared:
            handle.readline()
        dialect = str(declared[1]) if declared else _dialect(lines)
        if isinstance(dialect, str):
            yield from _records(_Lines(file, handle), dialect, first=2 if declared else 1)
        else:
            yield from _list_rows(_Lines(file, handle), dialect)


def _dialect(lines: Sequence[str]) -> str | re.Pattern[str]:
    """Return the delimiter of the lines, or the pattern of a row for lists with blanks."""
    if delimiter := _shared_delimiter(lines):
        return delimiter
    rows = _without_count([line.strip() for line in lines if not line.startswith("#")])
    has_blanks = bool(rows) and all(" " in line or "\t" in line for line in rows)
    if not has_blanks:
        return ","
    return " " if any('"' in line for line in rows) else _row_pattern(rows)


def _shared_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter in one of the first lines, if most lines contain it; else an empty text.

    The first line may be a title: `Sample list of 3 May`, above `name;class`.
    """
    for first in lines[:MAX_TITLE_ROWS]:
        delimiter = max(",;\t|", key=first.count)
        if delimiter in first and sum(delimiter in line for line in lines) > len(lines) / 2:
            return delimiter
    return ""


def _without_count(lines: list[str]) -> list[str]:
    """Return the lines without a first line that counts the rows: `202599` in CelebA's `list_attr_celeba.txt`."""
    return lines[1:] if len(lines) > 1 and lines[0].isdecimal() else lines


def _row_pattern(lines: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of the rows of a list: cells end at each blank, or only at the blank after the name."""
    first_words = lines[0].split()
    word_counts = {len(line.split()) for line in lines[1:]} or {len(first_words)}
    if len(word_counts) == 1 and len(first_words) in (*word_counts, max(word_counts) - 1):
        return _BLANKS
    if _are_titles(first_words, max(word_counts)):
        return _BLANKS
    has_suffix = sum(bool(_AFTER_SUFFIX.match(line)) for line in lines) > _MIN_SUFFIX_SHARE * len(lines)
    return _AFTER_SUFFIX if has_suffix else _AFTER_BLANK


def _are_titles(words: Sequence[str], width: int) -> bool:
    """Return whether a first line has the titles of `width` columns; rows may be shorter.

    `Image Class Note` above `a.jpg cat blurred` and `b.jpg dog`.
    """
    return len(words) > 2 and len(set(words)) == len(words) == width and all(map(str.isalpha, words))


def _list_rows(lines: "_Lines", pattern: re.Pattern[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows of a list with blanks, without comments and a first line that counts the rows."""
    is_first = True
    for number, line in enumerate(lines, 1):
        lines.taken.clear()
        text = line.strip()
        if not text or text.startswith("#") or (number == 1 and text.isdecimal()):
            continue
        if pattern is _BLANKS:
            cells = pattern.split(text)
        else:
            match = pattern.fullmatch(text)
            cells = list(match.groups()) if match else [text]
        if is_first and pattern is _BLANKS:  # a header without a title for the names
            following = next(lines, "")
            lines.put_back([following] if following else [])
            is_short = len(following.split()) == len(cells) + 1
            cells = ["file_name", *cells] if is_short else cells
        is_first = False
        yield number, cells


class _Lines:
    """The lines of a file; the last lines read can be pushed back."""

    def __init__(self, file: Path, handle: TextIO) -> None:
        self._file, self._handle = file, handle
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._handle.readline(_MAX_LINE_LENGTH)
        if not line:
            raise StopIteration
        if len(line) >= _MAX_LINE_LENGTH:
            message = Message(
                "{file} is not a table: one of its lines has more than {count} characters.",
                file=self._file,
                count=_MAX_LINE_LENGTH,
            )
            raise ProjectError(message, "Choose the file that lists the images.")
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._ahead.extendleft(reversed(lines))


def _records(lines: _Lines, delimiter: str, *, first: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows of a CSV file from line `first`; a row of several lines needs as many cells as the first row.

    Otherwise an unclosed quote would swallow all rows up to the next quote; with this check, only its own line is lost.
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
    """Return the cells of a single-line row, or the reason for a malformed one."""
    try:
        return next(_reader([line], delimiter))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return "a quote is not closed"
    try:
        return next(csv.reader([line], delimiter=delimiter))  # some programs write text after a closing quote
    except csv.Error as error:
        return Message("it is not a row of a CSV file: {error}", error=error)
