"""What the keys mean on the label page, in the grid and in the viewer; text fields keep their own."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

if TYPE_CHECKING:
    from gui.pages.label import LabelPage

_CONTROL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class LabelKeys(QObject):
    """An event filter for the widgets that show pictures."""

    def __init__(self, page: "LabelPage") -> None:
        super().__init__(page)
        self._page = page

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the labelling keys."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            act = self._action_of(event)
            if act is not None:
                act()
                return True
        return super().eventFilter(watched, event)

    def _action_of(self, event: QKeyEvent) -> Callable[[], object] | None:
        page, key = self._page, Qt.Key(event.key())
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if modifiers == _CONTROL:
            step = {Qt.Key.Key_D: 1, Qt.Key.Key_A: -1}.get(key)
            return (lambda: page.step_unlabelled(step)) if step is not None else None
        if modifiers == _CONTROL | _SHIFT:
            return page.grid.select_all if key == Qt.Key.Key_A else None
        if modifiers not in (Qt.KeyboardModifier.NoModifier, _SHIFT):
            return None
        typed = event.text().casefold()
        if typed and typed in page.keys:
            return lambda: page.assign(page.keys[typed])
        if modifiers == _SHIFT:
            return None
        return self._plain_keys().get(key) or (self._viewer_keys().get(key) if page.is_viewing else None)

    def _plain_keys(self) -> dict[Qt.Key, Callable[[], object]]:
        page = self._page
        toggle = page.close_viewer if page.is_viewing else page.open_viewer
        return {
            Qt.Key.Key_0: page.clear_labels,
            Qt.Key.Key_A: lambda: page.step(-1),
            Qt.Key.Key_D: lambda: page.step(1),
            Qt.Key.Key_N: lambda: page.step(1),
            Qt.Key.Key_Delete: page.remove,
            Qt.Key.Key_Return: toggle,
            Qt.Key.Key_Enter: toggle,
        }

    def _viewer_keys(self) -> dict[Qt.Key, Callable[[], object]]:
        page, view = self._page, self._page.viewer.view
        return {
            Qt.Key.Key_Escape: page.close_viewer,
            Qt.Key.Key_Left: lambda: page.step(-1),
            Qt.Key.Key_Right: lambda: page.step(1),
            Qt.Key.Key_F: view.fit,
            Qt.Key.Key_Z: view.toggle_zoom,
            Qt.Key.Key_Plus: lambda: view.zoom_by(1.25),
            Qt.Key.Key_Minus: lambda: view.zoom_by(0.8),
        }
