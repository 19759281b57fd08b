"""A layout that wraps to the next line when the current one is full. Depends on Qt only."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from gui.kit import theme


class Flow(QLayout):
    """Arranges widgets side by side at their size hints and wraps lines; hidden widgets take no space."""

    def __init__(self, *widgets: QWidget, spacing: int = theme.SMALL, outset: int = 0) -> None:
        """Args: `outset` shifts the widgets left by some pixels, to align padded widgets with the text above."""
        super().__init__()
        self._outset = outset
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]  (None ends the loops of Qt)
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width + self._outset, 0), moves=False)

    def sizeHint(self) -> QSize:
        sizes = [item.sizeHint() for item in self._items if not item.isEmpty()]
        gaps = self.spacing() * max(0, len(sizes) - 1)
        return QSize(sum(size.width() for size in sizes) + gaps, max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:
        size = QSize(0, 0)
        for item in self._items:
            size = size if item.isEmpty() else size.expandedTo(item.minimumSize())
        return size

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect.adjusted(-self._outset, 0, 0, 0), moves=True)

    def _arrange(self, rect: QRect, *, moves: bool) -> int:
        """Arrange the items in vertically centred lines, if `moves` is set; return the total height."""
        lines: list[list[tuple[QLayoutItem, QSize]]] = []
        free_px = -1
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint().boundedTo(QSize(max(rect.width(), 1), 1 << 20))
            if size.width() > free_px:
                lines.append([])
                free_px = rect.width()
            lines[-1].append((item, size))
            free_px -= size.width() + self.spacing()
        top = rect.top()
        for line in lines:
            height = max(size.height() for _, size in line)
            left = rect.left()
            for item, size in line:
                if moves:
                    item.setGeometry(QRect(QPoint(left, top + (height - size.height()) // 2), size))
                left += size.width() + self.spacing()
            top += height + self.spacing()
        return max(0, top - self.spacing() - rect.top())
