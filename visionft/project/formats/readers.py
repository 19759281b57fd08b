"""Reading label files that people and other tools wrote: CSV and JSONL (Hugging Face's `metadata.jsonl`).

A row that cannot be used is listed with its line and reason; the others are taken. Cells are text and nothing else.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from visionft.errors import ProjectError
from visionft.files import is_file
from visionft.foreign_text import from_spreadsheet_cell, printable
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.locating import PictureFinder
from visionft.project.importing.scanning import SPLIT_FOLDERS, Listing, Rejected, SourceFile

MAX_CELL = 1_000_000
FILE_KEYS = ("file_name", "filename", "file", "path", "image", "image_name", "image_path", "filepath", "name")
LABEL_KEYS = ("label", "labels", "class", "classes", "class_name", "category", "target")
SPLIT_KEYS = ("split", "set", "subset", "partition")
OTHER_KEYS = ("tags", "review", "note", "sha256", "escaped")
_KNOWN_KEYS = frozenset({*FILE_KEYS, *LABEL_KEYS, *SPLIT_KEYS, *OTHER_KEYS})
_SHA256 = re.compile("[0-9a-f]{64}")


def read_csv(file: Path, *, is_confined: bool = False) -> Listing:
    """List a CSV's pictures: a file-name column with a label column, or with one 0/1 column per class.

    Several labels in one cell are a JSON array, or are separated by `|` or `;`. Without a header, the first column is
    the file and the second the label.
    """
    rows = _csv_rows(file)
    header = next((cells for _, cells in rows), None)
    if not header:
        raise ProjectError(f"{file} is empty.", "Choose the file that lists the pictures.")
    if isinstance(header, str):
        raise ProjectError(f"{file} is not a CSV file: in its first row, {header}.", "Save it again as CSV, UTF-8.")
    keys = [cell.strip().casefold() for cell in header]
    if not any(key in FILE_KEYS for key in keys):
        if len(header) > 2 or not _names_a_file(header[0], file.parent):
            raise ProjectError(
                f"{file} has no column with file names.",
                f"Name a column of its header {FILE_KEYS[0]} or {FILE_KEYS[3]}.",
            )
        keys, header = ["file_name", "label"][: len(header)], []
        rows = _csv_rows(file)
    named = ((line, _named(keys, header or keys, cells)) for line, cells in rows)
    return _listing(file, named, is_confined=is_confined)


def _names_a_file(cell: str, folder: Path) -> bool:
    try:
        return is_file(PictureFinder(folder).find(cell))
    except ValueError:  # blank, or with a NUL in it
        return False


def read_jsonl(file: Path, *, is_confined: bool = False) -> Listing:
    """List the pictures of a file with one JSON object per line, with the keys of `labels.jsonl`."""
    return _listing(file, _json_rows(file), is_confined=is_confined)


def _listing(file: Path, rows: Iterator[tuple[int, dict[str, Any] | str]], *, is_confined: bool) -> Listing:
    """Turn rows, or the reason why one is none, into source files."""
    finder = PictureFinder(file.parent, is_confined=is_confined)
    files: list[SourceFile] = []
    rejected: list[Rejected] = []
    for line, row in rows:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            files.append(_source_file(row, finder))
        except ValueError as error:
            rejected.append(Rejected(f"{printable(file)}:{line}", str(error)))
    return Listing(tuple(files), unreadable=tuple(rejected), classes=read_classes_file(classes_file(file)))


def _source_file(row: dict[str, Any], finder: PictureFinder) -> SourceFile:
    """Return what a row says of one picture.

    Raises:
        ValueError: It names no file, or a value is of the wrong kind.
    """
    name = next((row[key] for key in FILE_KEYS if row.get(key)), None)
    if not isinstance(name, str):
        raise ValueError("no file name")
    split = next((row[key] for key in SPLIT_KEYS if row.get(key)), None)
    if split is not None and (not isinstance(split, str) or split.strip().casefold() not in SPLIT_FOLDERS):
        raise ValueError(f"“{split}” is not a split")
    review = row.get("review") or None
    if review not in (None, "done", "later"):
        raise ValueError(f"“{review}” is not a review state")
    note, sha256 = row.get("note"), row.get("sha256")
    return SourceFile(
        path=finder.find(name),
        name=name,
        labels=_labels(row),
        split=SPLIT_FOLDERS[split.strip().casefold()] if split else None,
        tags=_texts(row.get("tags")),
        review=review,
        note=note if isinstance(note, str) and note.strip() else None,
        sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
    )


def _labels(row: dict[str, Any]) -> tuple[str, ...]:
    key = next((key for key in LABEL_KEYS if key in row), None)
    if key is not None:
        return _texts(row[key], is_list=key in ("labels", "classes"))
    flags = {key: value for key, value in row.items() if key not in _KNOWN_KEYS}
    if not all(isinstance(value, str) and value.strip() in ("", "0", "1", "0.0", "1.0") for value in flags.values()):
        return ()
    return tuple(key for key, value in flags.items() if value.strip() in ("1", "1.0"))


def _texts(value: Any, *, is_list: bool = True) -> tuple[str, ...]:
    """Return the names in a cell or a JSON value. A number is the name of a class, a truth value is not."""
    match value:
        case None:
            return ()
        case bool() | dict():
            raise ValueError(f"{value} is not a name")
        case int():
            return (str(value),)
        case str():
            return _split_cell(value, is_list=is_list)
        case list():
            return tuple(name for item in value for name in _texts(item, is_list=False))  # type: ignore[reportUnknownVariableType]
        case _:
            raise ValueError(f"{value!r} is not a name")


def _split_cell(cell: str, *, is_list: bool) -> tuple[str, ...]:
    text = cell.strip()
    if is_list and text.startswith("["):
        try:
            return _texts(json.loads(text), is_list=False)
        except (json.JSONDecodeError, RecursionError):
            pass
    separator = next((sign for sign in ("|", ";") if is_list and sign in text), None)
    parts = text.split(separator) if separator else [text]
    return tuple(part.strip() for part in parts if part.strip())


def _named(keys: list[str], header: list[str], cells: list[str] | str) -> dict[str, Any] | str:
    """Return a CSV row by column; columns with a meaning under its key, class columns under the class name."""
    if isinstance(cells, str):
        return cells
    if len(cells) > len(keys) and any(cell.strip() for cell in cells[len(keys) :]):
        return f"{len(cells)} cells, but the header has {len(keys)}"
    row: dict[str, Any] = {
        key if key in _KNOWN_KEYS else title.strip(): cell
        for key, title, cell in zip(keys, header, cells, strict=False)
    }
    if row.get("escaped") == "yes":
        row = {key: from_spreadsheet_cell(cell) for key, cell in row.items()}
    return row


def _csv_rows(file: Path) -> Iterator[tuple[int, list[str] | str]]:
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


def _json_rows(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the objects with their line numbers, or why a line holds none."""
    try:
        with file.open("rb") as handle:
            for line, data in enumerate(handle, 1):
                if data.strip(b" \t\r\n\xef\xbb\xbf"):
                    yield line, _json_object(data)
    except OSError as error:
        raise ProjectError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def _json_object(data: bytes) -> dict[str, Any] | str:
    try:
        value: Any = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return f"not JSON: {type(error).__name__}"
    return value if isinstance(value, dict) else "not a JSON object"  # type: ignore[reportUnknownVariableType]
