"""The confusion matrix: true class by row, predicted by column; each cell can be pressed. Knows Qt and plain data."""

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from gui.kit import theme
from gui.kit.i18n import tr

MIN_CELL_PX, MAX_CELL_PX = 26, 156
WIDE_CELL_PX = 80  # from here on a name lies over its column, shortened where it must be
MAX_NAME_PX = 190  # longer names lose their middle
HEAD_PX = 22
MAX_HEAD_PX = 120  # of names on end


class ConfusionMatrix(QWidget):
    """Counts as shaded cells; rights are tinted with one colour, mistakes with another, and numbers say the same."""

    cell_chosen = Signal(int, int)  # true class, predicted class

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._counts: tuple[tuple[int, ...], ...] = ()
        self._chosen: tuple[int, int] | None = None
        self._longest_px: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("Confusion matrix"))

    def show_counts(self, names: tuple[str, ...], counts: tuple[tuple[int, ...], ...]) -> None:
        """Show counts, true class by row."""
        self._names, self._counts, self._chosen, self._longest_px = names, counts, None, None
        self.updateGeometry()
        self.update()

    def chosen(self) -> tuple[int, int] | None:
        """Return the pressed cell."""
        return self._chosen

    def choose(self, true_index: int, predicted_index: int) -> None:
        """Press a cell."""
        self._chosen = (true_index, predicted_index)
        self.update()
        self.cell_chosen.emit(true_index, predicted_index)

    def minimumSizeHint(self) -> QSize:
        """Return the size at which all cells can be read."""
        side = len(self._names) * MIN_CELL_PX
        return QSize(self._name_width() + side, self._head_height(MIN_CELL_PX) + side + 4)

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        side = len(self._names) * 52
        return QSize(self._name_width() + side, self._head_height(52) + side + 4)

    def cell_rect(self, true_index: int, predicted_index: int) -> QRect:
        """Return where a cell is drawn."""
        left, top, side = self._geometry()
        return QRect(left + predicted_index * side, top + true_index * side, side, side)

    def _longest(self) -> int:
        if self._longest_px is None:
            metrics = self.fontMetrics()
            self._longest_px = max((metrics.horizontalAdvance(name) for name in self._names), default=0)
        return min(theme.scaled(MAX_NAME_PX), self._longest_px)

    def _name_width(self) -> int:
        return max(self._longest(), self.fontMetrics().horizontalAdvance(tr("True class"))) + 12

    def _are_upright(self, side: int) -> bool:
        """Whether the names over the columns stand on end, because a cell is too narrow for them."""
        return self._longest() > side - 6 and side < theme.scaled(WIDE_CELL_PX)

    def _head_height(self, side: int) -> int:
        upright = min(self._longest() + 8, theme.scaled(MAX_HEAD_PX))
        names = upright if self._are_upright(side) else theme.scaled(HEAD_PX)
        return theme.scaled(HEAD_PX) + names + 2

    def _geometry(self) -> tuple[int, int, int]:
        count, left = max(1, len(self._names)), self._name_width()
        across = (self.width() - left) // count
        side = across
        for _ in range(2):  # the height of the head depends on the cells, and they on it
            side = min(across, (self.height() - self._head_height(side) - 4) // count)
        side = max(MIN_CELL_PX, min(theme.scaled(MAX_CELL_PX), side))
        return left, self._head_height(side), side

    def _cell_at(self, point: QPoint) -> tuple[int, int] | None:
        left, top, side = self._geometry()
        column, line = (point.x() - left) // side, (point.y() - top) // side
        inside = 0 <= column < len(self._names) and 0 <= line < len(self._names)
        return (line, column) if inside else None

    # -- events -------------------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Measure the names anew in another font."""
        if event.type() == QEvent.Type.FontChange:
            self._longest_px = None
        super().changeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Press the cell under the pointer."""
        if (cell := self._cell_at(event.position().toPoint())) is not None:
            self.choose(*cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows."""
        moves = {Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0), Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1)}
        move = moves.get(Qt.Key(event.key()))
        if move is None or not self._names:
            super().keyPressEvent(event)
            return
        line, column = self._chosen or (0, 0)
        last = len(self._names) - 1
        self.choose(min(last, max(0, line + move[0])), min(last, max(0, column + move[1])))

    def event(self, event) -> bool:
        """Say the cell in words in a tooltip."""
        if isinstance(event, QHelpEvent) and (cell := self._cell_at(event.pos())) is not None:
            QToolTip.showText(event.globalPos(), self.describe(*cell), self)
            return True
        return super().event(event)

    def describe(self, true_index: int, predicted_index: int) -> str:
        """Return a cell in words."""
        count, true_name = self._counts[true_index][predicted_index], self._names[true_index]
        pictures = f"{count:,}"
        if true_index == predicted_index:
            one, many = "{n} picture of “{name}” was recognised", "{n} pictures of “{name}” were recognised"
            return tr(one if count == 1 else many, n=pictures, name=true_name)
        said = self._names[predicted_index]
        one, many = "{n} picture of “{name}” was taken for “{said}”", "{n} pictures of “{name}” were taken for “{said}”"
        return tr(one if count == 1 else many, n=pictures, name=true_name, said=said)

    # -- drawing ------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw names and cells."""
        if not self._names:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_names(painter)
        for line, counts in enumerate(self._counts):
            total = sum(counts) or 1
            for column, count in enumerate(counts):
                self._draw_cell(painter, line, column, count, count / total)
        if self._chosen is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.colours().accent), 2.5))
            painter.drawRoundedRect(QRectF(self.cell_rect(*self._chosen)).adjusted(1, 1, -1, -1), 4, 4)

    def _draw_cell(self, painter: QPainter, line: int, column: int, count: int, share: float) -> None:
        palette = theme.colours()
        box = QRectF(self.cell_rect(line, column)).adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.sunken))
        painter.drawRoundedRect(box, 4, 4)
        is_right = line == column
        if count:
            tint = QColor(palette.good if is_right else palette.bad)
            tint.setAlphaF(0.10 + 0.42 * (share if is_right else min(1.0, 2 * share)))
            painter.setBrush(tint)
            painter.drawRoundedRect(box, 4, 4)
        font = painter.font()
        font.setBold(bool(count))
        painter.setFont(font)
        painter.setPen(QColor(palette.text if count else palette.muted))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{count:,}" if count else "·")

    def _draw_names(self, painter: QPainter) -> None:
        palette = theme.colours()
        left, top, side = self._geometry()
        metrics, head = painter.fontMetrics(), theme.scaled(HEAD_PX)
        painter.setPen(QColor(palette.muted))
        painter.drawText(QRect(left, 0, self.width() - left, head), int(Qt.AlignmentFlag.AlignLeft), tr("Predicted"))
        bottom = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
        painter.drawText(QRect(0, top - head - 4, left - 10, head), int(bottom), tr("True class"))
        painter.setPen(QColor(palette.text))
        for index, name in enumerate(self._names):
            row_box = QRect(0, top + index * side, left - 10, side)
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, row_box.width())
            painter.drawText(row_box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), shown)
            column_box = QRect(left + index * side, head, side, top - head - 4)
            self._draw_column_name(painter, column_box, name)

    def _draw_column_name(self, painter: QPainter, box: QRect, name: str) -> None:
        metrics, middle = painter.fontMetrics(), Qt.AlignmentFlag.AlignVCenter
        if not self._are_upright(box.width()):
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, box.width() - 6)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignHCenter | middle), shown)
            return
        shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, box.height())
        painter.save()
        painter.translate(box.left(), box.bottom())
        painter.rotate(-90)
        painter.drawText(QRect(0, 0, box.height(), box.width()), int(Qt.AlignmentFlag.AlignLeft | middle), shown)
        painter.restore()
