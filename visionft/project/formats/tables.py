"""Tables from files of any kind as rows by title: delimited text, JSON, JSON Lines, spreadsheets.

A table is read once, as a sample and the rest; a malformed row is its reason. The meaning of columns is decided in
`columns.py`.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from visionft.core.errors import ProjectError
from visionft.core.files import json_memory, open_regular, parse_json
from visionft.core.foreign_text import from_spreadsheet_cell
from visionft.core.messages import Message
from visionft.project.formats.cells import is_image_name, is_number
from visionft.project.formats.columns import ImageNames
from visionft.project.formats.delimited import MAX_TITLE_ROWS, csv_rows
from visionft.project.formats.label_columns import is_file_title, is_label_title, is_whole_file_title
from visionft.project.formats.nested import Entry, flat, json_rows
from visionft.project.formats.split_names import is_split_name
from visionft.project.formats.watched import foreign_rows
from visionft.project.formats.whole_files import MemoryLimit, check_size, read_label_json, reading_errors, text_encoding

SAMPLE_ROWS = 2000  # enough to recognise a column's content
_MAX_SAMPLED = 1_000_000  # cells
_MAX_COLUMNS = 50_000  # one-hot columns of the 21,841 classes of ImageNet-21k fit
_OF_SPLITS = re.compile(r"(?i)partition|split")  # `list_eval_partition.txt` of CelebA

Row = dict[str, Any] | str  # the cells by title, or the reason for a malformed row
CellRows = Generator[tuple[int, list[str] | str]]  # the cells of each row, or the reason for a malformed one
CellsByLine = Iterator[tuple[int, list[str] | str]]
Rows = Iterator[tuple[int, Row]]  # with their lines, or numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """The rows of a table; `rest` is read once."""

    file: Path
    titles: tuple[str, ...]
    parts: tuple[str, ...] = ()  # titles of values that belong to parts of an image
    sample: Sequence[tuple[int, Row]]
    rest: Rows
    source: CellRows | None = None  # of a file that is read while it is open

    @property
    def rows(self) -> Rows:
        return chain(self.sample, self.rest)

    def close(self) -> None:
        """Close the file, where not all of it was read."""
        if self.source is not None:
            self.source.close()

    @property
    def good(self) -> list[dict[str, Any]]:
        """The rows of the sample that are not malformed."""
        return [row for _, row in self.sample if isinstance(row, dict)]


def open_table(file: Path, images: ImageNames) -> SourceTable:
    """Return the table in a file; a `ProjectError` if it has no table."""
    check_size(file)
    return _OPENERS.get(file.suffix.casefold(), _delimited)(file, images)


def table_of(file: Path, titles: Sequence[str], rows: Rows, parts: Sequence[str] = ()) -> SourceTable:
    """Return a table of rows by title; a `ProjectError` for more columns than are read."""
    check_columns(file, len(titles))
    sample = list(islice(rows, min(SAMPLE_ROWS, _MAX_SAMPLED // max(1, len(titles)))))
    return SourceTable(file=file, titles=tuple(titles), parts=tuple(parts), sample=sample, rest=rows)


def check_columns(file: Path, count: int) -> None:
    """Raise a `ProjectError` for more columns than are read: each is looked at, and their titles are kept."""
    if count > _MAX_COLUMNS:
        message = Message(
            "{file} has {columns} columns (at most {limit} are read).",
            file=file,
            columns=f"{count:,}",
            limit=f"{_MAX_COLUMNS:,}",
        )
        raise ProjectError(message, "Divide it.")


def _delimited(file: Path, images: ImageNames) -> SourceTable:
    def is_known(cell: str) -> bool:
        return is_file_title(cell) or is_label_title(cell) or images.has(cell)

    return _table_of_cells(file, csv_rows(file, is_known), images)


def _table_of_cells(file: Path, source: CellRows, images: ImageNames) -> SourceTable:
    """Return a table of cells; the first row is the header, unless it describes an image."""
    rows = _from_header(source, images)
    header = next((cells for _, cells in rows), None)
    if not header:
        raise ProjectError(Message("{path} is empty.", path=file), "Choose the file that lists the images.")
    if isinstance(header, str):
        message = Message("{file} is not a CSV file: in its first row, {header}.", file=file, header=header)
        raise ProjectError(message, "Save it again as CSV, UTF-8.")
    check_columns(file, len(header))
    sample = _sample_of_cells(rows)
    following = [cells for _, cells in sample if not isinstance(cells, str)]
    check_columns(file, max(map(len, following), default=0))
    rows = chain(sample, rows)
    titles = [cell.strip() for cell in header]
    if own := _titles_of_images(titles, following, images, file):
        titles = own
        rows = chain([(1, header)], rows)
    titles = _distinct(titles)
    table = table_of(file, titles, ((line, _named(titles, cells)) for line, cells in rows))
    return replace(_with_objects(table), source=source)


def _sample_of_cells(rows: CellsByLine) -> list[tuple[int, list[str] | str]]:
    """Return the first rows, as many as are enough, or fewer that have many cells."""
    sample: list[tuple[int, list[str] | str]] = []
    count = 0
    for line, cells in rows:
        sample.append((line, cells))
        count += 1 if isinstance(cells, str) else len(cells)
        if len(sample) == SAMPLE_ROWS or count >= _MAX_SAMPLED:
            break
    return sample


def _titles_of_images(first: list[str], following: Sequence[list[str]], images: ImageNames, file: Path) -> list[str]:
    """Return titles for a first row that describes an image, as many as the widest row has cells; empty for a header.

    In a list of splits the codes are no labels: `000001.jpg 0` of CelebA.
    """
    titles = titles_of_first_row(first, images, following)
    widest = [cell.strip() for cell in max((first, *following), key=len)]
    if titles and len(titles) < len(widest):
        titles = titles_of_first_row(widest, images, following) or titles
    return [file.stem if title == "label" and _OF_SPLITS.search(file.stem) else title for title in titles]


def _distinct(titles: Sequence[str]) -> list[str]:
    """Return distinct titles, so that no column replaces another: `label, label (2)`; empty ones stay."""
    seen = Counter[str]()
    distinct: list[str] = []
    for title in titles:
        seen[title] += 1
        distinct.append(f"{title} ({seen[title]})" if title and seen[title] > 1 else title)
    return distinct


def _from_header(rows: CellsByLine, images: ImageNames) -> CellsByLine:
    """Return the rows without a title of the sheet: first rows of one cell, no image, above several columns."""
    first = list(islice(rows, MAX_TITLE_ROWS + 1))
    filled: list[list[str]] = [
        [] if isinstance(cells, str) else [cell for cell in cells if cell.strip()] for _, cells in first
    ]
    start = next((place for place, cells in enumerate(filled) if len(cells) > 1), 0)
    names_image = any(images.has(cell) for cells in filled[:start] for cell in cells)
    return chain(first if names_image else first[start:], rows)


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


def _with_objects(table: SourceTable) -> SourceTable:
    """Return a table whose columns of JSON (VGG Image Annotator's, Zooniverse's) are divided into their values."""
    first = table.good[:20]
    nested = [title for title in table.titles if first and all(_object(row.get(title)) is not None for row in first)]
    if not nested:
        return table

    def divided(row: Row) -> Row:
        return row if isinstance(row, str) else row | {title: _object(row.get(title)) for title in nested}

    return table_of_entries(table.file, ((line, divided(row)) for line, row in table.rows))


def _object(cell: Any) -> dict[str, Any] | list[Any] | None:
    """Return the object, or the array of objects, in a cell; None for any other."""
    if not isinstance(cell, str) or not cell.startswith(("{", "[{")) or cell.startswith('{"choices"'):
        return None
    try:
        value: Any = parse_json(cell)
    except ValueError:
        return None
    return cast("dict[str, Any] | list[Any]", value) if isinstance(value, (dict, list)) else None


def table_of_entries(file: Path, entries: Iterable[tuple[int, Entry]]) -> SourceTable:
    """Return a table of JSON objects and arrays."""
    parts: set[str] = set()

    def row(entry: Entry) -> Row:
        if isinstance(entry, list):
            return {f"column {number}": value for number, value in enumerate(entry, 1)}
        if isinstance(entry, str):
            return entry
        made, of_parts = flat(entry)
        parts.update(of_parts)
        return made

    rows = ((number, row(entry)) for number, entry in entries)
    sample: list[tuple[int, Row]] = []
    titles: dict[str, None] = {}
    for number, each in rows:
        sample.append((number, each))
        titles |= dict.fromkeys(each) if isinstance(each, dict) else {}
        check_columns(file, len(titles))
        # Keys may differ from row to row, and each is looked for in all of these.
        if len(sample) == SAMPLE_ROWS or len(sample) * len(titles) >= _MAX_SAMPLED:
            break
    inner = [title for title in titles if title in parts]
    outer = tuple(title for title in titles if title not in parts)
    return SourceTable(file=file, titles=outer, parts=tuple(inner), sample=sample, rest=rows)


def _json_lines(file: Path, _images: ImageNames) -> SourceTable:
    return table_of_entries(file, _lines_of_json(file))


def _lines_of_json(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
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
                    yield line, cast("dict[str, Any]", value) if isinstance(value, dict) else "not a JSON object"


def _json(file: Path, images: ImageNames) -> SourceTable:
    entries = json_rows(read_label_json(file), images.has)

    def placed(entry: Entry, split: str) -> Entry:
        if not split or isinstance(entry, str):
            return entry
        if isinstance(entry, list):
            entry = {f"column {number}": value for number, value in enumerate(entry, 1)}
        return entry | {"split": split}

    numbered = ((number, placed(*entry)) for number, entry in enumerate(entries, 1))
    return table_of_entries(file, numbered)


def _spreadsheet(file: Path, images: ImageNames) -> SourceTable:
    return _table_of_cells(file, _rows_of_spreadsheet(file), images)


def _rows_of_spreadsheet(file: Path) -> CellRows:
    with closing(foreign_rows("spreadsheet", file, Message("Spreadsheet"))) as rows:
        memory = MemoryLimit(file)
        for number, cells in rows:
            memory.add(sum(map(len, cells)))
            yield number, cells


_OPENERS: dict[str, Callable[[Path, ImageNames], SourceTable]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".manifest": _json_lines,
    ".json": _json,
    ".xlsx": _spreadsheet,
    ".xlsm": _spreadsheet,
    ".xls": _spreadsheet,
    ".ods": _spreadsheet,
}
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".lst", *_OPENERS)


# ----------------------------------------------------------------------------------------------------------------------
# Titles for a table without a header, from the meaning of its first row.


def titles_of_first_row(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return titles for a table without a header, where the first row describes an image; empty for a header.

    `TRAIN,a.jpg,cat` has the titles `split, file_name, label`. Rows of numbers without an image have numbers as titles.
    """
    place = _place_of_image(cells, images, following)
    if place is None or any(map(is_whole_file_title, cells)):
        return _numbered(cells) if cells and all(cell.isdecimal() for cell in cells) else []
    known = {place: "file_name"}
    split = next((other for other, cell in enumerate(cells) if other != place and is_split_name(cell)), None)
    if split is not None:
        known[split] = "split"
    others = [other for other in range(len(cells)) if other not in known]
    known |= _label_titles(cells, others, place, following)
    return [known.get(number, title) for number, title in enumerate(_numbered(cells))]


