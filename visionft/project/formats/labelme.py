"""labelme: a JSON file beside each picture; the flags that are set label it, shapes mark a part."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from visionft.errors import ProjectError
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.project.formats.annotated import (
    Annotated,
    a_list,
    a_name,
    an_object,
    annotated_listing,
    attempt,
    no_such_file,
    objects,
)
from visionft.project.formats.folders import walk
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import ClassLook, LabelRecord, relative_name
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing, Rejected, is_split_name, split_of
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "labelme"
_OWN_FLAG = "__ignore__"  # labelme's own settings offer it; it is no class


def read_labelme(
    path: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a folder of labelme's files, or of one of them; arguments as `readers.read_csv`.

    Raises:
        ProjectError: The file is none of labelme's.
    """
    root = path if path.is_dir() else path.parent
    files = [path] if is_file(path) else [file for file in walk(path, [], []) if file.suffix.casefold() == ".json"]
    entries: list[Annotated | Rejected] = []
    flags: dict[str, None] = {}
    read: list[Path] = []
    for file in files:
        try:
            documents = objects([read_label_json(file)])
        except ProjectError as error:
            entries.append(Rejected(printable(file), error.message.removeprefix(f"{file} ")))
            continue
        for document in documents:
            if "imagePath" not in document or not document.keys() & {"flags", "shapes"}:
                continue
            read.append(file)
            entry = attempt(file, "flags", partial(_picture, file, root, document))
            entries.append(entry)
            flags |= dict.fromkeys(_flags(document) if isinstance(entry, Annotated) else ())
    if is_file(path) and not read:
        raise no_such_file(path, _TITLE)
    return annotated_listing(
        path,
        _TITLE,
        entries,
        finder=PictureFinder(root, is_confined=is_confined, beside=beside),
        choice=choice,
        classes=[ClassLook(name) for name in flags],
        label_files=read,
    )


def _picture(file: Path, root: Path, document: dict[str, Any]) -> Annotated:
    flags = an_object(document.get("flags") or {})
    shapes = [an_object(shape) for shape in a_list(document.get("shapes"))]
    name = a_name(document.get("imagePath"))
    inner = file.parent.relative_to(root)
    return Annotated(
        name=relative_name(file.parent / name.replace("\\", "/"), root),
        place="flags",
        labels=tuple(flag for flag in _flags(document) if flags[flag] is True),
        marked=tuple(a_name(shape.get("label")) for shape in shapes),
        split=split_of(inner.parts[0]) if inner.parts and is_split_name(inner.parts[0]) else None,
    )


def _flags(document: dict[str, Any]) -> list[str]:
    return [flag for flag in an_object(document.get("flags") or {}) if flag.strip() and flag != _OWN_FLAG]


def write_labelme(labels: LabelSet, copier: Copier) -> None:
    """Write pictures with a file beside each, in a folder for each split where there are splits.

    Raises:
        ProjectError: A class has the name of labelme's own flag.
    """
    if _OWN_FLAG in labels.classes:
        raise ProjectError(f"labelme has a flag {_OWN_FLAG} of its own.", "Rename it, or export to another format.")

    def place(record: LabelRecord) -> str:
        return record.split or ""

    for record, name in copier.copies(labels, place, has_own_stems=True):
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
