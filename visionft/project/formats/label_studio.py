"""Label Studio: an array of tasks, each with its data and the annotators' choices.

Different annotations of one task become several entries for one image, a label conflict for a person to resolve.
Predictions are not labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from visionft.core.errors import ProjectError
from visionft.core.files import write_json
from visionft.core.messages import Message
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_table, rejected
from visionft.project.formats.columns import image_column
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, Interpretation, ReadOptions
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.split_names import split_column
from visionft.project.formats.whole_files import (
    as_list,
    as_name,
    as_object,
    as_split,
    objects,
    read_label_json,
    structure_of,
)

_TITLE = "Label Studio"
_FIELD = "choice"  # name of the question in exported tasks
_Answers = list[tuple[str, tuple[str, ...]]]  # question and classes; an empty question for a part of the image


@dataclass(frozen=True, slots=True)
class _Task:
    """A task: an image with the answers of each annotator."""

    place: str  # in the file, for errors: `task 12`
    name: str  # of the image
    data: dict[str, Any]
    annotations: list[_Answers]


def read_label_studio(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a Label Studio export (JSON); the choice names the question if there are several."""
    with structure_of(file, _TITLE):
        values = as_list(read_label_json(file))
    data = objects(task.get("data") for task in objects(values))
    field_names = list(dict.fromkeys(name for fields in data for name in fields))
    finder = ImageFinder.of(file, options)
    image_field = options.choice.file or image_column(field_names, data, finder)
    if not image_field or image_field not in field_names:
        message = Message(
            "{file} has no field with file names. The data of its tasks are: {keys}.",
            file=file,
            keys=", ".join(field_names) or "nothing",
        )
        raise ProjectError(message, "Name the field that holds the images.")
    tasks, entries = _parse_tasks(file, values, image_field)
    questions = _questions(tasks)
    question = _chosen_question(questions, options.choice.label)
    split = split_column(field_names, data)
    entries += [entry for task in tasks for entry in _image_annotations(task, question, split)]
    interpretation = Interpretation(
        file=file,
        columns=(image_field, *questions),
        file_column=image_field,
        split_column=split,
        label_columns=(question,) if question else (),
    )
    return annotated_table(file, _TITLE, entries, options, finder=finder, fields=interpretation)


def _parse_tasks(file: Path, values: list[Any], key: str) -> tuple[list[_Task], list[Entry]]:
    """Return the tasks and the rejected entries; `key` is the field with the image name."""
    tasks: list[_Task] = []
    entries: list[Entry] = []
    for number, value in enumerate(values):
        ids = [entry["id"] for entry in objects([value]) if isinstance(entry.get("id"), int)]
        place = f"task {ids[0] if ids else f'[{number}]'}"
        try:
            task = as_object(value)
            data = as_object(task.get("data"))
            annotations = _annotations_of(task)
            tasks.append(_Task(place, as_name(data.get(key)), data, annotations))
        except ValueError as error:
            entries.append(rejected(file, place, str(error)))
    return tasks, entries


def _annotations_of(task: dict[str, Any]) -> list[_Answers]:
    """Return the answers of each submitted annotation of a task; ground truth replaces all others.

    `completions` is the key of Label Studio before version 1.0.
    """
    annotations = map(as_object, as_list(task.get("annotations", task.get("completions"))))
    submitted = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    used = [annotation for annotation in submitted if annotation.get("ground_truth")] or submitted
    return [list(_answers(as_list(annotation.get("result")))) for annotation in used]


def _questions(tasks: list[_Task]) -> list[str]:
    """Return the names of the questions about whole images."""
    answers = (answer for task in tasks for annotation in task.annotations for answer in annotation)
    return list(dict.fromkeys(question for question, _ in answers if question))


def _chosen_question(questions: list[str], chosen: str) -> str:
    """Return the question with the labels: the chosen or the only question; empty for several questions."""
    if chosen and chosen not in questions:
        message = Message("There is no question “{name}”.", name=chosen)
        hint = Message("There are: {names}.", names=", ".join(questions))
        raise ProjectError(message, hint)
    return chosen or (questions[0] if len(questions) == 1 else "")


def _image_annotations(task: _Task, question: str, split: str) -> Iterator[ImageAnnotation]:
    """Yield an entry for each different answer of the annotators of a task."""
    split_value = as_split(task.data.get(split)) if split else None
    pairs = [(_classes(each, question) if question else (), _classes(each, "")) for each in task.annotations]
    for labels, marked in dict.fromkeys(pairs) or [((), ())]:
        yield ImageAnnotation(name=task.name, place=task.place, labels=labels, marked=marked, split=split_value)


def _answers(results: list[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in results:
        result = as_object(entry)
        kind = str(result.get("type", "")).casefold()
        if kind in ("choices", "taxonomy") or kind.endswith("labels"):
            value = as_object(result.get("value"))
            is_of_part = kind.endswith("labels") or "x" in value
            question = "" if is_of_part else str(result.get("from_name", _FIELD))
            choices = as_list(value.get(kind))  # a taxonomy gives paths from the root
            names = [as_list(path)[-1] for path in choices if path] if kind == "taxonomy" else choices
            yield question, tuple(map(as_name, names))


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
