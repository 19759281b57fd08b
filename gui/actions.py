"""Commands as records: what each is called, what it does, its keys and menu, when it can be done and why not.

Each screen declares its own (`gui/<screen>/actions.py`), the shell the rest. Menus, palette, shortcut sheet, settings,
tooltips and key hints are drawn from the records here, so that a new key or a reason shows in all of them. Which keys
the user chose instead is a dict of the settings, {id: keys}; keys are written as `QKeySequence` does in its portable
form.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QKeyCombination, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QWidget

from gui.kit.i18n import tr

EVERYWHERE, LABEL, VIEWER, CURATE, TRAIN, QUEUE, TRY = (
    "Everywhere", "Label", "Viewer", "Curate", "Train", "Queue", "Try"
)  # fmt: skip
ROWS, SAMPLE = "Rows of alike", "Check of a sample"  # of the label page, where neither grid nor viewer is seen
MENUS = ("File", "Edit", "View", "Project", "Run", "Help")
_PORTABLE, _NATIVE = QKeySequence.SequenceFormat.PortableText, QKeySequence.SequenceFormat.NativeText
_GIVE_CLASSES = (LABEL, VIEWER, ROWS, SAMPLE, CURATE)  # letters without a command may be the key of a class there
_WITHOUT_TEXT_FIELDS = (*_GIVE_CLASSES, QUEUE)  # a letter alone may be a key there
CLASS_KEYS = "1234567890"
Chosen = Mapping[str, str]


def _never() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Action:
    """One command.

    Attributes:
        id: By which code and settings know it.
        title: What the user reads, in English.
        act: Does it.
        why_not: Returns why it cannot be done now, in the user's language; empty when it can.
        keys: Its keys unless the user chose others; all of them work, the first one is shown.
        place: Where the keys work. `EVERYWHERE` cannot share a key with any other place.
        menu: The menu it is in; empty for none.
        begins_group: A line stands above it in the menu.
        also: Other words by which people look for it, in English.
        title_now: Returns what it is called at the moment, in the user's language, where that changes.
    """

    id: str
    title: str
    act: Callable[[], object]
    why_not: Callable[[], str] = _never
    keys: tuple[str, ...] = ()
    place: str = EVERYWHERE
    menu: str = ""
    begins_group: bool = False
    also: str = ""
    title_now: Callable[[], str] | None = None


class Actions(QObject):
    """The commands of a window. `changed` tells that keys, titles or what is possible may be others now."""

    changed = Signal()
    refused = Signal(str, str)  # title and reason of a command that was asked for and cannot be done

    def __init__(self, chosen: Callable[[], Chosen], parent: QObject | None = None) -> None:
        """Args: `chosen` returns the keys that the user chose."""
        super().__init__(parent)
        self._chosen = chosen
        self._actions: dict[str, Action] = {}
        self._drawn: Mapping[str, tuple[object, ...]] = {}
        self.altered: set[str] = set()  # the commands that `changed` is about

    def declare(self, actions: Iterable[Action]) -> None:
        """Add commands."""
        self._actions |= {action.id: action for action in actions}

    @Slot()
    def refresh(self) -> None:
        """Have drawn anew what is drawn from commands whose title, keys or reason are others by now."""
        now = {name: (self.title(name), self.why_not(name), self.keys_of(name)) for name in self._actions}
        self.altered = {name for name, looks in now.items() if self._drawn.get(name) != looks}
        self._drawn = now
        if self.altered:
            self.changed.emit()

    # -- reading ------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Iterator[Action]:
        """Yield the commands as people look for them: those of a menu together, then those without."""
        place = {menu: index for index, menu in enumerate(MENUS)}
        yield from sorted(self._actions.values(), key=lambda action: place.get(action.menu, len(MENUS)))

    def by_group(self) -> dict[str, list[Action]]:
        """Return the commands by menu, those without by the place of their keys."""
        groups: dict[str, list[Action]] = {}
        for action in self:
            groups.setdefault(action.menu or action.place, []).append(action)
        return groups

    def title(self, name: str) -> str:
        """Return what a command is called now: undo names what it takes back."""
        action = self._actions[name]
        return action.title_now() if action.title_now is not None else tr(action.title)

    def why_not(self, name: str) -> str:
        """Return why a command cannot be done now; empty when it can."""
        return self._actions[name].why_not()

    def run(self, name: str) -> None:
        """Do a command, or tell why it cannot be done."""
        if reason := self.why_not(name):
            self.refused.emit(self.title(name), reason)
        else:
            self._actions[name].act()

    # -- keys ---------------------------------------------------------------------------------------------------

    def keys_of(self, name: str, chosen: Chosen | None = None) -> tuple[str, ...]:
        """Return the keys of a command: the user's choice, or its own."""
        chosen = self._chosen() if chosen is None else chosen
        if name in chosen:
            return (chosen[name],) if chosen[name] else ()
        return self._actions[name].keys

    def shown_keys(self, name: str) -> str:
        """Return a command's first key as this system writes it; empty when it has none."""
        keys = self.keys_of(name)
        return native(keys[0]) if keys else ""

    def all_keys(self, name: str) -> list[str]:
        """Return all keys of a command as this system writes them."""
        return [native(keys) for keys in self.keys_of(name)]

    def fault_of(self, name: str, keys: str, chosen: Chosen | None = None) -> str:
        """Return why a command cannot have these keys, for the user; empty when it can."""
        place = self._actions[name].place
        if not keys:
            return ""
        if place not in _WITHOUT_TEXT_FIELDS and not _is_safe_while_typing(keys):
            return tr("Use Ctrl or Alt with it: a letter alone would act while you type.")
        if place in _GIVE_CLASSES and keys in CLASS_KEYS:
            return tr("The digits give the classes.")
        for other in self:
            if other.id != name and keys in self.keys_of(other.id, chosen) and _overlap(place, other.place):
                return tr("{keys} is taken by “{title}”.", keys=native(keys), title=tr(other.title))
        return ""

    def letters_in_use(self) -> dict[str, str]:
        """Return {single key, lower case: title} of what works where class keys do: a class cannot have these keys."""
        places = (*_GIVE_CLASSES, EVERYWHERE)
        found = ((key, action) for action in self if action.place in places for key in self.keys_of(action.id))
        return {key.casefold(): action.title for key, action in found if len(key) == 1}

    def pressed(self, event: QKeyEvent, places: tuple[str, ...]) -> str:
        """Return the command of these places whose key was pressed; empty for none."""
        keys = pressed(event)
        fitting = (action.id for action in self if action.place in places and keys in self.keys_of(action.id))
        return next(fitting, "")

    # -- drawing ------------------------------------------------------------------------------------------------

    def tip(self, name: str, words: str = "") -> str:
        """Return a tooltip: what a command does, its key, and why it cannot be done now."""
        keys, reason = self.shown_keys(name), self.why_not(name)
        named = words or self.title(name)
        return "\n".join(filter(None, (f"{named} ({keys})" if keys else named, reason)))

    def attach(self, button: QAbstractButton, name: str, words: str = "", *, enables: bool = True) -> None:
        """Let a button show a command's key, whether it can be done, and why not, from now on.

        Args:
            button: Any button; what a click does is its owner's.
            name: The command.
            words: What it does, translated, in place of the command's title.
            enables: Whether the button is enabled by the command; else its owner does that.
        """
        _Attached(self, button, name, words, enables=enables)

    def bind(self, name: str, widget: QWidget) -> None:
        """Let the keys of a command work while `widget` has the focus."""
        _Bound(self, name, widget, Qt.ShortcutContext.WidgetShortcut)

    def refuse_by_keys(self, name: str, widget: QWidget, context: Qt.ShortcutContext) -> None:
        """Let the keys of a command tell why it cannot be done, while that is so: a disabled `QAction` is silent."""
        _Bound(self, name, widget, context, only_refuses=True)


