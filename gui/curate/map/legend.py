"""The legend of a map: colours, shapes and groups; a click hides a group or shows it again. Knows Qt only."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from PySide6.QtWidgets import QScrollArea, QSizePolicy

from gui.curate.map.map_reader import QUIET, MapGroup
from gui.curate.map.raster import DIAMOND, SQUARE, TRIANGLE
from gui.kit import theme
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.parts import clear, widget_of
from gui.kit.translation import tr

_MARK_PX, _ROWS = 12, 3


class MapLegend(QScrollArea):
    """A chip for each group with images, three lines of them visible."""

    hidden_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: frozenset[int] = frozenset()
        self.chips: dict[int, Chip] = {}
        self._groups: tuple[MapGroup, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._flow = Flow(spacing=theme.TIGHT)
        canvas = widget_of(self._flow)
        canvas.setObjectName("canvas")
        self.setWidget(canvas)

    def show_groups(self, groups: Sequence[MapGroup], *, is_other: bool) -> None:
        """Show these groups; with `is_other` they mean something else than before, and all are shown."""
        if is_other:
            self.hidden = frozenset()
        if tuple(groups) == self._groups and not is_other:
            return
        self._groups = tuple(groups)
        clear(self._flow)
        self.chips = {place: Chip() for place, group in enumerate(groups) if group.count}
        for place, chip in self.chips.items():
            chip.clicked.connect(lambda _checked=False, place=place: self.toggle(place))
            self._flow.addWidget(chip)
        self._show_chips()
        self._fit()

    def toggle(self, place: int) -> None:
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
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event) -> None:
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._show_chips()
        super().changeEvent(event)

    def _fit(self) -> None:
        needed = self._flow.heightForWidth(self.viewport().width())
        row = next((chip.sizeHint().height() for chip in self.chips.values()), 0)
        self.setFixedHeight(max(1, min(needed, _ROWS * (row + theme.TIGHT))))


def mark_icon(colour: str, shape: int, *, is_hollow: bool = False) -> QIcon:
    size, ratio = theme.scaled(_MARK_PX), 2
    image = QPixmap(QSize(size, size) * ratio)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink = QColor(colour) if colour != QUIET else QColor(theme.colours().grey_line)
    painter.setPen(ink)
    painter.setBrush(Qt.BrushStyle.NoBrush if is_hollow else ink)
    box = QRectF(1.5, 1.5, size - 3, size - 3)
    middle = box.center()
    top, bottom = QPointF(middle.x(), box.top()), QPointF(middle.x(), box.bottom())
    if shape == SQUARE:
        painter.drawRect(box.adjusted(0.7, 0.7, -0.7, -0.7))
    elif shape == TRIANGLE:
        painter.drawPolygon(QPolygonF([top, box.bottomRight(), box.bottomLeft()]))
    elif shape == DIAMOND:
        right, left = QPointF(box.right(), middle.y()), QPointF(box.left(), middle.y())
        painter.drawPolygon(QPolygonF([top, right, bottom, left]))
    else:
        painter.drawEllipse(box)
    painter.end()
    return QIcon(image)
