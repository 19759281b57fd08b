"""Labelling many images at once: bulk acceptance of suggestions, and the check of a random sample of them.

Selects the view to show in place of the grid; the page queries it and shows it.
"""

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui import actions
from gui.kit.thumbnails import ThumbnailStore
from gui.label.bulk_accept import BulkAccept
from gui.label.label_keys import label_keys
from gui.label.label_session import LabelSession


class BulkLabelling(QObject):
    """The views; at most one is active."""

    changed = Signal()  # another view, or none

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self.view: QWidget | None = None
        self.accepting = BulkAccept(labels, thumbnails, self, side_px=side_px)
        self.sample_view = self.accepting.sample_view
        self.views = (self.accepting.accept_view, self.sample_view)
        keys = label_keys(labels, self.accepting.assign, self, place=actions.SAMPLE)
        self.sample_view.grid.installEventFilter(keys)
        self.accepting.view_wanted.connect(self._show)

    @property
    def focus(self) -> QWidget | None:
        if self.view is self.sample_view:
            return self.sample_view.grid
        view = self.accepting.accept_view
        return view.slider if self.view is view else None

    @property
    def has_sizes(self) -> bool:
        """Whether the active view uses the image size chosen by the user."""
        return self.view is self.sample_view

    def show_accepting(self) -> None:
        self.close()
        self.accepting.begin()

    def toggle_current(self) -> None:
        """Mark the current image of the sample as wrong, or remove the mark."""
        if self.view is self.sample_view:
            self.accepting.toggle(self.sample_view.grid.selection.current_id())

    def assign(self, class_name: str) -> bool:
        """Apply a class in the active view; return whether one is active."""
        if self.view is self.sample_view:
            self.accepting.assign(class_name)
        return self.view is not None

    @Slot()
    def close(self) -> None:
        if self.view is not None:
            self.accepting.close()
        self._show(None)

    @Slot(object)
    def _show(self, view: QWidget | None) -> None:
        if view is not self.view:
            self.view = view
            self.changed.emit()
