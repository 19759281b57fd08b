"""Parsers of other projects, as a program of its own that `watched.py` starts, watches and ends.

    python foreign_files.py KIND FILE

It imports nothing of VisionFT, to start in milliseconds, and writes lines of JSON: arrays, and an object for an error.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

OPTION = "--foreign-file"  # runs it in the frozen program, whose `sys.executable` is no Python
_ROWS_AT_ONCE = 1000
_IMAGES_AT_ONCE = 8
_BUFFER_BYTES = 1 << 20  # bytes that pyarrow reads at once


def spreadsheet_rows(path: str) -> Iterator[list[Any]]:
    """Yield number and cells, text as in a CSV, of each row of the first sheet that has several."""
    book = import_module("python_calamine").CalamineWorkbook.from_path(path)
    sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
    sheet = next((each for each in sheets if each.height > 1), None)
    if sheet is not None:
        for number, row in enumerate(_unmerged(sheet), 1):
            cells = list(map(_text, row))
            if any(cells):
                yield [number, cells]


def _unmerged(sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows with the value of a merged cell in each row that it spans."""
    ends = {start: end[0] for start, end in sheet.merged_cell_ranges or () if end[0] > start[0]}
    spanning: dict[int, tuple[int, Any]] = {}  # {column: last row and value}
    for number, row in enumerate(sheet.iter_rows()):
        for column in range(len(row)) if ends else ():
            if (last := ends.get((number, column))) is not None:
                spanning[column] = last, row[column]
            elif column in spanning and number <= spanning[column][0]:
                row[column] = spanning[column][1]
        yield row


def _text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def parquet_rows(path: str) -> Iterator[list[Any]]:
    """Yield what a Parquet table has, then the cells of each row.

    The first are the titles of columns with plain values, of others, of the images, and the features of `datasets`.
    """
    with _parquet(path) as table:
        flat, nested, image = _columns(table)
        metadata: dict[bytes, bytes] = table.schema_arrow.metadata or {}
        yield [flat, nested, image, metadata.get(b"huggingface", b"").decode()]
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=flat, use_threads=False):
            yield from map(list, zip(*(batch.column(title).to_pylist() for title in flat), strict=True))


def parquet_images(path: str) -> Iterator[list[Any]]:
    """Yield the bytes of each image in base64, None for none, its name, and the plain values of its row."""
    with _parquet(path) as table:
        flat, _, column = _columns(table)
        flat = [title for title in flat if title != column]
        batches = table.iter_batches(batch_size=_IMAGES_AT_ONCE, columns=[column, *flat], use_threads=False)
        for row in (row for batch in batches for row in batch.to_pylist()):
            image = row.pop(column)
            if image is not None:
                content, name = (image, "") if isinstance(image, bytes) else (image["bytes"], image.get("path") or "")
                yield [base64.b64encode(content).decode() if content is not None else None, name, row]


def _parquet(path: str) -> Any:
    return import_module("pyarrow.parquet").ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)


def _columns(table: Any) -> tuple[list[str], list[str], str]:
    """Return the columns with a value or a list of values, the others, and the one with images, if any."""
    types = import_module("pyarrow").types

    def is_binary(kind: Any) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)

    def is_flat(kind: Any) -> bool:
        inner = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
        return not types.is_nested(inner) and not is_binary(inner)

    fields = list(table.schema_arrow)
    structures = [each for each in fields if types.is_struct(each.type)]
    images = [
        each.name for each in structures if any(part.name == "bytes" and is_binary(part.type) for part in each.type)
    ]
    images += [each.name for each in fields if is_binary(each.type)]
    image = next((name for name in images if name.casefold() in ("image", "img")), images[0] if images else "")
    flat = [each.name for each in fields if is_flat(each.type)]
    return flat, [each.name for each in fields if not is_flat(each.type)], image


KINDS: dict[str, Callable[[str], Iterator[list[Any]]]] = {
    "spreadsheet": spreadsheet_rows,
    "parquet": parquet_rows,
    "parquet_images": parquet_images,
}


def main(kind: str, path: str) -> int:
    """Write what the parser of a kind makes of a file."""
    try:
        for row in KINDS[kind](path):
            sys.stdout.write(json.dumps(row, default=str) + "\n")
    except BrokenPipeError:
        return 1
    except BaseException as error:  # a panic of Rust is no `Exception`
        sys.stdout.write(json.dumps({"error": str(error) or type(error).__name__}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
