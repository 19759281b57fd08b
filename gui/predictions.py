"""What an exported model said of pictures: plain data for the screen, and as a CSV file."""

import csv
from dataclasses import dataclass
from pathlib import Path

from visionft.files import atomic_path


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAnswer:
    """One picture: (class, probability) best first, or why it could not be read."""

    path: Path
    top: tuple[tuple[str, float], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All pictures of one go. `provider` is what really ran the file; times include reading the pictures."""

    answers: tuple[PictureAnswer, ...]
    class_names: tuple[str, ...]
    provider: str
    milliseconds_each: float
    was_stopped: bool = False


def write_csv(target: Path, answers: tuple[PictureAnswer, ...]) -> None:
    """Write one line per picture, as `visionft predict --csv` does.

    Raises:
        VisionFTError: The file cannot be written; nothing was left behind.
    """
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("path", "class", "probability", "error"))
        for answer in answers:
            name, probability = answer.top[0] if answer.top else ("", None)
            writer.writerow((answer.path, name, "" if probability is None else f"{probability:.6f}", answer.error))


def exported_models(project_dir: Path) -> list[Path]:
    """Return the exported files of a project, the newest first."""
    found = [path for path in (project_dir / "exports").glob("*/model.onnx") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
