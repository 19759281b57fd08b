"""Reading tables that people and other tools wrote: CSV, JSONL (Hugging Face's `metadata.jsonl`), an array in JSON.

A row that cannot be used is listed with its line and reason; the others are taken. Cells are text and nothing else.
What a column means is decided in `columns.py`, and told in the listing's `Interpretation`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from visionft.errors import ProjectError
from visionft.files import parse_json
from visionft.foreign_text import from_spreadsheet_cell, printable
from visionft.project.formats.annotated import objects
from visionft.project.formats.cells import names_in, separator_in
from visionft.project.formats.columns import Columns, recognise, says_yes, titles_of_first_row
from visionft.project.formats.csv_rows import csv_rows
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    ColumnChoice,
    Interpretation,
    Listing,
    Rejected,
    SourceFile,
    is_split_name,
    split_of,
)
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.recognising import not_utf_8, text_encoding
from visionft.project.formats.whole_files import check_size, read_label_json

_SAMPLE_ROWS = 2000  # enough to see what a column holds
_SHA256 = re.compile("[0-9a-f]{64}")

Row = dict[str, Any] | str  # the cells by title, or why the line holds none


def read_csv(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List a CSV's pictures: a column of file names with one of labels, or with one yes/no column per class.

    Several labels in one cell are a JSON array, or are separated by `|`, `;` or, below a plural title, by commas.
    Without a header, the column of the first picture is the file, and the other one, beside a split, the label.

    Args:
        file: The table.
        is_confined: File names must not lead out of its folder: it came out of an archive.
        beside: Further folders that file names are looked for in, before all others below the file's own.
        choice: What the user says of its columns.

    Raises:
        ProjectError: It is no table, or no column names pictures.
    """
    check_size(file)
    finder = PictureFinder(file.parent, is_confined=is_confined, beside=beside)
    rows = csv_rows(file)
    header = next((cells for _, cells in rows), None)
    if not header:
        raise ProjectError(f"{file} is empty.", "Choose the file that lists the pictures.")
    if isinstance(header, str):
        raise ProjectError(f"{file} is not a CSV file: in its first row, {header}.", "Save it again as CSV, UTF-8.")
    titles = [cell.strip() for cell in header]
    if own := titles_of_first_row(titles, finder.has):
        titles, rows = own, csv_rows(file)
    titles = _told_apart(titles)
    named = ((line, _named(titles, cells)) for line, cells in rows)
    return listing_of_rows(file, titles, named, finder, choice)


