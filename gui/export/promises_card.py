"""The properties of an export, displayed before the first one."""

from gui.kit import theme
from gui.kit.parts import Card, IconLabel, column, row, text, verbatim
from gui.kit.translation import tr
from models.messages import Message

_PROMISES = (
    (
        "file",
        Message("One file"),
        Message("Cropping, resizing and normalising are inside. It takes images of any size, as RGB bytes."),
    ),
    (
        "shield",
        Message("Verified"),
        Message("PyTorch and the file classify up to 200 images; the file is kept only if both agree."),
    ),
    ("gauge", Message("Measured"), Message("Its speed on this computer, one image at a time, and its size.")),
    (
        "copy",
        Message("Ready to use"),
        Message("Programs in Python, JavaScript, C# and C++ run it anywhere, and a page in the browser."),
    ),
)


def promises_card() -> Card:
    """Return a card with a line for each property."""
    card = Card(margin=theme.HUGE, spacing=theme.LARGE)
    card.body.addWidget(text("What you get", "heading"))
    for icon_name, title, words in _PROMISES:
        both = column(verbatim(tr(title), "strong"), verbatim(tr(words), "muted", wrap=True), spacing=theme.HAIR)
        card.body.addLayout(row(IconLabel(icon_name, size=22, tone="accent"), both, spacing=theme.LARGE, grows=1))
    return card
