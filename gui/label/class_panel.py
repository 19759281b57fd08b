"""The class list beside the pictures: name classes, find, filter; colour, key, count; rename, merge, delete, reorder.

A click shows the pictures of a class, pictures that are dropped on it get it. Knows Qt and plain data only: it says
what the user wants done, the page does it.
"""

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QPainter
from PySide6.QtWidgets import QListWidgetItem, QMenu, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import swatch
from gui.kit.parts import Card, text
from gui.kit.theme import ClassColour
from gui.label.class_list import ClassList
from gui.label.name_edit import NameEdit

COLOUR_NAMES = (
    "Blue", "Orange", "Green", "Pink", "Violet", "Mustard", "Cyan", "Red", "Olive", "Brown", "Indigo", "Plum",
)  # fmt: skip
_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEntry:
    """One class: colour, key, number of pictures, whether the chosen ones have it, and whether only it is shown."""

    name: str
    colour: ClassColour
    key: str
    pictures: int
    is_on: bool = False
    is_shown: bool = False


class _EntryDelegate(QStyledItemDelegate):
    """Swatch, name, count, key."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(120, theme.scaled(34))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        entry: ClassEntry = index.data(_ROLE)
        palette, box = theme.colours(), option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        is_target = isinstance(option.widget, ClassList) and option.widget.is_target(index)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(
            QColor(palette.accent_soft if entry.is_on else palette.hover if is_hovered else palette.surface)
        )
        if entry.is_shown or is_target:
            painter.setPen(QColor(palette.accent))
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 1.5, -0.5, -1.5), 6, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(entry.colour))
        painter.drawRoundedRect(QRectF(box.left() + 10, box.center().y() - 5, 11, 11), 3, 3)
        right = self._draw_key(painter, box, entry)
        painter.setPen(QColor(palette.muted))
        count = f"{entry.pictures:,}"
        width = painter.fontMetrics().horizontalAdvance(count) + 10
        vertical = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(
            QRect(right - width, box.top(), width - 4, box.height()), int(Qt.AlignmentFlag.AlignRight | vertical), count
        )
        painter.setPen(QColor(palette.text))
        room = QRect(box.left() + 30, box.top(), right - width - box.left() - 34, box.height())
        name = ("✓ " if entry.is_on else "") + entry.name
        elided = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, int(vertical), elided)
        painter.restore()

    def _draw_key(self, painter: QPainter, box: QRect, entry: ClassEntry) -> int:
        palette = theme.colours()
        cap = QRectF(box.right() - 30, box.center().y() - 9, 22, 19)
        if entry.key:
            painter.setBrush(QColor(palette.sunken))
            painter.setPen(QColor(palette.border))
            painter.drawRoundedRect(cap, 4, 4)
            painter.setPen(QColor(palette.text))
            painter.drawText(cap, int(Qt.AlignmentFlag.AlignCenter), entry.key.upper())
        return round(cap.left()) - 4


class ClassPanel(Card):
    """All classes, and a box to name more of them."""

    filter_wanted = Signal(str)  # a click: show the pictures of this class, or all again
    class_chosen = Signal(str)  # give the class, which may be new, to the chosen pictures
    classes_named = Signal(list)  # typed or pasted: to be added
    naming_left = Signal()
    rename_wanted = Signal(str)
    merge_wanted = Signal(str, str)
    delete_wanted = Signal(str)
    key_wanted = Signal(str)
    colour_wanted = Signal(str, str)  # name; "#rrggbb", empty for the one of its place, "?" to ask for any
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
        self.body.addWidget(self.search_edit)
        self.body.addWidget(self._hint)
        self.body.addWidget(self._empty)
        self.body.addWidget(self.list, 1)
        words = "Click a class to see its pictures. Its key, or pictures dragged onto it, label."
        self.body.addWidget(text(words, "small", wrap=True))
        self._entries: list[ClassEntry] = []
        self.search_edit.textChanged.connect(self._show_matches)
        self.search_edit.names_entered.connect(self._on_names_entered)
        self.search_edit.use_wanted.connect(self._on_use_wanted)
        self.search_edit.left.connect(self.naming_left)
        self.list.entered_row.connect(lambda item: self.filter_wanted.emit(item.data(_ROLE).name))
        self.list.dropped_on.connect(lambda item: self.class_chosen.emit(item.data(_ROLE).name))
        self.list.customContextMenuRequested.connect(self._on_menu_requested)
        self.list.model().rowsMoved.connect(self._on_rows_moved)

    def show_entries(self, entries: list[ClassEntry]) -> None:
        """Show these classes."""
        if entries == self._entries:
            return
        is_same_list = [entry.name for entry in entries] == [entry.name for entry in self._entries]
        self._entries = entries
        self._empty.setVisible(not entries)
        if is_same_list:
            self._renew()
        else:
            self._show_matches()

    def names(self) -> list[str]:
        """Return the names as listed."""
        return [self.list.item(line).data(_ROLE).name for line in range(self.list.count())]

    def menu_for(self, name: str) -> QMenu:
        """Return the menu of a class."""
        menu = QMenu(self)
        menu.addAction(self._action(tr("Rename"), menu, lambda: self.rename_wanted.emit(name)))
        menu.addAction(self._action(tr("Set key"), menu, lambda: self.key_wanted.emit(name)))
        self._add_colours(menu.addMenu(tr("Colour")), name)
        into = menu.addMenu(tr("Merge into"))
        for entry in self._entries:
            if entry.name != name:
                target = entry.name
                into.addAction(self._action(target, menu, lambda target=target: self.merge_wanted.emit(name, target)))
        into.setEnabled(len(self._entries) > 1)
        place, last = self.names().index(name), self.list.count() - 1
        for title, step in ((tr("Move up"), -1), (tr("Move down"), 1)):
            move = self._action(title, menu, lambda step=step: self._move(name, step))
            move.setEnabled(self.list.dragEnabled() and 0 <= place + step <= last)
            menu.addAction(move)
        menu.addSeparator()
        menu.addAction(self._action(tr("Delete"), menu, lambda: self.delete_wanted.emit(name)))
        return menu

    def _move(self, name: str, step: int) -> None:
        names = self.names()
        place = names.index(name)
        names.insert(place + step, names.pop(place))
        self.reordered.emit(names)

    def _add_colours(self, menu: QMenu, name: str) -> None:
        for colour, title in zip(theme.CLASS_COLOURS, COLOUR_NAMES, strict=True):
            action = self._action(tr(title), menu, lambda colour=colour: self.colour_wanted.emit(name, colour.lower()))
            action.setIcon(swatch(colour))
            menu.addAction(action)
        menu.addSeparator()
        menu.addAction(self._action(tr("Another colour"), menu, lambda: self.colour_wanted.emit(name, "?")))
        menu.addAction(self._action(tr("The one of its place"), menu, lambda: self.colour_wanted.emit(name, "")))

    def _action(self, title: str, parent: QMenu, act) -> QAction:
        action = QAction(title.replace("&", "&&"), parent)
        action.triggered.connect(lambda _checked=False: act())
        return action

    def _matches(self) -> list[ClassEntry]:
        wanted = self.search_edit.text().strip().casefold()
        return [entry for entry in self._entries if wanted in entry.name.casefold()]

    def _renew(self) -> None:
        """Show what changed of the classes that are listed, and draw nothing else anew."""
        for line, entry in enumerate(self._matches()):
            item = self.list.item(line)
            if item.data(_ROLE) != entry:
                with QSignalBlocker(self.list.model()):  # else the list would arrange all its rows anew
                    _fill(item, entry)
                self.list.viewport().update(self.list.visualItemRect(item))

    def _show_matches(self, *_: object) -> None:
        wanted = self.search_edit.text().strip().casefold()
        self.list.clear()
        for entry in self._matches():
            item = QListWidgetItem(entry.name)
            _fill(item, entry)
            self.list.addItem(item)
        self.list.setDragEnabled(not wanted)
        is_new = all(entry.name.casefold() != wanted for entry in self._entries)
        words = tr("Enter adds it. Ctrl+Enter gives it to the selected pictures.")
        self._hint.setText(words if is_new else tr("This class exists. Ctrl+Enter gives it to the selected pictures."))
        self._hint.setVisible(bool(wanted))

    def _on_names_entered(self, names: list[str]) -> None:
        known = {entry.name.casefold() for entry in self._entries}
        if new := [name for name in dict.fromkeys(names) if name.casefold() not in known]:
            self.classes_named.emit(new)
        else:
            self.search_edit.selectAll()  # the next name replaces it

    def _on_use_wanted(self, typed: str) -> None:
        known = next((entry.name for entry in self._entries if entry.name.casefold() == typed.casefold()), typed)
        self.search_edit.clear()
        self.class_chosen.emit(known)
        self.naming_left.emit()

    def _on_menu_requested(self, place: QPoint) -> None:
        item = self.list.itemAt(place)
        if item is not None:
            menu = self.menu_for(item.data(_ROLE).name)
            menu.exec(self.list.mapToGlobal(place))
            menu.deleteLater()

    def _on_rows_moved(self, *_: object) -> None:
        self.reordered.emit(self.names())


def _fill(item: QListWidgetItem, entry: ClassEntry) -> None:
    item.setData(_ROLE, entry)
    counted = tr("{name}: {count} pictures", name=entry.name, count=f"{entry.pictures:,}")
    item.setToolTip(counted)
    item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{counted}\n{entry.key.upper()}".strip())
