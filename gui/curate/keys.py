"""Lets the keys of classes and of the page's commands work where pictures are shown; text fields keep their own."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui.actions import CURATE
from gui.curate.curation import Curation

_HARMLESS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier


class CurateKeys(QObject):
    """An event filter for the widgets that show pictures."""

    def __init__(self, curation: Curation, assign: Callable[[str], object], parent: QObject) -> None:
        """Args: `assign` gives a class."""
        super().__init__(parent)
        self._curation, self._assign = curation, assign

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the keys."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and self._take(event):
            return True
        return super().eventFilter(watched, event)

    def _take(self, event: QKeyEvent) -> bool:
        """Do what a key means; return whether it means anything."""
        curation = self._curation
        typed, plain = event.text().casefold(), event.modifiers() & ~_HARMLESS
        if typed and not plain and typed in curation.keys:
            self._assign(curation.keys[typed])
            return True
        name = curation.state.actions.pressed(event, (CURATE,))
        if name:
            curation.state.actions.run(name)
        return bool(name)
