"""Labelling many pictures at once: in rows of alike ones, or by accepting suggestions, checked or not.

Decides which of its views is shown in place of the grid; the page asks for it and shows it.
"""

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui import actions
from gui.kit.thumbnails import ThumbnailStore
from gui.label.alike_rows import AlikeRows
from gui.label.keys import LabelKeys
from gui.label.session import LabelSession


class BulkLabelling(QObject):
    """The views, of which at most one is on."""

    changed = Signal()  # another view, or none

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self.view: QWidget | None = None
        self.focus: QWidget | None = None
        self.rows = AlikeRows(labels, thumbnails, self, side_px=side_px)
        self.rows_view = self.rows.view
        self.views: tuple[QWidget, ...] = (self.rows_view,)
        self.rows_view.grid.installEventFilter(LabelKeys(labels, self.rows.assign, self, place=actions.ROWS))
        self.rows_view.closed.connect(self.close)
        self._labels = labels

    def show_rows(self) -> None:
        """Begin labelling in rows."""
        self._show(self.rows_view, self.rows_view.grid)
        self.rows.begin()

    def why_no_rows(self) -> str:
        """Return why there are no rows now, translated; empty when there are."""
        return self._labels.suggesting.why_no_rows()

    def toggle_current(self) -> None:
        """Take the picture that the keys are on out of its row, or put it back."""
        if self.view is self.rows_view:
            self.rows.toggle(self.rows_view.grid.selection.current_id())

    def assign(self, class_name: str) -> bool:
        """Give a class as the view that is on means it; return whether one is on."""
        if self.view is self.rows_view:
            self.rows.assign(class_name)
        return self.view is not None

    @Slot()
    def close(self) -> None:
        """Go back to the grid."""
        self.rows.end()
        self._show(None, None)

    def follow(self, effects: object) -> None:
        """Take note of a change of the project."""
        self.rows.follow(effects)

    def set_side(self, pixels: int) -> None:
        """Set the side of a tile."""
        self.rows_view.grid.set_side(pixels)

    def _show(self, view: QWidget | None, focus: QWidget | None) -> None:
        self.view, self.focus = view, focus
        self.changed.emit()
