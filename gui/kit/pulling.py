"""Mouse dragging in a grid: from a selected image it can be dropped elsewhere, otherwise it draws a rubber band."""

from PySide6.QtCore import QItemSelectionModel, QMimeData, QPoint, QRect, Qt
from PySide6.QtGui import QColor, QDrag, QMouseEvent, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QApplication, QListView

from gui.kit import theme

IMAGES_MIME = "application/x-visionft-images"  # the images themselves are taken from the selection


class PullView(QListView):
    """A list view with dragging; a subclass draws it and locates its items."""

    def __init__(self, *, draggable: bool) -> None:
        """Args: `draggable` enables dragging the selection to another widget, as `IMAGES_MIME`."""
        super().__init__()
        self._is_draggable = draggable
        self._grabbed: QPoint | None = None  # start of a possible drag of the selection
        self._pressed, self._band = QPoint(), QRect()  # in content coordinates

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select on press; a press on a selected image may start a drag instead."""
        at = event.position().toPoint()
        self._pressed = at + QPoint(0, self.verticalOffset())
        is_plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
        if self._is_draggable and is_plain and self.selectionModel().isSelected(self.indexAt(at)):
            self._grabbed = at
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if self._grabbed is None:
            super().mouseMoveEvent(event)
            if self.state() == QAbstractItemView.State.DragSelectingState:
                self._band = QRect(self._pressed, at + QPoint(0, self.verticalOffset())).normalized()
                self.viewport().update()
        elif (at - self._grabbed).manhattanLength() >= QApplication.startDragDistance():
            self._grabbed = None
            data = QMimeData()
            drag = QDrag(self)
            data.setData(IMAGES_MIME, b"")
            drag.setMimeData(data)
            drag.setPixmap(self._drag_pixmap())
            drag.exec(Qt.DropAction.CopyAction)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish the press: a selected image that was not dragged becomes the only selected one."""
        if self._grabbed is not None:
            self.setSelection(QRect(self._grabbed, self._grabbed), QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._grabbed = None
        super().mouseReleaseEvent(event)
        self._band = QRect()
        self.viewport().update()

    def _drag_pixmap(self) -> QPixmap:
        """Return the current image with the number of dragged images."""
        box = self.visualRect(self.currentIndex())
        marked = self.selectionModel().selection()
        count = sum(marked.at(place).height() for place in range(marked.count()))
        shown = self.viewport().grab(box).scaled(72, 72, Qt.AspectRatioMode.KeepAspectRatio)
        if count > 1:
            painter = QPainter(shown)
            palette = theme.colours()
            words = f"{count:,}"
            room = QRect(0, 0, painter.fontMetrics().horizontalAdvance(words) + 12, 20)
            painter.fillRect(room, QColor(palette.accent))
            painter.setPen(QColor(palette.on_accent))
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), words)
            painter.end()
        return shown

    def draw_band(self, painter: QPainter) -> None:
        if self._band.isValid():
            accent = QColor(theme.colours().accent)
            band = self._band.translated(0, -self.verticalOffset())
            painter.setPen(accent)
            accent.setAlphaF(0.15)
            painter.fillRect(band, accent)
            painter.drawRect(band)
