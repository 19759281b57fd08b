"""Labelling many pictures at once: in rows of alike ones, or by accepting suggestions, checked or not.

Decides which of its views is shown in place of the grid; the page asks for it and shows it.
"""

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui import actions
from gui.kit.thumbnails import ThumbnailStore
from gui.label.alike_rows import AlikeRows
from gui.label.auditing import Auditing
from gui.label.keys import LabelKeys
from gui.label.session import LabelSession


class BulkLabelling(QObject):
    """The views, of which at most one is on."""

    changed = Signal()  # another view, or none

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self._labels = labels
        self.view: QWidget | None = None
        self.rows = AlikeRows(labels, thumbnails, self, side_px=side_px)
        self.auditing = Auditing(labels, thumbnails, self, side_px=side_px)
        self.rows_view, self.sample_view = self.rows.view, self.auditing.sample_view
        self.views: tuple[QWidget, ...] = (self.rows_view, *self.auditing.views)
        for view, assign, place in (
            (self.rows_view, self.rows.assign, actions.ROWS),
            (self.sample_view, self.auditing.assign, actions.SAMPLE),
        ):
            view.grid.installEventFilter(LabelKeys(labels, assign, self, place=place))
        self.rows_view.closed.connect(self.close)
        self.auditing.view_wanted.connect(self._show)

    @property
    def focus(self) -> QWidget | None:
        """What takes the keys in the view that is on."""
        if self.view in (self.rows_view, self.sample_view):
            return self.rows_view.grid if self.view is self.rows_view else self.sample_view.grid
        accept, verdict = self.auditing.accept_view, self.auditing.verdict_view
        return accept.slider if self.view is accept else verdict.close_button if self.view is verdict else None

    @property
    def has_sizes(self) -> bool:
        """Whether the view that is on shows pictures of the size that the user chose."""
        return self.view in (self.rows_view, self.sample_view)

    # -- rows ---------------------------------------------------------------------------------------------------

    def show_rows(self) -> None:
        """Begin labelling in rows."""
        self.close()
        self._show(self.rows_view)
        self.rows.begin()

    def why_no_rows(self) -> str:
        """Return why there are no rows now, translated; empty when there are."""
        return self._labels.suggesting.why_no_rows()

    # -- accepting ----------------------------------------------------------------------------------------------

    def show_accepting(self) -> None:
        """Let the user accept many suggestions."""
        self.close()
        self.auditing.begin()

    # -- whichever is on ----------------------------------------------------------------------------------------

    def toggle_current(self) -> None:
        """Take the picture that the keys are on out of its row, or put it back."""
        if self.view is self.rows_view:
            self.rows.toggle(self.rows_view.grid.selection.current_id())
        elif self.view is self.sample_view:
            self.auditing.toggle_current()

    def assign(self, class_name: str) -> bool:
        """Give a class as the view that is on means it; return whether one is on."""
        if self.view is self.rows_view:
            self.rows.assign(class_name)
        elif self.view is self.sample_view:
            self.auditing.assign(class_name)
        return self.view is not None

    @Slot()
    def close(self) -> None:
        """Go back to the grid."""
        self.rows.end()
        if self.view is not None and self.view is not self.rows_view:
            self.auditing.close()
        self._show(None)

    def follow(self, effects: object) -> None:
        """Take note of a change of the project."""
        self.rows.follow(effects)

    def set_side(self, pixels: int) -> None:
        """Set the side of a tile."""
        self.rows_view.set_side(pixels)
        self.sample_view.set_side(pixels)

    @Slot(object)
    def _show(self, view: QWidget | None) -> None:
        if view is not self.view:
            self.view = view
            self.changed.emit()