def _place_of_image(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]]) -> int | None:
    """Return the place of the first image in a row: `a.jpg`, or the one name without suffix, in `Abyssinian_1 1 1 1`.

    The latter counts where a cell beside it recurs in the `following` rows, or where it stands first of at most two.
    """
    files = (place for place, cell in enumerate(cells) if is_image_name(cell) and cell.isprintable())
    place = next(files, None)
    if place is not None:
        return place
    named = [place for place, cell in enumerate(cells) if cell and images.has(cell)]
    recurs = any(cell == other for row in following for cell, other in zip(cells, row, strict=False))
    return named[0] if len(named) == 1 and (recurs or (len(cells) <= 2 and named == [0])) else None


def _label_titles(
    cells: Sequence[str], others: Sequence[int], place: int, following: Sequence[Sequence[str]]
) -> dict[int, str]:
    """Return {place: title} of the cells with classes: the only other one, else all words behind the image.

    `a.jpg fabric_denim denim` has a class in each, `a.jpg 12 40` has none.
    """
    if len(others) == 1 and (others[0] > place or not _is_key(cells, others[0], following)):
        return {others[0]: "label"}
    if any(other < place or is_number(cells[other]) for other in others):
        return {}
    return {other: f"label {number}" if number > 1 else "label" for number, other in enumerate(others, 1)}


def _is_key(cells: Sequence[str], place: int, following: Sequence[Sequence[str]]) -> bool:
    """Return whether a cell before the name of an image is its number or key, `1 001.Ovenbird/a.jpg` of CUB.

    A class recurs: `cat a.jpg`.
    """
    values = {row[place] for row in (cells, *following) if len(row) > place}
    return cells[place].isdecimal() or len(values) > max(1, len(following))


def _numbered(cells: Sequence[str]) -> list[str]:
    return [f"column {number}" for number, _ in enumerate(cells, 1)]
