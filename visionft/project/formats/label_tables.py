"""Find the label tables among the files of a source: a column has image names, or keys contained in image names."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from visionft.core.errors import ProjectError
from visionft.project.formats.columns import recognise_columns
from visionft.project.formats.image_table import AUTOMATIC_CHOICE, ImageTable, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.nested import Entry
from visionft.project.formats.readers import image_table_of
from visionft.project.formats.registry import format_of
from visionft.project.formats.tables import TABLE_SUFFIXES, SourceTable, open_table, table_of, table_of_entries
from visionft.project.formats.whole_files import MemoryLimit, read_label_json

_MAX_OPENED_FILES = 500
_MAX_TABLES_PER_FOLDER = 50  # more files of one suffix are per-image files, such as YOLO's boxes
_MIN_DOCUMENTS = 3  # JSON files named like images (V7: `a.json` for `a.jpg`); fewer may match by chance
_DOCUMENT_ENDING = re.compile(r"(?i)(___\w+)?\.json$")  # `a.jpg___objects.json` of SuperAnnotate
_MIN_KEY_SHARE = 0.9  # share of the images with a key of the table in their name: `B03` in `B03_s1.tif`
_FILE_TITLE = "file_name"
_KEY_ROWS = 500  # rows to test a column for keys
TABLES = ("csv", "jsonl", "json", "spreadsheet")  # formats that `tables.py` opens
_ROW_BYTES = 200  # memory of a joined row without its cells


@dataclass(frozen=True, slots=True)
class _Opened:
    """The first rows of a table, its finder, and whether a column names existing images."""

    table: SourceTable
    finder: ImageFinder
    names_images: bool


def label_tables(files: Sequence[Path], options: ReadOptions) -> list[ImageTable]:
    """Return the image table of each file that is a table and names images."""
    tables, documents = _documents(files, options)
    opened = _open_tables(files, options, without=documents)
    for candidate in opened:
        if candidate.names_images:
            with suppress(ProjectError):
                tables.append(image_table_of(_whole(candidate), candidate.finder, options.choice))
    if not tables:
        tables += [table for candidate in opened if (table := _keyed(candidate, options)) is not None]
    return tables


def _open_tables(files: Sequence[Path], options: ReadOptions, *, without: Set[Path]) -> list[_Opened]:
    """Return the tables among the files, without folders of many files with one suffix: these are per-image files."""
    file_counts = Counter((file.parent, file.suffix) for file in files)
    candidates = [
        file
        for file in files
        if file_counts[file.parent, file.suffix] <= _MAX_TABLES_PER_FOLDER and file not in without
    ]
    return [table for file in candidates[:_MAX_OPENED_FILES] if (table := _opened(file, options)) is not None]


def _documents(files: Sequence[Path], options: ReadOptions) -> tuple[list[ImageTable], set[Path]]:
    """Return one image table of all JSON files named like an image, and these files; both empty without labels.

    V7, Dataloop and SuperAnnotate write such files.
    """
    json_files = [file for file in files if file.suffix.casefold() == ".json"]
    if options.index is None or len(json_files) < _MIN_DOCUMENTS:
        return [], set()
    index = options.index
    images = {file: name for file in json_files if index.named(name := _DOCUMENT_ENDING.sub("", file.name))}
    format_ = format_of(next(iter(images))) if len(images) >= _MIN_DOCUMENTS else None
    if format_ is None or format_.name not in TABLES:
        return [], set()
    folder = Path(os.path.commonpath([file.parent for file in images]))

    def entries() -> Iterator[tuple[int, Entry]]:
        for number, (file, name) in enumerate(images.items(), 1):
            try:
                document: Any = read_label_json(file)
            except ProjectError as error:
                yield number, error.message
                continue
            fields = cast("dict[str, Any]", document) if isinstance(document, dict) else None
            yield number, {_FILE_TITLE: name} | fields if fields else "not a JSON object"

    try:
        image_table = image_table_of(
            table_of_entries(folder, entries()), ImageFinder.of(folder, options), options.choice
        )
    except ProjectError:
        return [], set()
    interpretation = image_table.interpretations[0]
    if not (interpretation.label_columns or interpretation.marked):
        return [], set()
    return [replace(image_table, label_files=tuple(images))], set(images)


def _keyed(opened: _Opened, options: ReadOptions) -> ImageTable | None:
    """Return the image table of a table with a key column: its cells are parts of image names or folders, or None.

    Examples: a plate map with wells, a list of patients.
    """
    table, index = opened.table, options.index
    if index is None:
        return None
    for title in table.titles:
        keys = {_text(row.get(title)) for row in table.good}
        is_key = len(keys) == len(table.good) > 1 and all(len(key) > 1 and not key.isdecimal() for key in keys)
        if is_key and index.by_part(keys):
            rows = _rows_by_key(_whole(opened), title)
            keys_by_image = index.by_part(rows.keys())
            if (
                len(keys_by_image) >= max(1, _MIN_KEY_SHARE * index.count)
                and len(set(keys_by_image.values())) > len(rows) / 2
            ):
                with suppress(ProjectError):
                    joined_table = _table_of_images(table, title, rows, keys_by_image)
                    return image_table_of(joined_table, opened.finder, options.choice)
    return None


def _rows_by_key(table: SourceTable, key: str) -> dict[str, dict[str, Any]]:
    """Return {cell of the key column: row}; empty if a key recurs."""
    memory = MemoryLimit(table.file)
    rows = dict[str, dict[str, Any]]()
    for _, row in table.rows:
        if isinstance(row, dict):
            memory.add(_ROW_BYTES + sum(len(str(cell)) for cell in row.values()))
            if rows.setdefault(_text(row.get(key)), row) is not row:
                return {}
    return rows


def _table_of_images(
    table: SourceTable, key: str, rows: Mapping[str, dict[str, Any]], keys_by_image: Mapping[Path, str]
) -> SourceTable:
    """Return a table with a row for each image found by a key; the image name replaces the key."""
    titles = [_FILE_TITLE, *(title for title in table.titles if title != key)]
    names = {path: Path(os.path.relpath(path, table.file.parent)).as_posix() for path in keys_by_image}
    entries = ({**rows[key_cell], _FILE_TITLE: names[path]} for path, key_cell in keys_by_image.items())
    return table_of(table.file, titles, iter(enumerate(entries, 2)))


def _opened(file: Path, options: ReadOptions) -> _Opened | None:
    if file.suffix.casefold() not in TABLE_SUFFIXES:
        return None
    format_ = format_of(file)
    if format_ is not None and format_.name not in TABLES:
        return None
    finder = ImageFinder.of(file, options)
    try:
        table = open_table(file, finder)
        columns = recognise_columns(table.titles, table.good, AUTOMATIC_CHOICE, images=finder)
    except ProjectError:
        return None
    cells = [str(row.get(columns.file) or "") for row in table.good[:200]] if columns is not None else []
    names_images = any(map(finder.has, cells)) or any(map(finder.has_number, cells))
    head = replace(table, sample=table.sample[:_KEY_ROWS], rest=iter(()))
    return _Opened(head, finder, names_images)


def _whole(opened: _Opened) -> SourceTable:
    return open_table(opened.table.file, opened.finder)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
