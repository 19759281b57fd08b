"""The window's commands as actions: what each does and when it can be done. Menus, palette and sheet are made of them.

Names, titles and keys come from `gui.actions`. An action's shortcut works in the whole window, or only on its page.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QAction, QDesktopServices, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from gui import actions
from gui.actions import EVERYWHERE, Entry
from gui.kit.i18n import tr
from gui.preferences import FONT_SCALES
from gui.shell.palette import Command
from gui.shell.shortcut_sheet import Group
from gui.tasks import TaskHandle
from visionft.log import log_folder

if TYPE_CHECKING:
    from gui.shell.window import MainWindow

_PLACES = {actions.TRAIN: "train", actions.TRY: "try"}  # place -> the page that owns the keys
_CLASS_KEYS = ("1 / … / 9", "Give the class")


class Commands(QObject):
    """All commands of one window. Titles, keys and what is possible follow the state."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window, self._state = window, window.state
        self._acts = self._make_acts()
        self._actions = {name: self._make_action(actions.BY_NAME[name], act) for name, act in self._acts.items()}
        state = self._state
        state.session_changed.connect(self._on_session_changed)
        state.tasks.changed.connect(self.refresh)
        state.settings_changed.connect(self._show_keys)
        self._show_keys()
        self.refresh()

    # -- building -----------------------------------------------------------------------------------------------

    def _make_acts(self) -> dict[str, Callable[[], object]]:
        window, state = self._window, self._state
        acts: dict[str, Callable[[], object]] = {}
        acts |= {f"page.{name}": partial(window.show_page, name) for name in window.entries}
        acts |= {f"view.{name}": partial(state.change_settings, theme=name) for name in _THEMES}
        return acts | {
            "file.new": lambda: window.on_page("project", "ask_new_project"),
            "file.open": lambda: window.on_page("project", "choose_project"),
            "file.sample": lambda: window.on_page("project", "try_sample"),
            "file.import": lambda: window.on_page("project", "choose_pictures"),
            "file.close": state.close_project,
            "file.quit": window.close,
            "edit.undo": lambda: state.session is not None and state.session.undo(),
            "edit.redo": lambda: state.session is not None and state.session.redo(),
            "view.next_page": lambda: window.step_page(1),
            "view.previous_page": lambda: window.step_page(-1),
            "view.larger": lambda: self._scale_text(1),
            "view.smaller": lambda: self._scale_text(-1),
            "view.full_screen": window.toggle_full_screen,
            "run.start": lambda: window.on_page("train", "start"),
            "run.enqueue": lambda: window.on_page("train", "enqueue"),
            "run.pause": lambda: window.on_page("train", "pause"),
            "run.stop": window.stop_task,
            "run.evaluate": lambda: window.on_page("results", "evaluate"),
            "run.again": lambda: window.on_page("results", "train_again"),
            "run.export": lambda: window.on_page("export", "export"),
            "run.check": lambda: window.on_page("settings", "check"),
            "try.paste": lambda: window.on_page("try", "paste"),
            "try.open": lambda: window.on_page("try", "browse_model"),
            "try.camera": lambda: window.on_page("try", "toggle_camera"),
            "try.csv": lambda: window.on_page("try", "choose_folder_to_csv"),
            "help.commands": window.show_palette,
            "help.shortcuts": window.show_shortcuts,
            "help.log": lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_folder()))),
            "help.report": window.show_report,
            "help.about": window.show_about,
        }  # fmt: skip

    def _make_action(self, entry: Entry, act: Callable[[], object]) -> QAction:
        action = QAction(self)
        action.triggered.connect(lambda _checked=False: act())
        if entry.place == EVERYWHERE:
            self._window.addAction(action)
        else:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        return action

    def attach(self, page_name: str, page: QWidget) -> None:
        """Let the keys of a page's own commands work on that page."""
        for name, action in self._actions.items():
            if _PLACES.get(actions.BY_NAME[name].place) == page_name:
                page.addAction(action)

    def fill(self, bar: QMenuBar) -> None:
        """Put the commands into menus."""
        menus: dict[str, QMenu] = {}
        for name, action in self._actions_in_order():
            entry = actions.BY_NAME[name]
            if entry.menu not in menus:
                menus[entry.menu] = bar.addMenu(f"&{tr(entry.menu)}")
            elif name in _AFTER_LINE:
                menus[entry.menu].addSeparator()
            menus[entry.menu].addAction(action)

    # -- following the state ------------------------------------------------------------------------------------

    @Slot()
    def _on_session_changed(self) -> None:
        if self._state.session is not None:
            self._state.session.content_changed.connect(self._on_content_changed)
        self.refresh()

    @Slot(object)
    def _on_content_changed(self, _effects: object) -> None:
        self.refresh()

    def stoppable(self) -> TaskHandle | None:
        """Return the task that Stop stops: the one handed in last."""
        return next((handle for handle in reversed(self._state.tasks.pending) if not handle.is_stopping), None)

    @Slot()
    def refresh(self) -> None:
        """Show what can be done now, and what undo would take back."""
        possible = self._possible()
        for name, action in self._actions.items():
            action.setEnabled(possible.get(name, True))
            action.setText(self.title(name).replace("&", "&&"))

    @Slot()
    def _show_keys(self) -> None:
        chosen = self._state.settings.shortcuts
        for name, action in self._actions.items():
            action.setShortcuts([QKeySequence(keys) for keys in actions.keys_of(name, chosen)])
        for name in self._window.entries:
            keys, title = actions.shown_keys(f"page.{name}", chosen), self.title(f"page.{name}")
            self._window.rail.button(name).setToolTip(f"{title} ({keys})" if keys else title)
        self.refresh()

    def _possible(self) -> dict[str, bool]:
        session, settings = self._state.session, self._state.settings
        project = session.project if session is not None else None
        is_open, is_training = session is not None, session is not None and session.runner.is_training
        return {
            "file.sample": not is_open,
            "file.import": is_open,
            "file.close": is_open,
            "edit.undo": bool(project and project.undo_title),
            "edit.redo": bool(project and project.redo_title),
            "run.start": is_open and not is_training,
            "run.enqueue": is_open,
            "run.pause": session is not None and is_training and not session.runner.is_stopping,
            "run.export": is_open,
            "run.stop": self.stoppable() is not None,
            "run.evaluate": is_open,
            "run.again": is_open,
            "view.larger": settings.font_scale < FONT_SCALES[-1],
            "view.smaller": settings.font_scale > FONT_SCALES[0],
            **{f"view.{theme}": settings.theme != theme for theme in _THEMES},
        }

    def _scale_text(self, step: int) -> None:
        now = self._state.settings.font_scale
        place = min(range(len(FONT_SCALES)), key=lambda each: abs(FONT_SCALES[each] - now)) + step
        self._state.change_settings(font_scale=FONT_SCALES[max(0, min(place, len(FONT_SCALES) - 1))])

    # -- reading ------------------------------------------------------------------------------------------------

    def action(self, name: str) -> QAction:
        """Return a command's action."""
        return self._actions[name]

    def title(self, name: str) -> str:
        """Return what a command is called now: undo names what it takes back, stop what it stops."""
        project = self._state.session.project if self._state.session is not None else None
        handle = self.stoppable()
        if name == "edit.undo" and project and project.undo_title:
            return tr("Undo: {change}", change=tr(project.undo_title))
        if name == "edit.redo" and project and project.redo_title:
            return tr("Redo: {change}", change=tr(project.redo_title))
        if name == "run.stop" and handle is not None:
            return tr("Stop: {job}", job=handle.task.title)
        return tr(actions.BY_NAME[name].title)

    def possible(self) -> list[Command]:
        """Return what can be done now, for the palette."""
        chosen = self._state.settings.shortcuts
        return [
            Command(title=self.title(name), keys=actions.shown_keys(name, chosen), act=action.trigger)
            for name, action in self._actions_in_order()
            if action.isEnabled() and name != "help.commands"
        ]

    def _actions_in_order(self) -> list[tuple[str, QAction]]:
        return [(entry.name, self._actions[entry.name]) for entry in actions.ENTRIES if entry.name in self._actions]

    def groups(self) -> list[Group]:
        """Return all keys by menu and place, for the sheet."""
        chosen = self._state.settings.shortcuts
        groups: list[Group] = []
        for title, entries in actions.by_group().items():
            keys, meaning = _CLASS_KEYS
            lines = [(keys, tr(meaning))] if title == actions.LABEL else []
            lines += [(_caps(entry.name, chosen), tr(entry.title)) for entry in entries if _caps(entry.name, chosen)]
            groups.append((tr(title), lines))
        return groups


def _caps(name: str, chosen: actions.Chosen) -> str:
    return " / ".join(actions.native(keys) for keys in actions.keys_of(name, chosen))


_THEMES = ("light", "dark", "system")
_AFTER_LINE = {
    "file.import", "file.quit", "view.next_page", "view.light", "view.larger", "run.evaluate", "run.check", "try.paste",
    "help.log",
}  # fmt: skip
