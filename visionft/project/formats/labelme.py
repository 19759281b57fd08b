"""labelme: a JSON file beside each image; its set flags are labels, shapes mark a part."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import is_file
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_listing, attempt, json_documents
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import ClassLook, relative_name
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import a_list, a_name, an_object, no_such_file

_TITLE = "labelme"
_OWN_FLAG = "__ignore__"  # a default flag of labelme's settings; not a class


def read_labelme(path: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a folder of labelme files, or of one of them."""
    root = path if path.is_dir() else path.parent
    entries: list[Entry] = []
    flags: dict[str, None] = {}
    read: list[Path] = []
    for file, document in json_documents(path, entries):
        if "imagePath" not in document or not document.keys() & {"flags", "shapes"}:
            continue
        read.append(file)
        entry = attempt(file, "flags", partial(_image, file, root, document))
        entries.append(entry)
        flags |= dict.fromkeys(_flags(document) if isinstance(entry, ImageAnnotation) else ())
    if is_file(path) and not read:
        raise no_such_file(path, _TITLE)
    return annotated_listing(
        path,
        _TITLE,
        entries,
        options,
        finder=ImageFinder(root, options),
        classes=[ClassLook(name) for name in flags],
        label_files=read,
    )


def _image(file: Path, root: Path, document: dict[str, Any]) -> ImageAnnotation:
    flags = an_object(document.get("flags") or {})
    shapes = [an_object(shape) for shape in a_list(document.get("shapes"))]
    name = a_name(document.get("imagePath"))
    inner = file.parent.relative_to(root)
    return ImageAnnotation(
        name=relative_name(file.parent / name.replace("\\", "/"), root),
        labels=tuple(flag for flag in _flags(document) if flags[flag] is True),
        marked=tuple(a_name(shape.get("label")) for shape in shapes),
        split=split_of(inner.parts[0]) if inner.parts and is_split_name(inner.parts[0]) else None,
    )


def _flags(document: dict[str, Any]) -> list[str]:
    return [flag for flag in an_object(document.get("flags") or {}) if flag.strip() and flag != _OWN_FLAG]


def write_labelme(labels: LabelSet, copier: Copier) -> None:
    """Write images with a file beside each, in a folder per split where there are splits."""
    if _OWN_FLAG in labels.classes:
        message = Message("labelme has a flag {name} of its own.", name=_OWN_FLAG)
        raise ProjectError(message, "Rename it, or export to another format.")
    for record, name in copier.copies(labels, lambda record: record.split or "", has_own_stems=True):
        width, height = record.size
        document: dict[str, object] = {
            "version": "5.5.0",
            "flags": {label: label in record.labels for label in labels.classes},
            "shapes": [],
            "imagePath": Path(name).name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        file = (copier.folder / name).with_suffix(".json")
        file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")
