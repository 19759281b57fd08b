"""What the class list of the label page does to the project: create, rename, merge, delete, colour, key, order."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QInputDialog, QWidget

from gui import actions
from gui.kit import theme
from gui.kit.i18n import tr
from gui.label.class_panel import ClassPanel
from gui.session import ProjectSession
from gui.state import AppState
from visionft.project.edits.changes import Change
from visionft.project.edits.class_changes import (
    ColorClass,
    DeleteClass,
    MergeClasses,
    OrderClasses,
    RenameClass,
    SetShortcut,
)
from visionft.project.queries import ClassRow


class ClassActions(QObject):
    """Listens to a class panel; each action is one change that can be undone."""

    def __init__(self, state: AppState, session: ProjectSession | None, panel: ClassPanel, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._session, self._window = state, session, window
        self.classes: Sequence[ClassRow] = ()
        panel.rename_wanted.connect(self._on_rename_wanted)
        panel.merge_wanted.connect(self._on_merge_wanted)
        panel.delete_wanted.connect(self._on_delete_wanted)
        panel.key_wanted.connect(self._on_key_wanted)
        panel.colour_wanted.connect(self._on_colour_wanted)
        panel.reordered.connect(self._on_reordered)

    def known_name(self, typed: str) -> str | None:
        """Return the class that is called like this, letters compared without case."""
        return next((row.name for row in self.classes if row.name.casefold() == typed.casefold()), None)

    def _apply(self, change: Change) -> None:
        if self._session is not None:
            self._session.apply(change)

    @Slot(str)
    def _on_rename_wanted(self, name: str) -> None:
        question = tr("New name of “{name}”", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Rename class"), question, text=name)
        new_name = typed.strip()
        if not is_accepted or not new_name or new_name == name:
            return
        other = self.known_name(new_name)
        if other is not None and other != name:
            self._apply(MergeClasses((name,), other))
        else:
            self._apply(RenameClass(name, new_name))

    @Slot(str, str)
    def _on_merge_wanted(self, name: str, into: str) -> None:
        self._apply(MergeClasses((name,), into))

    @Slot(str)
    def _on_delete_wanted(self, name: str) -> None:
        self._apply(DeleteClass(name))

    @Slot(list)
    def _on_reordered(self, names: list[str]) -> None:
        self._apply(OrderClasses(tuple(names)))

    @Slot(str, str)
    def _on_colour_wanted(self, name: str, colour: str) -> None:
        if colour == "?":
            row = next((row for row in self.classes if row.name == name), None)
            start = theme.class_colour(row.color or self.classes.index(row)) if row is not None else QColor()
            chosen = QColorDialog.getColor(start, self._window, tr("Colour of “{name}”", name=name))
            if not chosen.isValid():
                return
            colour = chosen.name()
        self._apply(ColorClass(name, colour or None))

    @Slot(str)
    def _on_key_wanted(self, name: str) -> None:
        question = tr("One letter or digit for “{name}”; empty for none", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Set key"), question)
        if not is_accepted:
            return
        key = typed.strip()
        use = actions.letters_in_use(self._state.settings.shortcuts).get(key.casefold())
        if use is not None:
            fault = tr("“{key}” is the key of “{title}”.", key=key, title=tr(use))
            self._state.say(fault, tr("Choose another key, or give that command another one."))
            return
        self._apply(SetShortcut(name, key or None))
