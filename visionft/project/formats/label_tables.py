"""Label tables among the files of a source: they name images, or hold a key that the names of images contain."""

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

_MOST_FILES = 500  # opened files
_MOST_ALIKE = 50  # tables in a folder; more are files of one image each, as the boxes of YOLO
_LEAST_DOCUMENTS = 3  # JSON files called like images, `a.json` of V7 for `a.jpg`; fewer may be so by chance
_SIGNS_AFTER_NAME = re.compile(r"(?i)(___\w+)?\.json$")  # `a.jpg___objects.json` of SuperAnnotate
_MIN_KEY_SHARE = 0.9  # share of the images whose names hold one key of a table: `B03` for `B03_s1.tif`
_OF_FILE = "file_name"
_HEAD = 500  # rows by which keys are compared
TABLES = ("csv", "jsonl", "json", "spreadsheet")  # formats that `tables.py` opens
_OF_ROW = 200  # bytes of memory of a joined row, beside its cells


@dataclass(frozen=True, slots=True)
class _Opened:
    """The first rows of a table, and its finder; `names_images` where a column leads to images."""

    table: SourceTable
    finder: ImageFinder
    names_images: bool


def label_tables(files: Sequence[Path], options: ReadOptions) -> list[ImageTable]:
    """Return the image table of each table of images among the files.

    Files that are no tables, or name no image, are left out.
    """
    found, documents = _documents(files, options)
    opened = _open_few(files, options, without=documents)
    for each in opened:
        if each.names_images:
            with suppress(ProjectError):
                found.append(image_table_of(_whole(each), each.finder, options.choice))
    if not found:
        found += [table for each in opened if (table := _keyed(each, options)) is not None]
    return found


def _open_few(files: Sequence[Path], options: ReadOptions, *, without: Set[Path]) -> list[_Opened]:
    """Return the tables among the files, but for folders with many of a suffix: rather files of one image each."""
    alike = Counter((file.parent, file.suffix) for file in files)
    few = [file for file in files if alike[file.parent, file.suffix] <= _MOST_ALIKE and file not in without]
    return [each for file in few[:_MOST_FILES] if (each := _opened(file, options)) is not None]


def _documents(files: Sequence[Path], options: ReadOptions) -> tuple[list[ImageTable], set[Path]]:
    """Return the image_table of JSON files that are each called like an image, as one table, and these files.

    V7, Dataloop and SuperAnnotate write such files. Those without labels are left out.
    """
    found = [file for file in files if file.suffix.casefold() == ".json"]
    if options.index is None or len(found) < _LEAST_DOCUMENTS:
        return [], set()
    index = options.index
    images = {file: name for file in found if index.named(name := _SIGNS_AFTER_NAME.sub("", file.name))}
    of_tool = format_of(next(iter(images))) if len(images) >= _LEAST_DOCUMENTS else None
    if of_tool is None or of_tool.name not in TABLES:
        return [], set()
    folder = Path(os.path.commonpath([file.parent for file in images]))

    def entries() -> Iterator[tuple[int, Entry]]:
        for number, (file, name) in enumerate(images.items(), 1):
            try:
                document: Any = read_label_json(file)
            except ProjectError as error:
                yield number, error.message
                continue
            own = cast("dict[str, Any]", document) if isinstance(document, dict) else None
            yield number, {_OF_FILE: name} | own if own else "not a JSON object"

    try:
        image_table = image_table_of(
            table_of_entries(folder, entries()), ImageFinder.of(folder, options), options.choice
        )
    except ProjectError:
        return [], set()
    first = image_table.interpretations[0]
    if not (first.label_columns or first.marked):
        return [], set()
    return [replace(image_table, label_files=tuple(images))], set(images)


def _keyed(opened: _Opened, options: ReadOptions) -> ImageTable | None:
    """Return the image_table of a table whose keys are parts of the names of the images, or their folders.

    Such are the map of a plate, with wells, and the list of patients.
    """
    table, index = opened.table, options.index
    if index is None:
        return None
    for title in table.titles:
        keys = {_text(row.get(title)) for row in table.good}
        is_key = len(keys) == len(table.good) > 1 and all(len(key) > 1 and not key.isdecimal() for key in keys)
        if is_key and index.by_part(keys):
            rows = _rows_by_key(_whole(opened), title)
            found = index.by_part(rows.keys())
            if len(found) >= max(1, _MIN_KEY_SHARE * index.count) and len(set(found.values())) > len(rows) / 2:
                with suppress(ProjectError):
                    keyed = _table_of_images(table, title, rows, found)
                    return image_table_of(keyed, opened.finder, options.choice)
    return None


def _rows_by_key(table: SourceTable, key: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a table by their cell in a column; empty where such a cell recurs."""
    memory = MemoryLimit(table.file)
    rows = dict[str, dict[str, Any]]()
    for _, row in table.rows:
        if isinstance(row, dict):
            memory.add(_OF_ROW + sum(len(str(cell)) for cell in row.values()))
            if rows.setdefault(_text(row.get(key)), row) is not row:
                return {}
    return rows


def _table_of_images(
    table: SourceTable, key: str, rows: Mapping[str, dict[str, Any]], found: Mapping[Path, str]
) -> SourceTable:
    """Return a table with a row for each image found by a key, and the names of the images instead of the keys."""
    titles = [_OF_FILE, *(title for title in table.titles if title != key)]
    names = {path: Path(os.path.relpath(path, table.file.parent)).as_posix() for path in found}
    entries = ({**rows[each], _OF_FILE: names[path]} for path, each in found.items())
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
    head = replace(table, sample=table.sample[:_HEAD], rest=iter(()))
    return _Opened(head, finder, names_images)


def _whole(opened: _Opened) -> SourceTable:
    return open_table(opened.table.file, opened.finder)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
