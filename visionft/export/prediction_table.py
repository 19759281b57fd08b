"""Write predictions of an exported model as a CSV table, one line per image: from memory, or while classifying.

With several labels per image, the labels are one cell, a JSON array as in every table of the program. `unlike` tells
whether an image is out of distribution, `distance` is its out-of-distribution score (1 is the border); both are empty
where the exported file has no distance.

Users open the table in a spreadsheet: names of files and classes may come from others and are made safe for it.
"""

import csv
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.core.events import Progress
from visionft.core.files import atomic_path
from visionft.core.foreign_text import printable, spreadsheet_cell
from visionft.core.jobs import JobContext
from visionft.export.predictor import Prediction, Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvResult:
    """Result of writing a CSV table of predictions.

    Attributes:
        images: Number of lines written, lines with an error included.
        milliseconds_each: Mean time per image, reading included.
        stopped: Whether the user cancelled before the last image; the lines so far are in the file.
    """

    path: Path
    images: int
    unreadable: int
    milliseconds_each: float
    provider: str
    stopped: bool


def write_csv(target: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions to a CSV file, one line per image.

    Raises:
        VisionFTError: The file cannot be written; nothing was left behind.
    """
    with atomic_path(target) as temporary:
        temporary.write_text(csv_text(predictions), encoding="utf-8", newline="\r\n")


def classify_to_csv(predictor: Predictor, paths: Sequence[Path], target: Path, *, job: JobContext) -> CsvResult:
    """Classify images into a CSV file without keeping the predictions in memory. Cancelling keeps the lines so far.

    Raises:
        VisionFTError: The file cannot be written; nothing was left behind.
    """
    done, unreadable, stopped = 0, 0, False
    began = time.perf_counter()
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(_header(is_multilabel=predictor.is_multilabel))
        for prediction in predictor.predict(paths):
            writer.writerow(_row(prediction))
            done += 1
            unreadable += bool(prediction.error)
            job.report(Progress(stage="Classifying", done=done, total=len(paths)))
            if job.is_cancelled:
                stopped = done < len(paths)
                break
    milliseconds_each = (time.perf_counter() - began) * 1000 / max(1, done)
    return CsvResult(
        path=target,
        images=done,
        unreadable=unreadable,
        milliseconds_each=milliseconds_each,
        provider=predictor.provider,
        stopped=stopped,
    )


def csv_text(predictions: Sequence[Prediction]) -> str:
    """Return the content of `write_csv` as text, with line feeds as line ends."""
    text = io.StringIO()
    is_multilabel = any(prediction.classes is not None for prediction in predictions)
    rows = [_header(is_multilabel=is_multilabel), *map(_row, predictions)]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _header(*, is_multilabel: bool) -> Sequence[str]:
    return "path", "labels" if is_multilabel else "class", "probability", "distance", "unlike", "error"


def _row(prediction: Prediction) -> list[str]:
    names = [printable(name) for name in prediction.classes or ()]
    labels = (
        json.dumps(names, ensure_ascii=False) if names else "" if prediction.classes == () else prediction.class_name
    )
    path = printable(prediction.path)
    if spreadsheet_cell(path) != path:
        path = f".{os.sep}{path}"  # the same file, not a formula
    probability = "" if prediction.error else f"{prediction.probability:.6f}"
    distance = "" if prediction.distance is None else f"{prediction.distance:.4f}"
    unlike = "" if prediction.distance is None else str(prediction.is_unlike).lower()
    error = spreadsheet_cell(printable(prediction.error))
    return [path, spreadsheet_cell(printable(labels)), probability, distance, unlike, error]
