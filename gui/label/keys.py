"""What the keys of `gui.actions` do on the label page, in the grid and in the viewer; text fields keep their own."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui import actions

if TYPE_CHECKING:
    from gui.label.page import LabelPage

_HARMLESS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier


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
        page = self._page
        typed, plain = event.text().casefold(), event.modifiers() & ~_HARMLESS
        if typed and not plain and typed in page.keys:
            return lambda: page.labeller.assign(page.keys[typed])
        places = (actions.VIEWER, actions.LABEL) if page.is_viewing else (actions.LABEL,)
        name = actions.name_of(event, places, page.state.settings.shortcuts)
        return self._actions().get(name) or (self._arrows().get(Qt.Key(event.key())) if page.is_viewing else None)

    def _actions(self) -> dict[str, Callable[[], object]]:
        page, view, labeller = self._page, self._page.viewer.view, self._page.labeller
        return {
            "label.previous": lambda: labeller.step(-1),
            "label.next": lambda: labeller.step(1),
            "label.previous_unlabelled": lambda: labeller.step_unlabelled(-1),
            "label.next_unlabelled": lambda: labeller.step_unlabelled(1),
            "label.skip": labeller.skip,
            "label.clear": labeller.clear_labels,
            "label.remove": labeller.remove,
            "label.select_all": page.grid.select_all,
            "label.accept": labeller.accept,
            "label.tag": labeller.ask_tag,
            "label.toggle_viewer": page.toggle_viewer,
            "viewer.fit": view.fit,
            "viewer.real_pixels": view.toggle_zoom,
            "viewer.zoom_in": lambda: view.zoom_by(1.25),
            "viewer.zoom_out": lambda: view.zoom_by(0.8),
            "viewer.close": page.close_viewer,
        }

    def _arrows(self) -> dict[Qt.Key, Callable[[], object]]:
        labeller = self._page.labeller
        return {Qt.Key.Key_Left: lambda: labeller.step(-1), Qt.Key.Key_Right: lambda: labeller.step(1)}
