"""Read tables of people and other tools: CSV, JSONL (Hugging Face's `metadata.jsonl`), an array in JSON.

An unusable row is listed with its line and reason; the others are imported. Cells are plain text. The meaning of
columns is decided in `columns.py`, and recorded in the listing's `Interpretation`.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO, cast

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.files import json_memory, open_regular, parse_json
from visionft.foreign_text import from_spreadsheet_cell, printable
from visionft.project.formats.columns import Columns, names_in, recognise, says_yes, separator_in, titles_of_first_row
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    DEFAULTS,
    ColumnChoice,
    Interpretation,
    Listing,
    ReadOptions,
    RejectedFile,
    SourceFile,
)
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import (
    MemoryLimit,
    check_size,
    objects,
    read_label_json,
    reading_errors,
    text_encoding,
)

_SAMPLE_ROWS = 2000  # enough to recognise a column's content
_MAX_COLUMNS = 50_000
_SHA256 = re.compile("[0-9a-f]{64}")

Row = dict[str, Any] | str  # the cells by title, or the reason for a malformed line
_MAX_CELL = 1_000_000
_MAX_LINE = 4_000_000  # a row is held in memory whole, and a file may be a single row
_STATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # a first line to declare the delimiter for Excel


def csv_rows(file: Path) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows, or the reason for a malformed row, with their first line numbers; blank rows are left out."""
    csv.field_size_limit(_MAX_CELL)
    with reading_errors(file), TextIOWrapper(open_regular(file), encoding=text_encoding(file), newline="") as handle:
        lines = [line for line in islice(_Lines(file, handle), 20) if line.strip()]
        handle.seek(0)
        stated = _STATED.fullmatch(lines[0].strip()) if lines else None
        if stated:
            handle.readline()
        yield from _records(_Lines(file, handle), stated[1] if stated else _delimiter(lines), first=2 if stated else 1)


def _delimiter(lines: list[str]) -> str:
    """Return the most frequent delimiter of the first line; else blanks where a line begins with a file, or a comma."""
    first = lines[0] if lines else ""
    found = max(",;\t|", key=first.count)
    if found in first:
        return found
    widths = {len(line.split()) for line in lines}
    starts = (Path(line.split(maxsplit=1)[0].strip("\"'")) for line in lines)
    has_file = any(start.suffix.casefold() in IMAGE_SUFFIXES for start in starts)
    return " " if len(widths) == 1 and widths != {1} and has_file else ","


class _Lines:
    """The lines of a file; the last lines read can be pushed back."""

    def __init__(self, file: Path, handle: TextIO) -> None:
        self._file, self._handle = file, handle
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._handle.readline(_MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) >= _MAX_LINE:
            values = {"file": self._file, "count": _MAX_LINE}
            message = Message("{file} is no table: one of its lines has more than {count} characters.", **values)
            raise ProjectError(message, "Choose the file that lists the images.")
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._ahead.extendleft(reversed(lines))


