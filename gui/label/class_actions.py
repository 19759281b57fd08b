"""What the class list of the label page does to the project: create, rename, merge, delete, colour, key, order."""

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QInputDialog, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.label.class_panel import ClassPanel
from gui.label.session import LabelSession
from visionft.project.edits.class_changes import (
    ColorClass,
    DeleteClass,
    MergeClasses,
    OrderClasses,
    RenameClass,
    SetShortcut,
)


class ClassActions(QObject):
    """Listens to a class panel; each action is one change that can be undone."""

    def __init__(self, labels: LabelSession, panel: ClassPanel, window: QWidget) -> None:
        """Args: `window` is what a question stands over."""
        super().__init__(window)
        self._labels, self._window = labels, window
        panel.rename_wanted.connect(self._on_rename_wanted)
        panel.merge_wanted.connect(self._on_merge_wanted)
        panel.delete_wanted.connect(self._on_delete_wanted)
        panel.key_wanted.connect(self._on_key_wanted)
        panel.colour_wanted.connect(self._on_colour_wanted)
        panel.reordered.connect(self._on_reordered)

    @Slot(str)
    def _on_rename_wanted(self, name: str) -> None:
        question = tr("New name of “{name}”", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Rename class"), question, text=name)
        new_name = typed.strip()
        if not is_accepted or not new_name or new_name == name:
            return
        other = self._labels.known_name(new_name)
        if other is not None and other != name:
            self._on_merge_wanted(name, other)
        else:
            self._labels.apply(RenameClass(name, new_name))

    @Slot(str, str)
    def _on_merge_wanted(self, name: str, into: str) -> None:
        said = tr("“{name}” was merged into “{into}”.", name=name, into=into)
        self._labels.apply(MergeClasses((name,), into), said)

    @Slot(str)
    def _on_delete_wanted(self, name: str) -> None:
        self._labels.apply(DeleteClass(name), tr("Class “{name}” was deleted.", name=name))

    @Slot(list)
    def _on_reordered(self, names: list[str]) -> None:
        self._labels.apply(OrderClasses(tuple(names)))

    @Slot(str, str)
    def _on_colour_wanted(self, name: str, colour: str) -> None:
        if colour == "?":
            colours = self._labels.colours
            start = theme.class_colour(colours[name]) if name in colours else QColor()
            chosen = QColorDialog.getColor(start, self._window, tr("Colour of “{name}”", name=name))
            if not chosen.isValid():
                return
            colour = chosen.name()
        self._labels.apply(ColorClass(name, colour or None))

    @Slot(str)
    def _on_key_wanted(self, name: str) -> None:
        question = tr("One letter or digit for “{name}”; empty for none", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Set key"), question)
        if not is_accepted:
            return
        key = typed.strip()
        use = self._labels.state.actions.letters_in_use().get(key.casefold())
        if use is not None:
            fault = tr("“{key}” is the key of “{title}”.", key=key, title=tr(use))
            self._labels.state.say(fault, tr("Choose another key, or give that command another one."))
            return
        self._labels.apply(SetShortcut(name, key or None))
