"""What is proven of labels that were accepted in bulk: a line on the project page. Knows Qt and plain data only."""

from collections.abc import Sequence

from gui.kit import theme
from gui.kit.certificates import certificate_words
from gui.kit.parts import Card, IconLabel, column, row, text, verbatim
from visionft.project.edits.certificates import Certificate


class CertificateLine(Card):
    """The certificates, the newest first; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__(tone="good", margin=theme.MEDIUM)
        self._words = verbatim("", wrap=True)
        words = column(text("Certificate of the labels", "strong"), self._words, spacing=theme.HAIR)
        line = row(IconLabel("shield", size=24, tone="good"), words, spacing=theme.MEDIUM)
        line.setStretch(1, 1)
        self.body.addLayout(line)
        self.hide()

    def show_certificates(self, certificates: Sequence[Certificate]) -> None:
        """Show what is proven."""
        self.setVisible(bool(certificates))
        self._words.setText("\n".join(f"{certificate_words(each)}." for each in certificates))

    def words(self) -> str:
        """Return what is said to be proven."""
        return self._words.text()