def _records(lines: _Lines, delimiter: str, *, first: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the rows of a CSV file from line `first` on; a row of several lines must match the first row's cell count.

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
        return next(csv.reader([line], delimiter=delimiter))  # text behind a closing quote, as some programs write it
    except csv.Error as error:
        return Message("it is no row of a CSV file: {error}", error=error)


def read_csv(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List a CSV's images: a column of file names with one of labels, or with one yes/no column per class.

    Several labels in one cell are a JSON array, or are separated by `|`, `;` or, below a plural title, by commas.
    Without a header, the column of the first image is the file, and the other one, beside a split, the label. Raises
    `ProjectError`: it is no table, or no column names images.
    """
    check_size(file)
    finder = ImageFinder(file.parent, options, file=file)
    rows = csv_rows(file)
    header = next((cells for _, cells in rows), None)
    if not header:
        raise ProjectError(Message("{path} is empty.", path=file), "Choose the file that lists the images.")
    if isinstance(header, str):
        message = Message("{file} is not a CSV file: in its first row, {header}.", file=file, header=header)
        raise ProjectError(message, "Save it again as CSV, UTF-8.")
    titles = [cell.strip() for cell in header]
    if own := titles_of_first_row(titles, finder.has):
        titles, rows = own, csv_rows(file)
    # Distinct titles, so that no column replaces another; titles without words stay.
    seen = Counter[str]()
    for place, title in enumerate(titles):
        seen[title] += 1
        titles[place] = f"{title} ({seen[title]})" if title and seen[title] > 1 else title
    named = ((line, _named(titles, cells)) for line, cells in rows)
    return listing_of_rows(file, titles, named, finder, options.choice)


def read_jsonl(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a file with one JSON object per line, such as `labels.jsonl`."""
    check_size(file)
    rows = _json_rows(file)
    sample = list(islice(rows, _SAMPLE_ROWS))
    titles = list(dict.fromkeys(key for _, row in sample if isinstance(row, dict) for key in row))
    finder = ImageFinder(file.parent, options, file=file)
    return listing_of_rows(file, titles, chain(sample, rows), finder, options.choice)


def read_json_table(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a JSON array with one flat object per image, as Label Studio's “JSON-MIN”."""
    value = read_label_json(file)
    if not isinstance(value, list):
        raise ProjectError(Message("{file} is no JSON array of images.", file=file), "Save one object per image in it.")
    entries = cast("list[Any]", value)

    def flat(entry: Any) -> Row:
        if not isinstance(entry, dict):
            return "not a JSON object"
        row = cast("dict[str, Any]", entry)
        several = [key for key, value in row.items() if any("choices" in each for each in objects([value]))]
        return row | {key: row[key]["choices"] for key in several}

    rows = ((number, flat(entry)) for number, entry in enumerate(entries, 1))
    titles = list(dict.fromkeys(key for entry in objects(entries[:_SAMPLE_ROWS]) for key in entry))
    return listing_of_rows(file, titles, rows, ImageFinder.of(file, options), options.choice)


def lists_images(file: Path, image_folders: Sequence[Path]) -> bool:
    """Return whether a file is a table of existing images, judged by its first rows."""
    try:
        check_size(file)
        if file.suffix.casefold() in (".jsonl", ".ndjson"):
            rows: Iterable[tuple[int, Row]] = _json_rows(file)
            titles: list[str] = []
        else:
            cells = csv_rows(file)
            titles = [cell.strip() for _, row in islice(cells, 1) if not isinstance(row, str) for cell in row]
            rows = ((line, _named(titles, row)) for line, row in cells)
        sample = [row for _, row in islice(rows, 20) if isinstance(row, dict)]
        finder = ImageFinder(file.parent, ReadOptions(image_folders=image_folders), file=file)
        titles = titles or list(dict.fromkeys(key for row in sample for key in row))
        columns = recognise(titles, sample, AUTOMATIC, is_image=finder.has)
    except ProjectError:
        return False
    return columns is not None and any(finder.has(str(row.get(columns.file, ""))) for row in sample)


def listing_of_rows(
    file: Path, titles: Sequence[str], rows: Iterator[tuple[int, Row]], finder: ImageFinder, choice: ColumnChoice
) -> Listing:
    """Return the listing of rows, or of reasons for malformed ones; a `ProjectError` where no column names images."""
    if len(titles) > _MAX_COLUMNS:
        values = {"file": file, "columns": f"{len(titles):,}", "limit": f"{_MAX_COLUMNS:,}"}
        raise ProjectError(Message("{file} has {columns} columns (at most {limit} are read).", **values), "Divide it.")
    sample = list(islice(rows, min(_SAMPLE_ROWS, 1_000_000 // max(1, len(titles)))))
    good = [row for _, row in sample if isinstance(row, dict)]
    columns = recognise(titles, good, choice, is_image=finder.has)
    if columns is None and good:
        given = ", ".join(titles)
        message = Message("{file} has no column with file names. Its columns are: {titles}.", file=file, titles=given)
        raise ProjectError(message, "Call the column that names the images “file_name”.")
    files: list[SourceFile] = []
    rejected: list[RejectedFile] = []
    memory = MemoryLimit(file)
    for line, row in chain(sample, rows):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            assert columns is not None
            files.append(_source_file(row, columns, finder))
            memory.add_entry(files[-1])
        except ValueError as error:
            rejected.append(RejectedFile(f"{printable(file)}:{line}", str(error)))
            memory.add_entry(rejected[-1])
    settled, found_elsewhere = finder.settled(files)
    interpretations: tuple[Interpretation, ...] = ()
    if columns is not None:
        cells = [str(row.get(columns.label) or "") for row in good] if columns.holds_lists else []
        interpretation = Interpretation(
            file=file, columns=tuple(title for title in columns.titles if title not in columns.own.values()),
            file_column=columns.file, label_columns=(columns.label,) if columns.label else columns.classes,
            split_column=columns.split, separator=next((sign for cell in cells if (sign := separator_in(cell))), ""),
            found_elsewhere=found_elsewhere, found_by_number=finder.by_number, ambiguous=finder.ambiguous,
            is_unlabelled_by_choice=choice.is_unlabelled,
        )  # fmt: skip
        interpretations = (interpretation,)
    classes = read_classes_file(classes_file(file))
    return Listing(tuple(settled), unreadable=tuple(rejected), classes=classes, interpretations=interpretations)


def _source_file(row: dict[str, Any], columns: Columns, finder: ImageFinder) -> SourceFile:
    """Return the source file of a row."""
    name = row.get(columns.file)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(Message("no file name"))
    own = {key: row.get(title) for key, title in columns.own.items()}
    split = row.get(columns.split) if columns.split else None
    if split and (not isinstance(split, str) or not is_split_name(split)):
        raise ValueError(Message("“{split}” is not a split", split=split))
    review = own.get("review") or None
    if review not in (None, "done", "later"):
        raise ValueError(Message("“{review}” is not a review state", review=review))
    note, sha256 = own.get("note"), own.get("sha256")
    if columns.label:
        labels = names_in(row.get(columns.label), is_list=columns.holds_lists)
    else:
        labels = tuple(title for title in columns.classes if says_yes(row.get(title, "")))
    return SourceFile(
        path=finder.find(name), name=name, labels=labels, split=split_of(split) if split else None,
        tags=names_in(own.get("tags")), review=review, note=note if isinstance(note, str) and note.strip() else None,
        sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
    )  # fmt: skip


def _named(titles: Sequence[str], cells: Sequence[str] | str) -> Row:
    """Return a CSV row by title, or the reason for a malformed one."""
    if isinstance(cells, str):
        return cells
    if len(cells) > len(titles) and any(cell.strip() for cell in cells[len(titles) :]):
        return Message("{cells} cells, but the header has {titles}", cells=len(cells), titles=len(titles))
    row = dict(zip(titles, cells, strict=False))
    if row.get("escaped") == "yes":
        row = {key: from_spreadsheet_cell(cell) for key, cell in row.items()}
    return dict(row)


def _json_rows(file: Path) -> Iterator[tuple[int, Row]]:
    """Yield the objects with their line numbers, or the reason for a line without one."""
    memory = MemoryLimit(file)
    with reading_errors(file):
        encoding = text_encoding(file)
        opened = open_regular(file)
        with opened if encoding == "utf-8-sig" else TextIOWrapper(opened, encoding=encoding) as handle:
            for line, raw in enumerate(handle, 1):
                data = raw.encode() if isinstance(raw, str) else raw
                if not data.strip(b" \t\r\n\xef\xbb\xbf"):
                    continue
                try:
                    text = data.decode("utf-8-sig")
                    memory.add(json_memory(text))
                    value: Any = parse_json(text)
                except ValueError as error:
                    yield line, f"not JSON: {type(error).__name__}"
                else:
                    yield line, cast("Row", value) if isinstance(value, dict) else "not a JSON object"
