"""The keys of the label page in the grid, in the viewer and in the views on many images."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeyEvent

from gui.actions import LABEL, VIEWER, Actions
from gui.image_commands import ImageKeys
from gui.kit.translation import tr

if TYPE_CHECKING:
    from gui.label.label_session import LabelSession

_ARROWS = {Qt.Key.Key_Left: "label.previous", Qt.Key.Key_Right: "label.next"}


def label_keys(
    labels: "LabelSession", assign: Callable[[str], object], parent: QObject, *, place: str = LABEL
) -> ImageKeys:
    """Return the event filter of an image view; `place` is the scope of the keys: the viewer is part of the page's."""

    def command_of(event: QKeyEvent) -> str:
        is_viewing = labels.is_viewing and place == LABEL
        found = labels.state.actions.pressed(event, (VIEWER, place) if is_viewing else (place,))
        return found or (_ARROWS.get(Qt.Key(event.key()), "") if is_viewing else "")

    return ImageKeys(labels, assign, parent, command_of=command_of)


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
