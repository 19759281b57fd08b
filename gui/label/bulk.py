"""Labelling many images at once: in clusters of suggestions, or by bulk acceptance.

Selects the view to show in place of the grid; the page queries it and shows it.
"""

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui import actions
from gui.kit.thumbnails import ThumbnailStore
from gui.label.bulk_accept import BulkAccept
from gui.label.cluster_queue import ClusterQueue
from gui.label.label_keys import label_keys
from gui.label.label_session import LabelSession
from gui.label.rows_view import RowsView


class BulkLabelling(QObject):
    """The views; at most one is active."""

    changed = Signal()  # another view, or none

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self.view: QWidget | None = None
        self.clusters = ClusterQueue(labels, thumbnails, self, side_px=side_px)
        self.accepting = BulkAccept(labels, thumbnails, self, side_px=side_px)
        self.rows_view, self.sample_view = self.clusters.view, self.accepting.sample_view
        self._controllers = {self.rows_view: self.clusters, self.sample_view: self.accepting}
        self.views = (self.rows_view, self.accepting.accept_view, self.sample_view)
        for view, place in ((self.rows_view, actions.ROWS), (self.sample_view, actions.SAMPLE)):
            view.grid.installEventFilter(label_keys(labels, self._controllers[view].assign, self, place=place))
        self.rows_view.closed.connect(self.close)
        self.accepting.view_wanted.connect(self._show)

    @property
    def focus(self) -> QWidget | None:
        if isinstance(self.view, RowsView):
            return self.view.grid
        view = self.accepting.accept_view
        return view.slider if self.view is view else None

    @property
    def has_sizes(self) -> bool:
        """Whether the active view uses the image size chosen by the user."""
        return isinstance(self.view, RowsView)

    def show_clusters(self) -> None:
        self.close()
        self._show(self.rows_view)
        self.clusters.begin()

    def show_accepting(self) -> None:
        self.close()
        self.accepting.begin()

    def toggle_current(self) -> None:
        """Exclude the current image from its row, or include it again."""
        if isinstance(view := self.view, RowsView):
            self._controllers[view].toggle(view.grid.selection.current_id())

    def assign(self, class_name: str) -> bool:
        """Apply a class in the active view; return whether one is active."""
        if isinstance(self.view, RowsView):
            self._controllers[self.view].assign(class_name)
        return self.view is not None

    @Slot()
    def close(self) -> None:
        self.clusters.is_on = False
        if self.view not in (None, self.rows_view):
            self.accepting.close()
        self._show(None)

    def set_side(self, pixels: int) -> None:
        self.rows_view.set_side(pixels)
        self.sample_view.set_side(pixels)

    @Slot(object)
    def _show(self, view: QWidget | None) -> None:
        if view is not self.view:
            self.view = view
            self.changed.emit()
