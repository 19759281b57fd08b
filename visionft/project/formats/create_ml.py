"""Create ML: an array with an entry per image; annotations with coordinates mark a part, others label all of it."""

from functools import partial
from pathlib import Path
from typing import Any

from visionft.files import write_json
from visionft.project.formats.annotated import ImageAnnotation, annotated_listing, attempt
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.listing import DEFAULTS, Listing, ReadOptions
from visionft.project.formats.whole_files import a_list, a_name, an_object, read_label_json, structure_of

_TITLE = "Create ML"


def read_create_ml(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    with structure_of(file, _TITLE):
        entries = a_list(read_label_json(file))
    images = [attempt(file, f"entry {number}", partial(_image, entry)) for number, entry in enumerate(entries, 1)]
    return annotated_listing(file, _TITLE, images, options)


def _image(value: Any) -> ImageAnnotation:
    entry = an_object(value)
    name_keys = ("image", "imagefilename", "imageFilename", "imageFileName", "filename", "imageURL")
    name = next((entry[key] for key in name_keys if key in entry), None)
    annotations = next((entry[key] for key in ("annotations", "annotation", "labels", "label") if key in entry), None)
    labels: list[str] = []
    marked: list[str] = []
    for annotation in a_list([annotations] if isinstance(annotations, (str, dict)) else annotations):
        if isinstance(annotation, str):
            labels.append(a_name(annotation))
        else:
            each = an_object(annotation)
            (marked if "coordinates" in each else labels).append(a_name(each.get("label")))
    return ImageAnnotation(name=a_name(name), labels=tuple(labels), marked=tuple(marked))


def write_create_ml(labels: LabelSet, target: Path) -> None:
    """Write one file, in the form of multi-label classifiers."""
    entries = [{"image": labels.name_of(record), "annotations": list(record.labels)} for record in labels.records]
    write_json(target, entries)
