"""The class list next to the images: name, find, filter; colour, key, count; rename, merge, delete, reorder.

A click shows the images of a class; dropping images on it labels them. Knows Qt and plain data only: it emits the
user's requests, the page executes them.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.parts import Card, text
from gui.kit.pulling import IMAGES_MIME
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.project.queries import ClassRow

COLOUR_NAMES = (
    "Blue",
    "Orange",
    "Green",
    "Pink",
    "Violet",
    "Mustard",
    "Cyan",
    "Red",
    "Olive",
    "Brown",
    "Indigo",
    "Plum",
)
# The data of an item in addition to its name: colour, key, number of images, whether all selected images have the
# class, and whether the class is the filter.
_ROLES = tuple(Qt.ItemDataRole.UserRole + number for number in range(5))
_ItemData = tuple[ClassColour, str, int, bool, bool]  # in the order of `_ROLES`


class NameEdit(QLineEdit):
    """The field for new class names, which keeps the focus so that letters do not act as shortcuts.

    Enter adds the name, pasting several lines adds all of them, and Escape leaves the field.
    """

    names_entered = Signal(list)
    use_wanted = Signal(str)  # Ctrl+Enter
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setClearButtonEnabled(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        pasted = QGuiApplication.clipboard().text() if event.matches(QKeySequence.StandardKey.Paste) else ""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            name = self.text().strip()
            uses = event.modifiers() & Qt.KeyboardModifier.ControlModifier
            if name:
                self.use_wanted.emit(name) if uses else self.names_entered.emit([name])
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.left.emit()
        elif len(names := [line.strip() for line in pasted.splitlines() if line.strip()]) > 1:
            self.names_entered.emit(names)
        else:
            super().keyPressEvent(event)


class ClassList(QListWidget):
    """A list in which a click or Enter selects a row, dragging moves it, and images can be dropped on it.

    The target row of a drop is highlighted.
    """

    entered_row = Signal(QListWidgetItem)
    dropped_on = Signal(QListWidgetItem)

    def __init__(self) -> None:
        super().__init__()
        self._target: QListWidgetItem | None = None
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.itemClicked.connect(self.entered_row)

    def is_target(self, index: QModelIndex | QPersistentModelIndex) -> bool:
        """Return whether images are dragged over this row."""
        return self._target is not None and self._target is self.item(index.row())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if item is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.entered_row.emit(item)
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.acceptProposedAction() if event.mimeData().hasFormat(IMAGES_MIME) else super().dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if not event.mimeData().hasFormat(IMAGES_MIME):
            super().dragMoveEvent(event)
            return
        self._set_target(self.itemAt(event.position().toPoint()))
        event.setAccepted(self._target is not None)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_target(None)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        if not event.mimeData().hasFormat(IMAGES_MIME):
            super().dropEvent(event)
            return
        item = self.itemAt(event.position().toPoint())
        self._set_target(None)
        if item is not None:
            event.acceptProposedAction()
            self.dropped_on.emit(item)

    def _set_target(self, item: QListWidgetItem | None) -> None:
        self._target = item
        self.viewport().update()


class _EntryDelegate(QStyledItemDelegate):
    """Paints the rows: colour swatch, name, number of images, key."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, theme.scaled(34))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        colour, shortcut, images, is_on, is_shown = map(index.data, _ROLES)
        palette = theme.colours()
        box = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        is_target = isinstance(option.widget, ClassList) and option.widget.is_target(index)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.accent_soft if is_on else palette.hover if is_hovered else palette.surface))
        if is_shown or is_target:
            painter.setPen(QColor(palette.accent))
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 1.5, -0.5, -1.5), 6, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(colour))
        painter.drawRoundedRect(QRectF(box.left() + 10, box.center().y() - 5, 11, 11), 3, 3)
        cap = QRectF(box.right() - 30, box.center().y() - 9, 22, 19)
        if shortcut:
            painter.setBrush(QColor(palette.sunken))
            painter.setPen(QColor(palette.border))
            painter.drawRoundedRect(cap, 4, 4)
            painter.setPen(QColor(palette.text))
            painter.drawText(cap, int(Qt.AlignmentFlag.AlignCenter), shortcut.upper())
        right = round(cap.left()) - 4
        painter.setPen(QColor(palette.muted))
        count = f"{images:,}"
        width = painter.fontMetrics().horizontalAdvance(count) + 10
        vertical = Qt.AlignmentFlag.AlignVCenter
        room = QRect(right - width, box.top(), width - 4, box.height())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignRight | vertical), count)
        painter.setPen(QColor(palette.text))
        room = QRect(box.left() + 30, box.top(), right - width - box.left() - 34, box.height())
        name = ("✓ " if is_on else "") + index.data()
        elided = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, int(vertical), elided)
        painter.restore()


