"""The line that says whose suggestions are shown, and takes the sure ones at once. Knows Qt and plain data only."""

from PySide6.QtCore import Qt, Signal

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconButton, IconLabel, row

SURE = 0.95


class SuggestionBar(Card):
    """`accept_wanted` takes all that are at least `SURE` sure; `hide_wanted` puts the suggestions away."""

    accept_wanted = Signal()
    hide_wanted = Signal()
    rows_wanted = Signal()

    def __init__(self) -> None:
        super().__init__(tone="info", margin=theme.SMALL)
        self._words = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self.accept_button = Button("", "check", on_click=self.accept_wanted.emit)
        self.rows_button = Button("Rows of alike", "layers", on_click=self.rows_wanted.emit)
        self.hide_button = IconButton("close", "Hide the suggestions", on_click=self.hide_wanted.emit)
        line = row(
            IconLabel("sample", tone="accent"), self._words, self.rows_button, self.accept_button, self.hide_button
        )
        line.setStretch(1, 1)
        self.body.addLayout(line)
        self.hide()

    def show_counts(self, words: str, count: int, sure: int, *, expected: float, accept_key: str) -> None:
        """Say whose suggestions there are and how right they are expected to be; none hides the line.

        Args:
            words: How many there are and whose, translated.
            count: Pictures that have one.
            sure: How many of them are sure.
            expected: Expected share of them that are right, 0 to 1.
            accept_key: The key that accepts one.
        """
        self.setVisible(count > 0)
        share = tr("about {share} of them right", share=f"{expected:.0%}")
        key = tr("{key} accepts", key=accept_key) if accept_key else ""
        self._words.setText("; ".join(filter(None, (f"{words}, {share}", key))))
        self.accept_button.setText(tr("Accept the {count} sure ones", count=f"{sure:,}"))
        self.accept_button.setToolTip(tr("Those that are at least {share} sure, in one step", share=f"{SURE:.0%}"))
        self.accept_button.setVisible(sure > 0)

    def words(self) -> str:
        """Return what the line says."""
        return self._words.text()
