"""How classes look everywhere: the colour of each, and the key that gives it. Plain data."""

from collections.abc import Container, Iterator, Sequence
from string import ascii_lowercase

from gui.kit.theme import ClassColour
from visionft.project.queries import ClassRow

DIGITS = "1234567890"
_MOST = len(DIGITS) + len(ascii_lowercase)


def class_colours(classes: Sequence[ClassRow]) -> dict[str, ClassColour]:
    """Return each class's colour: the one chosen for it, else its place in the list."""
    return {row.name: row.color or place for place, row in enumerate(classes)}


def class_keys(classes: Sequence[ClassRow], taken: Container[str]) -> dict[str, str]:
    """Return {key: class name}: a class's own key, else a digit, from the eleventh class on a letter while any is left.

    The digits go to the first ten classes in the order of the list. A letter is one of the name where that is free.

    Args:
        classes: In the order of the list.
        taken: Letters that mean something else where the keys work: `Actions.letters_in_use`.
    """
    keys = {row.shortcut: row.name for row in classes if row.shortcut}
    for place, row in enumerate(classes):
        wishes = DIGITS[place] if place < len(DIGITS) else _letters(row.name, taken)
        key = next((wish for wish in wishes if wish not in keys), "") if len(keys) < _MOST else ""
        if key and not row.shortcut:
            keys[key] = row.name
    return keys


def _letters(name: str, taken: Container[str]) -> Iterator[str]:
    letters = (*name.casefold(), *ascii_lowercase)
    return (letter for letter in letters if letter in ascii_lowercase and letter not in taken)
