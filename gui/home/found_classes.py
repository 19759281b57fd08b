"""The classes a source names, each to take in, under another name, or not at all. Knows Qt and plain data only.

Two classes with one name become one class: that is how they are merged.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFont
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
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text

MAX_NAME = 300
_TAKE, _COUNT, _NAME = 0, 1, 2
_SEPARATORS = re.compile(r"[\s_\-.]+")


def look_alikes(found: Mapping[str, int], known: Iterable[str]) -> dict[str, str]:
    """Return {found name: name to take it in as} where names differ by case, separators or a plural s only.

    A class that the project has gives its name to the others, else the most frequent one does.
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
    plain = _SEPARATORS.sub(" ", unicodedata.normalize("NFC", name)).strip().casefold()
    if len(plain) > 4 and plain.endswith(("ches", "shes", "sses", "xes")):
        return plain[:-2]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


class _NameDelegate(QStyledItemDelegate):
    """Edits a name with the other names to complete from."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.names: list[str] = []

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        """Return a field that completes."""
        editor = super().createEditor(parent, option, index)
        if isinstance(editor, QLineEdit):
            editor.setMaxLength(MAX_NAME)
            completer = QCompleter(self.names, editor)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            editor.setCompleter(completer)
        return editor


class FoundClasses(QWidget):
    """One line per class: whether it comes in, how many pictures it has, and the name it gets."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, int] = {}
        self._known: set[str] = set()
        self._unlabelled = 0
        self._merged: dict[str, str] = {}
        self._title = text("Classes found", "heading")
        self.merge_button = Button("Merge look-alikes", "layers", on_click=self._merge_look_alikes)
        self._hint = text("", "small", wrap=True)
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(tr("Classes found"))
        self.table.setHorizontalHeaderLabels(
            [tr(each) for each in ("Found", "Pictures", "Comes in as (click to change)")]
        )
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
        self.table.itemChanged.connect(self._on_item_changed)
        layout = column(row(self._title, None, self.merge_button), self._hint, self.table)
        layout.setStretch(2, 1)
        self.setLayout(layout)

    def show_classes(self, found: Mapping[str, int], unlabelled: int, known: list[str]) -> None:
        """Show the classes of a source; `known` are those of the project."""
        self._found, self._known, self._unlabelled = dict(found), set(known), unlabelled
        self._merged = look_alikes(found, known)
        self._delegate.names = sorted({*found, *known})
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(found) + bool(unlabelled))
            for line, (name, count) in enumerate(found.items()):
                self._fill(line, name, count)
            if unlabelled:
                self._fill_unlabelled(len(found), unlabelled)
        self._show_state()

    def _fill(self, line: int, name: str, count: int) -> None:
        take, number, named = QTableWidgetItem(name), QTableWidgetItem(f"{count:,}"), QTableWidgetItem(name)
        take.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        take.setCheckState(Qt.CheckState.Checked)
        take.setToolTip(name)
        number.setFlags(Qt.ItemFlag.ItemIsEnabled)
        number.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for place, item in ((_TAKE, take), (_COUNT, number), (_NAME, named)):
            self.table.setItem(line, place, item)

    def _fill_unlabelled(self, line: int, count: int) -> None:
        texts = (tr("Without a class"), f"{count:,}", tr("to label by hand"))
        for place, content in enumerate(texts):
            item = QTableWidgetItem(content)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            item.setForeground(QBrush(QColor(theme.colours().muted)))
            if place == _COUNT:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(line, place, item)

    # -- answers ------------------------------------------------------------------------------------------------

    def class_map(self) -> dict[str, str | None]:
        """Return {found name: the name it gets, or None for left out} for those that do not simply keep theirs."""
        answers = {name: self._answer(line) for line, name in enumerate(self._found)}
        return {name: answer for name, answer in answers.items() if answer != name}

    def left_out_count(self) -> int:
        """Return how many pictures the classes left out have."""
        return sum(self._found[name] for name, answer in self.class_map().items() if answer is None)

    def fault(self) -> str:
        """Return what is wrong with the answers, empty when nothing is."""
        names = (self._item(line, _NAME).text() for line in range(len(self._found)))
        return tr("A class needs a name.") if any(not name.strip() for name in names) else ""

    def set_name(self, found: str, name: str) -> None:
        """Take a class in under another name."""
        self._item(self._line_of(found), _NAME).setText(name)

    def set_taken(self, found: str, is_taken: bool) -> None:
        """Take a class in, or leave it out."""
        state = Qt.CheckState.Checked if is_taken else Qt.CheckState.Unchecked
        self._item(self._line_of(found), _TAKE).setCheckState(state)

    def _line_of(self, found: str) -> int:
        return list(self._found).index(found)

    def _item(self, line: int, place: int) -> QTableWidgetItem:
        item = self.table.item(line, place)
        assert item is not None
        return item

    def _answer(self, line: int) -> str | None:
        if self._item(line, _TAKE).checkState() != Qt.CheckState.Checked:
            return None
        return self._item(line, _NAME).text().strip()

    # -- slots --------------------------------------------------------------------------------------------------

    def _merge_look_alikes(self) -> None:
        for found, name in self._merged.items():
            self.set_name(found, name)

    def _on_item_changed(self, _item: QTableWidgetItem) -> None:
        self._show_state()
        self.changed.emit()

    def _show_state(self) -> None:
        """Mark what is renamed, merged or left out, and say what can be done."""
        answers = [self._answer(line) for line in range(len(self._found))]
        palette, plain = theme.colours(), QFont()
        with QSignalBlocker(self.table):
            for line, (found, answer) in enumerate(zip(self._found, answers, strict=True)):
                item, font = self._item(line, _NAME), QFont(plain)
                font.setBold(answer is not None and answer != found)
                font.setStrikeOut(answer is None)
                item.setFont(font)
                item.setForeground(QBrush(QColor(palette.muted if answer is None else palette.text)))
                others = answers.count(answer) > 1 or (answer != found and answer in self._known)
                item.setToolTip(
                    tr("Left out") if answer is None else tr("Merged into “{name}”", name=answer) if others else ""
                )
        waiting = sum(self._answer(self._line_of(found)) == found for found in self._merged)
        self.merge_button.setVisible(bool(waiting))
        self.merge_button.setText(tr("Merge look-alikes ({count})", count=waiting))
        self._hint.setText(self.fault() or self._words(answers))

    def _words(self, answers: list[str | None]) -> str:
        if not self._found and not self._unlabelled:
            return tr("Every picture of the source is in the project already.")
        if not self._found:
            return tr("The source names no classes. Its pictures come in without one, to label by hand.")
        left = len({answer for answer in answers if answer is not None})
        if any(answer != found for found, answer in zip(self._found, answers, strict=True)):
            return tr("{found} classes found, {left} come in.", found=len(answers), left=left)
        return tr("Untick a class to leave its pictures out. Give two the same name to merge them.")
