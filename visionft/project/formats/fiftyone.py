"""FiftyOne: `labels.json` beside `data` (its image classification dataset), and `samples.json` (a whole dataset).

Of a whole dataset, the tags that are names of splits give the split, the others are tags.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from visionft.errors import ProjectError
from visionft.project.formats.annotated import (
    Annotated,
    Fields,
    a_list,
    a_name,
    an_object,
    annotated_listing,
    attempt,
    no_such_file,
    objects,
)
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import ClassLook, LabelRecord
from visionft.project.formats.listing import (
    AUTOMATIC,
    UNASSIGNED_FOLDER,
    ColumnChoice,
    Listing,
    Rejected,
    is_split_name,
    split_of,
)
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "FiftyOne"
_DATA, _LABELS = "data", "labels.json"
_OF_PICTURE, _OF_PARTS = ("Classification", "Classifications"), ("Detections", "Polylines", "Detection", "Polyline")


def read_fiftyone(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of FiftyOne's `labels.json` or `samples.json`; arguments as `readers.read_csv`.

    `choice.label` is the field of a sample that gives the classes, needed where several could.

    Raises:
        ProjectError: It is no such file.
    """
    finder = PictureFinder.of(file, is_confined=is_confined, beside=beside)
    try:
        document = an_object(read_label_json(file))
        if "samples" in document:
            return _read_samples(file, a_list(document["samples"]), finder, choice)
        classes = [a_name(name) for name in a_list(document.get("classes"))]
        targets = an_object(document["labels"])
    except (KeyError, ValueError) as error:
        raise no_such_file(file, _TITLE) from error
    entries = [attempt(file, name, partial(_target, name, target, classes)) for name, target in targets.items()]
    return annotated_listing(
        file, _TITLE, entries, finder=finder, choice=choice, classes=[ClassLook(name) for name in classes]
    )


def _target(name: str, target: Any, classes: Sequence[str]) -> Annotated:
    several = cast("Any", target if isinstance(target, list) or target is None else [target])
    return Annotated(name=name, place=name, labels=tuple(_class(each, classes) for each in a_list(several)))


def _class(target: Any, classes: Sequence[str]) -> str:
    """Return the name of a class that stands as itself, as its number, or within an object beside its confidence."""
    value: Any = an_object(target).get("label") if isinstance(target, dict) else target
    if isinstance(value, int) and not isinstance(value, bool) and classes:
        if not 0 <= value < len(classes):
            raise ValueError(f"there is no class {value}")
        return classes[value]
    return a_name(value)


def _read_samples(file: Path, samples: list[Any], finder: PictureFinder, choice: ColumnChoice) -> Listing:
    fields = list(dict.fromkeys(name for sample in samples for name in _fields(sample, _OF_PICTURE)))
    if choice.label and choice.label not in fields:
        raise ProjectError(f"There is no field “{choice.label}” of labels.", f"There are: {', '.join(fields)}.")
    field = choice.label or (fields[0] if len(fields) == 1 else "")
    entries: list[Annotated | Rejected] = [
        attempt(file, place, partial(_sample, sample, place, field))
        for place, sample in ((f"samples[{number}]", sample) for number, sample in enumerate(samples))
    ]
    taken = Fields(columns=("filepath", *fields), file="filepath", labels=(field,) if field else ())
    return annotated_listing(file, _TITLE, entries, finder=finder, choice=choice, fields=taken)


def _sample(value: Any, place: str, field: str) -> Annotated:
    sample = an_object(value)
    tags = [a_name(tag) for tag in a_list(sample.get("tags"))]
    splits = [tag for tag in tags if is_split_name(tag)]
    parts = [label for name in _fields(sample, _OF_PARTS) for label in _labels(sample[name])]
    return Annotated(
        name=a_name(sample.get("filepath")),
        place=place,
        labels=tuple(_labels(sample.get(field))) if field else (),
        marked=tuple(parts),
        split=split_of(splits[0]) if len(splits) == 1 else None,
        tags=tuple(tag for tag in tags if len(splits) != 1 or tag not in splits),
    )


def _fields(sample: Any, kinds: Sequence[str]) -> Iterator[str]:
    """Yield the names of a sample's fields that hold labels of these kinds."""
    for each in objects([sample]):
        for name, value in each.items():
            if any(label.get("_cls") in kinds for label in objects([value])):
                yield name


def _labels(value: Any) -> Iterator[str]:
    """Yield the classes of a label, or of a list of them."""
    if value is None:
        return
    label = an_object(value)
    several = next((label[key] for key in ("classifications", "detections", "polylines") if key in label), None)
    for each in a_list(several) if several is not None else [label]:
        yield a_name(an_object(each).get("label"))


def write_fiftyone(labels: LabelSet, copier: Copier) -> None:
    """Write an image classification dataset, or one for each split where there are splits."""

    def place(record: LabelRecord) -> str:
        return f"{record.split or UNASSIGNED_FOLDER}/{_DATA}" if labels.has_splits else _DATA

    numbers = {name: number for number, name in enumerate(labels.classes)}
    targets: dict[Path, dict[str, object]] = {}
    for record, name in copier.copies(labels, place, has_own_stems=True):
        mine = [numbers[label] for label in record.labels]
        of_picture = mine if labels.task == "multi" else mine[0] if mine else None
        targets.setdefault((copier.folder / name).parent.parent, {})[Path(name).stem] = of_picture
    for folder, found in targets.items():
        text = json.dumps({"classes": list(labels.classes), "labels": found}, ensure_ascii=False, indent=1)
        (folder / _LABELS).write_text(text + "\n", encoding="utf-8", newline="\n")
