"""How classes look everywhere: the colour of each, and the key that gives it. Plain data."""

from collections.abc import Sequence

from gui.kit.theme import ClassColour
from visionft.project.queries import ClassRow


def class_colours(classes: Sequence[ClassRow]) -> dict[str, ClassColour]:
    """Return each class's colour: the one chosen for it, else its place in the list."""
    return {row.name: row.color or place for place, row in enumerate(classes)}


def class_keys(classes: Sequence[ClassRow]) -> dict[str, str]:
    """Return {key: class name}: own keys first, then the digits 1 to 9 in the order of the list."""
    keys = {row.shortcut: row.name for row in classes if row.shortcut}
    for index, row in enumerate(classes[:9], 1):
        if not row.shortcut and str(index) not in keys:
            keys[str(index)] = row.name
    return keys
