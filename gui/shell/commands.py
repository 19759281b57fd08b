"""The commands in menus, palette and shortcut sheet. A shortcut works in the whole window, or only on its page.

What each command is comes from `gui.actions`; this keeps Qt's own actions like the records there.
"""

from collections.abc import Iterable
from functools import partial

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from gui import actions
from gui.kit.i18n import tr
from gui.shell.palette import Command
from gui.shell.shortcut_sheet import Group
from gui.state import AppState

_PLACES = {actions.TRAIN: "train", actions.TRY: "try"}  # place -> the page that owns the keys
_CLASS_KEYS = ("1 / … / 9 / 0", "Give the class")


class Commands(QObject):
    """All commands of one window. Titles, keys and what is possible follow the state."""

    def __init__(self, state: AppState, window: QWidget) -> None:
        """Args: `state` has the records by now; `window` is where their keys work."""
        super().__init__(window)
        self._state, self._window = state, window
        self._actions = {record.id: self._make_action(record) for record in state.actions if record.menu}
        state.session_changed.connect(self._on_session_changed)
        state.tasks.changed.connect(state.actions.refresh)
        state.settings_changed.connect(state.actions.refresh)
        state.actions.changed.connect(lambda: self._show(state.actions.altered))
        state.actions.refused.connect(state.say)
        self._show(self._actions)

    # -- building -----------------------------------------------------------------------------------------------

    def _make_action(self, record: actions.Action) -> QAction:
        action = QAction(self)
        action.triggered.connect(lambda _checked=False: record.act())
        if record.place == actions.EVERYWHERE:
            self._window.addAction(action)
            self._state.actions.refuse_by_keys(record.id, self._window, Qt.ShortcutContext.WindowShortcut)
        else:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        return action

    def attach(self, page_name: str, page: QWidget) -> None:
        """Let the keys of a page's own commands work on that page."""
        for name, action in self._actions.items():
            if _PLACES.get(self._state.actions[name].place) == page_name:
                page.addAction(action)
                context = Qt.ShortcutContext.WidgetWithChildrenShortcut
                self._state.actions.refuse_by_keys(name, page, context)

    def fill(self, bar: QMenuBar) -> None:
        """Put the commands into menus."""
        menus: dict[str, QMenu] = {}
        for name, action in self._actions.items():
            record = self._state.actions[name]
            if record.menu not in menus:
                menus[record.menu] = bar.addMenu(_with_letter(tr(record.menu), menus.values()))
                menus[record.menu].setToolTipsVisible(True)  # why something cannot be done
            elif record.begins_group:
                menus[record.menu].addSeparator()
            menus[record.menu].addAction(action)

    # -- following the state ------------------------------------------------------------------------------------

    @Slot()
    def _on_session_changed(self) -> None:
        session = self._state.session
        if session is not None:
            session.content_changed.connect(self._on_content_changed)
            session.runner.queue_changed.connect(self._state.actions.refresh)  # also when a run begins or ends
        self._state.actions.refresh()

    @Slot(object)
    def _on_content_changed(self, _effects: object) -> None:
        self._state.actions.refresh()

    def _show(self, names: Iterable[str]) -> None:
        """Show the keys, what can be done now and why the rest cannot, and what undo would take back."""
        records = self._state.actions
        for name in self._actions.keys() & set(names):
            action = self._actions[name]
            reason = records.why_not(name)
            action.setEnabled(not reason)
            action.setText(records.title(name).replace("&", "&&"))
            action.setToolTip(reason)
            action.setStatusTip(reason)
            action.setShortcuts([QKeySequence(keys) for keys in records.keys_of(name)])

    # -- reading ------------------------------------------------------------------------------------------------

    def action(self, name: str) -> QAction:
        """Return a command's action."""
        return self._actions[name]

    def listed(self) -> list[Command]:
        """Return the commands for the palette, with the reason beside those that cannot be done now."""
        records = self._state.actions
        return [
            Command(
                title=records.title(record.id), keys=records.shown_keys(record.id), act=partial(records.run, record.id),
                why_not=records.why_not(record.id), also=f"{tr(record.menu)} {tr(record.also)}",
            )
            for record in map(records.__getitem__, self._actions)
            if record.id != "help.commands"
        ]  # fmt: skip

    def groups(self) -> list[Group]:
        """Return all keys by menu and place, for the sheet."""
        records = self._state.actions
        groups: list[Group] = []
        for title, found in records.by_group().items():
            keys, meaning = _CLASS_KEYS
            lines = [(keys, tr(meaning))] if title in (actions.LABEL, actions.CURATE) else []
            lines += [(" / ".join(caps), tr(each.title)) for each in found if (caps := records.all_keys(each.id))]
            groups.append((tr(title), lines))
        return groups


def _with_letter(title: str, others: Iterable[QMenu]) -> str:
    """Mark the first letter of a menu that opens no other: "Ansicht" and "Ausführen" begin alike."""
    taken = {menu.title().partition("&")[2][:1].casefold() for menu in others}
    place = next((place for place, letter in enumerate(title) if letter.casefold() not in taken), 0)
    return f"{title[:place]}&{title[place:]}"
