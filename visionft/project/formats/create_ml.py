"""Create ML: an array with an entry per picture; annotations with coordinates mark a part, others label all."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from visionft.files import atomic_path
from visionft.project.formats.annotated import (
    Annotated,
    a_list,
    a_name,
    an_object,
    annotated_listing,
    attempt,
    entries_of,
)
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "Create ML"
_NAMES = ("image", "imagefilename", "imageFilename", "imageFileName", "filename", "imageURL")
_ANNOTATIONS = ("annotations", "annotation", "labels", "label")


def read_create_ml(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a Create ML file; arguments as `readers.read_csv`.

    Raises:
        ProjectError: It is no such file.
    """
    entries = entries_of(file, _TITLE, read_label_json(file))
    pictures = [
        attempt(file, place, partial(_picture, entry, place))
        for place, entry in ((f"entry {number}", entry) for number, entry in enumerate(entries, 1))
    ]
    finder = PictureFinder.of(file, is_confined=is_confined, beside=beside)
    return annotated_listing(file, _TITLE, pictures, finder=finder, choice=choice)


def _picture(value: Any, place: str) -> Annotated:
    entry = an_object(value)
    name = next((entry[key] for key in _NAMES if key in entry), None)
    found = next((entry[key] for key in _ANNOTATIONS if key in entry), None)
    several: Any = [found] if isinstance(found, (str, dict)) else found
    labels: list[str] = []
    marked: list[str] = []
    for annotation in a_list(several):
        if isinstance(annotation, str):
            labels.append(a_name(annotation))
        else:
            each = an_object(annotation)
            (marked if "coordinates" in each else labels).append(a_name(each.get("label")))
    return Annotated(name=a_name(name), place=place, labels=tuple(labels), marked=tuple(marked))


def write_create_ml(labels: LabelSet, target: Path) -> None:
    """Write one file, as for classifiers with several labels."""
    entries = [{"image": labels.name_of(record), "annotations": list(record.labels)} for record in labels.records]
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
