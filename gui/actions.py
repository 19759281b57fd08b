"""Commands as records: title, callback, shortcuts, menu, availability and the reason against it.

Each screen declares its own (`gui/<screen>/actions.py`), the shell the rest. Menus, shortcut sheet, tooltips and
key hints are drawn from these records, so that a new key or reason appears in all of them. Keys are in the portable
format of `QKeySequence`.
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
# Of the label page, where neither grid nor viewer is visible.
SAMPLE = Message("Check of a sample")
MENUS: tuple[Text, ...] = ("File", "Edit", "View", "Project", "Run", "Help")
_PORTABLE = QKeySequence.SequenceFormat.PortableText
_CLASS_KEY_SCOPES = (LABEL, VIEWER, SAMPLE, CURATE)  # letters without a command may be class keys there


@dataclass(frozen=True, slots=True)
class Action:
    """One command; `why_not` and `title_now` return texts in the user's language."""

    id: str
    title: Text
    act: Callable[[], object]
    why_not: Callable[[], str] = lambda: ""  # the reason it is unavailable, empty if it is available
    keys: tuple[str, ...] = ()  # the shortcuts; the first one is shown
    scope: str = EVERYWHERE  # where the shortcuts work; a key of `EVERYWHERE` cannot be reused in another scope
    menu: Text = ""
    begins_group: bool = False  # with a separator before it in the menu
    is_rare: bool = False  # in the submenu "More" of its menu
    title_now: Callable[[], str] | None = None  # a title that depends on the state


class Actions(QObject):
    """The commands of a window. `changed` is emitted when titles or availability have changed."""

    changed = Signal()
    refused = Signal(str, str)  # title and reason of an unavailable command

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._actions: dict[str, Action] = {}
        self._drawn: Mapping[str, tuple[object, ...]] = {}
        self.changed_names: set[str] = set()  # the commands changed in `changed`

    def declare(self, actions: Iterable[Action]) -> None:
        self._actions |= {action.id: action for action in actions}

    def refresh(self) -> None:
        """Emit `changed` if the title or reason of any command has changed."""
        words = language()  # a fixed title is not translated at every key
        now = {
            name: (words, each.title_now and each.title_now(), each.why_not()) for name, each in self._actions.items()
        }
        self.changed_names = {name for name, looks in now.items() if self._drawn.get(name) != looks}
        self._drawn = now
        if self.changed_names:
            self.changed.emit()

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Iterator[Action]:
        """Yield the commands in display order: grouped by menu, then those without one."""
        place = {menu: index for index, menu in enumerate(MENUS)}
        yield from sorted(self._actions.values(), key=lambda action: place.get(action.menu, len(MENUS)))

    def by_group(self) -> dict[str, list[Action]]:
        """Return the commands by menu, those without one by the place of their shortcuts."""
        groups: dict[str, list[Action]] = {}
        for action in self:
            groups.setdefault(action.menu or action.scope, []).append(action)
        return groups

    def title(self, name: str) -> str:
        """Return the current title of a command: undo names its step."""
        action = self._actions[name]
        return action.title_now() if action.title_now is not None else tr(action.title)

    def why_not(self, name: str) -> str:
        """Return the reason a command is unavailable; empty if it is available."""
        return self._actions[name].why_not()

    def run(self, name: str) -> None:
        """Run a command, or emit the reason it is unavailable."""
        if reason := self.why_not(name):
            self.refused.emit(self.title(name), reason)
        else:
            self._actions[name].act()

    def shown_keys(self, name: str) -> str:
        """Return a command's first shortcut in native format; empty if it has none."""
        keys = self._actions[name].keys
        return native_keys(keys[0]) if keys else ""

    def letters_in_use(self) -> dict[str, str]:
        """Return {single key, lower case: title} of commands where class keys work: unavailable as class keys."""
        places = (*_CLASS_KEY_SCOPES, EVERYWHERE)
        found = ((key, action) for action in self if action.scope in places for key in action.keys)
        return {key.casefold(): action.title for key, action in found if len(key) == 1}

    def command_for_key(self, event: QKeyEvent, places: tuple[str, ...]) -> str:
        """Return the id of the command in these places for a key press; empty for none."""
        keys = key_sequence(event)
        fitting = (action.id for action in self if action.scope in places and keys in action.keys)
        return next(fitting, "")

    def tooltip(self, name: str, words: str = "") -> str:
        """Return a tooltip: a command's title, its shortcut, and the reason it is unavailable."""
        keys, reason = self.shown_keys(name), self.why_not(name)
        named = words or self.title(name)
        return "\n".join(filter(None, (f"{named} ({keys})" if keys else named, reason)))

    def attach(self, button: QAbstractButton, name: str, words: str = "", *, enables: bool = True) -> None:
        """Bind a button to a command's shortcut text, availability and reason, from now on.

        Its owner handles the click, and without `enables` its state; `words` take the place of the command's title.
        """

        def show() -> None:
            button.setToolTip(self.tooltip(name, words))
            if enables:
                button.setEnabled(not self.why_not(name))

        _Binding(self, name, button, show)

    def explain_by_shortcut(self, name: str, widget: QWidget, context: Qt.ShortcutContext) -> None:
        """Let the shortcut of an unavailable command show the reason: a disabled `QAction` is silent."""
        shortcut = QShortcut(widget)
        shortcut.setContext(context)
        shortcut.activated.connect(lambda: self.run(name))
        shortcut.setKeys([QKeySequence(keys) for keys in self._actions[name].keys])
        _Binding(self, name, widget, lambda: shortcut.setEnabled(bool(self.why_not(name))))


class _Binding(QObject):
    """Calls `show` now and whenever the command changes; deleted with the widget."""

    def __init__(self, actions: Actions, name: str, widget: QWidget, show: Callable[[], None]) -> None:
        super().__init__(widget)
        self._actions, self._name, self._show = actions, name, show
        actions.changed.connect(self._on_changed)
        show()

    @Slot()
    def _on_changed(self) -> None:
        if self._name in self._actions.changed_names:
            self._show()


def native_keys(keys: str) -> str:
    return _native(keys, language())


@cache
def _native(keys: str, _language: str) -> str:
    return QKeySequence(keys, _PORTABLE).toString(QKeySequence.SequenceFormat.NativeText)


def key_sequence(event: QKeyEvent) -> str:
    """Return an event's key sequence in portable format, without Shift for characters typed with it, such as `+`."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key(event.key())
    is_sign = event.text() and event.text().isprintable() and not event.text().isalpha()
    if modifiers == Qt.KeyboardModifier.ShiftModifier and is_sign and key != Qt.Key.Key_Space:
        modifiers = Qt.KeyboardModifier.NoModifier
    return QKeySequence(QKeyCombination(modifiers, key)).toString(_PORTABLE)
