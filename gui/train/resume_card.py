"""The offer to resume a run. Depends on Qt only."""

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, row, text
from gui.kit.translation import tr


class ResumeCard(Card):
    """Offers one run to resume, or is hidden."""

    continued = Signal()
    dismissed = Signal()

    def __init__(self) -> None:
        super().__init__(tone="info", margin=theme.MEDIUM)
        self._message = ElidedLabel("", "strong")
        words = text("It continues at the step it had reached, with its images and settings.", wrap=True)
        self.continue_button = Button("Continue", "play", on_click=self.continued.emit)
        self.dismiss_button = Button("Dismiss", role="quiet", on_click=self.dismissed.emit)
        self.dismiss_button.setToolTip(tr("Do not offer this run again; Results can still continue it"))
        text_column = column(self._message, words, spacing=theme.HAIR)
        icon = IconLabel("info", size=20, tone="accent")
        content = row(icon, text_column, self.continue_button, self.dismiss_button, spacing=theme.MEDIUM, grows=1)
        self.body.addLayout(content)
        self.hide()

    def offer(self, message: str) -> None:
        """Offer a run; an empty message hides the offer."""
        self._message.setText(message)
        self.setVisible(bool(message))

    def message(self) -> str:
        return "" if self.isHidden() else self._message.text()
