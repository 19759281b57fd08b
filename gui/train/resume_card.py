"""The offer to go on with a run that was paused, stopped or interrupted. Knows Qt only."""

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, row, text


class ResumeCard(Card):
    """One run to go on with, or hidden."""

    continued = Signal()
    dismissed = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._message = ElidedLabel("", "strong")
        words = text(
            "Its pictures, settings and curve are kept: it goes on at the very step it had reached.", wrap=True
        )
        self.continue_button = Button("Continue", "play", on_click=self.continued.emit)
        self.dismiss_button = Button("Dismiss", role="quiet", on_click=self.dismissed.emit)
        self.dismiss_button.setToolTip(tr("Do not offer this run again; Results can still continue it"))
        content = row(
            IconLabel("info", size=20, tone="accent"),
            column(self._message, words, spacing=theme.HAIR),
            self.continue_button,
            self.dismiss_button,
            spacing=theme.MEDIUM,
        )
        content.setStretch(1, 1)
        self.setProperty("tone", "info")
        self.body.addLayout(content)
        self.hide()

    def offer(self, message: str) -> None:
        """Offer a run; an empty message takes the offer back."""
        self._message.setText(message)
        self.setVisible(bool(message))

    def message(self) -> str:
        """Return what is offered; empty when hidden."""
        return "" if self.isHidden() else self._message.text()
