"""Chooses between the three views of the train page. Knows Qt only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.kit.i18n import tr
from gui.kit.parts import Button, row

SETUP, LIVE, QUEUE = 0, 1, 2


class ViewSwitch(QWidget):
    """*Set up*, *Live run* and, while runs wait, *Queue*."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setup_button, self.live_button, self.queue_button = (
            Button(name, role="segment") for name in ("Set up", "Live run", "Queue")
        )
        self._group = QButtonGroup(self)
        for index, button in enumerate((self.setup_button, self.live_button, self.queue_button)):
            button.setCheckable(True)
            self._group.addButton(button, index)
        self.setLayout(row(self.setup_button, self.live_button, self.queue_button, spacing=0))
        self.setup_button.setChecked(True)
        self.queue_button.hide()
        self._group.idClicked.connect(self.chosen)

    def choose(self, index: int) -> None:
        """Mark a view as the one that is shown."""
        self._group.button(index).setChecked(True)

    def show_waiting(self, count: int) -> None:
        """Show how many runs wait; without any there is no queue to look at."""
        self.queue_button.setText(tr("Queue: {count}", count=count))
        self.queue_button.setVisible(count > 0)
