"""Datumaro, also exported by CVAT: a JSON file per subset in `annotations`, images in `images/<subset>`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.project.formats.annotated import ImageAnnotation, annotated_listing, parse_entries
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions
from visionft.project.formats.locating import data_folder
from visionft.project.formats.whole_files import a_list, a_name, an_object, objects, read_label_json, structure_of

_TITLE = "Datumaro"


def read_datumaro(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    with structure_of(file, _TITLE):
        document = an_object(read_label_json(file))
        declared = a_list(an_object(an_object(document["categories"]).get("label") or {}).get("labels"))
        names = [a_name(an_object(each).get("name")) for each in declared]
        items = a_list(document["items"])
    entries = parse_entries(file, "items", items, partial(_image, names=names))
    folders = (data_folder(file) / "images" / file.stem, *options.image_folders)
    options = replace(options, image_folders=folders)
    return annotated_listing(file, _TITLE, entries, options, classes=[ClassLook(name) for name in names])


def _image(value: Any, names: Sequence[str]) -> ImageAnnotation:
    item = an_object(value)
    paths = [each.get("path") for each in objects([item.get("image"), item.get("media")])]
    labels: list[str] = []
    marked: list[str] = []
    for annotation in map(an_object, a_list(item.get("annotations"))):
        number = annotation.get("label_id")
        if number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(names):
            raise ValueError(Message("there is no class {number}", number=number))
        (labels if annotation.get("type") == "label" else marked).append(names[number])
    name = a_name(next(filter(None, paths), item.get("id")))
    return ImageAnnotation(name=name, labels=tuple(labels), marked=tuple(marked))
