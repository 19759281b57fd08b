"""The scoreboard as a table: places, names with their chips, intervals drawn to one scale. Knows Qt and plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.value_table import VALUE_ROLE, ValueTable
from gui.results.board import words
from visionft.evaluation.scoreboard import Scoreboard, Standing

_Index = QModelIndex | QPersistentModelIndex
HEADERS = (
    "Rank", "Answerer", "Right, with its 95 % interval", "Points beside the best", "Balanced accuracy", "ECE",
    "Made in", "A picture", "To ship", "Learnt",
)  # fmt: skip
PLACE, NAME, RIGHT, BESIDE, BALANCED, ECE, MADE, TIME, SHIP, LEARNT = range(len(HEADERS))
# A column, and below which width of the table it gives way.
_GIVE_WAY = ((LEARNT, 1240), (ECE, 1160), (BALANCED, 1060), (SHIP, 920), (BESIDE, 800), (MADE, 710), (TIME, 560))
STANDING_ROLE = Qt.ItemDataRole.UserRole + 7
_PLACE_PX, _FIGURE_PX, _RIGHT_PX, _ROW_PX = 70, 52, 205, 34


@dataclass(frozen=True, slots=True)
class Scale:
    """What the drawn shares run over, and the interval of the best, which lies behind all of them."""

    low: float
    high: float
    best: tuple[float, float] | None


class BoardTable(ValueTable):
    """One row for each run; a click on one chooses it."""

    run_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(HEADERS, name="Scoreboard")
        self.scale = Scale(0.0, 1.0, None)
        self.colour_of: Mapping[str, int] = {}
        self._shown_run = ""
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setItemDelegateForColumn(NAME, _NameDelegate(self))
        self.setItemDelegateForColumn(RIGHT, _IntervalDelegate(self))
        self.verticalHeader().setDefaultSectionSize(theme.scaled(_ROW_PX))
        header = self.horizontalHeader()
        header.setSectionResizeMode(PLACE, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(RIGHT, QHeaderView.ResizeMode.Interactive)
        if (title := self.horizontalHeaderItem(RIGHT)) is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        if (title := self.horizontalHeaderItem(NAME)) is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.itemSelectionChanged.connect(self._on_selected)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave columns out where there is no room for all: who, how good and how sure say most."""
        for place, needed in _GIVE_WAY:
            self.setColumnHidden(place, event.size().width() < theme.scaled(needed))
        self.setColumnWidth(PLACE, theme.scaled(_PLACE_PX))
        self.setColumnWidth(RIGHT, max(theme.scaled(_RIGHT_PX), event.size().width() // 5))
        super().resizeEvent(event)

    def show_board(self, board: Scoreboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show the runs, and which of them is the chosen one; `colours` are places by the runs' names."""
        self.colour_of, self.scale = colours, _scale(board)
        with QSignalBlocker(self):
            self.show_rows(words.cells(board.standings))
            self._attach(board.standings)
        self.choose(chosen)

    def _attach(self, standings: tuple[Standing, ...]) -> None:
        """Let each cell know its standing; sorting may have moved the rows."""
        for line in range(self.rowCount()):
            first = self.item(line, PLACE)
            standing = standings[first.data(VALUE_ROLE)] if first is not None else None
            for column in range(self.columnCount()):
                if (item := self.item(line, column)) is not None and standing is not None:
                    item.setData(STANDING_ROLE, standing)
                    item.setToolTip(words.tip(standing))
                    if column in (NAME, RIGHT):
                        item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def standing_at(self, line: int) -> Standing | None:
        """Return the standing of a row."""
        item = self.item(line, PLACE)
        return item.data(STANDING_ROLE) if item is not None else None

    def runs(self) -> list[str]:
        """Return the names of the runs in the order shown."""
        found = (self.standing_at(line) for line in range(self.rowCount()))
        return [each.run for each in found if each is not None]

    def choose(self, run: str) -> None:
        """Mark a run as chosen, without telling."""
        with QSignalBlocker(self):
            self.clearSelection()
            if run in (runs := self.runs()):
                self.selectRow(runs.index(run))
                if run != self._shown_run and (item := self.item(runs.index(run), NAME)) is not None:
                    self.scrollToItem(item)
                self._shown_run = run
        self.viewport().update()

    def _on_selected(self) -> None:
        lines = {index.row() for index in self.selectedIndexes()}
        standing = self.standing_at(min(lines)) if lines else None
        if standing is not None:
            self.run_chosen.emit(standing.run)


def _scale(board: Scoreboard) -> Scale:
    """Return tens of percent around all intervals: whiskers on a scale from 0 would be too small to compare."""
    intervals = [each.top1_interval for each in board.standings if each.top1_interval is not None]
    best = board.best
    low = min((int(10 * each[0]) / 10 for each in intervals), default=0.0)
    high = max((-int(-10 * each[1] - 0.999) / 10 for each in intervals), default=1.0)
    return Scale(max(0.0, low), min(1.0, max(high, low + 0.1)), best.top1_interval if best is not None else None)


class _NameDelegate(QStyledItemDelegate):
    """A run's colour, its name, and what sets it apart as chips."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return room for the name."""
        return super().sizeHint(option, index) + QSize(theme.scaled(24), 0)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the name between its colour and its chips; the chips give way where there is no room."""
        standing: Standing | None = index.data(STANDING_ROLE)
        table = self.parent()
        if standing is None or not isinstance(table, BoardTable):
            super().paint(painter, option, index)
            return
        chips = words.chips(standing)
        small = QFont(option.font)
        small.setPixelSize(max(9, option.font.pixelSize() - 2))
        widths = [QFontMetricsF(small).horizontalAdvance(chip) + 14 for chip in chips]
        room = sum(widths) + 5 * len(widths)
        if option.rect.width() - room < theme.scaled(150):
            chips, widths, room = [], [], 0.0
        beside = QStyleOptionViewItem(option)
        beside.rect = option.rect.adjusted(20, 0, -round(room), 0)
        super().paint(painter, beside, index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(QRectF(option.rect.left(), option.rect.top(), 20, option.rect.height()), _chosen())
            ends = QRectF(option.rect.right() - room + 1, option.rect.top(), room, option.rect.height())
            painter.fillRect(ends, _chosen())
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(table.colour_of.get(standing.run, 0)))
        painter.drawRoundedRect(swatch, 3, 3)
        left = option.rect.right() - room + 5
        for chip, width in zip(chips, widths, strict=True):
            _draw_chip(painter, QRectF(left, option.rect.center().y() - 8, width, 17), chip, small)
            left += width + 5
        painter.restore()


def _chosen() -> QColor:
    return QColor(theme.colours().accent_soft)


def _draw_chip(painter: QPainter, area: QRectF, words_of_it: str, font: QFont) -> None:
    palette = theme.colours()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(palette.good_soft))
    painter.drawRoundedRect(area, 8, 8)
    painter.setFont(font)
    painter.setPen(QColor(palette.good))
    painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), words_of_it)


class _IntervalDelegate(QStyledItemDelegate):
    """The share in figures, then a dot with whiskers over its interval; the best's interval lies behind all of them."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        """Return room for the figures and the drawing."""
        return QSize(theme.scaled(_RIGHT_PX), theme.scaled(_ROW_PX))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one interval."""
        super().paint(painter, option, index)
        standing: Standing | None = index.data(STANDING_ROLE)
        table = self.parent()
        if standing is None or standing.top1_interval is None or not isinstance(table, BoardTable):
            return
        palette, scale = theme.colours(), table.scale
        area = QRectF(option.rect).adjusted(11 + theme.scaled(_FIGURE_PX), 0, -12, 0)
        if area.width() < 40:
            return

        def at(share: float) -> float:
            return area.left() + area.width() * (share - scale.low) / (scale.high - scale.low)

        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if scale.best is not None:
            behind = QRectF(QPointF(at(scale.best[0]), area.top()), QPointF(at(scale.best[1]), area.bottom() + 1))
            tint = QColor(palette.good)
            tint.setAlpha(28)
            painter.fillRect(behind, tint)
        middle, (low, high) = area.center().y(), standing.top1_interval
        ink = QColor(palette.text if standing.place is not None else palette.outline)
        painter.setPen(QPen(ink, 1.5))
        painter.drawLine(QPointF(at(low), middle), QPointF(at(high), middle))
        for end in (low, high):
            painter.drawLine(QPointF(at(end), middle - 4), QPointF(at(end), middle + 4))
        painter.setBrush(QColor(palette.good if standing.place == 1 else palette.train_line))
        if standing.place is None:
            painter.setBrush(QColor(palette.surface))
        painter.setPen(QPen(QColor(palette.surface if standing.place is not None else palette.outline), 1.5))
        painter.drawEllipse(QPointF(at(standing.top1 or 0.0), middle), 5, 5)
        painter.restore()
