"""The keys and the context menu of images on the pages Label and Curate."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QMenu, QWidget

from gui.actions import Actions
from gui.image_edits import ImageEdits
from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.translation import tr

MOST_CLASSES = 30  # in a menu: with more the list of classes is quicker
_HARMLESS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier


class ImageKeys(QObject):
    """An event filter of widgets with images: class keys give the class, other keys run the commands."""

    def __init__(
        self,
        edits: ImageEdits,
        assign: Callable[[str], object],
        parent: QObject,
        *,
        command_of: Callable[[QKeyEvent], str],
    ) -> None:
        """Args: `assign` gives a class; `command_of` returns the command of a key here, empty for none."""
        super().__init__(parent)
        self._edits, self._assign, self._command_of = edits, assign, command_of

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        typed = event.text().casefold()
        keys = self._edits.keys
        if typed and typed in keys and not event.modifiers() & ~_HARMLESS:
            self._assign(keys[typed])
        elif name := self._command_of(event):
            self._edits.state.actions.run(name)
        else:
            return super().eventFilter(watched, event)
        return True


class ImageMenu(QMenu):
    """A context menu of the selected images."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = actions

    def add_classes(self, edits: ImageEdits, assign: Callable[[str], object]) -> None:
        """Append a menu of the classes, each with its colour and key."""
        menu = self.addMenu(tr("Label as"))
        menu.setEnabled(bool(edits.classes))
        key_of = {name: key for key, name in edits.keys.items()}
        for row in edits.classes[:MOST_CLASSES]:
            keys = key_of.get(row.name, "").upper()
            action = add_entry(menu, row.name, lambda name=row.name: assign(name), keys)
            action.setIcon(swatch(theme.class_colour(edits.colours[row.name]).name()))

    def add_command(self, name: str, words: str = "") -> None:
        """Append a command, under its title or other words."""
        actions = self._actions
        action = add_entry(self, words or actions.title(name), lambda: actions.run(name), actions.shown_keys(name))
        action.setEnabled(not actions.why_not(name))


def add_entry(menu: QMenu, title: str, act: Callable[[], object], keys: str = "") -> QAction:
    words = title.replace("&", "&&")
    action = menu.addAction(f"{words}\t{keys}" if keys else words)
    action.triggered.connect(lambda _checked=False: act())
    return action
