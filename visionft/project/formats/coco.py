"""COCO: one JSON file of images, categories and annotations; of these, those without a box label the whole picture.

A box that is as large as the picture is such a label, too: FiftyOne writes labels of pictures so.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visionft.files import atomic_path
from visionft.project.formats.annotated import (
    Annotated,
    a_list,
    a_name,
    a_split,
    an_object,
    annotated_listing,
    attempt,
    no_such_file,
    objects,
    rejected,
)
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing, Rejected
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "COCO"


@dataclass(slots=True)
class _Classes:
    """The classes of one picture."""

    labels: list[str] = field(default_factory=list[str])
    marked: list[str] = field(default_factory=list[str])


def read_coco(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a COCO file; arguments as `readers.read_csv`.

    Raises:
        ProjectError: It is no COCO file.
    """
    try:
        document = an_object(read_label_json(file))
        images, annotations = a_list(document["images"]), a_list(document.get("annotations"))
        categories = a_list(document["categories"])
        names = {_id(an_object(each)["id"]): a_name(an_object(each)["name"]) for each in categories}
        sizes = {_id(each.get("id")): (each.get("width"), each.get("height")) for each in objects(images)}
    except (KeyError, ValueError) as error:
        raise no_such_file(file, _TITLE) from error
    classes: defaultdict[object, _Classes] = defaultdict(_Classes)
    unusable = list(_sort(file, annotations, names, sizes, classes))
    pictures = [
        attempt(file, place, lambda entry=entry, place=place: _picture(entry, place, classes))
        for place, entry in ((f"images[{number}]", entry) for number, entry in enumerate(images))
    ]
    return annotated_listing(
        file,
        _TITLE,
        [*unusable, *pictures],
        finder=PictureFinder.of(file, is_confined=is_confined, beside=beside),
        choice=choice,
        classes=_declared(categories),
    )


def _sort(
    file: Path,
    annotations: list[Any],
    names: dict[object, str],
    sizes: dict[object, tuple[Any, Any]],
    classes: defaultdict[object, _Classes],
) -> Iterator[Rejected]:
    """Give each picture its classes; yield the annotations that mean none."""
    for number, entry in enumerate(annotations):
        try:
            annotation = an_object(entry)
            image, category = _id(annotation.get("image_id")), _id(annotation.get("category_id"))
            if image not in sizes:
                raise ValueError(f"there is no image {image}")
            if category not in names:
                raise ValueError(f"there is no category {category}")
            found = classes[image]
            (found.marked if _marks_a_part(annotation, sizes[image]) else found.labels).append(names[category])
        except ValueError as error:
            yield rejected(file, f"annotations[{number}]", str(error))


def _marks_a_part(annotation: dict[str, Any], size: tuple[Any, Any]) -> bool:
    """Say whether an annotation is about a part of its picture."""
    box = a_list(annotation.get("bbox"))
    if len(box) != 4 or not all(isinstance(each, (int, float)) for each in box):
        return bool(annotation.get("segmentation") or annotation.get("keypoints"))
    left, top, width, height = map(float, box)
    if width <= 0 or height <= 0:
        return bool(annotation.get("segmentation"))
    return (left, top) != (0, 0) or (width, height) != size


def _picture(entry: Any, place: str, classes: defaultdict[object, _Classes]) -> Annotated:
    image = an_object(entry)
    found = classes[_id(image.get("id"))]
    return Annotated(
        name=a_name(image.get("file_name")),
        place=place,
        labels=tuple(found.labels),
        marked=tuple(found.marked),
        split=a_split(image.get("split")),
    )


def _declared(categories: list[dict[str, Any]]) -> tuple[ClassLook, ...]:
    """Return the classes; Roboflow's first category, which only is above the others, is none."""
    above = [each.get("supercategory") for each in categories]
    names = [(each, a_name(each["name"])) for each in categories]
    return tuple(ClassLook(name) for each, name in names if each.get("supercategory") != "none" or name not in above)


def _id(value: Any) -> object:
    if not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is not a number of an entry")
    return value


def write_coco(labels: LabelSet, target: Path) -> None:
    """Write one file; labels are annotations without a box, and splits the key `split` of an image, our own."""
    numbers = {name: number for number, name in enumerate(labels.classes, 1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, record in enumerate(labels.records, 1):
        width, height = record.size
        image: dict[str, object] = {"id": number, "file_name": labels.name_of(record), "width": width, "height": height}
        images.append(image | ({"split": record.split} if record.split else {}))
        for label in record.labels:
            category = numbers[label]
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": category})
    document = {
        "info": {"description": labels.title},
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
        "images": images,
        "annotations": annotations,
    }
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
