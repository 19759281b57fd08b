"""What a drop on the window means: a project, pictures to import, an exported model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QMimeData

from visionft.project.formats.registry import SOURCE_SUFFIXES
from visionft.project.store import DATABASE

SOURCE_PATTERN = f"Zip or list of pictures ({' '.join(f'*{suffix}' for suffix in SOURCE_SUFFIXES)})"
MODEL_SUFFIX = ".onnx"


@dataclass(frozen=True, slots=True)
class Dropped:
    """One thing that was dropped: a project folder, a source of pictures (folder, zip, list), or an exported model."""

    kind: Literal["project", "source", "model"]
    path: Path


def local_paths(data: QMimeData) -> list[Path]:
    """Return the files and folders of this computer that a drop carries."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def meaning(paths: list[Path]) -> Dropped | None:
    """Return the first of these paths that means something to the window; None when none does."""
    found = (_meaning_of(path) for path in paths)
    return next((dropped for dropped in found if dropped is not None), None)


def _meaning_of(path: Path) -> Dropped | None:
    suffix = path.suffix.casefold()
    if path.is_dir():
        return Dropped("project" if (path / DATABASE).is_file() else "source", path)
    if suffix in SOURCE_SUFFIXES:
        return Dropped("source", path)
    return Dropped("model", path) if suffix == MODEL_SUFFIX else None
