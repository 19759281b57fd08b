"""The keys of the label page in the grid, in the viewer and in the views on many images."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui.actions import LABEL, VIEWER, Actions
from gui.kit.translation import tr

if TYPE_CHECKING:
    from gui.label.label_session import LabelSession

_ARROWS = {Qt.Key.Key_Left: "label.previous", Qt.Key.Key_Right: "label.next"}


class LabelKeys(QObject):
    """An event filter for the image views."""

    def __init__(
        self, labels: "LabelSession", assign: Callable[[str], object], parent: QObject, *, place: str = LABEL
    ) -> None:
        """Args: `assign` labels with a class; `place` is the scope of the keys; the viewer is part of it."""
        super().__init__(parent)
        self._labels, self._assign, self._place = labels, assign, place

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        labels = self._labels
        harmless = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier
        typed, held = event.text().casefold(), event.modifiers() & ~harmless
        if typed and not held and typed in labels.keys:
            self._assign(labels.keys[typed])
            return True
        is_viewing = labels.is_viewing and self._place == LABEL
        places = (VIEWER, self._place) if is_viewing else (self._place,)
        name = labels.state.actions.pressed(event, places)
        if not name and is_viewing:
            name = _ARROWS.get(Qt.Key(event.key()), "")
        if not name:
            return super().eventFilter(watched, event)
        labels.state.actions.run(name)
        return True


def key_hint(commands: Actions, *, has_suggestions: bool = False) -> str:
    """Return a line of the most used keys, with those of suggestions if there are any; unassigned ones are left out."""
    key = commands.shown_keys
    accepts, back, forth = key("label.accept"), key("label.previous"), key("label.next")
    clears, unlabelled = key("label.clear"), key("label.next_unlabelled")
    removes, sheet = key("label.remove"), key("help.shortcuts")
    parts = (
        tr("0-9 and letters label"),
        tr("{key} accepts", key=accepts) if accepts and has_suggestions else "",
        tr("{key} clears", key=clears) if clears else "",
        tr("{back} and {forth} move", back=back, forth=forth) if back and forth else "",
        tr("{key} next without label", key=unlabelled) if unlabelled else "",
        tr("{key} opens", key=accepts) if accepts and not has_suggestions else "",
        tr("{key} removes", key=removes) if removes else "",
        tr("{key} all keys", key=sheet) if sheet else "",
    )
    return ", ".join(filter(None, parts))
