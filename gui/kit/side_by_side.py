"""Side-by-side widgets: with a movable handle, or stacked if there is no space."""

from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSplitter, QWidget

from gui.kit import theme
from gui.kit.parts import column

QWIDGETSIZE_MAX = (1 << 24) - 1


def divided(left: QWidget, right: QWidget) -> QSplitter:
    """Return a splitter with two widgets; neither can be collapsed."""
    split = QSplitter()
    for part, widget in enumerate((left, right)):
        split.addWidget(widget)
        split.setStretchFactor(part, 1)
    split.setChildrenCollapsible(False)
    return split


class SideBySide(QWidget):
    """Columns of equal width; `least_px` is the width of two of them, at the normal text size.

    With `side_px` the last column has this width where there is space for it.
    """

    def __init__(
        self, *columns: Sequence[QWidget], least_px: int = 900, side_px: int = 0, spacing: int = theme.LARGE
    ) -> None:
        super().__init__()
        self._least_px, self._side_px = least_px, side_px
        self._side = columns[-1] if side_px else ()
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(spacing)
        self._columns = [column(*widgets, None, spacing=spacing) for widgets in columns]
        for each in self._columns:
            self._layout.addLayout(each, 1)
        if side_px:
            self._layout.setStretchFactor(self._columns[-1], 0)

    def minimumSizeHint(self) -> QSize:
        """Return the minimum size, as wide as one stacked column, so that stacking is possible."""
        width = max(each.minimumSize().width() for each in self._columns)
        return QSize(width, self._layout.minimumSize().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        is_wide = event.size().width() >= theme.scaled(self._least_px)
        self._layout.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        for each in self._side:
            each.setMinimumWidth(theme.scaled(self._side_px) if is_wide else 0)
            each.setMaximumWidth(theme.scaled(self._side_px) if is_wide else QWIDGETSIZE_MAX)
        super().resizeEvent(event)
