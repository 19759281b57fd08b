"""Datumaro, which CVAT exports, too: a JSON file per subset in `annotations`, the pictures in `images/<subset>`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

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
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing
from visionft.project.formats.locating import PictureFinder, data_folder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "Datumaro"
_PICTURES = "images"
_OF_PICTURE = "label"  # the type of an annotation of the whole picture; others mark a part


def read_datumaro(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a Datumaro file; arguments as `readers.read_csv`.

    Raises:
        ProjectError: It is no such file.
    """
    try:
        document = an_object(read_label_json(file))
        declared = a_list(an_object(an_object(document["categories"]).get("label") or {}).get("labels"))
        names = [a_name(an_object(each).get("name")) for each in declared]
        items = a_list(document["items"])
    except (KeyError, ValueError) as error:
        raise no_such_file(file, _TITLE) from error
    entries = [
        attempt(file, place, partial(_picture, item, place, names))
        for place, item in ((f"items[{number}]", item) for number, item in enumerate(items))
    ]
    subset = data_folder(file) / _PICTURES / file.stem
    return annotated_listing(
        file,
        _TITLE,
        entries,
        finder=PictureFinder.of(file, is_confined=is_confined, beside=(subset, *beside)),
        choice=choice,
        classes=[ClassLook(name) for name in names],
    )


def _picture(value: Any, place: str, names: Sequence[str]) -> Annotated:
    item = an_object(value)
    paths = [each.get("path") for each in objects([item.get("image"), item.get("media")])]
    labels: list[str] = []
    marked: list[str] = []
    for annotation in map(an_object, a_list(item.get("annotations"))):
        number = annotation.get("label_id")
        if number is not None:
            is_whole = annotation.get("type") == _OF_PICTURE
            (labels if is_whole else marked).append(_class(number, names))
    name = a_name(next(filter(None, paths), item.get("id")))
    return Annotated(name=name, place=place, labels=tuple(labels), marked=tuple(marked))


def _class(number: Any, names: Sequence[str]) -> str:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(names):
        raise ValueError(f"there is no class {number}")
    return names[number]
