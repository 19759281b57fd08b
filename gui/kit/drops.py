"""Recognition of dropped files: a project, images to import, an exported model.

The image formats are loaded with the first drop, not with the window.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtWidgets import QFrame

from gui.kit import theme
from gui.kit.parts import Button, IconLabel, column, restyle, row, text
from gui.kit.translation import tr
from visionft.core.messages import Text

DropKind = Literal["project", "source", "images", "model"]


@dataclass(frozen=True, slots=True)
class DropContent:
    """Dropped items: a project folder, a source of images (folder, zip, list), loose images, or an exported model."""

    kind: DropKind
    path: Path  # the first path; the common folder of several sources, if there is one
    paths: tuple[Path, ...]  # all dropped paths of this kind


def source_pattern() -> str:
    """Return the file-dialog filter for importable files."""
    from visionft.project.formats.registry import SOURCE_SUFFIXES

    return f"{tr('Zip or list of images')} ({' '.join(f'*{suffix}' for suffix in SOURCE_SUFFIXES)})"


def local_paths(data: QMimeData) -> list[Path]:
    """Return the local files and folders of a drop."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def recognise_drop(paths: list[Path]) -> DropContent | None:
    """Return the dropped paths of the kind of the first supported path; None if no path is supported."""
    kinds: list[DropKind] = [kind for path in paths if (kind := _kind(path)) is not None]
    if not kinds:
        return None
    kind = kinds[0]
    chosen = tuple(path for path in paths if _kind(path) == kind)
    has_common_folder = kind == "source" and len({path.parent for path in chosen}) == 1 < len(chosen)
    return DropContent(kind, chosen[0].parent if has_common_folder else chosen[0], chosen)


def _kind(path: Path) -> DropKind | None:
    from visionft.data.decode import IMAGE_SUFFIXES
    from visionft.project.formats.registry import SOURCE_SUFFIXES
    from visionft.project.store import DATABASE

    suffix = path.suffix.casefold()
    if path.is_dir():
        return "project" if (path / DATABASE).is_file() else "source"
    if suffix in SOURCE_SUFFIXES:
        return "source"
    if suffix == ".onnx":
        return "model"
    return "images" if suffix in IMAGE_SUFFIXES else None


class DropZone(QFrame):
    """The visible drop target of a page, which handles the drop. `file_button` chooses a zip or a list instead."""

    def __init__(self, title: Text, words: Text, button: Text, *, takes_lists: bool = False) -> None:
        super().__init__()
        self.setProperty("role", "drop")
        self.choose_button = Button(button, "folder-open", role="primary")
        self.file_button = Button("Choose zip or list", "file")
        self.file_button.setToolTip(tr("A zip of images, or a CSV or JSONL file that lists images with their classes"))
        heading = text(title, "heading")
        self._words = text(words, "muted", wrap=True)
        for label in (heading, self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        image = row(None, IconLabel("pictures", size=44, tone="accent"), None)
        buttons = row(None, self.choose_button, self.file_button, None, spacing=theme.MEDIUM)
        layout = column(None, image, heading, self._words, theme.SMALL, buttons, None)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.file_button.setVisible(takes_lists)  # after it has a parent: without one it would be a window
        self.setMinimumHeight(theme.scaled(230))

    def show_words(self, words: str) -> None:
        self._words.setText(words)

    def set_active(self, is_active: bool) -> None:
        restyle(self, active="true" if is_active else "false")
