"""Accepting many suggestions: from which one on, how right they have to be, with a check of a sample or without.

Knows Qt and plain data only: `gui.label.auditing` decides what is shown and what happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.certificates import share_of
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconLabel, choice_box, column, restyle, row, scrolling, text, verbatim
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import PictureModel
from gui.kit.thumbnails import ThumbnailStore

_WIDTH_PX, _SIDE_PX = 860, 92
LEAST, MOST = 0, 100  # of the slider, in percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What accepting from a threshold on means; words are translated already.

    Attributes:
        threshold: From which probability on, 0 to 1.
        count: Pictures that would be accepted.
        total: Pictures that have a suggestion.
        expected: Expected share of them that are right, 0 to 1.
        proof: What a check would prove, in a sentence.
        checks: Pictures to be checked; 0 where there is no check.
        why_not: Why there is no check; empty where there is one.
    """

    threshold: float
    count: int
    total: int
    expected: float
    proof: str
    checks: int
    why_not: str = ""


class AcceptView(QWidget):
    """A threshold with what it means, and below it the choice between proof and trust."""

    closed = Signal()
    threshold_moved = Signal(float)
    rightness_chosen = Signal(int)  # its place among those offered
    check_wanted = Signal()
    accept_wanted = Signal()

    def __init__(self, thumbnails: ThumbnailStore, pictures: PictureModel, *, rightness: Sequence[float]) -> None:
        """Args: `pictures` are those that are the least sure of what would be accepted; `rightness` is offered."""
        super().__init__()
        self.back_button = Button("Grid", "grid", on_click=self.closed.emit)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(LEAST, MOST)
        self.slider.setAccessibleName(tr("How sure a suggestion has to be"))
        self.slider.valueChanged.connect(lambda value: self.threshold_moved.emit(value / MOST))
        self._threshold = text("", "strong")
        self._threshold.setMinimumWidth(theme.scaled(44))
        self._count, self._expected = verbatim("", "heading"), verbatim("", "muted", wrap=True)
        self.grid = PictureGrid(
            thumbnails, pictures, name="The least sure of them", side_px=theme.scaled(_SIDE_PX), lines=0, overlaid=True,
            single_row=True, selectable=False,
        )  # fmt: skip
        self.grid.setProperty("role", "")  # it stands on a card
        self.grid.setFixedHeight(theme.scaled(_SIDE_PX) + theme.TIGHT)
        self.rightness_box = choice_box(
            "How many have to be right", [f"{share:.1%}".replace(".0", "") for share in rightness]
        )
        self.rightness_box.activated.connect(self.rightness_chosen)
        self._proof = verbatim("", wrap=True)
        self.check_button = Button("Check", "shield", role="primary", on_click=self.check_wanted.emit)
        self.accept_button = Button("Accept", "check", on_click=self.accept_wanted.emit)
        self.cancel_button = Button("Cancel", on_click=self.closed.emit)
        self._trust = text("Without a check nothing is proven about them.", "small", wrap=True)
        self._lay_out()

    def _lay_out(self) -> None:
        which = Card(spacing=theme.MEDIUM)
        which.body.addWidget(text("Which suggestions", "heading"))
        line = row(text("Accept all that are at least this sure:"), self.slider, self._threshold, spacing=theme.MEDIUM)
        line.setStretch(1, 1)
        which.body.addLayout(line)
        which.body.addLayout(column(self._count, self._expected, spacing=theme.HAIR))
        which.body.addLayout(column(text("The least sure of them:", "small"), self.grid, spacing=theme.TIGHT))
        proof = Card(spacing=theme.MEDIUM)
        proof.body.addLayout(row(IconLabel("shield", tone="accent"), text("Proof", "heading"), None))
        self._wanted = QWidget()
        self._wanted.setLayout(row(text("At least this many have to be right:"), self.rightness_box, None))
        proof.body.addWidget(self._wanted)
        proof.body.addWidget(self._proof)
        ways = row(self.cancel_button, None, self._trust, self.accept_button, self.check_button)
        ways.setStretch(2, 1)
        self._trust.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        lines = column(which, proof, ways, None, spacing=theme.LARGE)
        frame = QWidget()
        frame.setMaximumWidth(theme.scaled(_WIDTH_PX))
        frame.setLayout(lines)
        centred = QVBoxLayout()
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addWidget(frame)
        whole = column(row(self.back_button, text("Accept many suggestions", "heading"), None), scrolling(centred))
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape lead back to the grid."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def show_offer(self, offer: Offer) -> None:
        """Show what accepting from the threshold on means."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(offer.threshold * MOST))
        count = f"{offer.count:,}"
        self._threshold.setText(f"{offer.threshold:.0%}")
        self._count.setText(tr("{count} of {total} suggestions", count=count, total=f"{offer.total:,}"))
        self._expected.setText(_expected_words(offer))
        self._proof.setText(offer.why_not or offer.proof)
        restyle(self._proof, role="muted" if offer.why_not else "body")
        self._wanted.setVisible(not offer.why_not)
        self.check_button.setVisible(offer.checks > 0)
        self.check_button.setText(tr("Check {count} pictures", count=f"{offer.checks:,}"))
        self.accept_button.setText(tr("Accept {count} without a check", count=count))
        self.accept_button.setEnabled(offer.count > 0)

    def count_words(self) -> str:
        """Return how many suggestions would be accepted, in words."""
        return self._count.text()

    def expected_words(self) -> str:
        """Return how right they are expected to be, in words."""
        return self._expected.text()

    def proof_words(self) -> str:
        """Return what a check would prove, or why there is none."""
        return self._proof.text()


def _expected_words(offer: Offer) -> str:
    if not offer.count:
        return tr("No suggestion is that sure.")
    wrong = round((1 - offer.expected) * offer.count)
    words = "By their own estimate {share} of them are right; expect about {wrong} wrong ones."
    return tr(words, share=share_of(offer.expected), wrong=f"{wrong:,}")
