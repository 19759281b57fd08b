"""The views of bulk acceptance: the threshold with its effect, and the random sample to check before.

`gui.label.bulk_accept` controls them.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSlider, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import ImageModel, Section
from gui.kit.parts import (
    Button,
    Card,
    ElidedLabel,
    IconLabel,
    choice_box,
    column,
    restyle,
    row,
    scrolling,
    text,
    verbatim,
    widget_of,
)
from gui.kit.progress import ProgressBar
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from visionft.analysis.suggestions import CONFIDENCE, AuditSample, least_right
from visionft.core.messages import Message

_SIDE_PX = 92


def offer_text(suggestions: int, sample: int, *, expected: float) -> str:
    """Return what checking a sample would prove, translated; `expected` is the expected accuracy of the suggestions."""
    if sample >= suggestions:
        return tr("With so few suggestions, all {count} have to be checked.", count=sample)
    wrong = round((1 - expected) * sample)
    share = least_right(sample - wrong, sample)
    values = {"share": share_of(share), "confidence": share_of(CONFIDENCE)}
    if not wrong:
        words = Message(
            "If none is wrong, as expected, {share} of all are proven correct, with {confidence} confidence."
        )
        return tr(words, **values)
    return tr(
        "If {count} is wrong, as expected, {share} of all are proven correct, with {confidence} confidence.",
        "If {count} are wrong, as expected, {share} of all are proven correct, with {confidence} confidence.",
        count=wrong,
        **values,
    )


def result_text(sample: AuditSample, right: int) -> str:
    """Return what a checked sample with so many correct suggestions says of all of them, translated."""
    checked = len(sample.images)
    return tr(
        "{right} of {checked} correct: at least {share} of the {suggestions} suggestions are correct "
        "({confidence} confidence).",
        right=f"{right:,}",
        checked=f"{checked:,}",
        share=share_of(least_right(right, checked)),
        suggestions=f"{len(sample.suggested):,}",
        confidence=share_of(CONFIDENCE),
    )


def share_of(value: float) -> str:
    """Return a share in percent, with a decimal only if it is significant; never rounded up."""
    tenths = int(value * 1000 + 1e-6)
    return f"{tenths // 10}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"


class AcceptView(QWidget):
    """A threshold with its effect, and below it the accuracy: the estimate, or the result of a checked sample.

    Escape closes it.
    """

    closed = Signal()

    def __init__(self, thumbnails: ThumbnailStore, images: ImageModel, *, sizes: Sequence[int]) -> None:
        """Args: `images` are the least confident of the accepted images; `sizes` are the offered sizes of a sample."""
        super().__init__()
        self.back_button = Button("Grid", "grid", on_click=self.closed.emit)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)  # percent
        self.slider.setAccessibleName(tr("Least confidence of an accepted suggestion"))
        self._threshold = text("", "strong")
        self._threshold.setMinimumWidth(theme.scaled(44))
        self.count_label = verbatim("", "heading")
        self.grid = ImageGrid(
            thumbnails,
            images,
            name="The least confident of them",
            side_px=theme.scaled(_SIDE_PX),
            lines=0,
            overlaid=True,
            single_row=True,
            selectable=False,
        )
        self.grid.setProperty("role", "")  # it is inside a card
        self.grid.setFixedHeight(theme.scaled(_SIDE_PX) + theme.TIGHT)
        self.size_box = choice_box("Images to check", [f"{size:,}" for size in sizes])
        self.accuracy_label = verbatim("", "strong", wrap=True)
        self.proof_label = verbatim("", wrap=True)
        self.accept_button = Button("Accept", "check", role="primary")
        self.check_button = Button("Check a sample", "shield")
        self.cancel_button = Button("Cancel", on_click=self.closed.emit)
        which = Card(spacing=theme.MEDIUM)
        which.body.addWidget(text("Suggestions to accept", "heading"))
        words = text("Accept all with at least this confidence:", wrap=True)
        share = row(self.slider, self._threshold, spacing=theme.MEDIUM, grows=0)
        which.body.addLayout(column(words, share, spacing=theme.TIGHT))
        which.body.addWidget(self.count_label)
        which.body.addLayout(column(text("The least confident of them:", "small"), self.grid, spacing=theme.TIGHT))
        accuracy = Card(spacing=theme.MEDIUM)
        accuracy.body.addLayout(row(IconLabel("shield", tone="accent"), text("Accuracy", "heading"), None))
        accuracy.body.addWidget(self.accuracy_label)
        self._sizes = widget_of(row(text("Check a random sample first:"), self.size_box, text("images"), None))
        accuracy.body.addWidget(self._sizes)
        accuracy.body.addWidget(self.proof_label)
        ways = Flow(self.accept_button, self.check_button, self.cancel_button)
        frame = widget_of(column(which, accuracy, ways, None, spacing=theme.LARGE))
        frame.setMaximumWidth(theme.scaled(860))
        centred = QVBoxLayout()
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addWidget(frame)
        above = row(self.back_button, text("Accept suggestions in bulk", "heading"), None)
        self.setLayout(column(above, scrolling(centred), grows=1))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def show_offer(self, *, count: int, total: int, expected: float, proof: str, checks: int) -> None:
        """Show the effect of accepting `count` of `total` suggestions, those with at least the slider's confidence.

        `proof` is `offer_text`, or the reason against a check; `checks` the size of the sample, 0 without one.
        """
        accuracy = tr("About {share} of them are correct by their own estimate.", share=share_of(expected))
        self._show(
            counted=tr("{count} of {total} suggestions", count=f"{count:,}", total=f"{total:,}"),
            accuracy=accuracy if count else tr("No suggestion reaches this confidence."),
            proof=proof,
        )
        restyle(self.proof_label, role="body" if checks else "muted")
        self._sizes.setVisible(checks > 0)
        self.check_button.setVisible(checks > 0)
        self.check_button.setText(tr("Check {count} image", "Check {count} images", count=checks))
        self.accept_button.setText(tr("Accept {count}", count=f"{count:,}"))
        self.accept_button.setEnabled(count > 0)

    def show_result(self, sample: AuditSample, right: int, *, count: int) -> None:
        """Show what the checked sample says of the suggestions, `count` of which are left to accept."""
        counted = tr("{count} suggestion left", "{count} suggestions left", count=count)
        self._show(counted=counted, accuracy=result_text(sample, right), proof=tr("Your corrections are kept."))
        self._sizes.hide()
        self.check_button.hide()
        self.accept_button.setText(tr("Accept the other {count}", count=f"{count:,}"))
        self.accept_button.setEnabled(count > 0)

    def _show(self, *, counted: str, accuracy: str, proof: str) -> None:
        self._threshold.setText(f"{self.slider.value()}%")
        self.count_label.setText(counted)
        self.accuracy_label.setText(accuracy)
        self.proof_label.setText(proof)


class SampleView(QWidget):
    """Rows of images with one suggested class each, the question about the first row, and the progress.

    Keys and buttons act on the first row.
    """

    closed = Signal()
    accepted = Signal()
    previous_wanted = Signal()
    toggled = Signal(int)  # image id: a click on an image
    refitted = Signal()  # its size or the tile size has settled: the number of images per row may have changed

    def __init__(self, thumbnails: ThumbnailStore, images: ImageModel, *, side_px: int) -> None:
        """Args: `images` are the rows, `side_px` the side of an image in logical pixels."""
        super().__init__()
        self.grid = ImageGrid(
            thumbnails,
            images,
            name="Random sample",
            side_px=side_px,
            lines=0,
            overlaid=True,
            single_row=True,
            selectable=False,
        )
        self.back_button = Button("Cancel the check", "close", on_click=self.closed.emit)
        self.question_label = ElidedLabel("", "heading", mode=Qt.TextElideMode.ElideRight)
        self._hint = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.progress_label = ElidedLabel("", "small")
        self._bar = ProgressBar(width=140)
        self.accept_button = Button("Accept", "check", role="primary", on_click=self.accepted.emit)
        self.previous_button = Button("", on_click=self.previous_wanted.emit)
        self.grid.opened.connect(self.toggled)
        self._refit = QTimer(self, singleShot=True, interval=120)
        self._refit.timeout.connect(self.refitted)
        above = row(self.back_button, self.progress_label, self._bar, spacing=theme.MEDIUM, grows=1)
        card = Card(tone="info", margin=theme.SMALL)
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._line.setSpacing(theme.SMALL)
        self._line.addLayout(column(self.question_label, self._hint, spacing=theme.HAIR), 1)
        self._line.addLayout(Flow(self.previous_button, self.accept_button))
        self._line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        card.body.addLayout(self._line)
        self.setLayout(column(above, card, self.grid, grows=2))

    def capacity(self) -> int:
        return self.grid.layout_now.columns

    def set_side(self, pixels: int) -> None:
        self.grid.set_side(pixels)
        self._refit.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_buttons()
        self._refit.start()

    def _place_buttons(self) -> None:
        """Put the buttons next to the question, or below it if it would be too narrow."""
        shown = [button for button in (self.previous_button, self.accept_button) if not button.isHidden()]
        needed = sum(button.sizeHint().width() for button in shown) + theme.scaled(200)
        is_wide = self.width() >= needed
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def show_rows(self, image_ids: tuple[int, ...], rows: Sequence[Section]) -> None:
        """Show the images of these rows, the first row as current."""
        self.grid.images.set_ids(image_ids, tuple(rows))
        self.grid.selection.set_current(0)

    def show_question(self, question: str, hint: str, *, accept: str, can_accept: bool, previous: str) -> None:
        """Show the question about the first row; all texts are translated.

        Args:
            question: The question.
            hint: The effect of keys and clicks.
            accept: The text of the button that accepts the row.
            can_accept: Whether it is enabled.
            previous: The text of the button to the previous row; an empty one hides it.
        """
        self.question_label.setText(question)
        self._hint.setText(hint)
        self.accept_button.setText(accept)
        self.accept_button.setEnabled(can_accept)
        self.previous_button.setText(previous)
        self.previous_button.setVisible(bool(previous))
        self._place_buttons()

    def show_progress(self, words: str, done: int, total: int) -> None:
        self.progress_label.setText(words)
        self._bar.show_progress(done, max(1, total))
