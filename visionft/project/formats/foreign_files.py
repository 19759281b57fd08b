"""Third-party parsers of spreadsheets and Parquet, run by `watched.py` in a subprocess.

    python foreign_files.py KIND FILE

It imports nothing of VisionFT, to start in milliseconds. It writes a JSON array per line, or an object for an error.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

OPTION = "--foreign-file"  # for the frozen program: its `sys.executable` is no Python
_ROWS_PER_BATCH = 1000
_IMAGES_PER_BATCH = 8
_READ_BUFFER_BYTES = 1 << 20  # of pyarrow


def spreadsheet_rows(path: str) -> Iterator[list[Any]]:
    """Yield [row number, cells as text] for each row of the first sheet with at least two rows."""
    book = import_module("python_calamine").CalamineWorkbook.from_path(path)
    sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
    sheet = next((sheet for sheet in sheets if sheet.height > 1), None)
    if sheet is not None:
        for number, row in enumerate(_unmerged(sheet), 1):
            cells = list(map(_text, row))
            if any(cells):
                yield [number, cells]


def _unmerged(sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows; each row of a merged cell has its value."""
    last_rows = {start: end[0] for start, end in sheet.merged_cell_ranges or () if end[0] > start[0]}
    open_cells: dict[int, tuple[int, Any]] = {}  # {column: last row and value}
    for number, row in enumerate(sheet.iter_rows()):
        for column in range(len(row)) if last_rows else ():
            if (last := last_rows.get((number, column))) is not None:
                open_cells[column] = last, row[column]
            elif column in open_cells and number <= open_cells[column][0]:
                row[column] = open_cells[column][1]
        yield row


def _text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def parquet_rows(path: str) -> Iterator[list[Any]]:
    """Yield a description of a Parquet table, then the cells of each row.

    The description is [titles of plain columns, titles of nested columns, title of the image column or "", the
    features of the `datasets` library as JSON].
    """
    with _parquet(path) as table:
        flat, nested, image = _columns(table)
        metadata: dict[bytes, bytes] = table.schema_arrow.metadata or {}
        yield [flat, nested, image, metadata.get(b"huggingface", b"").decode()]
        for batch in table.iter_batches(batch_size=_ROWS_PER_BATCH, columns=flat, use_threads=False):
            yield from map(list, zip(*(batch.column(title).to_pylist() for title in flat), strict=True))


def parquet_images(path: str) -> Iterator[list[Any]]:
    """Yield [image bytes in base64 or None, file name, plain values of the row] for each image."""
    with _parquet(path) as table:
        flat, _, column = _columns(table)
        flat = [title for title in flat if title != column]
        batches = table.iter_batches(batch_size=_IMAGES_PER_BATCH, columns=[column, *flat], use_threads=False)
        for row in (row for batch in batches for row in batch.to_pylist()):
            image = row.pop(column)
            if image is not None:
                content, name = (image, "") if isinstance(image, bytes) else (image["bytes"], image.get("path") or "")
                yield [base64.b64encode(content).decode() if content is not None else None, name, row]


def _parquet(path: str) -> Any:
    return import_module("pyarrow.parquet").ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False)


def _columns(table: Any) -> tuple[list[str], list[str], str]:
    """Return the titles of plain columns (values, or lists of values), nested columns, and the image column, if any."""
    types = import_module("pyarrow").types

    def is_binary(kind: Any) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)

    def is_flat(kind: Any) -> bool:
        inner = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
        return not types.is_nested(inner) and not is_binary(inner)

    fields = list(table.schema_arrow)
    structs = [field for field in fields if types.is_struct(field.type)]
    images = [
        field.name for field in structs if any(part.name == "bytes" and is_binary(part.type) for part in field.type)
    ]
    images += [field.name for field in fields if is_binary(field.type)]
    image = next((name for name in images if name.casefold() in ("image", "img")), images[0] if images else "")
    flat = [field.name for field in fields if is_flat(field.type)]
    return flat, [field.name for field in fields if not is_flat(field.type)], image


KINDS: dict[str, Callable[[str], Iterator[list[Any]]]] = {
    "spreadsheet": spreadsheet_rows,
    "parquet": parquet_rows,
    "parquet_images": parquet_images,
}


def main(kind: str, path: str) -> int:
    """Write the rows of a file; `kind` is a key of `KINDS`."""
    try:
        for row in KINDS[kind](path):
            sys.stdout.write(json.dumps(row, default=str) + "\n")
    except BrokenPipeError:
        return 1
    except BaseException as error:  # a Rust panic is not an `Exception`
        sys.stdout.write(json.dumps({"error": str(error) or type(error).__name__}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
