"""The list of views: one button each, with its number of open items. Knows Qt only."""

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.kit import theme
from gui.kit.parts import Button, column

WIDTH_PX = 186
_PAD_PX = 11


class ViewButton(Button):
    """A view's title, and its number at the right."""

    def __init__(self, title: str, icon_name: str) -> None:
        super().__init__("", icon_name, role="rail")
        self.title = title
        self._count: int | None = None
        self.show_count(None)

    def show_count(self, count: int | None) -> None:
        self._count = count
        words = f"{count:,}" if count is not None else ""
        self.setAccessibleName(f"{self.title}: {words}" if words else self.title)
        self._fit()
        self.update()

    def count(self) -> int | None:
        return self._count

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        around = 2 * _PAD_PX + self.iconSize().width() + theme.SMALL
        number = self.fontMetrics().horizontalAdvance(self._number()) + theme.SMALL if self._number() else 0
        shown = self.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, self.width() - around - number)
        self.setText(shown.replace("&", "&&"))
        self.setToolTip("" if shown == self.title else self.title)

    def _number(self) -> str:
        return f"{self._count:,}" if self._count else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if number := self._number():
            painter = QPainter(self)
            palette = theme.colours()
            painter.setPen(QColor(palette.accent if self.isChecked() else palette.muted))
            box = QRect(0, 0, self.width() - _PAD_PX, self.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number)


class ViewList(QWidget):
    """The views, one of them chosen."""

    chosen = Signal(str)  # name

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(theme.scaled(WIDTH_PX))
        self.buttons: dict[str, ViewButton] = {}
        self._group = QButtonGroup(self)
        self._column = column(None, spacing=theme.HAIR)
        self.setLayout(self._column)

    def add(self, name: str, title: str, icon_name: str) -> None:
        button = self.buttons[name] = ViewButton(title, icon_name)
        button.clicked.connect(lambda _checked=False: self.chosen.emit(name))
        self._group.addButton(button)
        self._column.insertWidget(self._column.count() - 1, button)
