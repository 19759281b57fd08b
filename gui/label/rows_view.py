"""Rows of pictures that are said to have one class: a question about the first row, how far it is, and the rows.

Labelling rows of alike pictures (`alike_rows`) and checking a sample (`auditing`) both look like this. The first row is
the one that keys and buttons are about. Knows Qt and plain data only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QProgressBar, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, column, row
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import PictureModel, Section
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore

_LONGEST_NAME = 16  # on a button: the question beside it has the whole one
_REFIT_MS = 120
_QUESTION_PX = 200  # what a question needs beside its buttons, at the normal text size


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOfAlike:
    """Pictures side by side, and what they are taken for.

    Attributes:
        image_ids: The most typical first.
        class_name: What is proposed for all of them; empty while nothing can be.
        share: Expected share of them that are right, 0 to 1; 0 is not shown.
        is_exception: Whether it is a picture that was taken out of a row, asked for by itself.
    """

    image_ids: tuple[int, ...]
    class_name: str = ""
    share: float = 0.0
    is_exception: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the first row, all of it translated.

    Attributes:
        words: The question.
        hint: What keys and clicks do.
        accept: What the button for yes says; empty hides it.
        accept_key: Its key.
        can_accept: Whether yes is possible.
        other: What the second button says; empty hides it.
        other_key: Its key.
    """

    words: str
    hint: str
    accept: str
    accept_key: str = ""
    can_accept: bool = True
    other: str = ""
    other_key: str = ""


class RowsView(QWidget):
    """The rows, and above them what the first one is asked about."""

    closed = Signal()
    accepted = Signal()
    other_wanted = Signal()  # the second button
    toggled = Signal(int)  # image id: a click on a picture
    refitted = Signal()  # its size or that of its pictures came to rest: other numbers may find room in a row

    def __init__(
        self, thumbnails: ThumbnailStore, pictures: PictureModel, *, name: LiteralString, back: LiteralString,
        back_icon: str = "grid", side_px: int,
    ) -> None:  # fmt: skip
        """Make a view.

        Args:
            thumbnails: Where thumbnails come from.
            pictures: What the rows are filled from.
            name: What a screen reader calls the rows.
            back: What the button that leaves says.
            back_icon: Its icon.
            side_px: About the side of a tile.
        """
        super().__init__()
        self.grid = PictureGrid(
            thumbnails, pictures, name=name, side_px=side_px, lines=0, overlaid=True, single_row=True, selectable=False
        )
        self.back_button = Button(back, back_icon, on_click=self.closed.emit)
        self._question, self._hint = (
            ElidedLabel("", role, mode=Qt.TextElideMode.ElideRight) for role in ("heading", "small")
        )
        self._progress_words = ElidedLabel("", "small")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("How far it is"))
        self._bar.setFixedWidth(theme.scaled(140))
        self.accept_button = Button("Accept", "check", role="primary", on_click=self.accepted.emit)
        self.other_button = Button("Next", on_click=self.other_wanted.emit)
        self.empty = EmptyState("check-circle", "", "", "To the grid")
        self.empty.button.clicked.connect(lambda _checked=False: self.closed.emit())
        self.grid.opened.connect(self.toggled)
        self._refit = QTimer(self, singleShot=True, interval=_REFIT_MS)
        self._refit.timeout.connect(self.refitted)
        self._lay_out()

    def _lay_out(self) -> None:
        above = row(self.back_button, self._progress_words, self._bar, spacing=theme.MEDIUM)
        above.setStretch(1, 1)
        card = Card(tone="info", margin=theme.SMALL)
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._line.setSpacing(theme.SMALL)
        self._line.addLayout(column(self._question, self._hint, spacing=theme.HAIR), 1)
        self._line.addLayout(Flow(self.other_button, self.accept_button))
        self._line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        card.body.addLayout(self._line)
        filled, lines = QWidget(), column(card, self.grid)
        lines.setStretch(1, 1)
        filled.setLayout(lines)
        self._stack = QStackedWidget()
        self._stack.addWidget(filled)
        self._stack.addWidget(self.empty)
        layout = column(above, self._stack)
        layout.setStretch(1, 1)
        self.setLayout(layout)

    def capacity(self) -> int:
        """Return how many pictures find room in a row."""
        return self.grid.layout_now.columns

    def set_side(self, pixels: int) -> None:
        """Set about the side of a tile."""
        self.grid.set_side(pixels)
        self._refit.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Look whether the rows have other room now, once the size has come to rest."""
        super().resizeEvent(event)
        self._place_buttons()
        self._refit.start()

    def _place_buttons(self) -> None:
        """Have the buttons beside the question, or below it where they would leave it no room."""
        shown = [button for button in (self.other_button, self.accept_button) if not button.isHidden()]
        needed = sum(button.sizeHint().width() for button in shown) + theme.scaled(_QUESTION_PX)
        is_wide = self.width() >= needed
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def seen_of(self, shown: RowOfAlike) -> tuple[int, ...]:
        """Return those pictures of the first row that find room in it."""
        return shown.image_ids[: self.capacity()]

    def show_rows(self, rows: Sequence[RowOfAlike], colours: dict[str, ClassColour]) -> None:
        """Show these rows, the first one as current; none shows that nothing is left (`empty`)."""
        self._stack.setCurrentIndex(0 if rows else 1)
        sections = tuple(_section(each, colours, is_current=not place) for place, each in enumerate(rows))
        self.grid.pictures.set_ids(tuple(image_id for each in rows for image_id in each.image_ids), sections)
        if rows:
            self.grid.selection.set_current(0)

    def show_question(self, asked: Question) -> None:
        """Ask about the first row."""
        self._question.setText(asked.words)
        self._hint.setText(asked.hint)
        self.accept_button.setText(_with_key(asked.accept, asked.accept_key).replace("&", "&&"))
        self.accept_button.setVisible(bool(asked.accept))
        self.accept_button.setEnabled(asked.can_accept)
        self.other_button.setText(_with_key(asked.other, asked.other_key).replace("&", "&&"))
        self.other_button.setVisible(bool(asked.other))
        self._place_buttons()

    def show_progress(self, words: str, done: int, total: int) -> None:
        """Say how far it is."""
        self._progress_words.setText(words)
        self._bar.setRange(0, max(1, total))
        self._bar.setValue(done)

    def progress_words(self) -> str:
        """Return what is said of how far it is."""
        return self._progress_words.text()

    def question(self) -> str:
        """Return what is asked."""
        return self._question.text()

    def hint(self) -> str:
        """Return what is said below the question."""
        return self._hint.text()


def _section(shown: RowOfAlike, colours: dict[str, ClassColour], *, is_current: bool) -> Section:
    asked = tr("What is this?") if shown.is_exception else tr("What are these?")
    title = tr("{name}?", name=shown.class_name) if shown.class_name else asked
    aside = tr("{share} sure", share=f"{shown.share:.0%}") if shown.share else ""
    return Section(title, colours.get(shown.class_name), len(shown.image_ids), aside, is_current)


def shortened(name: str) -> str:
    """Return a class's name for a button."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _with_key(words: str, keys: str) -> str:
    return f"{words}  ({keys})" if keys else words
