"""The legend of a map: what each colour and shape means; a click hides a group or shows it again. Knows Qt only."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from PySide6.QtWidgets import QLayout, QLayoutItem, QScrollArea, QSizePolicy, QWidget

from gui.curate.map.raster import DIAMOND, SQUARE, TRIANGLE
from gui.curate.map.reading import QUIET, Group
from gui.kit import theme
from gui.kit.chips import Chip
from gui.kit.i18n import tr
from gui.kit.parts import clear

_MARK_PX, _ROWS = 12, 3
_MOST = 200  # groups that have a chip


class Flow(QLayout):
    """Lays widgets side by side, and below each other where a line is full."""

    def __init__(self, parent: QWidget, gap: int) -> None:
        super().__init__(parent)
        self._gap = gap
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Add an item at the end."""
        self._items.append(item)

    def count(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Take an item out."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """Return that the height follows the width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of all lines."""
        return self._arrange(QRectF(0, 0, width, 0).toRect(), is_real=False)

    def setGeometry(self, rect) -> None:
        """Place all items."""
        super().setGeometry(rect)
        self._arrange(rect, is_real=True)

    def sizeHint(self) -> QSize:
        """Return the least size."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """Return the room of the largest item."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect, *, is_real: bool) -> int:
        x, y, height = rect.x(), rect.y(), 0
        for item in self._items:
            hint = item.sizeHint()
            if x > rect.x() and x + hint.width() > rect.right() + 1:
                x, y, height = rect.x(), y + height + self._gap, 0
            if is_real:
                item.setGeometry(QRectF(x, y, min(hint.width(), rect.width()), hint.height()).toRect())
            x, height = x + hint.width() + self._gap, max(height, hint.height())
        return y + height - rect.y()


class MapLegend(QScrollArea):
    """A chip for each group that has pictures, three lines of them in view."""

    hidden_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: frozenset[int] = frozenset()
        self.chips: dict[int, Chip] = {}
        self._groups: tuple[Group, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._canvas = QWidget()
        self._canvas.setObjectName("canvas")
        self._flow = Flow(self._canvas, theme.TIGHT)
        self.setWidget(self._canvas)

    def show_groups(self, groups: Sequence[Group], *, is_other: bool) -> None:
        """Show these groups; with `is_other` they mean something else than before, and all are shown."""
        if is_other:
            self.hidden = frozenset()
        if tuple(groups) == self._groups and not is_other:
            return
        self._groups = tuple(groups)
        clear(self._flow)
        self.chips = {place: self._chip(place) for place, group in enumerate(groups) if group.count}
        self._show_chips()
        self._fit()

    def _chip(self, place: int) -> Chip:
        chip = Chip()
        chip.clicked.connect(lambda _checked=False: self.toggle(place))
        self._flow.addWidget(chip)
        return chip

    def toggle(self, place: int) -> None:
        """Hide a group, or show it again."""
        self.hidden ^= {place}
        self._show_chips()
        self.hidden_changed.emit()

    def _show_chips(self) -> None:
        for place, chip in self.chips.items():
            group, is_hidden = self._groups[place], place in self.hidden
            chip.show_words(f"{group.words} {group.count:,}")
            chip.setIcon(mark_icon(group.colour, group.shape, is_hollow=is_hidden))
            state = tr("hidden; click to show") if is_hidden else tr("click to hide")
            chip.setToolTip(f"{group.words}: {group.count:,} ({state})")
            chip.setAccessibleDescription(state)

    def resizeEvent(self, event) -> None:
        """Take as many lines as the chips need, up to three."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event) -> None:
        """Draw the marks in the colours of a new theme."""
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._show_chips()
        super().changeEvent(event)

    def _fit(self) -> None:
        needed = self._flow.heightForWidth(self.viewport().width())
        row = next((chip.sizeHint().height() for chip in self.chips.values()), 0)
        self.setFixedHeight(max(1, min(needed, _ROWS * (row + theme.TIGHT))))


def mark_icon(colour: str, shape: int, *, is_hollow: bool = False) -> QIcon:
    """Return a mark as it stands on the map; hollow where it is hidden."""
    size, ratio = theme.scaled(_MARK_PX), 2
    picture = QPixmap(QSize(size, size) * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink = QColor(colour) if colour != QUIET else QColor(theme.colours().grey_line)
    painter.setPen(ink)
    painter.setBrush(Qt.BrushStyle.NoBrush if is_hollow else ink)
    _draw_mark(painter, shape, QRectF(1.5, 1.5, size - 3, size - 3))
    painter.end()
    return QIcon(picture)


def _draw_mark(painter: QPainter, shape: int, box: QRectF) -> None:
    middle = box.center()
    if shape == SQUARE:
        painter.drawRect(box.adjusted(0.7, 0.7, -0.7, -0.7))
    elif shape == TRIANGLE:
        painter.drawPolygon(QPolygonF([QPointF(middle.x(), box.top()), box.bottomRight(), box.bottomLeft()]))
    elif shape == DIAMOND:
        points = [
            (middle.x(), box.top()),
            (box.right(), middle.y()),
            (middle.x(), box.bottom()),
            (box.left(), middle.y()),
        ]
        painter.drawPolygon(QPolygonF([QPointF(*point) for point in points]))
    else:
        painter.drawEllipse(box)
