"""Label Studio: an array of tasks, each with its data and the annotators' choices.

Different annotations of one task become several entries for one image, a label conflict for a person to resolve.
Predictions are not labels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import write_json
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_listing, rejected
from visionft.project.formats.columns import image_column
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.listing import DEFAULTS, Interpretation, Listing, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.split_columns import split_column
from visionft.project.formats.whole_files import (
    a_list,
    a_name,
    a_split,
    an_object,
    objects,
    read_label_json,
    structure_of,
)

_TITLE = "Label Studio"
_FIELD = "choice"  # name of the question in exported tasks
_Answers = list[tuple[str, tuple[str, ...]]]  # question and classes; an empty question for a part of the image


def read_label_studio(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a Label Studio export (JSON); with several questions, the choice names one."""
    choice = options.choice
    with structure_of(file, _TITLE):
        tasks = a_list(read_label_json(file))
    data = objects(task.get("data") for task in objects(tasks))
    keys = list(dict.fromkeys(key for each in data for key in each))
    finder = ImageFinder.of(file, options)
    key = choice.file or image_column(keys, data, finder)
    if not key or key not in keys:
        values = {"file": file, "keys": ", ".join(keys) or "nothing"}
        message = Message("{file} has no field with file names. The data of its tasks are: {keys}.", **values)
        raise ProjectError(message, "Name the field that holds the images.")
    entries: list[Entry] = []
    named: list[tuple[str, str, dict[str, Any], list[_Answers]]] = []  # place, image name, data, annotators' answers
    for number, task in enumerate(tasks):
        ids = [each["id"] for each in objects([task]) if isinstance(each.get("id"), int)]
        place = f"task {ids[0] if ids else f'[{number}]'}"
        try:
            values = an_object(an_object(task).get("data"))
            done = map(an_object, a_list(task.get("annotations", task.get("completions"))))
            counting = [each for each in done if not each.get("was_cancelled")]
            counting = [each for each in counting if each.get("ground_truth")] or counting  # of the truth, if any
            annotations = [list(_answers(a_list(each.get("result")))) for each in counting]
            named.append((place, a_name(values.get(key)), values, annotations))
        except ValueError as error:
            entries.append(rejected(file, place, str(error)))
    answers = (answer for *_, annotations in named for each in annotations for answer in each)
    questions = list(dict.fromkeys(question for question, _ in answers if question))
    if choice.label and choice.label not in questions:
        message = Message("There is no question “{name}”.", name=choice.label)
        hint = Message("There are: {names}.", names=", ".join(questions))
        raise ProjectError(message, hint)
    question = choice.label or (questions[0] if len(questions) == 1 else "")
    split = split_column(keys, data)
    for place, name, values, annotations in named:
        split_value = a_split(values.get(split)) if split else None
        # One entry, or one per annotator in case of disagreement.
        pairs = [(_classes(each, question) if question else (), _classes(each, "")) for each in annotations]
        for labels, marked in dict.fromkeys(pairs) or [((), ())]:
            entries.append(ImageAnnotation(name=name, place=place, labels=labels, marked=marked, split=split_value))
    interpretation = Interpretation(
        file=file, columns=(key, *questions), file_column=key, split_column=split,
        label_columns=(question,) if question else (),
    )  # fmt: skip
    return annotated_listing(file, _TITLE, entries, options, finder=finder, fields=interpretation)


def _answers(results: list[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in results:
        result = an_object(entry)
        kind = str(result.get("type", "")).casefold()
        if kind in ("choices", "taxonomy") or kind.endswith("labels"):
            value = an_object(result.get("value"))
            is_of_part = kind.endswith("labels") or "x" in value
            question = "" if is_of_part else str(result.get("from_name", _FIELD))
            given = a_list(value.get(kind))  # of a taxonomy, paths from the root
            names = [a_list(each)[-1] for each in given if each] if kind == "taxonomy" else given
            yield question, tuple(map(a_name, names))


def _classes(answers: _Answers, question: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each, names in answers if each == question for name in names))


def write_label_studio(labels: LabelSet, target: Path) -> None:
    """Write tasks with images in Label Studio's local storage, relative to the folder of `target`."""
    tasks: list[dict[str, object]] = []
    for number, record in enumerate(labels.records, 1):
        address = f"/data/local-files/?d={quote(labels.name_of(record))}"
        value = {"choices": list(record.labels)}
        result = [{"from_name": _FIELD, "to_name": "image", "type": "choices", "value": value}] if record.labels else []
        data = {"image": address} | ({"split": record.split} if record.split else {})
        tasks.append({"id": number, "data": data, "annotations": [{"result": result}] if result else []})
    write_json(target, tasks)
