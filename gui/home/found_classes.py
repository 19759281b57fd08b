"""The classes of a source: import each one, rename it, or leave it out. Depends on Qt and plain data only.

Two classes of the same name are merged.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QFont
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
from gui.kit.parts import Button, column, row, text
from gui.kit.translation import tr
from models.messages import Message

_TAKE, _COUNT, _NAME = 0, 1, 2


def look_alikes(found: Mapping[str, int], known: Iterable[str]) -> dict[str, str]:
    """Return {found name: proposed name} for names that differ only by case, separators or a plural s.

    A class of the project gives its name to the others, else the most frequent one does.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(found, key=lambda name: (-found[name], name)):
        groups[_core(name)].append(name)
    targets = {_core(name): name for name in known}
    merged: dict[str, str] = {}
    for core, names in groups.items():
        target = targets.get(core, names[0])
        merged |= {name: target for name in names if name != target}
    return merged


def _core(name: str) -> str:
    plain = re.sub(r"[\s_\-.]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()
    if len(plain) > 4 and plain.endswith(("ches", "shes", "sses", "xes")):
        return plain[:-2]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


class _NameDelegate(QStyledItemDelegate):
    """Edits a name, with completion from the other names."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.names: list[str] = []

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            editor.setMaxLength(300)
            completer = QCompleter(self.names, editor)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            editor.setCompleter(completer)
        return editor


class FoundClasses(QWidget):
    """One line per class: whether it is imported, its number of images, and its new name."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, int] = {}
        self._known: set[str] = set()
        self._unlabelled = 0
        self._merged: dict[str, str] = {}
        self.merge_button = Button("Merge look-alikes", "layers", on_click=self._merge)
        self._hint = text("", "small", wrap=True)
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(tr("Classes found"))
        headers = (Message("Found"), Message("Images"), "Comes in as (click to change)")
        self.table.setHorizontalHeaderLabels([tr(each) for each in headers])
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.AllEditTriggers)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(theme.scaled(34))
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(_TAKE, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_COUNT, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self._delegate = _NameDelegate(self.table)
        self.table.setItemDelegateForColumn(_NAME, self._delegate)
        self.table.itemChanged.connect(lambda _item: self._show_state())
        self.table.itemChanged.connect(lambda _item: self.changed.emit())
        title = text("Classes found", "heading")
        self.setLayout(column(row(title, None, self.merge_button), self._hint, self.table, grows=2))

    def show_classes(self, found: Mapping[str, int], unlabelled: int, known: list[str]) -> None:
        """Show the classes of a source; `known` are those of the project."""
        self._found, self._known, self._unlabelled = dict(found), set(known), unlabelled
        self._merged = look_alikes(found, known)
        self._delegate.names = sorted({*found, *known})
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(found) + bool(unlabelled))
            for line, (name, count) in enumerate(found.items()):
                take, number, named = QTableWidgetItem(name), QTableWidgetItem(f"{count:,}"), QTableWidgetItem(name)
                take.setFlags(number.flags() & ~Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsUserCheckable)
                take.setCheckState(Qt.CheckState.Checked)
                take.setToolTip(name)
                self._set_line(line, take, number, named)
            if unlabelled:
                texts = (tr("Without a class"), f"{unlabelled:,}", tr("to be labelled by hand"))
                items = [QTableWidgetItem(content) for content in texts]
                for item in items:
                    item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                    item.setForeground(QColor(theme.colours().muted))
                self._set_line(len(found), *items)
        self._show_state()

    def _set_line(self, line: int, *items: QTableWidgetItem) -> None:
        items[_COUNT].setFlags(Qt.ItemFlag.ItemIsEnabled)
        items[_COUNT].setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for place, item in enumerate(items):
            self.table.setItem(line, place, item)

    def class_map(self) -> dict[str, str | None]:
        """Return {found name: new name, or None for left out} for all changed names."""
        new_names = {name: self._new_name(line) for line, name in enumerate(self._found)}
        return {name: new_name for name, new_name in new_names.items() if new_name != name}

    def left_out_count(self) -> int:
        return sum(self._found[name] for name, new_name in self.class_map().items() if new_name is None)

    def fault(self) -> str:
        names = (self._item(line, _NAME).text() for line in range(len(self._found)))
        return tr("A class needs a name.") if any(not name.strip() for name in names) else ""

    def set_name(self, found: str, name: str) -> None:
        self._item(list(self._found).index(found), _NAME).setText(name)

    def _item(self, line: int, place: int) -> QTableWidgetItem:
        item = self.table.item(line, place)
        assert item is not None
        return item

    def _new_name(self, line: int) -> str | None:
        if self._item(line, _TAKE).checkState() != Qt.CheckState.Checked:
            return None
        return self._item(line, _NAME).text().strip()

    def _merge(self) -> None:
        for found, name in self._merged.items():
            self.set_name(found, name)

    def _show_state(self) -> None:
        """Mark renamed, merged and omitted classes, and show the possible actions."""
        new_names = [self._new_name(line) for line in range(len(self._found))]
        palette = theme.colours()
        with QSignalBlocker(self.table):
            for line, (found, new_name) in enumerate(zip(self._found, new_names, strict=True)):
                item, font = self._item(line, _NAME), QFont()
                font.setBold(new_name is not None and new_name != found)
                font.setStrikeOut(new_name is None)
                item.setFont(font)
                item.setForeground(QColor(palette.muted if new_name is None else palette.text))
                others = new_names.count(new_name) > 1 or (new_name != found and new_name in self._known)
                merged = tr("Merged into “{name}”", name=new_name) if others else ""
                item.setToolTip(tr("Left out") if new_name is None else merged)
        unchanged = {found for found, new_name in zip(self._found, new_names, strict=True) if new_name == found}
        waiting = len(unchanged & self._merged.keys())
        self.merge_button.setVisible(bool(waiting))
        self.merge_button.setText(tr("Merge look-alikes ({count})", count=waiting))
        left = len({new_name for new_name in new_names if new_name is not None})
        if not self._found and not self._unlabelled:
            words = tr("Every image of the source is in the project already.")
        elif not self._found:
            words = tr("The source names no classes. Its images come in without one, to label by hand.")
        elif any(new_name != found for found, new_name in zip(self._found, new_names, strict=True)):
            words = tr("{found} classes found, {left} come in.", found=len(new_names), left=left)
        else:
            words = tr("Untick a class to leave its images out. Give two the same name to merge them.")
        self._hint.setText(self.fault() or words)
