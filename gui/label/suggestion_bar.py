"""The line that says whose suggestions are shown, what can be done with many, and what is proven of those accepted.

Knows Qt and plain data only.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconButton, IconLabel, row


class SuggestionBar(Card):
    """`accept_wanted` takes many of them at once; `hide_wanted` puts the suggestions away."""

    accept_wanted = Signal()
    hide_wanted = Signal()
    rows_wanted = Signal()

    def __init__(self) -> None:
        super().__init__(tone="info", margin=theme.SMALL)
        self._words = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self.rows_button = Button("Rows of alike", "layers", on_click=self.rows_wanted.emit)
        self.accept_button = Button("Accept many", "check", on_click=self.accept_wanted.emit)
        self.accept_button.setToolTip(tr("Accept all above a threshold, with a proof of how right they are"))
        self.hide_button = IconButton("close", "Hide the suggestions", on_click=self.hide_wanted.emit)
        line = row(
            IconLabel("sample", tone="accent"), self._words, self.rows_button, self.accept_button, self.hide_button
        )
        line.setStretch(1, 1)
        self._line = QWidget()
        self._line.setLayout(line)
        self._certificate = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        proof = row(IconLabel("shield", tone="good"), self._certificate)
        proof.setStretch(1, 1)
        self._proof = QWidget()
        self._proof.setLayout(proof)
        for part in (self._line, self._proof):
            self.body.addWidget(part)
        self._proof.hide()
        self.hide()

    def show_counts(self, words: str, count: int, *, expected: float) -> None:
        """Say whose suggestions there are and how right they are expected to be.

        Args:
            words: How many there are and whose, translated.
            count: Pictures that have one; none hides the line.
            expected: Expected share of them that are right, 0 to 1.
        """
        self._line.setVisible(count > 0)
        share = tr("about {share} right", share=f"{expected:.0%}")
        self._words.setText(f"{words}, {share}")

    def show_certificate(self, words: str) -> None:
        """Say what is proven of labels that were accepted; empty for nothing."""
        self._certificate.setText(words)
        self._proof.setVisible(bool(words))

    def show_wanted(self, *, is_wanted: bool) -> None:
        """Show it where it has something to say, unless it is not wanted now."""
        self.setVisible(is_wanted and not (self._line.isHidden() and self._proof.isHidden()))

    def words(self) -> str:
        """Return what the line says of suggestions."""
        return self._words.text()

    def certificate(self) -> str:
        """Return what is said to be proven."""
        return self._certificate.text()
