"""Read tables as rows {title: cell} from delimited text, JSON, JSON Lines and spreadsheets.

A table is read once: a sample first, the rest lazily. A malformed row is replaced by its reason. `columns.py`
recognises the columns.
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
_MAX_SAMPLE_CELLS = 1_000_000
_MAX_COLUMNS = 50_000  # enough for one-hot columns of ImageNet-21k's 21,841 classes
_SPLIT_LIST_NAME = re.compile(r"(?i)partition|split")  # `list_eval_partition.txt` of CelebA

Row = dict[str, Any] | str  # {title: cell}, or the reason for a malformed row
CellRows = Generator[tuple[int, list[str] | str]]  # (line, cells or the reason for a malformed row)
CellsByLine = Iterator[tuple[int, list[str] | str]]
Rows = Iterator[tuple[int, Row]]  # (line or number, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table: titles, sample rows, and the remaining rows, which can be read once."""

    file: Path
    titles: tuple[str, ...]
    parts: tuple[str, ...] = ()  # titles of values of image parts
    sample: Sequence[tuple[int, Row]]
    rest: Rows
    source: CellRows | None = None  # reads the open file

    @property
    def rows(self) -> Rows:
        return chain(self.sample, self.rest)

    def close(self) -> None:
        """Close the file, if open."""
        if self.source is not None:
            self.source.close()

    @property
    def good(self) -> list[dict[str, Any]]:
        """The well-formed rows of the sample."""
        return [row for _, row in self.sample if isinstance(row, dict)]


def open_table(file: Path, images: ImageNames) -> SourceTable:
    """Return the table in a file; a `ProjectError` if it has no table."""
    check_size(file)
    return _OPENERS.get(file.suffix.casefold(), _delimited)(file, images)


