"""The table of a source's classes: name, example images, count, new name. Depends on Qt and plain data only.

Only the thumbnails of visible rows are read, in threads.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCompleter,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from gui.kit import theme
from gui.kit.thumbnails import ThumbnailStore, Unreadable
from gui.kit.tile_painter import draw_image
from gui.kit.translation import tr
from visionft.core.messages import Message, Text

NAME, EXAMPLES, COUNT, NEW_NAME = range(4)
EXAMPLES_ROLE = Qt.ItemDataRole.UserRole
_SHOWN = 4  # example images of a class
_SIDE_PX = (44, 96)  # range of the side of an example, at the normal text size
_SHARE = 15  # of the table's width is the side of an example
_INSET = 11  # of texts in a header, by the style sheet
_NAME_PX = 180  # least width of the column of names, if there is room
_LEFT_OUT_OPACITY = 0.3
_Index = QModelIndex | QPersistentModelIndex
_HEADERS: tuple[Text, ...] = (Message("Found"), Message("Examples"), Message("Images"), Message("Name in the project"))


class ClassTable(QTableWidget):
    """One row per class; the examples are as large as the width allows."""

    def __init__(self) -> None:
        super().__init__(0, len(_HEADERS))
        self.thumbnails = ThumbnailStore(self)
        self.side = theme.scaled(_SIDE_PX[0])
        self._wished: tuple[object, ...] = ()
        self.thumbnails.loaded.connect(lambda _path: self.viewport().update())
        self.setAccessibleName(tr("Classes found"))
        self.setHorizontalHeaderLabels([tr(each) for each in _HEADERS])
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.AllEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(True)
        header.setResizeContentsPrecision(100)  # rows that are measured
        self._delegates = {NEW_NAME: NameDelegate(self), EXAMPLES: _ExampleDelegate(self)}
        for place, delegate in self._delegates.items():
            self.setItemDelegateForColumn(place, delegate)

    def complete_from(self, names: Sequence[str]) -> None:
        """Offer names while one is typed."""
        delegate = self._delegates[NEW_NAME]
        assert isinstance(delegate, NameDelegate)
        delegate.names = list(names)

    def set_line(self, line: int, texts: Mapping[int, str], *, is_class: bool) -> None:
        """Fill a row with texts by column; a class can be left out and renamed."""
        for place in range(self.columnCount()):
            item = QTableWidgetItem(texts.get(place, ""))
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            if not is_class:
                item.setForeground(QColor(theme.colours().muted))
            elif place == NAME:
                flags |= Qt.ItemFlag.ItemIsUserCheckable
                item.setCheckState(Qt.CheckState.Checked)
            elif place == NEW_NAME:
                flags |= Qt.ItemFlag.ItemIsEditable
            item.setFlags(flags)
            item.setToolTip(texts.get(place, ""))
            self.setItem(line, place, item)

    def show_examples(self, line: int, paths: Sequence[Path], total: int) -> None:
        """Show example images, and the number of images."""
        examples, count = self.item(line, EXAMPLES), self.item(line, COUNT)
        assert examples is not None and count is not None
        shown = tuple(paths[:_SHOWN])
        examples.setData(EXAMPLES_ROLE, shown)
        examples.setToolTip("\n".join(path.name for path in shown))
        words = tr("{count} example image", "{count} example images", count=len(shown))
        examples.setData(Qt.ItemDataRole.AccessibleTextRole, words)
        count.setText(f"{total:,}")

    def fit_columns(self) -> None:
        """Let the examples grow with the width; names and counts are as wide as their texts, if there is room."""
        least, most = (theme.scaled(each) for each in _SIDE_PX)
        width, header = self.viewport().width(), self.horizontalHeader()
        self.side = max(least, min(width // _SHARE, most))
        self.verticalHeader().setDefaultSectionSize(self.side + theme.SMALL)
        header.resizeSection(EXAMPLES, _SHOWN * (self.side + theme.TIGHT) + 2 * _INSET)
        header.resizeSection(COUNT, max(self.sizeHintForColumn(COUNT), header.sectionSizeHint(COUNT)))
        rest = width - header.sectionSize(EXAMPLES) - header.sectionSize(COUNT)
        names = max(self.sizeHintForColumn(NAME), self.sizeHintForColumn(NEW_NAME), theme.scaled(_NAME_PX))
        header.resizeSection(NAME, min(names, rest // 2))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Request the thumbnails of the visible rows."""
        bottom = self.rowAt(self.viewport().height() - 1)
        rows = range(max(0, self.rowAt(0)), (bottom if bottom >= 0 else self.rowCount() - 1) + 1)
        paths = [
            path for line in rows if (item := self.item(line, EXAMPLES)) for path in item.data(EXAMPLES_ROLE) or ()
        ]
        if (wished := (self.side, *paths)) != self._wished:
            self._wished = wished
            self.thumbnails.set_side(round(self.side * self.devicePixelRatioF()))
            self.thumbnails.prefetch(paths)
        super().paintEvent(event)


class NameDelegate(QStyledItemDelegate):
    """Edits a name, with completion from the other names."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.names: list[str] = []

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:
        """Keep the height of a line in a tall row."""
        super().updateEditorGeometry(editor, option, index)
        above = (editor.height() - editor.sizeHint().height()) // 2
        editor.setGeometry(editor.geometry().adjusted(0, above, 0, -above))

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            editor.setMaxLength(300)
            completer = QCompleter(self.names, editor)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            editor.setCompleter(completer)
        return editor


class _ExampleDelegate(QStyledItemDelegate):
    """Draws the example images of a class in a row."""

    def __init__(self, table: ClassTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        super().paint(painter, option, index)
        area: QRect = option.rect  # type: ignore[reportAttributeAccessIssue]
        side = self._table.side
        ratio = painter.device().devicePixelRatio()
        top = area.top() + (area.height() - side) // 2
        is_left_out = index.sibling(index.row(), NAME).data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked
        painter.setOpacity(_LEFT_OUT_OPACITY if is_left_out else 1)
        thumbnails = (self._table.thumbnails.get(path) for path in index.data(EXAMPLES_ROLE) or ())
        for place, kept in enumerate(each for each in thumbnails if not isinstance(each, Unreadable)):
            box = QRect(area.left() + _INSET + place * (side + theme.TIGHT), top, side, side)
            painter.fillRect(box, QColor(theme.colours().sunken))
            if isinstance(kept, QPixmap):
                draw_image(painter, box, kept, ratio)
        painter.setOpacity(1)
