"""Commands as records: title, callback, shortcuts, menu, and the reason a command is unavailable.

Each screen declares its commands (`gui/<screen>/<screen>_actions.py`), the shell declares the rest. Menus, the shortcut
sheet, tooltips and key hints are built from these records, so that a new key or reason appears in all of them. Keys are
in the portable format of `QKeySequence`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QKeyCombination, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QWidget

from gui.kit.translation import language, tr
from visionft.core.messages import Message, Text

SCOPES: tuple[Text, ...] = ("Everywhere", "Label", "Viewer", "Curate", "Train", "Try")
EVERYWHERE, LABEL, VIEWER, CURATE, TRAIN, TRY = SCOPES
# The scope of the label page while the acceptance sample replaces the grid and the viewer.
SAMPLE = Message("Check of a sample")
MENUS: tuple[Text, ...] = ("File", "Edit", "View", "Project", "Run", "Help")
_PORTABLE = QKeySequence.SequenceFormat.PortableText
_CLASS_KEY_SCOPES = (LABEL, VIEWER, SAMPLE, CURATE)  # scopes in which letters without a command can be class keys


@dataclass(frozen=True, slots=True)
class Action:
    """One command of the window; `why_not` and `title_now` return translated texts."""

    id: str
    title: Text
    act: Callable[[], object]
    why_not: Callable[[], str] = lambda: ""  # returns the reason it is unavailable; empty if it is available
    keys: tuple[str, ...] = ()  # shortcuts; the first one is displayed
    scope: str = EVERYWHERE  # where the shortcuts work; a key of `EVERYWHERE` cannot be reused in another scope
    menu: Text = ""
    begins_group: bool = False  # preceded by a separator in the menu
    is_rare: bool = False  # placed in the submenu "More" of its menu
    title_now: Callable[[], str] | None = None  # returns a title that depends on the state


class Actions(QObject):
    """The commands of a window. `changed` is emitted when titles or availability have changed."""

    changed = Signal()
    refused = Signal(str, str)  # title and reason of an unavailable command

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions: dict[str, Action] = {}
        self._displayed: Mapping[str, tuple[object, ...]] = {}
        self.changed_names: set[str] = set()  # the commands for which `changed` was emitted last

    def declare(self, actions: Iterable[Action]) -> None:
        self._actions |= {action.id: action for action in actions}

    def refresh(self) -> None:
        """Emit `changed` if the title or reason of any command has changed."""
        current_language = language()  # stands for all fixed titles: translating each would slow down every key press
        displayed = {
            name: (current_language, action.title_now and action.title_now(), action.why_not())
            for name, action in self._actions.items()
        }
        self.changed_names = {name for name, state in displayed.items() if self._displayed.get(name) != state}
        self._displayed = displayed
        if self.changed_names:
            self.changed.emit()

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Iterator[Action]:
        """Yield the commands in display order: by menu, commands without a menu last."""
        menu_index = {menu: index for index, menu in enumerate(MENUS)}
        yield from sorted(self._actions.values(), key=lambda action: menu_index.get(action.menu, len(MENUS)))

    def by_group(self) -> dict[str, list[Action]]:
        """Return the commands grouped by menu, or by the scope of their shortcuts if they have no menu."""
        groups: dict[str, list[Action]] = {}
        for action in self:
            groups.setdefault(action.menu or action.scope, []).append(action)
        return groups

    def title(self, name: str) -> str:
        """Return the current title of a command; the title of undo contains the step to be undone."""
        action = self._actions[name]
        return action.title_now() if action.title_now is not None else tr(action.title)

    def why_not(self, name: str) -> str:
        """Return the reason a command is unavailable; empty if it is available."""
        return self._actions[name].why_not()

    def run(self, name: str) -> None:
        """Run a command; if it is unavailable, emit `refused` with the reason instead."""
        if reason := self.why_not(name):
            self.refused.emit(self.title(name), reason)
        else:
            self._actions[name].act()

    def shown_keys(self, name: str) -> str:
        """Return a command's first shortcut in native format; empty if it has none."""
        keys = self._actions[name].keys
        return native_keys(keys[0]) if keys else ""

    def letters_in_use(self) -> dict[str, str]:
        """Return {lower-case letter: command title} of the single keys that cannot be class keys."""
        scopes = (*_CLASS_KEY_SCOPES, EVERYWHERE)
        pairs = ((key, action) for action in self if action.scope in scopes for key in action.keys)
        return {key.casefold(): action.title for key, action in pairs if len(key) == 1}

    def command_for_key(self, event: QKeyEvent, scopes: tuple[str, ...]) -> str:
        """Return the id of the command of these scopes for a key press; empty if there is no such command."""
        keys = key_sequence(event)
        matches = (action.id for action in self if action.scope in scopes and keys in action.keys)
        return next(matches, "")

    def tooltip(self, name: str, title: str = "") -> str:
        """Return a tooltip: a command's title, its shortcut, and the reason it is unavailable."""
        keys, reason = self.shown_keys(name), self.why_not(name)
        title = title or self.title(name)
        return "\n".join(filter(None, (f"{title} ({keys})" if keys else title, reason)))

    def attach(self, button: QAbstractButton, name: str, title: str = "", *, enables: bool = True) -> None:
        """Keep a button's tooltip and, with `enables`, its enabled state in step with a command.

        The caller handles the click. A `title` replaces the title of the command in the tooltip.
        """

        def update() -> None:
            button.setToolTip(self.tooltip(name, title))
            if enables:
                button.setEnabled(not self.why_not(name))

        _Binding(self, name, button, update)

    def explain_by_shortcut(self, name: str, widget: QWidget, context: Qt.ShortcutContext) -> None:
        """Show the reason when the shortcut of an unavailable command is pressed: a disabled `QAction` ignores it."""
        shortcut = QShortcut(widget)
        shortcut.setContext(context)
        shortcut.activated.connect(lambda: self.run(name))
        shortcut.setKeys([QKeySequence(keys) for keys in self._actions[name].keys])
        _Binding(self, name, widget, lambda: shortcut.setEnabled(bool(self.why_not(name))))


class _Binding(QObject):
    """Calls `update` now and whenever the command changes; deleted with the widget."""

    def __init__(self, actions: Actions, name: str, widget: QWidget, update: Callable[[], None]) -> None:
        super().__init__(widget)
        self._actions, self._name, self._update = actions, name, update
        actions.changed.connect(self._on_changed)
        update()

    @Slot()
    def _on_changed(self) -> None:
        if self._name in self._actions.changed_names:
            self._update()


def native_keys(keys: str) -> str:
    """Return a portable key sequence in the format of this system and language."""
    return _native_keys(keys, language())


@cache
def _native_keys(keys: str, _language: str) -> str:
    return QKeySequence(keys, _PORTABLE).toString(QKeySequence.SequenceFormat.NativeText)


def key_sequence(event: QKeyEvent) -> str:
    """Return the portable key sequence of a key press; Shift is left out for signs that need it, such as `+`."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key(event.key())
    is_sign = event.text() and event.text().isprintable() and not event.text().isalpha()
    if modifiers == Qt.KeyboardModifier.ShiftModifier and is_sign and key != Qt.Key.Key_Space:
        modifiers = Qt.KeyboardModifier.NoModifier
    return QKeySequence(QKeyCombination(modifiers, key)).toString(_PORTABLE)
