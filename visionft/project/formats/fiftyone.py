"""FiftyOne: `labels.json` beside `data` (its image classification dataset), and `samples.json` (a whole dataset).

In a whole dataset, tags with the name of a split give the split; the others are tags.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import write_json
from visionft.project.formats.annotated import ImageAnnotation, annotated_listing, attempt, parse_entries
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.labels_file import ClassLook, LabelRecord
from visionft.project.formats.listing import DEFAULTS, Interpretation, Listing, ReadOptions
from visionft.project.formats.split_names import UNASSIGNED_FOLDER, is_split_name, split_of
from visionft.project.formats.whole_files import a_list, a_name, an_object, objects, read_label_json, structure_of

_TITLE = "FiftyOne"
_OF_IMAGE, _OF_PARTS = ("Classification", "Classifications"), ("Detections", "Polylines", "Detection", "Polyline")


def read_fiftyone(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of `labels.json` or `samples.json`; a choice names one of several fields without confidence."""
    with structure_of(file, _TITLE):
        document = an_object(read_label_json(file))
        if "samples" in document:
            return _read_samples(file, a_list(document["samples"]), options)
        classes = [a_name(name) for name in a_list(document.get("classes"))]
        targets = an_object(document["labels"])
    entries = [attempt(file, name, partial(_target, name, target, classes)) for name, target in targets.items()]
    return annotated_listing(file, _TITLE, entries, options, classes=[ClassLook(name) for name in classes])


def _target(name: str, target: Any, classes: Sequence[str]) -> ImageAnnotation:
    """Return the entry of an image; a class is text, an index, or an object with its confidence."""
    targets = cast("Any", target if isinstance(target, list) or target is None else [target])
    labels: list[str] = []
    for each in a_list(targets):
        value: Any = an_object(each).get("label") if isinstance(each, dict) else each
        if isinstance(value, int) and not isinstance(value, bool) and classes:
            if not 0 <= value < len(classes):
                raise ValueError(Message("there is no class {value}", value=value))
            value = classes[value]
        labels.append(a_name(value))
    return ImageAnnotation(name=name, labels=tuple(labels))


def _read_samples(file: Path, samples: list[Any], options: ReadOptions) -> Listing:
    choice = options.choice
    fields = list(dict.fromkeys(name for sample in samples for name in _fields(sample, _OF_IMAGE)))
    if choice.label and choice.label not in fields:
        message = Message("There is no field “{name}” of labels.", name=choice.label)
        hint = Message("There are: {names}.", names=", ".join(fields))
        raise ProjectError(message, hint)
    given = [name for name in fields if not any(_is_predicted(sample.get(name)) for sample in objects(samples))]
    only = next((names[0] for names in (given, fields) if len(names) == 1), "")
    field = choice.label or only
    interpretation = Interpretation(
        file=file, columns=("filepath", *fields), file_column="filepath", label_columns=(field,) if field else ()
    )
    entries = parse_entries(file, "samples", samples, partial(_sample, field=field))
    return annotated_listing(file, _TITLE, entries, options, fields=interpretation)


def _is_predicted(value: Any) -> bool:
    """Return whether a label has a confidence, as those of models have."""
    return any(label.get("confidence") is not None for label in objects([value]))


def _sample(value: Any, field: str) -> ImageAnnotation:
    sample = an_object(value)
    tags = [a_name(tag) for tag in a_list(sample.get("tags"))]
    splits = [tag for tag in tags if is_split_name(tag)]
    parts = [label for name in _fields(sample, _OF_PARTS) for label in _labels(sample[name])]
    return ImageAnnotation(
        name=a_name(sample.get("filepath")),
        labels=tuple(_labels(sample.get(field))) if field else (),
        marked=tuple(parts),
        split=split_of(splits[0]) if len(splits) == 1 else None,
        tags=tuple(tag for tag in tags if len(splits) != 1 or tag not in splits),
    )


def _fields(sample: Any, kinds: Sequence[str]) -> Iterator[str]:
    """Yield the names of a sample's fields with labels of these kinds."""
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
    """Write an image classification dataset, or one per split where there are splits."""

    def place(record: LabelRecord) -> str:
        return f"{record.split or UNASSIGNED_FOLDER}/data" if labels.has_splits else "data"

    numbers = {name: number for number, name in enumerate(labels.classes)}
    targets: dict[Path, dict[str, object]] = {}
    for record, name in copier.copies(labels, place, has_own_stems=True):
        mine = [numbers[label] for label in record.labels]
        only = mine[0] if mine else None
        of_folder = targets.setdefault((copier.folder / name).parent.parent, {})
        of_folder[Path(name).stem] = mine if labels.task == "multi" else only
    for folder, found in targets.items():
        write_json(folder / "labels.json", {"classes": labels.classes, "labels": found})
