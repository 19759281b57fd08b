"""A list of commands with editable keys: press the field, then the keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QWidget

from gui.actions import native, pressed
from gui.kit import theme
from gui.kit.parts import Button, Card, IconButton, column, text, verbatim
from gui.kit.side_by_side import SideBySide
from gui.kit.translation import tr

_MODIFIERS = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)


@dataclass(frozen=True, slots=True)
class ShortcutRow:
    """One command: its keys in portable form (empty for none), and whether they are the default or user-defined."""

    name: str
    title: str
    keys: str
    is_own: bool


class KeyField(Button):
    """Shows keys; once pressed, the next keys are recorded. Esc cancels, Backspace clears."""

    chosen = Signal(str)  # portable keys; empty for none
    _is_listening = False

    def __init__(self, title: str) -> None:
        super().__init__("", on_click=self.listen)
        self._title, self._keys = title, ""
        self.setToolTip(tr("Press, then press the new keys. Backspace: none. Esc: leave as it is."))
        self.setMinimumWidth(theme.scaled(116))

    def show_keys(self, keys: str) -> None:
        """Show keys in this system's notation."""
        self._keys = keys
        self._is_listening = False
        self.setText(native(keys) if keys else "-")
        self.setAccessibleName(f"{self._title}: {native(keys) if keys else tr('no keys')}")

    def listen(self) -> None:
        self._is_listening = True
        self.setText(tr("Press keys"))
        self.setFocus()

    def event(self, event: QEvent) -> bool:
        """Keep keys from the window's shortcuts and from the focus chain during a recording."""
        if self._is_listening and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._record(event)
                return True
        return super().event(event)

    def _record(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        keys = pressed(event)
        if key in _MODIFIERS:
            return
        before = self._keys
        self.show_keys(before)
        if key == Qt.Key.Key_Backspace:
            self.chosen.emit("")
        elif key != Qt.Key.Key_Escape and keys != before:
            self.chosen.emit(keys)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self._is_listening:
            self.show_keys(self._keys)
        super().focusOutEvent(event)


class ShortcutEditor(QWidget):
    """Commands, a card for each group; the owner places the search field that filters them."""

    wanted = Signal(str, str)  # name, keys
    reset_wanted = Signal(str)

    def __init__(self, groups: Mapping[str, Sequence[ShortcutRow]]) -> None:
        super().__init__()
        self.search_edit = QLineEdit()
        self.search_edit.setPlaceholderText(tr("Find a command"))
        self.search_edit.setClearButtonEnabled(True)
        self.search_edit.textChanged.connect(self._show_matches)
        self.search_edit.setAccessibleName(tr("Find a command"))
        self.fields: dict[str, KeyField] = {}
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        self._resets: dict[str, IconButton] = {}
        self._faults: dict[str, QLabel] = {}
        self._titles: dict[str, str] = {}
        self._cards: list[tuple[QWidget, list[str]]] = []
        columns: tuple[list[QWidget], ...] = ([], [], [], [])
        lengths = [0] * len(columns)
        for heading, rows in groups.items():  # in the shortest column so far
            place = lengths.index(min(lengths))
            columns[place].append(self._group(heading, rows))
            lengths[place] += len(rows) + 2
        left = SideBySide(*columns[:2])
        right = SideBySide(*columns[2:])
        self.setLayout(column(SideBySide((left,), (right,))))

    def _group(self, heading: str, rows: Sequence[ShortcutRow]) -> Card:
        card, grid = Card(), QGridLayout()
        grid.setHorizontalSpacing(theme.SMALL)
        grid.setVerticalSpacing(theme.TIGHT)
        grid.setColumnStretch(0, 1)
        for row in rows:
            self._add_row(grid, row)
        card.add(verbatim(heading, "heading"), grid)
        self._cards.append((card, [row.name for row in rows]))
        return card

    def _add_row(self, grid: QGridLayout, row: ShortcutRow) -> None:
        line = grid.rowCount()
        title = verbatim(row.title, wrap=True)
        field = KeyField(row.title)
        reset = IconButton("undo", "", on_click=lambda: self.reset_wanted.emit(row.name))
        reset.show_name(tr("Take the first keys of “{title}” again", title=row.title))
        fault = text("", "fault", wrap=True)
        field.chosen.connect(lambda keys: self.wanted.emit(row.name, keys))
        grid.addWidget(title, line, 0)
        grid.addWidget(field, line, 1)
        grid.addWidget(reset, line, 2)
        grid.addWidget(fault, line + 1, 0, 1, 3)
        fault.hide()
        self.fields[row.name], self._resets[row.name], self._faults[row.name] = field, reset, fault
        self._titles[row.name], self._rows[row.name] = row.title, (title, field)
        policy = reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the keys stay in their column
        reset.setSizePolicy(policy)

    def show_rows(self, rows: Sequence[ShortcutRow]) -> None:
        for row in rows:
            self.fields[row.name].show_keys(row.keys)
            self._resets[row.name].setVisible(not row.is_own)
            self._faults[row.name].hide()

    def show_fault(self, name: str, fault: str) -> None:
        """Show the error beside a command: why it cannot have the keys."""
        self._faults[name].setText(fault)
        self._faults[name].show()

    def fault(self, name: str) -> str:
        return "" if self._faults[name].isHidden() else self._faults[name].text()

    def _show_matches(self, typed: str) -> None:
        fits = {name for name, title in self._titles.items() if typed.strip().casefold() in title.casefold()}
        for name, widgets in self._rows.items():
            for widget in widgets:
                widget.setVisible(name in fits)
            self._faults[name].hide()
        for card, names in self._cards:
            card.setVisible(bool(fits & set(names)))
