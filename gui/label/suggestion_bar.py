"""The line about suggestions: their source, bulk actions, and the certificate of accepted labels.

Knows Qt and plain data only.
"""

from PySide6.QtCore import Qt

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconButton, IconLabel, row, widget_of
from gui.kit.translation import tr


class SuggestionBar(Card):
    def __init__(self) -> None:
        super().__init__(tone="info", margin=theme.SMALL)
        self.text_label = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self.clusters_button = Button("Label clusters", "layers")
        self.accept_button = Button("Accept in bulk", "check")
        self.accept_button.setToolTip(
            tr("Accept all suggestions above a threshold, with a certificate of their accuracy")
        )
        self.hide_button = IconButton("close", "Hide the suggestions")
        buttons = (self.clusters_button, self.accept_button, self.hide_button)
        line = row(IconLabel("sample", tone="accent"), self.text_label, *buttons, grows=1)
        self._line = widget_of(line)
        self.certificate_label = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._proof = widget_of(row(IconLabel("shield", tone="good"), self.certificate_label, grows=1))
        for part in (self._line, self._proof):
            self.body.addWidget(part)
        self._proof.hide()
        self.hide()

    def show_counts(self, words: str, count: int, *, expected: float) -> None:
        """Show the number and source of the suggestions (`words`) and their expected accuracy; none hides the line."""
        self._line.setVisible(count > 0)
        accuracy = tr("expected accuracy {share}", share=f"{expected:.0%}")
        self.text_label.setText(f"{words}, {accuracy}")

    def show_certificate(self, words: str) -> None:
        """Show the certificate of accepted labels; empty for none."""
        self.certificate_label.setText(words)
        self._proof.setVisible(bool(words))

    def show_wanted(self, *, is_wanted: bool) -> None:
        """Show the line if it has content, unless `is_wanted` is False."""
        self.setVisible(is_wanted and not (self._line.isHidden() and self._proof.isHidden()))
