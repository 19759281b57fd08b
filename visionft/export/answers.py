"""Answers of an exported file as a CSV table, one line per picture: from memory, or written while a folder is read.

Where pictures may have several labels, these are one cell, a JSON array as in every table of the program. `unlike` says
whether a picture is unlike those that the model learned from, `distance` by how much (1 is the border); both are empty
where the exported file does not tell.

People open it with a spreadsheet: names of files and classes, which others may have chosen, are made safe for one.
"""

import csv
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.predictor import Prediction, Predictor
from visionft.files import atomic_path
from visionft.foreign_text import printable, spreadsheet_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvResult:
    """What was written.

    Attributes:
        pictures: Lines written, those with an error included.
        unreadable: Pictures that could not be read.
        milliseconds_each: Mean time per picture, reading included.
        provider: The ONNX Runtime provider that ran the file.
        stopped: Whether it ended before the last picture; the lines so far are in the file.
    """

    path: Path
    pictures: int
    unreadable: int
    milliseconds_each: float
    provider: str
    stopped: bool


def write_csv(target: Path, answers: Sequence[Prediction]) -> None:
    """Write one line per picture.

    Raises:
        VisionFTError: The file cannot be written; nothing was left behind.
    """
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = _start(handle, is_multilabel=_is_multilabel(answers))
        writer.writerows(_row(answer) for answer in answers)


def classify_to_csv(
    predictor: Predictor, paths: Sequence[Path], target: Path, *, on_event: OnEvent, should_stop: ShouldStop
) -> CsvResult:
    """Classify pictures into a CSV file without keeping the answers. Stopping keeps the lines written so far.

    Raises:
        VisionFTError: The file cannot be written; nothing was left behind.
    """
    done = unreadable = 0
    stopped = False
    began = time.perf_counter()
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = _start(handle, is_multilabel=predictor.is_multilabel)
        for answer in predictor.predict(paths):
            writer.writerow(_row(answer))
            done += 1
            unreadable += bool(answer.error)
            on_event(Progress(stage="Classifying", done=done, total=len(paths)))
            if should_stop():
                stopped = done < len(paths)
                break
    milliseconds_each = (time.perf_counter() - began) * 1000 / max(1, done)
    return CsvResult(
        path=target, pictures=done, unreadable=unreadable, milliseconds_each=milliseconds_each,
        provider=predictor.provider, stopped=stopped,
    )  # fmt: skip


def csv_text(answers: Sequence[Prediction]) -> str:
    """Return what `write_csv` writes, with the line ends of text."""
    text = io.StringIO()
    writer = _start(text, is_multilabel=_is_multilabel(answers), line_end="\n")
    writer.writerows(_row(answer) for answer in answers)
    return text.getvalue()


def _is_multilabel(answers: Sequence[Prediction]) -> bool:
    return any(answer.classes is not None for answer in answers)


def _start(handle: Any, *, is_multilabel: bool, line_end: str = "\r\n") -> Any:
    writer = csv.writer(handle, lineterminator=line_end)
    writer.writerow(("path", "labels" if is_multilabel else "class", "probability", "distance", "unlike", "error"))
    return writer


def _row(answer: Prediction) -> list[str]:
    names = [printable(name) for name in answer.classes or ()]
    said = json.dumps(names, ensure_ascii=False) if names else "" if answer.classes == () else answer.class_name
    path = printable(answer.path)
    if spreadsheet_cell(path) != path:
        path = f".{os.sep}{path}"  # the same file, and no formula
    probability = "" if answer.error else f"{answer.probability:.6f}"
    distance = "" if answer.distance is None else f"{answer.distance:.4f}"
    unlike = "" if answer.distance is None else str(answer.is_unlike).lower()
    error = spreadsheet_cell(printable(answer.error))
    return [path, spreadsheet_cell(printable(said)), probability, distance, unlike, error]
