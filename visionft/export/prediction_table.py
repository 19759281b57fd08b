"""Write predictions of an exported model as a CSV table, one line per image.

In a multi-label task, the labels are one cell with a JSON array, as in every table of the program. `unlike` is whether
an image is out of distribution, and `distance` is its out-of-distribution score (the threshold is 1); both are empty if
the exported file has no distance.

Users open the table in a spreadsheet, so names of files and classes, which may be untrusted, are escaped.
"""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from visionft.core.files import atomic_path
from visionft.core.foreign_text import printable, spreadsheet_cell
from visionft.export.predictor import Prediction


def write_csv(target: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions to a CSV file, one line per image.

    Raises:
        VisionFTError: The file cannot be written; no partial file remains.
    """
    with atomic_path(target) as temporary:
        temporary.write_text(csv_text(predictions), encoding="utf-8", newline="\r\n")


def csv_text(predictions: Sequence[Prediction]) -> str:
    """Return the table as CSV text with line feeds as line ends."""
    text = io.StringIO()
    is_multilabel = any(prediction.classes is not None for prediction in predictions)
    rows = [_header(is_multilabel=is_multilabel), *map(_row, predictions)]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _header(*, is_multilabel: bool) -> Sequence[str]:
    return "path", "labels" if is_multilabel else "class", "probability", "distance", "unlike", "error"


def _row(prediction: Prediction) -> list[str]:
    if prediction.classes is None:  # single-label
        labels = prediction.class_name
    else:
        names = [printable(name) for name in prediction.classes]
        labels = json.dumps(names, ensure_ascii=False) if names else ""
    path = printable(prediction.path)
    if spreadsheet_cell(path) != path:
        path = f".{os.sep}{path}"  # names the same file, but is not taken for a formula
    probability = "" if prediction.error else f"{prediction.probability:.6f}"
    distance = "" if prediction.distance is None else f"{prediction.distance:.4f}"
    unlike = "" if prediction.distance is None else str(prediction.is_unlike).lower()
    error = spreadsheet_cell(printable(prediction.error))
    return [path, spreadsheet_cell(printable(labels)), probability, distance, unlike, error]
