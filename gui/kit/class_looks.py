"""The colour and the keyboard key of each class. Independent of widgets."""

from collections.abc import Container, Sequence
from string import ascii_lowercase

from gui.kit.theme import ClassColour
from visionft.project.queries import ClassRow

DIGITS = "1234567890"


def class_colours(classes: Sequence[ClassRow]) -> dict[str, ClassColour]:
    """Return {class name: colour}: the user's choice, else the index of the class in the list."""
    return {row.name: row.color or index for index, row in enumerate(classes)}


def class_keys(classes: Sequence[ClassRow], taken: Container[str]) -> dict[str, str]:
    """Return {key: class name}: the key set by the user, else a digit, else a free letter.

    The first ten classes get the digits. Later classes get a letter, from the class name where possible.

    Args:
        classes: The classes in list order.
        taken: Letters that are shortcuts of commands: `Actions.letters_in_use`.
    """
    keys = {row.shortcut: row.name for row in classes if row.shortcut}
    for index, row in enumerate(classes):
        letters = (*row.name.casefold(), *ascii_lowercase)
        free = (letter for letter in letters if letter in ascii_lowercase and letter not in taken)
        candidates = DIGITS[index : index + 1] or free
        if len(keys) < len(DIGITS + ascii_lowercase) and not row.shortcut:
            key = next((candidate for candidate in candidates if candidate not in keys), "")
            keys |= {key: row.name} if key else {}
    return keys
