"""Hugging Face image folders, with a `metadata.jsonl` (written), `.csv` or `.parquet` (read); images in Parquet.

Parquet is read by pyarrow, installed by the extra `visionft[parquet]`: it is 170 MB, and few users need it.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, cast

from models.messages import Message
from visionft.amounts import size_text
from visionft.errors import NextStep, ProjectError
from visionft.files import open_regular, parse_json, parse_yaml
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import LabelRecord
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.parquet_pages import Chunk, chunks_of
from visionft.project.formats.readers import listing_of_rows
from visionft.project.formats.split_names import UNASSIGNED_FOLDER
from visionft.project.formats.tables import check_columns
from visionft.project.formats.whole_files import MemoryLimit, check_size, objects

_SPLIT_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_MAX_ROWS = 5_000_000  # at 400 bytes of memory an image, and more, the 2 GB of any label file
_MAX_IN_LISTS = 5_000_000  # values in all lists, such as several labels of an image
_MAX_CELLS = 20_000_000  # as of a spreadsheet; a column of one value takes a few bytes for any number of rows
_MAX_CHUNKS = 100_000  # columns times row groups: 18 s for groups of one row; one-hot columns of 21,841 classes fit
_MAX_UNPACKED = 500 * 2**20  # bytes of the values of a table, as of a spreadsheet
_MAX_OF_IMAGES = 2 * 2**30  # bytes of the images in a row group
_RATIO = 20  # times their packed size, above which values are none of images or texts
_RATIO_MATTERS_ABOVE = 100 * 2**20  # bytes: drawings, and texts that recur, shrink well, and are small
_MAX_TEXT = 300  # characters of a class
_MAX_CARD = 1 << 20  # bytes of a card (README.md), whose head gives the names of the classes
_BATCH_BYTES = 2**28  # about, of the rows that are read together
# Text encodings supported by Arrow's dictionary reader.
_OF_DICTIONARIES = frozenset({"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"})


def read_parquet(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a Parquet table of file names; a `ProjectError` without pyarrow, or for an unfit table."""
    check_size(file)
    with _opened(file) as (table, types):
        chunks = _chunks(file, table)
        titles = _flat_columns(file, table, types, chunks)
        # Dictionaries create a text shared by a million rows once; other encodings, such as shared prefixes (delta),
        # have none, and each text may be as long as all stored data.
        others = {chunk.path for chunk in chunks if not chunk.encodings <= _OF_DICTIONARIES}
        of_texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"]
        texts = list(dict.fromkeys(each.path for each in of_texts if each.path not in others))
        stored = [each.unpacked for each in of_texts if each.path in others]
        rows_at_once = max(1, min(10_000, 1_000_000 // max(1, len(titles)), _BATCH_BYTES // max([1, *stored])))
    rows = _rows(file, titles, texts, rows_at_once)
    return listing_of_rows(file, titles, rows, ImageFinder(file.parent, options, file=file), options.choice)


@contextmanager
def _opened(file: Path, texts: Sequence[str] = ()) -> Generator[tuple[Any, Any]]:
    """Yield a table, its columns `texts` read as dictionaries, and pyarrow's module of type tests."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        message = Message("{file} is Parquet, which needs the package pyarrow.", file=file)
        step = NextStep("install", requirement="visionft[parquet]")
        raise ProjectError(message, "Install it, or save the table as CSV or JSON Lines.", step) from error
    try:
        with parquet.ParquetFile(file, read_dictionary=texts, buffer_size=1 << 20, pre_buffer=False) as table:
            meta = table.metadata
            check_columns(file, meta.num_columns)
            if meta.num_columns * meta.num_row_groups > _MAX_CHUNKS:
                message = Message("{file} has too many row groups ({count}).", file=file, count=meta.num_row_groups)
                raise ProjectError(message, "Save it again in larger row groups.")
            yield table, arrow.types
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        message = Message("{file} cannot be read as Parquet: {reason}.", file=file, reason=reason)
        raise ProjectError(message, "Save it again.") from error


def _flat_columns(file: Path, table: Any, types: Any, chunks: Sequence[Chunk]) -> list[str]:
    """Return the columns with a value, or a list of values, in each row."""
    meta = table.metadata
    unpacked = sum(chunk.unpacked for chunk in chunks)
    in_lists = sum(chunk.values for chunk in chunks if "." in chunk.path)
    # The count of the whole file is not the one that pyarrow reads.
    rows = max(meta.num_rows, sum(meta.row_group(number).num_rows for number in range(meta.num_row_groups)))
    cells = rows * meta.num_columns
    is_long = rows > _MAX_ROWS or cells > _MAX_CELLS
    most = min(_MAX_UNPACKED, max(_RATIO_MATTERS_ABOVE, _RATIO * file.stat().st_size))
    if is_long or in_lists > _MAX_IN_LISTS or unpacked > most:
        message = Message(
            "{file} holds {rows} rows, {cells} cells, {values} values in lists, and {size} of values; "
            "at most {rows_limit}, {cells_limit}, {values_limit} and {size_limit} are read.",
            file=file,
            rows_limit=f"{_MAX_ROWS:,}",
            cells_limit=f"{_MAX_CELLS:,}",
            cells=f"{cells:,}",
            values_limit=f"{_MAX_IN_LISTS:,}",
            size_limit=size_text(most),
            rows=f"{rows:,}",
            values=f"{in_lists:,}",
            size=size_text(unpacked),
        )
        raise ProjectError(message, "Divide it.")

    fields = list(table.schema_arrow)
    flat = [field.name for field in fields if _is_flat(field.type, types)]
    nested = [field.name for field in fields if not _is_flat(field.type, types)]
    if nested and not any("name" in title.casefold() or "path" in title.casefold() for title in flat):
        message = Message(
            "{file} has nested columns ({columns}), and no column that names image files.",
            file=file,
            columns=", ".join(nested),
        )
        raise ProjectError(message, "Save its images as files, with a table whose column “file_name” names them.")
    return flat


def has_images(file: Path) -> bool:
    """Return whether a Parquet file holds the bytes of images; True where that cannot be told without pyarrow."""
    try:
        with _opened(file) as (table, types):
            return bool(_image_column(table, types))
    except ProjectError as error:
        return error.next_step is not None


def images_within(file: Path) -> Iterator[tuple[bytes | None, str, dict[str, Any]]]:
    """Yield the bytes of each image in a Parquet file, its file name where known, and the other values of its row."""
    with _opened(file) as (table, types):
        column = _image_column(table, types)
        flat = [field.name for field in table.schema_arrow if _is_flat(field.type, types) and field.name != column]
        names = _class_names_beside(file) | _class_names(table.schema_arrow.metadata or {})
        rows_at_once = _images_at_once(file, column, table)
        for batch in table.iter_batches(batch_size=rows_at_once, columns=[column, *flat]):
            cells = {title: _values(batch.column(title), names.get(title, [])) for title in flat}
            images: list[Any] = batch.column(column).to_pylist()
            for place, image in enumerate(images):
                values = {title: values[place] for title, values in cells.items()}
                row = {title: value for title, value in values.items() if len(str(value)) <= _MAX_TEXT}
                if image is not None:
                    yield *_content_and_name(image), row


def _images_at_once(file: Path, column: str, table: Any) -> int:
    """Return the number of rows to be read together; a `ProjectError` for no images, or for a too large row group."""
    chunks = _chunks(file, table)
    stored = [chunk.unpacked for chunk in chunks]
    most = [min(_MAX_OF_IMAGES, max(_RATIO_MATTERS_ABOVE, _RATIO * chunk.packed)) for chunk in chunks]
    if not column or any(size > limit for size, limit in zip(stored, most, strict=True)):
        message = Message(
            "{file} holds no images, or more than {limit} of them in one row group.",
            file=file,
            limit=size_text(_MAX_OF_IMAGES),
        )
        raise ProjectError(message, "Save it again in smaller row groups.")
    return max(1, min(64, _BATCH_BYTES // max([1, *stored])))  # a value may recur in each


def _content_and_name(image: bytes | dict[str, Any]) -> tuple[bytes | None, str]:
    """Return the bytes and the file name of a cell: bytes alone, or `{"bytes": ..., "path": "train/a.png"}`."""
    if isinstance(image, bytes):
        return image, ""
    return image["bytes"], PurePosixPath(image.get("path") or "").name


def _image_column(table: Any, types: Any) -> str:
    """Return the column with the bytes of images: a structure with `bytes`, or binary; empty for none."""

    def is_binary(kind: Any) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind)

    fields = list(table.schema_arrow)
    structures = [each for each in fields if types.is_struct(each.type)]
    found = [
        each.name for each in structures if any(part.name == "bytes" and is_binary(part.type) for part in each.type)
    ]
    found += [each.name for each in fields if is_binary(each.type)]
    return next((name for name in found if name.casefold() in ("image", "img")), found[0] if found else "")


def _is_flat(kind: Any, types: Any) -> bool:
    """Return whether a column has a value, or a list of values, in each row."""
    inner = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
    is_bytes = types.is_binary(inner) or types.is_large_binary(inner) or types.is_fixed_size_binary(inner)
    return not types.is_nested(inner) and not is_bytes


def _class_names_beside(file: Path) -> dict[str, list[str]]:
    """Return the class names of each column in the `dataset_info.json` or `README.md` of a data set."""
    for folder in (file.parent, file.parent.parent):
        for name in ("dataset_info.json", "README.md"):
            try:
                with open_regular(folder / name) as handle:
                    text = handle.read(_MAX_CARD).decode("utf-8", "replace")
                if name == "README.md":
                    found = _names_of_features(parse_yaml(text.split("---")[1])["dataset_info"]["features"])
                else:
                    found = _names_of_features(parse_json(text, most=_MAX_CARD)["features"])
            except Exception:  # a card in any other form; the classes keep their numbers
                continue
            if found:
                return found
    return {}


def _names_of_features(features: Any) -> dict[str, list[str]]:
    """Return the class names of each column, as `datasets` writes its features: by title, or as a list in a card."""
    by_title = cast("dict[str, Any]", features)
    if isinstance(features, list):
        by_title = {each["name"]: each["dtype"] for each in objects(cast("list[Any]", features))}
    found: dict[str, list[str]] = {}
    for title, kind in by_title.items():
        kind = cast("dict[str, Any]", kind if isinstance(kind, dict) else {})
        names: Any = (kind.get("feature") or kind.get("class_label") or kind).get("names") or ()
        listed: list[Any] = [names[key] for key in sorted(names, key=int)] if hasattr(names, "keys") else list(names)
        if listed and all(isinstance(name, (str, int)) for name in listed):
            found[title] = list(map(str, listed))
    return found


def _chunks(file: Path, table: Any) -> list[Chunk]:
    with open_regular(file) as handle:
        return chunks_of(table, handle)


def _rows(
    file: Path, titles: list[str], texts: Sequence[str], rows_at_once: int
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the rows by title, with their numbers; an index of a `ClassLabel` becomes the class name."""
    numbers = count(1)
    memory = MemoryLimit(file)
    with _opened(file, texts) as (table, _):
        names = _class_names(table.schema_arrow.metadata or {})
        for batch in table.iter_batches(batch_size=rows_at_once, columns=titles):
            titles = batch.schema.names
            columns = zip(titles, batch.columns, strict=True)
            cells = [_values(column, names.get(title, [])) for title, column in columns]
            memory.add(sum(map(_shared_text, batch.columns)))
            for row in zip(*cells, strict=True):
                yield next(numbers), dict(zip(titles, row, strict=True))


def _values(column: Any, names: list[str]) -> list[Any]:
    """Return the values of an Arrow array; equal texts share one object."""
    if hasattr(column, "dictionary"):
        texts = [*column.dictionary.to_pylist(), None]
        return [texts[-1 if place is None else place] for place in column.indices.to_pylist()]
    if hasattr(column, "offsets"):
        inner = _values(column.values, names)
        offsets = column.offsets.to_pylist()
        spans = zip(offsets, offsets[1:], column.is_valid().to_pylist(), strict=False)
        return [inner[start:end] if is_there else None for start, end, is_there in spans]

    def named(value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return names[value] if is_number and 0 <= value < len(names) else value

    return list(map(named, column.to_pylist()))


def _shared_text(column: Any) -> int:
    """Return the bytes of the texts of an Arrow array in all of its rows, where these share them."""
    if not hasattr(column, "dictionary"):
        return 0
    lengths = import_module("pyarrow.compute").binary_length(column.dictionary).fill_null(0).to_numpy()
    places = column.indices.drop_null().to_numpy()
    return int(lengths[places].sum())


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the class names of each `ClassLabel` column of the `datasets` library."""
    try:
        return _names_of_features(json.loads(metadata[b"huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def write_image_folder(labels: LabelSet, copier: Copier) -> None:
    """Write images with a `metadata.jsonl`, in a folder per split where there are splits."""

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
        (folder / "metadata.jsonl").write_text(text, encoding="utf-8", newline="\n")
    if labels.has_splits and not copier.stopped:
        # Without this dataset card, `load_dataset` skips the split `unassigned`.
        files = [line for each in rows for line in (f"  - split: {each.name}", f"    path: {each.name}/**")]
        card = "\n".join(["---", "configs:", "- config_name: default", "  data_files:", *files, "---", ""])
        (copier.folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
