"""Label Studio: an array of tasks, each with its data and what annotators chose; one that several annotated differently
is several sayings about one picture, of which a person decides. Predictions are no labels.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from visionft.errors import ProjectError
from visionft.files import atomic_path
from visionft.project.formats.annotated import (
    Annotated,
    Fields,
    a_list,
    a_name,
    a_split,
    an_object,
    annotated_listing,
    entries_of,
    objects,
    rejected,
)
from visionft.project.formats.columns import picture_column, split_column
from visionft.project.formats.handing_out import LabelSet
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing, Rejected
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import read_label_json

_TITLE = "Label Studio"
_CHOICES = "choices"
_FIELD = "choice"  # what our own tasks call the question


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of an annotator: to which question, which classes, and whether about a part of the picture."""

    question: str
    classes: tuple[str, ...]
    is_of_part: bool


def read_label_studio(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a Label Studio export (JSON); arguments as `readers.read_csv`.

    `choice.label` is the name of the question whose answers are the classes, needed where there are several.

    Raises:
        ProjectError: It is no such file, or names no pictures.
    """
    tasks = entries_of(file, _TITLE, read_label_json(file))
    data = objects(task.get("data") for task in objects(tasks))
    keys = list(dict.fromkeys(key for each in data for key in each))
    finder = PictureFinder.of(file, is_confined=is_confined, beside=beside)
    key = choice.file or picture_column(keys, data, finder.has)
    if not key or key not in keys:
        raise ProjectError(
            f"{file} has no field with file names. The data of its tasks are: {', '.join(keys) or 'nothing'}.",
            "Name the field that holds the pictures.",
        )
    read = [(place, _answered(file, place, entry)) for place, entry in _placed(tasks)]
    questions = _questions(answers for _, task in read if not isinstance(task, Rejected) for answers in task[1])
    if choice.label and choice.label not in questions:
        raise ProjectError(f"There is no question “{choice.label}”.", f"There are: {', '.join(questions)}.")
    asked = choice.label or (questions[0] if len(questions) == 1 else "")
    split = split_column(keys, data)
    entries = [said for place, task in read for said in _sayings(file, place, task, key, split, asked)]
    return annotated_listing(
        file,
        _TITLE,
        entries,
        finder=finder,
        choice=choice,
        fields=Fields(columns=(key, *questions), file=key, labels=(asked,) if asked else (), split=split),
    )


def _placed(tasks: list[Any]) -> Iterator[tuple[str, Any]]:
    for number, task in enumerate(tasks):
        named = [each["id"] for each in objects([task]) if isinstance(each.get("id"), int)]
        yield f"task {named[0] if named else f'[{number}]'}", task


def _answered(file: Path, place: str, entry: Any) -> tuple[dict[str, Any], list[list[_Answer]]] | Rejected:
    """Return the data of a task, and what each annotator answered."""
    try:
        task = an_object(entry)
        annotations = [an_object(each) for each in a_list(task.get("annotations", task.get("completions")))]
        counting = [each for each in annotations if not each.get("was_cancelled")]
        counting = [each for each in counting if each.get("ground_truth")] or counting
        return an_object(task.get("data")), [list(_answers(a_list(each.get("result")))) for each in counting]
    except ValueError as error:
        return rejected(file, place, str(error))


def _answers(results: list[Any]) -> Iterator[_Answer]:
    for entry in results:
        result = an_object(entry)
        kind = str(result.get("type", "")).casefold()
        if kind == _CHOICES or kind.endswith("labels"):
            value = an_object(result.get("value"))
            classes = tuple(a_name(name) for name in a_list(value.get(kind)))
            yield _Answer(str(result.get("from_name", _FIELD)), classes, kind != _CHOICES or "x" in value)


def _questions(annotations: Iterator[list[_Answer]]) -> list[str]:
    """Return the names of the questions about whole pictures."""
    answers = (answer for each in annotations for answer in each if not answer.is_of_part)
    return list(dict.fromkeys(answer.question for answer in answers))


def _sayings(
    file: Path,
    place: str,
    task: tuple[dict[str, Any], list[list[_Answer]]] | Rejected,
    key: str,
    split: str,
    asked: str,
) -> Iterator[Annotated | Rejected]:
    """Yield what a task says of its picture: once, or once for each annotator who says something else."""
    if isinstance(task, Rejected):
        yield task
        return
    data, annotations = task
    try:
        name = a_name(data.get(key))
    except ValueError as error:
        yield rejected(file, place, str(error))
        return
    said = dict.fromkeys((_classes(each, asked), _classes(each, None)) for each in annotations)
    for labels, marked in said or {((), ()): None}:
        where = a_split(data.get(split)) if split else None
        yield Annotated(name=name, place=place, labels=labels, marked=marked, split=where)


def _classes(answers: list[_Answer], question: str | None) -> tuple[str, ...]:
    """Return the classes that answer a question about the whole picture; None: those of its parts."""
    fitting = [each for each in answers if (each.is_of_part if question is None else each.question == question)]
    wanted = [each for each in fitting if question is None or not each.is_of_part]
    return tuple(dict.fromkeys(name for answer in wanted for name in answer.classes))


def write_label_studio(labels: LabelSet, target: Path) -> None:
    """Write tasks whose pictures are read from Label Studio's local storage, seen from the folder of `target`."""
    tasks: list[dict[str, object]] = []
    for number, record in enumerate(labels.records, 1):
        address = f"/data/local-files/?d={quote(labels.name_of(record))}"
        value = {"choices": list(record.labels)}
        result = [{"from_name": _FIELD, "to_name": "image", "type": _CHOICES, "value": value}] if record.labels else []
        data = {"image": address} | ({"split": record.split} if record.split else {})
        tasks.append({"id": number, "data": data, "annotations": [{"result": result}] if result else []})
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
