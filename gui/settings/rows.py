"""What the settings page is built of: cards of lines, a name and a note at the left, a control at the right."""

from PySide6.QtWidgets import QLabel, QLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, column, row, verbatim


def place_of(value: object, choices: dict) -> int:
    """Return the place of a value among the choices; 0 where it is none of them."""
    return max(0, list(choices).index(value)) if value in choices else 0


def card(title: str, *items: QWidget | QLayout) -> Card:
    """Return a card with a heading."""
    made = Card(spacing=theme.MEDIUM)
    made.body.addWidget(verbatim(tr(title), "heading"))
    for item in items:
        made.body.addWidget(item) if isinstance(item, QWidget) else made.body.addLayout(item)
    return made


def line(name: str, note: str | QLabel, control: QWidget | QLayout) -> QLayout:
    """Return a line: what is set, a note below it, and the control at its end."""
    words = column(
        verbatim(tr(name)), verbatim(tr(note), "small", wrap=True) if isinstance(note, str) else note, spacing=0
    )
    whole = row(words, control, spacing=theme.LARGE)
    whole.setStretch(0, 1)
    return whole