def read_jsonl(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a file with one JSON object per line, such as `labels.jsonl`; arguments as `read_csv`."""
    check_size(file)
    finder = PictureFinder(file.parent, is_confined=is_confined, beside=beside)
    rows = _json_rows(file)
    sample = list(islice(rows, _SAMPLE_ROWS))
    titles = list(dict.fromkeys(key for _, row in sample if isinstance(row, dict) for key in row))
    return listing_of_rows(file, titles, chain(sample, rows), finder, choice)


def read_json_table(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a JSON array with one flat object per picture; arguments as `read_csv`.

    Label Studio's “JSON-MIN” is such a file: several choices stand there as `{"choices": [...]}`.
    """
    value = read_label_json(file)
    if not isinstance(value, list):
        raise ProjectError(f"{file} is no JSON array of pictures.", "Save one object per picture in it.")
    entries = cast("list[Any]", value)
    rows = ((number, _flat(entry)) for number, entry in enumerate(entries, 1))
    finder = PictureFinder.of(file, is_confined=is_confined, beside=beside)
    titles = list(dict.fromkeys(key for entry in objects(entries[:_SAMPLE_ROWS]) for key in entry))
    return listing_of_rows(file, titles, rows, finder, choice)


def _flat(entry: Any) -> Row:
    rows = ({key: _without_choices(value) for key, value in each.items()} for each in objects([entry]))
    return next(rows, "not a JSON object")


def _without_choices(value: Any) -> Any:
    return next((each["choices"] for each in objects([value]) if "choices" in each), value)


def lists_pictures(file: Path, beside: Sequence[Path]) -> bool:
    """Say whether a file is a table whose rows name pictures that are there, as far as its first rows tell."""
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
        finder = PictureFinder(file.parent, beside=beside)
        titles = titles or list(dict.fromkeys(key for row in sample for key in row))
        columns = recognise(titles, sample, AUTOMATIC, is_picture=finder.has)
    except ProjectError:
        return False
    return columns is not None and any(finder.has(str(row.get(columns.file, ""))) for row in sample)


def listing_of_rows(
    file: Path, titles: Sequence[str], rows: Iterator[tuple[int, Row]], finder: PictureFinder, choice: ColumnChoice
) -> Listing:
    """Turn rows, or the reason why one is none, into source files.

    Raises:
        ProjectError: No column names pictures, or the user named one that is not there.
    """
    sample = list(islice(rows, _SAMPLE_ROWS))
    good = [row for _, row in sample if isinstance(row, dict)]
    columns = recognise(titles, good, choice, is_picture=finder.has)
    if columns is None and good:
        raise ProjectError(
            f"{file} has no column with file names. Its columns are: {', '.join(titles)}.",
            "Call the column that names the pictures “file_name”.",
        )
    files: list[SourceFile] = []
    rejected: list[Rejected] = []
    for line, row in chain(sample, rows):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            assert columns is not None
            files.append(_source_file(row, columns, finder))
        except ValueError as error:
            rejected.append(Rejected(f"{printable(file)}:{line}", str(error)))
    settled, found_elsewhere = finder.settled(files)
    read = _interpretation(file, columns, good) if columns else None
    return Listing(
        tuple(settled),
        unreadable=tuple(rejected),
        classes=read_classes_file(classes_file(file)),
        interpretations=(replace(read, found_elsewhere=found_elsewhere, is_unlabelled_by_choice=choice.is_unlabelled),)
        if read
        else (),
    )


def _interpretation(file: Path, columns: Columns, sample: Sequence[dict[str, Any]]) -> Interpretation:
    cells = [str(row.get(columns.label) or "") for row in sample] if columns.holds_lists else []
    signs = [sign for cell in cells if (sign := separator_in(cell))]
    return Interpretation(
        file=file,
        columns=tuple(title for title in columns.titles if title not in columns.own.values()),
        file_column=columns.file,
        label_columns=(columns.label,) if columns.label else columns.classes,
        split_column=columns.split,
        separator=signs[0] if signs else "",
    )


def _source_file(row: dict[str, Any], columns: Columns, finder: PictureFinder) -> SourceFile:
    """Return what a row says of one picture.

    Raises:
        ValueError: It names no file, or a value is of the wrong kind.
    """
    name = row.get(columns.file)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError("no file name")
    own = {key: row.get(title) for key, title in columns.own.items()}
    split = row.get(columns.split) if columns.split else None
    if split and (not isinstance(split, str) or not is_split_name(split)):
        raise ValueError(f"“{split}” is not a split")
    review = own.get("review") or None
    if review not in (None, "done", "later"):
        raise ValueError(f"“{review}” is not a review state")
    note, sha256 = own.get("note"), own.get("sha256")
    return SourceFile(
        path=finder.find(name),
        name=name,
        labels=_labels(row, columns),
        split=split_of(split) if split else None,
        tags=names_in(own.get("tags")),
        review=review,
        note=note if isinstance(note, str) and note.strip() else None,
        sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
    )


def _labels(row: dict[str, Any], columns: Columns) -> tuple[str, ...]:
    if columns.label:
        return names_in(row.get(columns.label), is_list=columns.holds_lists)
    return tuple(title for title in columns.classes if says_yes(row.get(title, "")))


def _told_apart(titles: Sequence[str]) -> list[str]:
    """Return titles of which no two are the same, so that no column takes another's place; those without words stay."""
    seen, found = Counter[str](), list[str]()
    for title in titles:
        seen[title] += 1
        found.append(f"{title} ({seen[title]})" if title and seen[title] > 1 else title)
    return found


def _named(titles: Sequence[str], cells: Sequence[str] | str) -> Row:
    """Return a CSV row by title, or why it is none."""
    if isinstance(cells, str):
        return cells
    if len(cells) > len(titles) and any(cell.strip() for cell in cells[len(titles) :]):
        return f"{len(cells)} cells, but the header has {len(titles)}"
    row = dict(zip(titles, cells, strict=False))
    if row.get("escaped") == "yes":
        row = {key: from_spreadsheet_cell(cell) for key, cell in row.items()}
    return dict(row)


def _json_rows(file: Path) -> Iterator[tuple[int, Row]]:
    """Yield the objects with their line numbers, or why a line holds none."""
    try:
        encoding = text_encoding(file)
        with file.open("rb") if encoding == "utf-8-sig" else file.open(encoding=encoding) as handle:
            for line, text in enumerate(handle, 1):
                data = text.encode() if isinstance(text, str) else text
                if data.strip(b" \t\r\n\xef\xbb\xbf"):
                    yield line, _json_object(data)
    except UnicodeError as error:
        raise not_utf_8(file) from error
    except OSError as error:
        raise ProjectError(
            f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def _json_object(data: bytes) -> Row:
    try:
        value: Any = parse_json(data.decode("utf-8-sig"))
    except ValueError as error:
        return f"not JSON: {type(error).__name__}"
    return value if isinstance(value, dict) else "not a JSON object"  # type: ignore[reportUnknownVariableType]