def table_of(file: Path, titles: Sequence[str], rows: Rows, parts: Sequence[str] = ()) -> SourceTable:
    """Return a table of rows; a `ProjectError` for too many columns."""
    check_columns(file, len(titles))
    sample = list(islice(rows, min(SAMPLE_ROWS, _MAX_SAMPLE_CELLS // max(1, len(titles)))))
    return SourceTable(file=file, titles=tuple(titles), parts=tuple(parts), sample=sample, rest=rows)


def check_columns(file: Path, count: int) -> None:
    """Raise a `ProjectError` for too many columns, because each column is analysed."""
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
    """Return a table from rows of cells; the first row is the header unless it describes an image."""
    rows = _without_sheet_title(source, images)
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
    if generated := _titles_of_images(titles, following, images, file):
        titles = generated
        rows = chain([(1, header)], rows)
    titles = _distinct(titles)
    table = table_of(file, titles, ((line, _named(titles, cells)) for line, cells in rows))
    return replace(_with_objects(table), source=source)


def _sample_of_cells(rows: CellsByLine) -> list[tuple[int, list[str] | str]]:
    """Return the first rows, limited by the number of rows and cells."""
    sample: list[tuple[int, list[str] | str]] = []
    count = 0
    for line, cells in rows:
        sample.append((line, cells))
        count += 1 if isinstance(cells, str) else len(cells)
        if len(sample) == SAMPLE_ROWS or count >= _MAX_SAMPLE_CELLS:
            break
    return sample


def _titles_of_images(first: list[str], following: Sequence[list[str]], images: ImageNames, file: Path) -> list[str]:
    """Return titles for a table whose first row describes an image, for the widest row; empty if it is a header.

    The codes in a list of splits are no labels: `000001.jpg 0` of CelebA.
    """
    titles = titles_of_first_row(first, images, following)
    widest = [cell.strip() for cell in max((first, *following), key=len)]
    if titles and len(titles) < len(widest):
        titles = titles_of_first_row(widest, images, following) or titles
    return [file.stem if title == "label" and _SPLIT_LIST_NAME.search(file.stem) else title for title in titles]


def _distinct(titles: Sequence[str]) -> list[str]:
    """Return distinct titles, such as `label, label (2)`, so that no column replaces another; empty titles stay."""
    seen = Counter[str]()
    distinct: list[str] = []
    for title in titles:
        seen[title] += 1
        distinct.append(f"{title} ({seen[title]})" if title and seen[title] > 1 else title)
    return distinct


def _without_sheet_title(rows: CellsByLine, images: ImageNames) -> CellsByLine:
    """Return the rows without the sheet title: first rows with one cell, without images, above several columns."""
    first = list(islice(rows, MAX_TITLE_ROWS + 1))
    filled: list[list[str]] = [
        [] if isinstance(cells, str) else [cell for cell in cells if cell.strip()] for _, cells in first
    ]
    start = next((index for index, cells in enumerate(filled) if len(cells) > 1), 0)
    names_image = any(images.has(cell) for cells in filled[:start] for cell in cells)
    return chain(first if names_image else first[start:], rows)


def _named(titles: Sequence[str], cells: Sequence[str] | str) -> Row:
    """Return {title: cell} of a row, or the reason for a malformed row."""
    if isinstance(cells, str):
        return cells
    if len(cells) > len(titles) and any(cell.strip() for cell in cells[len(titles) :]):
        return Message("{cells} cells, but the header has {titles}", cells=len(cells), titles=len(titles))
    row = dict(zip(titles, cells, strict=False))
    if row.get("escaped") == "yes":
        row = {key: from_spreadsheet_cell(cell) for key, cell in row.items()}
    return dict(row)


def _with_objects(table: SourceTable) -> SourceTable:
    """Return a table whose JSON columns (of VGG Image Annotator, Zooniverse) are flattened into their values."""
    first = table.good[:20]
    json_titles = [
        title for title in table.titles if first and all(_object(row.get(title)) is not None for row in first)
    ]
    if not json_titles:
        return table

    def parsed(row: Row) -> Row:
        return row if isinstance(row, str) else row | {title: _object(row.get(title)) for title in json_titles}

    return table_of_entries(table.file, ((line, parsed(row)) for line, row in table.rows))


def _object(cell: Any) -> dict[str, Any] | list[Any] | None:
    """Return the JSON object, or array of objects, in a cell; None for other cells."""
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
        flattened, part_titles = flat(entry)
        parts.update(part_titles)
        return flattened

    rows = ((number, row(entry)) for number, entry in entries)
    sample: list[tuple[int, Row]] = []
    titles: dict[str, None] = {}
    for number, entry_row in rows:
        sample.append((number, entry_row))
        titles |= dict.fromkeys(entry_row) if isinstance(entry_row, dict) else {}
        check_columns(file, len(titles))
        # Keys may differ between rows, and each key is looked up in all sample rows.
        if len(sample) == SAMPLE_ROWS or len(sample) * len(titles) >= _MAX_SAMPLE_CELLS:
            break
    inner_titles = [title for title in titles if title in parts]
    outer_titles = tuple(title for title in titles if title not in parts)
    return SourceTable(file=file, titles=outer_titles, parts=tuple(inner_titles), sample=sample, rest=rows)


def _json_lines(file: Path, _images: ImageNames) -> SourceTable:
    return table_of_entries(file, _lines_of_json(file))


def _lines_of_json(file: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield (line number, object or the reason for a malformed line)."""
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

    def with_split(entry: Entry, split: str) -> Entry:
        if not split or isinstance(entry, str):
            return entry
        if isinstance(entry, list):
            entry = {f"column {number}": value for number, value in enumerate(entry, 1)}
        return entry | {"split": split}

    numbered = ((number, with_split(*entry)) for number, entry in enumerate(entries, 1))
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
    """Return titles for a table whose first row describes an image; empty if it is a header.

    `TRAIN,a.jpg,cat` gives `split, file_name, label`; whole numbers without an image give `column 1, column 2, ...`.
    """
    image_index = _index_of_image(cells, images, following)
    if image_index is None or any(map(is_whole_file_title, cells)):
        return _numbered(cells) if cells and all(cell.isdecimal() for cell in cells) else []
    titles_by_index = {image_index: "file_name"}
    split = next((index for index, cell in enumerate(cells) if index != image_index and is_split_name(cell)), None)
    if split is not None:
        titles_by_index[split] = "split"
    other_indices = [index for index in range(len(cells)) if index not in titles_by_index]
    titles_by_index |= _label_titles(cells, other_indices, image_index, following)
    return [titles_by_index.get(number, title) for number, title in enumerate(_numbered(cells))]


def _index_of_image(cells: Sequence[str], images: ImageNames, following: Sequence[Sequence[str]]) -> int | None:
    """Return the index of the first image name in a row, or None: `a.jpg`, or a single name without suffix.

    A name without suffix (`Abyssinian_1 1 1 1`) needs a cell that recurs in the `following` rows, or must be the first
    of at most two cells.
    """
    files = (index for index, cell in enumerate(cells) if is_image_name(cell) and cell.isprintable())
    index = next(files, None)
    if index is not None:
        return index
    named = [index for index, cell in enumerate(cells) if cell and images.has(cell)]
    recurs = any(cell == other for row in following for cell, other in zip(cells, row, strict=False))
    return named[0] if len(named) == 1 and (recurs or (len(cells) <= 2 and named == [0])) else None


def _label_titles(
    cells: Sequence[str], other_indices: Sequence[int], image_index: int, following: Sequence[Sequence[str]]
) -> dict[int, str]:
    """Return {index: title} of the cells with classes: the only other cell, or all words after the image name.

    `a.jpg fabric_denim denim` has two classes, `a.jpg 12 40` has no class.
    """
    if len(other_indices) == 1 and (other_indices[0] > image_index or not _is_key(cells, other_indices[0], following)):
        return {other_indices[0]: "label"}
    if any(index < image_index or is_number(cells[index]) for index in other_indices):
        return {}
    return {index: f"label {number}" if number > 1 else "label" for number, index in enumerate(other_indices, 1)}


def _is_key(cells: Sequence[str], index: int, following: Sequence[Sequence[str]]) -> bool:
    """Return whether a cell before an image name is a number or key, no class: `1 001.Ovenbird/a.jpg` of CUB."""
    values = {row[index] for row in (cells, *following) if len(row) > index}
    return cells[index].isdecimal() or len(values) > max(1, len(following))


def _numbered(cells: Sequence[str]) -> list[str]:
    return [f"column {number}" for number, _ in enumerate(cells, 1)]
