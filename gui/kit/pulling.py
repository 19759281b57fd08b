"""What a pull of the mouse does in a grid: it draws a band that selects, or takes along what is selected.

A pull from what is not selected, or from between, draws the band; one from what is selected can be dropped elsewhere.
"""

from PySide6.QtCore import QItemSelectionModel, QMimeData, QPoint, QRect, Qt
from PySide6.QtGui import QColor, QDrag, QMouseEvent, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QApplication, QListView

from gui.kit import theme

PICTURES_MIME = "application/x-visionft-pictures"  # which pictures it is about is the selection's affair
_PULLED_PX = 72


class PullView(QListView):
    """A list with this; a subclass draws it and says what lies where."""

    def __init__(self, *, draggable: bool) -> None:
        """Args: `draggable` says whether what is selected can be pulled to another widget, as `PICTURES_MIME`."""
        super().__init__()
        self._is_draggable = draggable
        self._grabbed: QPoint | None = None  # where a pull of what is selected may begin
        self._pressed, self._band = QPoint(), QRect()  # in the content

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select; but what is selected already may be about to be pulled away."""
        at = event.position().toPoint()
        self._pressed = at + QPoint(0, self.verticalOffset())
        is_plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
        if self._is_draggable and is_plain and self.selectionModel().isSelected(self.indexAt(at)):
            self._grabbed = at
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pull what is selected, or draw the band."""
        at = event.position().toPoint()
        if self._grabbed is None:
            super().mouseMoveEvent(event)
            if self.state() == QAbstractItemView.State.DragSelectingState:
                self._band = QRect(self._pressed, at + QPoint(0, self.verticalOffset())).normalized()
                self.viewport().update()
        elif (at - self._grabbed).manhattanLength() >= QApplication.startDragDistance():
            self._grabbed = None
            self._pull()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End what the press began: a picture that was not pulled is selected alone."""
        if self._grabbed is not None:
            self.setSelection(QRect(self._grabbed, self._grabbed), QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._grabbed = None
        super().mouseReleaseEvent(event)
        self._band = QRect()
        self.viewport().update()

    def _pull(self) -> None:
        data, drag = QMimeData(), QDrag(self)
        data.setData(PICTURES_MIME, b"")
        drag.setMimeData(data)
        drag.setPixmap(self._pulled())
        drag.exec(Qt.DropAction.CopyAction)

    def _pulled(self) -> QPixmap:
        """Return what is seen of a pull: the current picture, and how many go with it."""
        box, marked = self.visualRect(self.currentIndex()), self.selectionModel().selection()
        count = sum(marked.at(place).height() for place in range(marked.count()))
        shown = self.viewport().grab(box).scaled(_PULLED_PX, _PULLED_PX, Qt.AspectRatioMode.KeepAspectRatio)
        if count > 1:
            painter, palette = QPainter(shown), theme.colours()
            words = f"{count:,}"
            room = QRect(0, 0, painter.fontMetrics().horizontalAdvance(words) + 12, 20)
            painter.fillRect(room, QColor(palette.accent))
            painter.setPen(QColor(palette.on_accent))
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), words)
            painter.end()
        return shown

    def draw_band(self, painter: QPainter) -> None:
        """Draw the band, while there is one."""
        if self._band.isValid():
            accent = QColor(theme.colours().accent)
            painter.setPen(accent)
            accent.setAlphaF(0.15)
            painter.fillRect(self._band.translated(0, -self.verticalOffset()), accent)
            painter.drawRect(self._band.translated(0, -self.verticalOffset()))
