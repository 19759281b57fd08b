"""Hugging Face image folders: `metadata.jsonl` is written, `.csv` and `.parquet` are read; images in Parquet files.

Parquet needs pyarrow of the extra `visionft[parquet]`: it takes 170 MB, and few users need it.
"""

import base64
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, cast

from visionft.core.errors import NextStep, ProjectError
from visionft.core.files import open_regular, parse_json, parse_yaml
from visionft.core.messages import Message
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, ReadOptions
from visionft.project.formats.labels_file import LabelRecord
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.readers import image_table_of_rows
from visionft.project.formats.split_names import UNASSIGNED_FOLDER
from visionft.project.formats.watched import foreign_rows
from visionft.project.formats.whole_files import MemoryLimit, check_size, objects

_SPLIT_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_MAX_CELL_LENGTH = 300  # characters; longer values are dropped
_MAX_CARD_BYTES = 1 << 20  # of a dataset card (README.md), whose front matter names the classes


def read_parquet(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """Return the images of a Parquet table of file names.

    Raises:
        ProjectError: pyarrow is missing, or the file has nested columns and no column of file names.
    """
    check_size(file)
    with closing(_rows_of("parquet", file)) as rows:
        flat_titles, nested_titles, _, hub_features = next(rows)  # the first item describes the columns
        if nested_titles and not any("name" in title.casefold() or "path" in title.casefold() for title in flat_titles):
            message = Message(
                "{file} has nested columns ({columns}), and no column that names image files.",
                file=file,
                columns=", ".join(nested_titles),
            )
            raise ProjectError(message, "Save its images as files, with a table whose column “file_name” names them.")
        named_rows = _with_names(file, flat_titles, rows, _class_names(hub_features))
        finder = ImageFinder(file.parent, options, file=file)
        return image_table_of_rows(file, flat_titles, named_rows, finder, options.choice)


def _rows_of(kind: str, file: Path) -> Generator[list[Any]]:
    """Return the rows of a Parquet file; a `ProjectError` if pyarrow is missing."""
    if find_spec("pyarrow") is None:
        message = Message("{file} is Parquet, which needs the package pyarrow.", file=file)
        step = NextStep("install", requirement="visionft[parquet]")
        raise ProjectError(message, "Install it, or save the table as CSV or JSON Lines.", step)
    return foreign_rows(kind, file, "Parquet")


def _with_names(
    file: Path, titles: Sequence[str], rows: Iterator[list[Any]], names: dict[str, list[str]]
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield (number, {title: cell}) of each row; the index of a `ClassLabel` becomes the class name."""
    memory = MemoryLimit(file)
    for number, cells in enumerate(rows, 1):
        memory.add(sum(len(cell) for cell in cells if isinstance(cell, str)))
        yield number, {title: _named(cell, names.get(title, ())) for title, cell in zip(titles, cells, strict=True)}


def _named(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in cast("list[Any]", value)]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return names[value] if is_number and 0 <= value < len(names) else value


def has_images(file: Path) -> bool:
    """Return whether a Parquet file contains image bytes; True if pyarrow is missing, so the answer is unknown."""
    try:
        return _has_images(file, file.stat().st_mtime_ns)
    except OSError:
        return False
    except ProjectError as error:
        return error.next_step is not None


@lru_cache(maxsize=1000)
def _has_images(file: Path, _changed: int) -> bool:
    with closing(_rows_of("parquet", file)) as rows:
        return bool(next(rows)[2])


def images_within(file: Path) -> Iterator[tuple[bytes | None, str, dict[str, Any]]]:
    """Yield (image bytes or None, file name if known, other values of the row) for each image in a Parquet file."""
    with closing(_rows_of("parquet", file)) as rows:
        names = _class_names_beside(file) | _class_names(next(rows)[3])
    with closing(_rows_of("parquet_images", file)) as rows:
        for content, name, values in rows:
            row = {title: _named(value, names.get(title, ())) for title, value in values.items()}
            short_values = {title: value for title, value in row.items() if len(str(value)) <= _MAX_CELL_LENGTH}
            yield None if content is None else base64.b64decode(content), PurePosixPath(name).name, short_values


def _class_names_beside(file: Path) -> dict[str, list[str]]:
    """Return {column: class names} from the `dataset_info.json` or `README.md` of a data set."""
    for folder in (file.parent, file.parent.parent):
        for name in ("dataset_info.json", "README.md"):
            try:
                with open_regular(folder / name) as handle:
                    text = handle.read(_MAX_CARD_BYTES).decode("utf-8", "replace")
                if name == "README.md":
                    names = _names_of_features(parse_yaml(text.split("---")[1])["dataset_info"]["features"])
                else:
                    names = _names_of_features(parse_json(text, max_bytes=_MAX_CARD_BYTES)["features"])
            except Exception:  # another form of card; the classes keep their numbers
                continue
            if names:
                return names
    return {}


def _names_of_features(features: Any) -> dict[str, list[str]]:
    """Return {column: class names} of the features of `datasets`: an object, or a list in a dataset card."""
    by_title = cast("dict[str, Any]", features)
    if isinstance(features, list):
        by_title = {entry["name"]: entry["dtype"] for entry in objects(cast("list[Any]", features))}
    names_by_title: dict[str, list[str]] = {}
    for title, feature in by_title.items():
        feature = cast("dict[str, Any]", feature if isinstance(feature, dict) else {})
        names: Any = (feature.get("feature") or feature.get("class_label") or feature).get("names") or ()
        class_names: list[Any] = (
            [names[key] for key in sorted(names, key=int)] if hasattr(names, "keys") else list(names)
        )
        if class_names and all(isinstance(name, (str, int)) for name in class_names):
            names_by_title[title] = list(map(str, class_names))
    return names_by_title


def _class_names(features: str) -> dict[str, list[str]]:
    """Return {column: class names} of the `ClassLabel` columns in the JSON of the `datasets` library."""
    try:
        return _names_of_features(json.loads(features)["info"]["features"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def write_image_folder(labels: LabelSet, copier: Copier) -> None:
    """Write images with a `metadata.jsonl`, in a folder per split if the project has splits."""

    def place(record: LabelRecord) -> str:
        return (_SPLIT_FOLDERS[record.split] if record.split else UNASSIGNED_FOLDER) if labels.has_splits else ""

    rows: dict[Path, list[str]] = {}
    for record, name in copier.copies(labels, place):
        class_names = list(record.labels)
        label = (
            {"labels": class_names} if labels.task == "multi" else {"label": class_names[0] if class_names else None}
        )
        row = {"file_name": Path(name).name} | label
        rows.setdefault((copier.folder / name).parent, []).append(json.dumps(row, ensure_ascii=False))
    for folder, lines in rows.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / "metadata.jsonl").write_text(text, encoding="utf-8", newline="\n")
    if labels.has_splits and not copier.stopped:
        # Without this dataset card, `load_dataset` skips the split `unassigned`.
        files = [line for folder in rows for line in (f"  - split: {folder.name}", f"    path: {folder.name}/**")]
        card = "\n".join(["---", "configs:", "- config_name: default", "  data_files:", *files, "---", ""])
        (copier.folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
