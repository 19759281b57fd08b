"""What came of checking a sample: proven or not, and what can be done now. Knows Qt and plain data only."""

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.parts import Button, Card, IconLabel, column, restyle, row, verbatim

_WIDTH_PX = 640


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said; all of it is translated.

    Attributes:
        is_granted: Whether what was wanted is proven.
        title: In a few words.
        lines: What was found and what follows, a sentence or two each.
        accept: What the button that accepts says.
    """

    is_granted: bool
    title: str
    lines: tuple[str, ...]
    accept: str


class VerdictView(QWidget):
    """The verdict, and three ways on: accept, choose anew, back to the grid."""

    closed = Signal()
    accept_wanted = Signal()
    again_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._icon = IconLabel("shield", size=40, tone="good")
        self._title = verbatim("", "title", wrap=True)
        self._lines = verbatim("", wrap=True)
        self.accept_button = Button("Accept", "check", on_click=self.accept_wanted.emit)
        self.again_button = Button("Choose another threshold", on_click=self.again_wanted.emit)
        self.close_button = Button("Back to labelling", "grid", on_click=self.closed.emit)
        self._card = Card(margin=theme.HUGE, spacing=theme.MEDIUM)
        self._card.setMaximumWidth(theme.scaled(_WIDTH_PX))
        head = row(self._icon, self._title, spacing=theme.LARGE)
        head.setStretch(1, 1)
        self._card.body.addLayout(head)
        self._card.body.addWidget(self._lines)
        self._card.body.addSpacing(theme.SMALL)
        self._card.body.addLayout(Flow(self.close_button, self.again_button, self.accept_button))
        middle = row(None, self._card, None)
        middle.setStretch(1, 100)
        self.setLayout(column(None, middle, None, None))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape lead back to the grid."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def show_verdict(self, verdict: Verdict) -> None:
        """Show what came of it."""
        is_granted = verdict.is_granted
        self._icon.show_icon("shield" if is_granted else "warning", "good" if is_granted else "warn")
        self._title.setText(verdict.title)
        self._lines.setText("\n\n".join(verdict.lines))
        self.accept_button.setText(verdict.accept)
        self.accept_button.setVisible(bool(verdict.accept))
        self.again_button.setVisible(not is_granted)
        restyle(self.close_button, role="primary")
        self.close_button.set_icon_name("grid")  # in the ink of its role

    def title(self) -> str:
        """Return the verdict in a few words."""
        return self._title.text()

    def words(self) -> str:
        """Return what was found, in sentences."""
        return self._lines.text()