class _Attached(QObject):
    """Keeps a button like its command; goes with the button."""

    def __init__(self, actions: Actions, button: QAbstractButton, name: str, words: str, *, enables: bool) -> None:
        super().__init__(button)
        self._actions, self._button, self._name, self._words, self._enables = actions, button, name, words, enables
        actions.changed.connect(self._on_changed)
        self._show()

    @Slot()
    def _on_changed(self) -> None:
        if self._name in self._actions.altered:
            self._show()

    def _show(self) -> None:
        self._button.setToolTip(self._actions.tip(self._name, self._words))
        if self._enables:
            self._button.setEnabled(not self._actions.why_not(self._name))


class _Bound(QObject):
    """Keeps the shortcuts of a widget like their command; goes with the widget."""

    def __init__(
        self, actions: Actions, name: str, widget: QWidget, context: Qt.ShortcutContext, *, only_refuses: bool = False
    ) -> None:
        super().__init__(widget)
        self._actions, self._name, self._only_refuses = actions, name, only_refuses
        self._shortcut = QShortcut(widget)
        self._shortcut.setContext(context)
        self._shortcut.activated.connect(lambda: actions.run(name))
        actions.changed.connect(self._on_changed)
        self._show()

    @Slot()
    def _on_changed(self) -> None:
        if self._name in self._actions.altered:
            self._show()

    def _show(self) -> None:
        self._shortcut.setKeys([QKeySequence(keys) for keys in self._actions.keys_of(self._name)])
        self._shortcut.setEnabled(not self._only_refuses or bool(self._actions.why_not(self._name)))


@cache
def native(keys: str) -> str:
    """Return portable keys as this system writes them."""
    return QKeySequence(keys, _PORTABLE).toString(_NATIVE)


def pressed(event: QKeyEvent) -> str:
    """Return the keys of an event in portable form; what needs Shift to be typed, such as `+`, comes without it."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key(event.key())
    is_sign = event.text() and event.text().isprintable() and not event.text().isalpha()
    if modifiers == Qt.KeyboardModifier.ShiftModifier and is_sign and key != Qt.Key.Key_Space:
        modifiers = Qt.KeyboardModifier.NoModifier
    return QKeySequence(QKeyCombination(modifiers, key)).toString(_PORTABLE)


def _is_safe_while_typing(keys: str) -> bool:
    combination = QKeySequence(keys, _PORTABLE)[0]  # type: ignore[index]
    strong = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
    is_function_key = Qt.Key.Key_F1 <= combination.key() <= Qt.Key.Key_F35
    return bool(combination.keyboardModifiers() & strong) or is_function_key or keys == "?"


def _overlap(first: str, second: str) -> bool:
    pair = {first, second}
    return len(pair) == 1 or EVERYWHERE in pair or pair == {LABEL, VIEWER}
