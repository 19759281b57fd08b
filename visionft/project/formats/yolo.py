"""YOLO data sets of boxes: `data.yaml` or `obj.names` declares the classes, a text file per image lists its boxes.

A line is `class x y width height`, or the corners of an outline. Classes of boxes are no labels of whole images.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.files import open_regular
from visionft.core.messages import Message
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_table, attempt
from visionft.project.formats.class_names import declared_names
from visionft.project.formats.folders import walk
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, ReadOptions
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.split_names import is_split_name, split_of

_TITLE = "YOLO"
_MAX_BYTES = 1 << 20  # of the label file of an image
_BOX_LINE = re.compile(r"(\d{1,6})(\s+-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?){4,}\s*")
_LABELS_FOLDER = re.compile(r"(^|/)labels(?=/)")


def read_yolo(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a YOLO data set; `file` declares its classes."""
    names = declared_names(file)
    root = options.index.root if options.index and file.is_relative_to(options.index.root) else file.parent
    text_files = [path for path in walk(file.parent, [], []) if path.suffix == ".txt"]
    box_folders = {path.parent for path in text_files if _BOX_LINE.fullmatch(next(_lines(path), ""))}
    label_files = [path for path in text_files if path.parent in box_folders]
    if not names or not label_files:
        message = Message(
            "{file} declares classes as YOLO does, but no text file below its folder holds boxes.", file=file
        )
        raise ProjectError(message, "Put the text files there, or import the images without labels.")
    entries: list[Entry] = [
        attempt(path, "", partial(_annotation_of, path, file.parent, names)) for path in label_files
    ]
    finder = ImageFinder(file.parent, options, root=root)
    looks = [ClassLook(name) for name in names.values()]
    return annotated_table(file, _TITLE, entries, options, finder=finder, classes=looks, label_files=label_files)


def _annotation_of(label_file: Path, root: Path, names: dict[str, str]) -> ImageAnnotation:
    """Return the annotation in a label file; its image is in `images/` instead of `labels/`, or beside the label file.

    Raises:
        ValueError: A line is not a box, or its class does not exist.
    """
    relative_path = label_file.relative_to(root)
    marked: dict[str, None] = {}
    for line in _lines(label_file):
        match = _BOX_LINE.fullmatch(line)
        if not match:
            raise ValueError(Message("“{line}” is not a box", line=line[:40]))
        if match[1] not in names:
            raise ValueError(Message("there is no class {number}", number=match[1]))
        marked[names[match[1]]] = None
    split = split_of(next(filter(is_split_name, relative_path.parts[:-1]), ""))
    name = _LABELS_FOLDER.sub(r"\1images", relative_path.with_suffix("").as_posix())
    return ImageAnnotation(name=name, marked=tuple(marked), split=split)


def _lines(text: Path) -> Iterator[str]:
    with open_regular(text) as handle:
        lines = handle.read(_MAX_BYTES).decode("utf-8", "replace").splitlines()
    return (line.strip() for line in lines if line.strip())
