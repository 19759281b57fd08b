"""A picture and what random changes make of it, as training would see it. Knows Qt only."""

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import ElidedLabel, IconButton, column, row, text

COLUMNS = 4
CELLS = 8
_RADIUS = 5


class AugmentStrip(QWidget):
    """The original first, then its variants."""

    others_requested = Signal()  # other variants of this picture
    next_requested = Signal()  # another picture

    def __init__(self) -> None:
        super().__init__()
        self._cells = [_Cell() for _ in range(CELLS)]
        grid = QGridLayout()
        grid.setSpacing(theme.TIGHT)
        for index, cell in enumerate(self._cells):
            grid.addWidget(cell, index // COLUMNS, index % COLUMNS)
        self._words = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.others_button = IconButton("refresh", "Show other variants", on_click=self.others_requested.emit)
        self.next_button = IconButton("chevron-right", "Show another picture", on_click=self.next_requested.emit)
        head = row(text("What training sees", "heading"), None, self.others_button, self.next_button, spacing=0)
        self.setLayout(column(head, self._words, grid))
        self.show_waiting()

    def show_waiting(self) -> None:
        """Show that the pictures are on their way; the old ones stay meanwhile."""
        self._words.setText(tr("Drawing variants of your pictures …") if not self.shown() else self._words.text())

    def show_pictures(self, pictures: tuple[QImage, ...], caption: str) -> None:
        """Show the original and its variants."""
        for index, cell in enumerate(self._cells):
            cell.show_picture(pictures[index] if index < len(pictures) else None)
            cell.setVisible(index < len(pictures) or index < COLUMNS)
            name = "The picture without changes" if index == 0 else f"Variant {index}"
            cell.setAccessibleName(name)
            cell.setToolTip(name)
        self._words.setText(caption)

    def show_words(self, words: str) -> None:
        """Show why there are no pictures."""
        for cell in self._cells:
            cell.show_picture(None)
        self._words.setText(words)

    def shown(self) -> int:
        """Return how many pictures are shown."""
        return sum(cell.has_picture for cell in self._cells)

    def words(self) -> str:
        """Return the line above the pictures."""
        return self._words.text()


class _Cell(QWidget):
    """One square picture with round corners."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    @property
    def has_picture(self) -> bool:
        return self._picture is not None

    def show_picture(self, picture: QImage | None) -> None:
        self._picture = None if picture is None else QPixmap.fromImage(picture)
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return width

    def sizeHint(self) -> QSize:
        side = theme.scaled(80)
        return QSize(side, side)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        side = min(self.width(), self.height())
        square = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        path = QPainterPath()
        path.addRoundedRect(square, _RADIUS, _RADIUS)
        painter.setClipPath(path)
        if self._picture is None:
            painter.fillRect(square, theme.colours().sunken)
        else:
            painter.drawPixmap(square.toRect(), self._picture)
