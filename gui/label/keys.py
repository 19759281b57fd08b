"""Lets the keys of the label page's commands work where pictures are seen; text fields keep their own."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui import actions
from gui.label.session import LabelSession

_HARMLESS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier
_ARROWS = {Qt.Key.Key_Left: "label.previous", Qt.Key.Key_Right: "label.next"}


class LabelKeys(QObject):
    """An event filter for the widgets that show pictures."""

    def __init__(
        self, labels: LabelSession, assign: Callable[[str], object], parent: QObject, *, place: str = actions.LABEL
    ) -> None:
        """Args: `assign` gives a class; `place` is where the keys work, of which the viewer is a part."""
        super().__init__(parent)
        self._labels, self._assign, self._place = labels, assign, place

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the labelling keys."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and self._take(event):
            return True
        return super().eventFilter(watched, event)

    def _take(self, event: QKeyEvent) -> bool:
        """Do what a key means; return whether it means anything."""
        labels = self._labels
        typed, plain = event.text().casefold(), event.modifiers() & ~_HARMLESS
        if typed and not plain and typed in labels.keys:
            self._assign(labels.keys[typed])
            return True
        is_viewing = labels.is_viewing and self._place == actions.LABEL
        places = (actions.VIEWER, self._place) if is_viewing else (self._place,)
        name = labels.state.actions.pressed(event, places)
        if not name and is_viewing:
            name = _ARROWS.get(Qt.Key(event.key()), "")
        if name:
            labels.state.actions.run(name)
        return bool(name)
