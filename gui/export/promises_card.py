"""What an export will be, while there is none yet."""

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, IconLabel, column, row, text, verbatim

_PROMISES = (
    ("file", "One file", "Cropping, resizing and normalising are inside. It takes pictures of any size, as RGB bytes."),
    ("shield", "Verified", "Up to 200 pictures go through PyTorch and through the file, which is kept only if equal."),
    ("gauge", "Measured", "Its speed on this machine, one picture at a time, and its size."),
    ("copy", "Ready to use", "Programs in Python, JavaScript, C# and C++ run it anywhere, and a page in the browser."),
)  # fmt: skip


class PromisesCard(Card):
    """One line for each promise."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self.body.addWidget(text("What you get", "heading"))
        for icon_name, title, words in _PROMISES:
            line = row(
                IconLabel(icon_name, size=22, tone="accent"),
                column(verbatim(tr(title), "strong"), verbatim(tr(words), "muted", wrap=True), spacing=theme.HAIR),
                spacing=theme.LARGE,
            )
            line.setStretch(1, 1)
            self.body.addLayout(line)
