"""The commands in menus and in the sheet of shortcuts. A shortcut works in the whole window, or only on its page.

The commands are defined in `gui.actions`; this module keeps Qt's own actions in sync with those records.
"""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QMenu, QMenuBar, QScrollArea, QWidget

from gui import actions
from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import column, key, row, verbatim, widget_of
from gui.kit.translation import tr
from gui.state import AppState
from visionft.core.messages import Message

Group = tuple[str, Sequence[tuple[str, str]]]  # heading, (keys, meaning) each; alternatives are separated by " / "


class ShortcutSheet(Dialog):
    """Groups of shortcuts in columns that fill the window; Esc closes."""

    def __init__(self, parent: QWidget, groups: Sequence[Group]) -> None:
        super().__init__(parent, Message("Keyboard shortcuts"))
        boxes = {heading: _group(heading, entries) for heading, entries in groups}
        widest = max(box.sizeHint().width() for box in boxes.values())
        gap = 2 * theme.HUGE
        count = max(1, min(3, (parent.width() - 2 * theme.HUGE) // (widest + gap)))
        columns = QHBoxLayout()
        columns.setSpacing(gap)
        for part in _divide(groups, count):
            columns.addLayout(column(*(boxes[heading] for heading, _ in part), None, spacing=theme.HUGE))
        canvas = widget_of(columns)
        canvas.setObjectName("canvas")
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(canvas)
        self.lay_out(area)
        canvas.ensurePolished()
        wanted = canvas.sizeHint()
        area.setMinimumWidth(wanted.width() + theme.LARGE)
        area.setMinimumHeight(min(wanted.height() + theme.TIGHT, parent.height() - theme.scaled(190)))


def _group(heading: str, entries: Sequence[tuple[str, str]]) -> QWidget:
    box, grid = QWidget(), QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(theme.LARGE)
    grid.setVerticalSpacing(theme.TIGHT + theme.HAIR)
    grid.addWidget(verbatim(heading, "heading"), 0, 0, 1, 2)
    for line, (keys, meaning) in enumerate(entries, 1):
        grid.addLayout(row(*(key(cap) for cap in keys.split(" / ")), None, spacing=theme.TIGHT), line, 0)
        grid.addWidget(verbatim(meaning), line, 1)
    grid.setColumnStretch(1, 1)
    box.setLayout(grid)
    return box


def _divide(groups: Sequence[Group], count: int) -> list[list[Group]]:
    """Distribute the groups over `count` columns in order, about evenly."""
    lengths = [len(entries) + 2 for _, entries in groups]  # a heading has the height of two lines
    parts: list[list[Group]] = [[] for _ in range(count)]
    before = 0
    for group, length in zip(groups, lengths, strict=True):
        middle = before + length / 2
        parts[min(count - 1, int(middle * count / sum(lengths)))].append(group)
        before += length
    return parts


class Commands(QObject):
    """All commands of one window. Titles, shortcuts and availability follow the state."""

    def __init__(self, state: AppState, window: QWidget) -> None:
        """Create a QAction for each action of a menu.

        Args:
            state: Its actions must already be registered.
            window: The scope of the shortcuts that work everywhere.
        """
        super().__init__(window)
        self._state = state
        self._actions: dict[str, QAction] = {}
        for record in state.actions:
            if record.menu:
                self._actions[record.id] = action = QAction(self)
                action.triggered.connect(lambda _checked=False, record=record: record.act())
                if record.scope == actions.EVERYWHERE:
                    window.addAction(action)
                    state.actions.explain_by_shortcut(record.id, window, Qt.ShortcutContext.WindowShortcut)
                else:
                    action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        state.session_changed.connect(self._on_session_changed)
        state.jobs.changed.connect(state.actions.refresh)
        state.settings_changed.connect(state.actions.refresh)
        state.actions.changed.connect(lambda: self._show(state.actions.changed_names))
        state.actions.refused.connect(state.show_message)
        self._show(self._actions)

    def attach(self, page_name: str, page: QWidget) -> None:
        pages, context = {actions.TRAIN: "train", actions.TRY: "try"}, Qt.ShortcutContext.WidgetWithChildrenShortcut
        for name, action in self._actions.items():
            if pages.get(self._state.actions[name].scope) == page_name:
                page.addAction(action)
                self._state.actions.explain_by_shortcut(name, page, context)

    def fill(self, bar: QMenuBar) -> None:
        menus: dict[str, QMenu] = {}
        for name, action in self._actions.items():
            record = self._state.actions[name]
            if record.menu not in menus:
                # The mnemonic is the first letter not used by another menu: "Ansicht" and "Ausführen" begin alike.
                taken = {menu.title().partition("&")[2][:1].casefold() for menu in menus.values()}
                title = tr(record.menu)
                place = next((place for place, letter in enumerate(title) if letter.casefold() not in taken), 0)
                menus[record.menu] = bar.addMenu(f"{title[:place]}&{title[place:]}")
                menus[record.menu].setToolTipsVisible(True)  # the reason a command is unavailable
            elif record.begins_group:
                menus[record.menu].addSeparator()
            if not record.is_rare:
                menus[record.menu].addAction(action)
        rare = [name for name in self._actions if self._state.actions[name].is_rare]
        for menu in dict.fromkeys(self._state.actions[name].menu for name in rare):
            menus[menu].addSeparator()
            more = menus[menu].addMenu(tr("More"))
            more.setToolTipsVisible(True)
            more.addActions([self._actions[name] for name in rare if self._state.actions[name].menu == menu])

    def _on_session_changed(self) -> None:
        session = self._state.session
        if session is not None:
            session.content_changed.connect(self._state.actions.refresh)
            session.runner.runs_changed.connect(self._state.actions.refresh)  # also when a run begins or ends
        self._state.actions.refresh()

    def _show(self, names: Iterable[str]) -> None:
        """Update shortcuts, availability with reasons, and the title of undo."""
        records = self._state.actions
        for name in self._actions.keys() & set(names):
            action = self._actions[name]
            reason = records.why_not(name)
            action.setEnabled(not reason)
            action.setText(records.title(name).replace("&", "&&"))
            action.setToolTip(reason)
            action.setStatusTip(reason)
            action.setShortcuts([QKeySequence(keys) for keys in records[name].keys])

    def action(self, name: str) -> QAction:
        return self._actions[name]

    def groups(self) -> list[Group]:
        records = self._state.actions
        groups: list[Group] = []
        for title, found in records.by_group().items():
            lines = [("1 / … / 9 / 0", tr("Give the class"))] if title in (actions.LABEL, actions.CURATE) else []
            caps = ((" / ".join(map(actions.native_keys, each.keys)), tr(each.title)) for each in found)
            groups.append((tr(title), [*lines, *(line for line in caps if line[0])]))
        return groups