class ClassPanel(Card):
    """The list of all classes, and a field to find and add classes."""

    filter_wanted = Signal(str)  # a click: show the images of this class, or all again
    class_chosen = Signal(str)  # label the selected images with the class, possibly a new one
    classes_named = Signal(list)  # typed or pasted: to be added
    naming_left = Signal()
    rename_wanted = Signal(str)
    merge_wanted = Signal(str, str)
    delete_wanted = Signal(str)
    key_wanted = Signal(str)
    colour_wanted = Signal(str, str)  # name; "#rrggbb", empty for the default of its position, "?" for a colour dialog
    reordered = Signal(list)

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self.search_edit = NameEdit()
        self.search_edit.setPlaceholderText(tr("Name a class, Enter adds it"))
        self.search_edit.setAccessibleName(tr("Find or create a class"))
        self.list = ClassList()
        self.list.setItemDelegate(_EntryDelegate(self.list))
        self.list.setAccessibleName(tr("Classes"))
        self._hint = text("", "small", wrap=True)
        self._hint.hide()
        self._empty = text("No classes yet. Name them above, one after the other.", "muted", wrap=True)
        words = Message("Click a class to see its images. Its key, or images dragged onto it, label.")
        self.add(self.search_edit, self._hint, self._empty, self.list, text(words, "small", wrap=True))
        self.body.setStretchFactor(self.list, 1)
        self._classes: dict[str, _ItemData] = {}  # by name, in the order of the list
        self.search_edit.textChanged.connect(self._show_matches)
        self.search_edit.names_entered.connect(self._on_names_entered)
        self.search_edit.use_wanted.connect(self._on_use_wanted)
        self.search_edit.left.connect(self.naming_left)
        self.list.entered_row.connect(lambda item: self.filter_wanted.emit(item.text()))
        self.list.dropped_on.connect(lambda item: self.class_chosen.emit(item.text()))
        self.list.customContextMenuRequested.connect(self._on_menu_requested)
        self.list.model().rowsMoved.connect(lambda *_: self.reordered.emit(self.names()))

    def show_classes(
        self,
        classes: Sequence[ClassRow],
        colours: Mapping[str, ClassColour],
        *,
        keys: Mapping[str, str],
        common: AbstractSet[str],
        shown: str,
    ) -> None:
        """Show the classes.

        Args:
            classes: The classes in the order of the list.
            colours: {class name: colour}.
            keys: {key: class name}.
            common: The classes that all selected images have.
            shown: The class by which the images are filtered; empty for none.
        """
        key_of = {name: key for key, name in keys.items()}
        previous, self._classes = (
            self._classes,
            {
                row.name: (
                    colours[row.name],
                    key_of.get(row.name, ""),
                    row.images,
                    row.name in common,
                    row.name == shown,
                )
                for row in classes
            },
        )
        self._empty.setVisible(not classes)
        if list(previous) != list(self._classes):
            self._show_matches()
            return
        for index, name in enumerate(self._matches()):  # only redraw the changed rows
            if previous[name] != self._classes[name]:
                item = self.list.item(index)
                with QSignalBlocker(self.list.model()):  # otherwise the list would lay out all its rows again
                    _set_item_data(item, self._classes[name])
                self.list.viewport().update(self.list.visualItemRect(item))

    def names(self) -> list[str]:
        return [self.list.item(index).text() for index in range(self.list.count())]

    def menu_for(self, name: str) -> QMenu:
        menu = QMenu(self)

        def add(to: QMenu, title: str, act: Callable[[], None]) -> QAction:
            action = to.addAction(title.replace("&", "&&"))
            action.triggered.connect(lambda _checked=False: act())
            return action

        add(menu, tr("Rename"), lambda: self.rename_wanted.emit(name))
        add(menu, tr("Set key"), lambda: self.key_wanted.emit(name))
        colours = menu.addMenu(tr("Colour"))
        for colour, title in zip(theme.CLASS_COLOURS, COLOUR_NAMES, strict=True):
            action = add(colours, tr(title), lambda colour=colour: self.colour_wanted.emit(name, colour.lower()))
            action.setIcon(swatch(colour))
        colours.addSeparator()
        add(colours, tr("Another colour"), lambda: self.colour_wanted.emit(name, "?"))
        add(colours, tr("Default colour"), lambda: self.colour_wanted.emit(name, ""))
        into = menu.addMenu(tr("Merge into"))
        for target in (other for other in self._classes if other != name):
            add(into, target, lambda target=target: self.merge_wanted.emit(name, target))
        into.setEnabled(len(self._classes) > 1)
        index = self.names().index(name)
        last = self.list.count() - 1
        for title, step in ((tr("Move up"), -1), (tr("Move down"), 1)):
            move = add(menu, title, lambda step=step: self._move(name, step))
            move.setEnabled(self.list.dragEnabled() and 0 <= index + step <= last)
        menu.addSeparator()
        add(menu, tr("Delete"), lambda: self.delete_wanted.emit(name))
        return menu

    def _move(self, name: str, step: int) -> None:
        names = self.names()
        index = names.index(name)
        names.insert(index + step, names.pop(index))
        self.reordered.emit(names)

    def _matches(self) -> list[str]:
        query = self.search_edit.text().strip().casefold()
        return [name for name in self._classes if query in name.casefold()]

    def _show_matches(self, *_: object) -> None:
        """List the classes whose name contains the typed text, and show whether the text is a new name."""
        query = self.search_edit.text().strip().casefold()
        self.list.clear()
        for name in self._matches():
            item = QListWidgetItem(name)
            _set_item_data(item, self._classes[name])
            self.list.addItem(item)
        self.list.setDragEnabled(not query)
        is_new = all(name.casefold() != query for name in self._classes)
        hint = tr("Enter adds it. Ctrl+Enter gives it to the selected images.")
        self._hint.setText(hint if is_new else tr("This class exists. Ctrl+Enter gives it to the selected images."))
        self._hint.setVisible(bool(query))

    def _on_names_entered(self, names: list[str]) -> None:
        known = {name.casefold() for name in self._classes}
        if new := [name for name in dict.fromkeys(names) if name.casefold() not in known]:
            self.classes_named.emit(new)
        else:
            self.search_edit.selectAll()  # the next name replaces it

    def _on_use_wanted(self, typed: str) -> None:
        known = next((name for name in self._classes if name.casefold() == typed.casefold()), typed)
        self.search_edit.clear()
        self.class_chosen.emit(known)
        self.naming_left.emit()

    def _on_menu_requested(self, position: QPoint) -> None:
        item = self.list.itemAt(position)
        if item is not None:
            menu = self.menu_for(item.text())
            menu.exec(self.list.mapToGlobal(position))
            menu.deleteLater()


def _set_item_data(item: QListWidgetItem, data: _ItemData) -> None:
    for role, value in zip(_ROLES, data, strict=True):
        item.setData(role, value)
    _colour, shortcut, images, _is_on, _is_shown = data
    counted = tr("{name}: {count} image", "{name}: {count} images", name=item.text(), count=images)
    item.setToolTip(counted)
    item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{counted}\n{shortcut.upper()}".strip())
