"""COCO: one JSON file of images, categories and annotations; annotations without a box label the whole image.

A box as large as the image counts as a label of the whole image, too: FiftyOne writes image labels this way.
"""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from visionft.core.files import write_json
from visionft.core.messages import Message
from visionft.project.formats.annotated import ImageAnnotation, annotated_table, parse_entries, rejected
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, ReadOptions, RejectedFile
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.whole_files import (
    as_list,
    as_name,
    as_object,
    as_split,
    objects,
    read_label_json,
    structure_of,
)

_TITLE = "COCO"
_ClassesByImage = defaultdict[object, list[str]]


def read_coco(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a COCO file."""
    with structure_of(file, _TITLE):
        document = as_object(read_label_json(file))
        images = as_list(document["images"])
        annotations = as_list(document.get("annotations"))
        categories = as_list(document["categories"])
        names = {_id(as_object(entry)["id"]): as_name(as_object(entry)["name"]) for entry in categories}
        sizes = {_id(entry.get("id")): (entry.get("width"), entry.get("height")) for entry in objects(images)}
    labels, marked = _ClassesByImage(list), _ClassesByImage(list)
    rejected_entries: list[RejectedFile] = []
    for number, value in enumerate(annotations):
        try:
            annotation = as_object(value)
            image, category = _id(annotation.get("image_id")), _id(annotation.get("category_id"))
            if image not in sizes:
                raise ValueError(Message("there is no image {image}", image=image))
            if category not in names:
                raise ValueError(Message("there is no category {category}", category=category))
            (marked if _marks_a_part(annotation, sizes[image]) else labels)[image].append(names[category])
        except ValueError as error:
            rejected_entries.append(rejected(file, f"annotations[{number}]", str(error)))
    # Roboflow's first category may be only the parent of the others.
    parents = [entry.get("supercategory") for entry in categories]
    declared = [as_name(entry["name"]) for entry in categories]
    pairs = zip(declared, parents, strict=True)
    class_looks = [ClassLook(name) for name, parent in pairs if parent != "none" or name not in parents]
    rows = parse_entries(file, "images", images, partial(_image, labels=labels, marked=marked))
    return annotated_table(file, _TITLE, [*rejected_entries, *rows], options, classes=class_looks)


def _marks_a_part(annotation: dict[str, Any], size: tuple[Any, Any]) -> bool:
    """Return whether an annotation marks a part of its image."""
    box = as_list(annotation.get("bbox"))
    if len(box) != 4 or not all(isinstance(coordinate, (int, float)) for coordinate in box):
        return bool(annotation.get("segmentation") or annotation.get("keypoints"))
    left, top, width, height = map(float, box)
    if width <= 0 or height <= 0:
        return bool(annotation.get("segmentation"))
    return (left, top) != (0, 0) or (width, height) != size


def _image(entry: Any, labels: _ClassesByImage, marked: _ClassesByImage) -> ImageAnnotation:
    image = as_object(entry)
    image_id = _id(image.get("id"))
    return ImageAnnotation(
        name=as_name(image.get("file_name")),
        labels=tuple(labels[image_id]),
        marked=tuple(marked[image_id]),
        split=as_split(image.get("split")),
    )


def _id(value: Any) -> object:
    if not isinstance(value, (int, str)):
        raise ValueError(Message("{value} is not a number of an entry", value=repr(value)))
    return value


def write_coco(labels: LabelSet, target: Path) -> None:
    """Write one file; labels are annotations without a box, and splits are the non-standard key `split` of an image."""
    numbers = {name: number for number, name in enumerate(labels.classes, 1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, record in enumerate(labels.records, 1):
        width, height = record.size
        image: dict[str, object] = {"id": number, "file_name": labels.name_of(record), "width": width, "height": height}
        images.append(image | ({"split": record.split} if record.split else {}))
        for label in record.labels:
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": numbers[label]})
    document = {
        "info": {"description": labels.title},
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
        "images": images,
        "annotations": annotations,
    }
    write_json(target, document)
