"""The head of the train page: the choice between its views, and the offer to resume a run. Depends on Qt only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, row, text
from gui.kit.translation import tr
from models.messages import Message


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


SETUP, LIVE, QUEUE = 0, 1, 2


class ViewSwitch(QWidget):
    """*Set up*, *Live run* and, while runs wait, *Queue*; hidden until there is a run."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setup_button, self.live_button, self.queue_button = (
            Button(name, role="segment") for name in (Message("Set up"), Message("Live run"), Message("Queue"))
        )
        self._group = QButtonGroup(self)
        for index, button in enumerate((self.setup_button, self.live_button, self.queue_button)):
            button.setCheckable(True)
            self._group.addButton(button, index)
        self.setLayout(row(self.setup_button, self.live_button, self.queue_button, None, spacing=0))
        self.setup_button.setChecked(True)
        self.queue_button.hide()
        self._group.idClicked.connect(self.chosen)

    def choose(self, index: int) -> None:
        self._group.button(index).setChecked(True)

    def show_waiting(self, count: int) -> None:
        """Show the number of waiting runs; the queue is hidden without any."""
        self.queue_button.setText(tr("Queue: {count}", count=count))
        self.queue_button.setVisible(count > 0)

    def show_needed(self, *, has_run: bool) -> None:
        self.setVisible(has_run or not self.queue_button.isHidden())
