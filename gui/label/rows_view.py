"""Rows of images with one suggested class each: a question about the first row, the progress, and the rows.

Keys and buttons act on the first row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import ImageModel, Section
from gui.kit.parts import Button, Card, ElidedLabel, column, row, stacked, widget_of
from gui.kit.progress import ProgressBar
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from visionft.core.messages import Text


@dataclass(frozen=True, slots=True)
class ImagesOfClass:
    """Images with one suggested class, shown as a row."""

    image_ids: tuple[int, ...]
    class_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question about the first row; all texts are translated, an empty text hides its button."""

    words: str
    hint: str  # the effect of keys and clicks
    accept: str
    accept_key: str = ""
    can_accept: bool = True
    other: str = ""
    other_key: str = ""


class RowsView(QWidget):
    """The rows, with the question about the first one above them."""

    closed = Signal()
    accepted = Signal()
    other_wanted = Signal()  # the second button
    toggled = Signal(int)  # image id: a click on an image
    refitted = Signal()  # its size or the tile size has settled: the number of images per row may have changed

    def __init__(
        self,
        thumbnails: ThumbnailStore,
        images: ImageModel,
        *,
        name: Text,
        back: Text,
        back_icon: str = "grid",
        side_px: int,
    ) -> None:
        """Args: `images` are the rows, `name` their accessible name; `back` is the text of the back button."""
        super().__init__()
        self.grid = ImageGrid(
            thumbnails, images, name=name, side_px=side_px, lines=0, overlaid=True, single_row=True, selectable=False
        )
        self.back_button = Button(back, back_icon, on_click=self.closed.emit)
        self.question_label = ElidedLabel("", "heading", mode=Qt.TextElideMode.ElideRight)
        self._hint = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.progress_label = ElidedLabel("", "small")
        self._bar = ProgressBar(width=140)
        self.accept_button = Button("Accept", "check", role="primary", on_click=self.accepted.emit)
        self.other_button = Button("Next", on_click=self.other_wanted.emit)
        self.empty = EmptyState("check-circle", "", "", "To the grid")
        self.empty.button.clicked.connect(lambda _checked=False: self.closed.emit())
        self.grid.opened.connect(self.toggled)
        self._refit = QTimer(self, singleShot=True, interval=120)
        self._refit.timeout.connect(self.refitted)
        above = row(self.back_button, self.progress_label, self._bar, spacing=theme.MEDIUM, grows=1)
        card = Card(tone="info", margin=theme.SMALL)
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._line.setSpacing(theme.SMALL)
        self._line.addLayout(column(self.question_label, self._hint, spacing=theme.HAIR), 1)
        self._line.addLayout(Flow(self.other_button, self.accept_button))
        self._line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        card.body.addLayout(self._line)
        self._stack = stacked(widget_of(column(card, self.grid, grows=1)), self.empty)
        self.setLayout(column(above, self._stack, grows=1))

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
        shown = [button for button in (self.other_button, self.accept_button) if not button.isHidden()]
        needed = sum(button.sizeHint().width() for button in shown) + theme.scaled(200)
        is_wide = self.width() >= needed
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def show_rows(self, rows: Sequence[ImagesOfClass], colours: dict[str, ClassColour]) -> None:
        """Show these rows, the first one as current; none shows the empty state (`empty`)."""
        self._stack.setCurrentIndex(0 if rows else 1)
        sections: list[Section] = []
        for place, each in enumerate(rows):
            title = tr("{name}?", name=each.class_name)
            colour = colours.get(each.class_name)
            sections.append(Section(title, colour, len(each.image_ids), is_current=not place))
        self.grid.images.set_ids(tuple(image_id for each in rows for image_id in each.image_ids), tuple(sections))
        if rows:
            self.grid.selection.set_current(0)

    def show_question(self, question: Question) -> None:
        self.question_label.setText(question.words)
        self._hint.setText(question.hint)
        for button, words, key in (
            (self.accept_button, question.accept, question.accept_key),
            (self.other_button, question.other, question.other_key),
        ):
            button.setText((f"{words}  ({key})" if key else words).replace("&", "&&"))
            button.setVisible(bool(words))
        self.accept_button.setEnabled(question.can_accept)
        self._place_buttons()

    def show_progress(self, words: str, done: int, total: int) -> None:
        self.progress_label.setText(words)
        self._bar.show_progress(done, max(1, total))
