"""Recognition of dropped files: a project, images to import, an exported model.

The image formats are loaded with the first drop, not with the window.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QMimeData


@dataclass(frozen=True, slots=True)
class DropContent:
    """One dropped item: a project folder, a source of images (folder, zip, list), or an exported model."""

    kind: Literal["project", "source", "model"]
    path: Path


def source_pattern() -> str:
    """Return the file-dialog filter for importable files."""
    from visionft.project.formats.registry import SOURCE_SUFFIXES

    return f"Zip or list of images ({' '.join(f'*{suffix}' for suffix in SOURCE_SUFFIXES)})"


def local_paths(data: QMimeData) -> list[Path]:
    """Return the local files and folders of a drop."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def meaning(paths: list[Path]) -> DropContent | None:
    """Return the first of these paths that the window can open; None if there is none."""
    from visionft.project.formats.registry import SOURCE_SUFFIXES
    from visionft.project.store import DATABASE

    for path in paths:
        suffix = path.suffix.casefold()
        if path.is_dir():
            return DropContent("project" if (path / DATABASE).is_file() else "source", path)
        if suffix in SOURCE_SUFFIXES:
            return DropContent("source", path)
        if suffix == ".onnx":
            return DropContent("model", path)
    return None
