"""Enables the keys of the label page's commands in the image views, and names the most used ones."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui import actions
from gui.kit.translation import tr
from gui.label.label_session import LabelSession

_ARROWS = {Qt.Key.Key_Left: "label.previous", Qt.Key.Key_Right: "label.next"}


class LabelKeys(QObject):
    """An event filter for the image views."""

    def __init__(
        self, labels: LabelSession, assign: Callable[[str], object], parent: QObject, *, place: str = actions.LABEL
    ) -> None:
        """Args: `assign` labels with a class; `place` is the scope of the keys; the viewer is part of it."""
        super().__init__(parent)
        self._labels, self._assign, self._place = labels, assign, place

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        labels = self._labels
        typed, plain = (
            event.text().casefold(),
            event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier),
        )
        if typed and not plain and typed in labels.keys:
            self._assign(labels.keys[typed])
            return True
        is_viewing = labels.is_viewing and self._place == actions.LABEL
        places = (actions.VIEWER, self._place) if is_viewing else (self._place,)
        name = labels.state.actions.pressed(event, places)
        if not name and is_viewing:
            name = _ARROWS.get(Qt.Key(event.key()), "")
        if not name:
            return super().eventFilter(watched, event)
        labels.state.actions.run(name)
        return True


def key_hint(commands: actions.Actions, *, has_suggestions: bool = False) -> str:
    """Return a line of the most used keys, with those of suggestions if there are any; unassigned ones are left out."""
    key = commands.shown_keys
    parts = [tr("0-9 and letters label")]
    accepts = key("label.accept")
    if accepts and has_suggestions:
        parts.append(tr("{key} accepts", key=accepts))
    if clear := key("label.clear"):
        parts.append(tr("{key} clears", key=clear))
    if (back := key("label.previous")) and (forth := key("label.next")):
        parts.append(tr("{back} and {forth} move", back=back, forth=forth))
    if unlabelled := key("label.next_unlabelled"):
        parts.append(tr("{key} next without label", key=unlabelled))
    if accepts and not has_suggestions:
        parts.append(tr("{key} opens", key=accepts))
    if remove := key("label.remove"):
        parts.append(tr("{key} removes", key=remove))
    if sheet := key("help.shortcuts"):
        parts.append(tr("{key} all keys", key=sheet))
    return ", ".join(parts)
