"""The list itself: a click or Enter chooses a row, a drag moves it, pictures can be dropped on it. Knows Qt only."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from gui.kit.pulling import PICTURES_MIME


class ClassList(QListWidget):
    """Rows that can be moved; one stands out while pictures are held over it."""

    entered_row = Signal(QListWidgetItem)
    dropped_on = Signal(QListWidgetItem)

    def __init__(self) -> None:
        super().__init__()
        self._target: QListWidgetItem | None = None
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.itemClicked.connect(self.entered_row)

    def is_target(self, index: QModelIndex | QPersistentModelIndex) -> bool:
        """Return whether pictures are held over this row."""
        return self._target is not None and self._target is self.item(index.row())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter and Space do what a click does."""
        item = self.currentItem()
        if item is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.entered_row.emit(item)
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept pictures, and rows of its own."""
        event.acceptProposedAction() if _holds_pictures(event) else super().dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Let the row below the pictures stand out."""
        if not _holds_pictures(event):
            super().dragMoveEvent(event)
            return
        self._aim_at(self.itemAt(event.position().toPoint()))
        event.setAccepted(self._target is not None)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Let no row stand out."""
        self._aim_at(None)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell on which row the pictures fell."""
        if not _holds_pictures(event):
            super().dropEvent(event)
            return
        item = self.itemAt(event.position().toPoint())
        self._aim_at(None)
        if item is not None:
            event.acceptProposedAction()
            self.dropped_on.emit(item)

    def _aim_at(self, item: QListWidgetItem | None) -> None:
        self._target = item
        self.viewport().update()


def _holds_pictures(event: QDropEvent) -> bool:
    return event.mimeData().hasFormat(PICTURES_MIME)
