"""The looks of classes: the colour and the keyboard key of each. Plain data."""

from collections.abc import Container, Sequence
from string import ascii_lowercase

from gui.kit.theme import ClassColour
from visionft.project.queries import ClassRow

DIGITS = "1234567890"


def class_colours(classes: Sequence[ClassRow]) -> dict[str, ClassColour]:
    """Return each class's colour: the user's choice, else its index in the list."""
    return {row.name: row.color or place for place, row in enumerate(classes)}


def class_keys(classes: Sequence[ClassRow], taken: Container[str]) -> dict[str, str]:
    """Return {key: class name}: a class's own key, else a digit, else (from the eleventh class on) a free letter.

    The digits go to the first ten classes in list order. A letter comes from the class name where possible.

    Args:
        classes: In list order.
        taken: Letters with another meaning where these keys work: `Actions.letters_in_use`.
    """
    keys = {row.shortcut: row.name for row in classes if row.shortcut}
    for place, row in enumerate(classes):
        letters = (*row.name.casefold(), *ascii_lowercase)
        free = (letter for letter in letters if letter in ascii_lowercase and letter not in taken)
        wishes = DIGITS[place : place + 1] or free
        if len(keys) < len(DIGITS + ascii_lowercase) and not row.shortcut:
            key = next((wish for wish in wishes if wish not in keys), "")
            keys |= {key: row.name} if key else {}
    return keys
