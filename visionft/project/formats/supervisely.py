"""Supervisely: a JSON file per image in `ann/`, called like the image; tags label it, objects mark parts of it."""

from functools import partial
from pathlib import Path
from typing import Any

from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_listing, attempt, json_documents
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.whole_files import a_list, a_name, no_such_file, objects

_TITLE = "Supervisely"


def read_supervisely(path: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a folder of Supervisely's files, or of one of them."""
    entries: list[Entry] = []
    read: list[Path] = []
    for file, document in json_documents(path, entries):
        if {"tags", "objects"} <= document.keys():
            read.append(file)
            entries.append(attempt(file, "tags", partial(_image, file, document)))
    if not read:
        raise no_such_file(path, _TITLE)
    folder = path if path.is_dir() else path.parent
    root = folder.parent if folder.name == "ann" else folder
    if options.index is not None:
        root = options.index.root
    finder = ImageFinder(folder, options, root=root)
    return annotated_listing(path, _TITLE, entries, options, finder=finder, label_files=read)


def _image(file: Path, document: dict[str, Any]) -> ImageAnnotation:
    tags = objects(a_list(document["tags"]))
    parts = objects(a_list(document["objects"]))
    return ImageAnnotation(
        name=file.stem,
        labels=tuple(a_name(tag.get("name")) for tag in tags),
        marked=tuple(a_name(part.get("classTitle")) for part in parts),
    )
