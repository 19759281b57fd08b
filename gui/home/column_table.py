"""The first rows of a table, to choose its columns by a click. Depends on Qt and plain data only."""

from collections.abc import Collection
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableView

from gui.kit import theme
from gui.kit.translation import tr
from visionft.project.formats.image_table import TableHead

_Index = QModelIndex | QPersistentModelIndex
_ROW_PX, _WIDEST_PX, _MEASURED = 26, 220, 40  # height of a row, width of a column, columns whose texts are measured
_INSET = 11  # of texts, by the style sheet
_NOWHERE = QModelIndex()


class _HeadModel(QAbstractTableModel):
    """The texts of a table, and the marks of its columns."""

    def __init__(self, view: "ColumnTable") -> None:
        super().__init__(view)
        self.head = TableHead("", (), ())
        self.image = ""  # title of the column that names the images
        self.classes: Collection[str] = ()  # titles of the columns that give the classes

    def rowCount(self, parent: _Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.head.rows)

    def columnCount(self, parent: _Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.head.titles)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self.head.rows[index.row()][index.column()]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        title = self.head.titles[section]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ": ".join(filter(None, (title, self.mark(section))))
        return None

    def mark(self, section: int) -> str:
        """Return the meaning of a column; empty for none."""
        title = self.head.titles[section]
        return tr("Class") if title in self.classes else tr("Image") if title == self.image else ""


class _MarkHeader(QHeaderView):
    """Titles of columns, each with its meaning below it."""

    def __init__(self, model: _HeadModel, view: "ColumnTable") -> None:
        super().__init__(Qt.Orientation.Horizontal, view)
        self._head = model
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setStretchLastSection(True)
        self.setMinimumSectionSize(theme.scaled(72))
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), 2 * QFontMetrics(self.font()).height() + theme.MEDIUM + theme.TIGHT)

    def sectionSizeFromContents(self, section: int) -> QSize:
        metrics = QFontMetrics(_bold(self.font()))
        words = (self._head.head.titles[section], tr("Class"), tr("Image"))
        return QSize(max(map(metrics.horizontalAdvance, words)) + 2 * _INSET + theme.TIGHT, self.sizeHint().height())

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        palette = theme.colours()
        mark = self._head.mark(section)
        is_class = self._head.head.titles[section] in self._head.classes
        painter.save()
        painter.fillRect(rect, QColor(palette.accent_soft if is_class else palette.sunken if mark else palette.surface))
        painter.fillRect(QRect(rect.left(), rect.bottom(), rect.width(), 1), QColor(palette.border))
        inner = rect.adjusted(_INSET, theme.TIGHT, -theme.TIGHT, -theme.TIGHT)
        lines = inner.adjusted(0, 0, 0, -inner.height() // 2), inner.adjusted(0, inner.height() // 2, 0, 0)
        title = self._head.head.titles[section]
        font = _bold(self.font())
        for area, words, ink, face in (
            (lines[0], title, palette.text, font),
            (lines[1], mark, palette.accent if is_class else palette.muted, font),
        ):
            painter.setFont(face)
            painter.setPen(QColor(ink))
            shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, area.width())
            painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)
        painter.restore()


class _MarkDelegate(QStyledItemDelegate):
    """Tints the cells of the columns with a meaning: the style sheet would draw over a cell's own background."""

    def __init__(self, model: _HeadModel, view: "ColumnTable") -> None:
        super().__init__(view)
        self._head = model

    def paint(self, painter: QPainter, option: Any, index: _Index) -> None:
        palette = theme.colours()
        title = self._head.head.titles[index.column()]
        if title in self._head.classes or title == self._head.image:
            is_class = title in self._head.classes
            painter.fillRect(option.rect, QColor(palette.accent_soft if is_class else palette.sunken))
        super().paint(painter, option, index)


class ColumnTable(QTableView):
    """The first rows of a table; `chosen` emits the title of a column that is clicked, or taken with Enter."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._head = _HeadModel(self)
        self.setModel(self._head)
        header = _MarkHeader(self._head, self)
        self.setHorizontalHeader(header)
        self.setItemDelegate(_MarkDelegate(self._head, self))
        self.setProperty("role", "columns")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectColumns)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(_ROW_PX))
        header.sectionClicked.connect(self._choose)
        self.clicked.connect(lambda index: self._choose(index.column()))

    def show_head(self, head: TableHead) -> None:
        """Show the first rows of a table."""
        if head == self._head.head:
            return
        self._head.beginResetModel()
        self._head.head = head
        self._head.endResetModel()
        self.setAccessibleName(tr("First rows of {file}", file=head.name))
        for place in range(min(len(head.titles), _MEASURED)):
            wanted = max(self.sizeHintForColumn(place), self.horizontalHeader().sectionSizeHint(place))
            self.setColumnWidth(place, min(wanted, theme.scaled(_WIDEST_PX)))
        self._fit_height()

    def show_columns(self, image: str, classes: Collection[str]) -> None:
        """Mark the column that names the images, and those that give the classes."""
        self._head.image, self._head.classes = image, classes
        last = max(0, len(self._head.head.titles) - 1)
        self._head.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, last)
        self.viewport().update()

    def marks(self) -> dict[str, str]:
        """Return {title: meaning} of the marked columns."""
        places = range(len(self._head.head.titles))
        return {self._head.head.titles[place]: mark for place in places if (mark := self._head.mark(place))}

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take the current column with Enter or Space."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() in keys and self.currentIndex().isValid():
            self._choose(self.currentIndex().column())
        else:
            super().keyPressEvent(event)

    def _choose(self, place: int) -> None:
        self.chosen.emit(self._head.head.titles[place])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_height()

    def _fit_height(self) -> None:
        """Take the height of all rows, and of the scroll bar where the columns need one."""
        rows = len(self._head.head.rows) * theme.scaled(_ROW_PX)
        header = self.horizontalHeader()
        is_wide = header.length() > self.viewport().width()
        bar = self.horizontalScrollBar().sizeHint().height() if is_wide else 0
        self.setFixedHeight(header.sizeHint().height() + rows + bar + 2 * self.frameWidth())


def _bold(font: QFont) -> QFont:
    font = QFont(font)
    font.setWeight(QFont.Weight.DemiBold)
    return font
