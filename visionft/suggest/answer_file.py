"""The sample of an audit as a CSV file to fill in, and its answers read back."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionft.errors import ProjectError
from visionft.files import write_text
from visionft.project.formats.csv_rows import csv_rows
from visionft.project.formats.whole_files import check_size
from visionft.project.names import count_of
from visionft.suggest.certificate import PendingAudit

COLUMNS = ("image_id", "path", "suggested", "answer")
_BETWEEN = "|"  # several labels of a picture


def write_sample(file: Path, pending: PendingAudit, paths: Mapping[int, Path]) -> None:
    """Write the pictures to check, one a row, with an empty column for the answers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for image_id in pending.sample:
        writer.writerow([image_id, paths.get(image_id, ""), _BETWEEN.join(pending.accepted[image_id]), ""])
    write_text(file, text.getvalue())


def read_answers(file: Path, class_names: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """Return {image id: class names} of a filled-in sample.

    Raises:
        ProjectError: It is too large, a column is missing, a row is none, an answer is empty or names no class; all at
            once.
    """
    check_size(file)
    rows = csv_rows(file)
    _, header = next(rows, (0, []))
    if isinstance(header, str) or not {"image_id", "answer"} <= set(header):
        raise ProjectError(f"{file} has no columns image_id and answer.", "Fill in the file that the audit wrote.")
    found: dict[int, tuple[str, ...]] = {}
    faults: list[str] = []
    for number, cells in rows:
        row = {} if isinstance(cells, str) else dict(zip(header, cells, strict=False))
        names = tuple(name.strip() for name in row.get("answer", "").split(_BETWEEN) if name.strip())
        if not row.get("image_id", "").strip().isdecimal():
            faults.append(f"line {number}: no image_id")
        elif not names:
            faults.append(f"line {number}: no answer")
        elif unknown := [name for name in names if name not in class_names]:
            faults.append(f"line {number}: no class “{unknown[0]}”")
        else:
            found[int(row["image_id"])] = names
    if faults:
        shown = "; ".join(faults[:5])
        raise ProjectError(
            f"{file}: {count_of(len(faults), 'row')} cannot be read: {shown}.",
            "Write a class of the project into the column “answer” of every row.",
        )
    return found
