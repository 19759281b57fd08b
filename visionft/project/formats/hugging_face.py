"""Hugging Face image folders: pictures with a `metadata.jsonl` (written), `.csv` or `.parquet` (read) beside them.

Parquet is read by pyarrow, which the extra `visionft[parquet]` brings along: it is 170 MB, and few need it.
"""

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from visionft.errors import NextStep, ProjectError
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import LabelRecord
from visionft.project.formats.listing import AUTOMATIC, UNASSIGNED_FOLDER, ColumnChoice, Listing
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.readers import listing_of_rows
from visionft.project.formats.whole_files import check_size

_METADATA, _CARD = "metadata.jsonl", "README.md"
_SPLIT_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_MAX_ROWS, _MAX_UNPACKED = 5_000_000, 2 * 2**30


def read_parquet(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a Parquet table whose rows name files; arguments as `readers.read_csv`.

    Raises:
        ProjectError: pyarrow is missing, the file is none or too large, or its columns are nested.
    """
    check_size(file)
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ProjectError(
            f"{file} is Parquet, which needs the package pyarrow.",
            "Install it, or save the table as CSV or JSON Lines.",
            NextStep("install", requirement="visionft[parquet]"),
        ) from error
    try:
        with parquet.ParquetFile(file) as table:
            titles = _flat_columns(file, table, arrow.types)
            rows = list(_rows(table, titles))
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise ProjectError(f"{file} cannot be read as Parquet: {reason}.", "Save it again.") from error
    finder = PictureFinder(file.parent, is_confined=is_confined, beside=beside)
    return listing_of_rows(file, titles, iter(rows), finder, choice)


def _flat_columns(file: Path, table: Any, types: Any) -> list[str]:
    """Return the columns that hold a value, or a list of values, in each row.

    Raises:
        ProjectError: The table is too large, or what it holds is nested, such as the pictures themselves.
    """
    meta = table.metadata
    unpacked = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
    if meta.num_rows > _MAX_ROWS or unpacked > _MAX_UNPACKED:
        raise ProjectError(
            f"{file} holds {meta.num_rows:,} rows and would unpack to {unpacked >> 20:,} MB.", "Divide it."
        )

    def is_flat(kind: Any) -> bool:
        inner = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
        return not types.is_nested(inner) and not types.is_binary(inner) and not types.is_large_binary(inner)

    fields = list(table.schema_arrow)
    flat = [field.name for field in fields if is_flat(field.type)]
    nested = [field.name for field in fields if field.name not in flat]
    if nested and not any("name" in title.casefold() or "path" in title.casefold() for title in flat):
        raise ProjectError(
            f"{file} has nested columns ({', '.join(nested)}), and no column that names picture files.",
            "Save its pictures as files, with a table whose column “file_name” names them.",
        )
    return flat


def _rows(table: Any, titles: list[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the rows by title, with their numbers; a number of a `ClassLabel` becomes the name of the class."""
    names = _class_names(table.schema_arrow.metadata or {})
    number = 0
    for batch in table.iter_batches(batch_size=10_000, columns=titles):
        for row in batch.to_pylist():
            number += 1
            yield number, {title: _cell(value, names.get(title, [])) for title, value in row.items()}


def _cell(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_cell(each, names) for each in value]  # type: ignore[reportUnknownVariableType]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return value


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of the classes of each column that the `datasets` library wrote as a `ClassLabel`."""
    try:
        features: dict[str, Any] = json.loads(metadata[b"huggingface"])["info"]["features"]
        kinds = {title: dict[str, Any](each.get("feature", each)) for title, each in features.items()}
        return {title: list(map(str, kind["names"])) for title, kind in kinds.items() if "names" in kind}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def write_image_folder(labels: LabelSet, copier: Copier) -> None:
    """Write pictures with a `metadata.jsonl`, in a folder for each split where there are splits."""

    def place(record: LabelRecord) -> str:
        return (_SPLIT_FOLDERS[record.split] if record.split else UNASSIGNED_FOLDER) if labels.has_splits else ""

    rows: dict[Path, list[str]] = {}
    for record, name in copier.copies(labels, place):
        found = list(record.labels)
        label = {"labels": found} if labels.task == "multi" else {"label": found[0] if found else None}
        row = {"file_name": Path(name).name} | label
        rows.setdefault((copier.folder / name).parent, []).append(json.dumps(row, ensure_ascii=False))
    for folder, lines in rows.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / _METADATA).write_text(text, encoding="utf-8", newline="\n")
    if labels.has_splits and not copier.stopped:
        names = [folder.name for folder in rows]
        (copier.folder / _CARD).write_text(_card(names), encoding="utf-8", newline="\n")


def _card(splits: Sequence[str]) -> str:
    """Return the page by which `load_dataset` of the folder finds every split: without, it passes over `unassigned`."""
    files = [line for name in splits for line in (f"  - split: {name}", f"    path: {name}/**")]
    return "\n".join(["---", "configs:", "- config_name: default", "  data_files:", *files, "---", ""])
