"""Labels beside the images of WebDataset shards, which have the image's name and another suffix, as one table."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.files import open_regular, parse_json
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import objects

TABLE = "metadata.jsonl"
_LABELS = (".cls", ".json", ".txt")
_MAX_BYTES = 1 << 20  # of the labels of an image
_MOST_CLASSES = 5000  # different texts; captions, as of img2dataset, are more in a large data set


def join_shards(folder: Path) -> None:
    """Replace the files of labels beside the images below `folder` by one table, where most images have such a file.

    A number or a name in `.cls` is the class, as is a text in `.txt` where texts recur; JSON gives the object's values.
    """
    kinds = _kinds_of_labels(folder)
    if not kinds or (folder / TABLE).exists():
        return
    with (folder / TABLE).open("x", encoding="utf-8", newline="\n") as table:
        for image, labels in _samples(folder):
            row = _row_of_labels({kind: path for kind, path in labels.items() if kind in kinds})
            name = image.relative_to(folder)
            split = split_in(*name.parts[:-1])
            row |= {"file_name": name.as_posix()} | ({"split": split} if split else {})
            table.write(json.dumps(row, ensure_ascii=False) + "\n")
    for _, labels in _samples(folder):
        for kind in labels.keys() & kinds:
            labels[kind].unlink()


def _kinds_of_labels(folder: Path) -> list[str]:
    """Return the suffixes of the files that label most images; not JSON of another tool, nor `.txt` of sentences."""
    images = 0
    files = Counter[str]()
    texts = Counter[str]()
    for _, labels in _samples(folder):
        images += 1
        files.update(labels.keys())
        if len(texts) <= _MOST_CLASSES and ".txt" in labels:
            texts[_text(labels[".txt"])] += 1
    kinds = [kind for kind in _LABELS if files[kind] > images / 2]
    if ".json" in kinds and not _are_flat(folder):
        kinds.remove(".json")
    if ".txt" in kinds and len(texts) > min(_MOST_CLASSES, images / 2):
        kinds.remove(".txt")
    return kinds


def _row_of_labels(files: dict[str, Path]) -> dict[str, Any]:
    """Return the row of an image by its files of labels: `{"label": "7"}` for a `.cls` with a 7."""
    row: dict[str, Any] = _values(files[".json"]) if ".json" in files else {}
    if label := files.get(".cls") or files.get(".txt"):
        row["label"] = _text(label)
    return row


def split_in(*names: str) -> Split | None:
    """Return the split of some names of folders or shards, `cifar-train` too; None for none or several."""
    words = [word for name in names for word in re.split(r"[\W_0-9]+", name) if is_split_name(word)]
    splits: set[Split | None] = {split_of(word) for word in words}
    return splits.pop() if len(splits) == 1 else None


def _samples(folder: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Yield each image with the files of its labels, by suffix; a name ends at its first point."""
    for place, _, names in os.walk(folder):
        for key, group in groupby(sorted(names), lambda name: name.split(".")[0]):
            paths = [Path(place, name) for name in group]
            images = [path for path in paths if path.suffix.casefold() in IMAGE_SUFFIXES]
            if len(images) == 1 and key:
                yield images[0], {path.suffix.casefold(): path for path in paths if path.suffix.casefold() in _LABELS}


def _are_flat(folder: Path) -> bool:
    """Return whether the first files of JSON give a class, or a text, as a plain value."""
    first = [labels[".json"] for (_, labels), _ in zip(_samples(folder), range(50), strict=False) if ".json" in labels]
    names = {"label", "labels", "class", "cls", "category", "class_name", "label_name", "text", "caption", "tags"}
    return bool(first) and all(names & {key.casefold() for key in _values(path)} for path in first)


def _values(path: Path) -> dict[str, Any]:
    try:
        value = parse_json(_read(path), most=_MAX_BYTES)
    except ValueError:
        return {}
    kept = (str, int, float, type(None))
    return {key: each for entry in objects([value]) for key, each in entry.items() if isinstance(each, kept)}


def _text(path: Path) -> str:
    return " ".join(_read(path).decode("utf-8", "replace").split())


def _read(path: Path) -> bytes:
    with open_regular(path) as handle:
        return handle.read(_MAX_BYTES)
