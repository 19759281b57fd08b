"""Widgets beside each other: with a handle between, or below each other where there is no room. Knows Qt only."""

from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSplitter, QWidget

from gui.kit import theme
from gui.kit.parts import column


def divided(left: QWidget, right: QWidget) -> QSplitter:
    """Return two widgets beside each other, with a handle between that moves; neither can be pushed away."""
    split = QSplitter()
    for part, widget in enumerate((left, right)):
        split.addWidget(widget)
        split.setStretchFactor(part, 1)
    split.setChildrenCollapsible(False)
    return split


class SideBySide(QWidget):
    """Columns of widgets of the same width; `least_px` is what two of them need, at the normal text size."""

    def __init__(self, *columns: Sequence[QWidget], least_px: int = 900, spacing: int = theme.LARGE) -> None:
        super().__init__()
        self._least_px = least_px
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(spacing)
        self._columns = [column(*widgets, None, spacing=spacing) for widgets in columns]
        for each in self._columns:
            self._layout.addLayout(each, 1)

    def is_wide(self) -> bool:
        """Return whether the columns are beside each other."""
        return self._layout.direction() == QBoxLayout.Direction.LeftToRight

    def minimumSizeHint(self) -> QSize:
        """Return the least size; its width is that of the columns below each other, so that they can get there."""
        width = max(each.minimumSize().width() for each in self._columns)
        return QSize(width, self._layout.minimumSize().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose the direction by the width at hand."""
        is_wide = event.size().width() >= theme.scaled(self._least_px)
        self._layout.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)
