"""The viewer: one image, its data and zoom in a bar above it, its label conflict, and the evidence for a suggestion.

Knows Qt and plain data only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.near_images import NearImages
from gui.kit.parts import Button, ElidedLabel, IconButton, IconLabel, clear, column, pill, restyle, row, text, widget_of
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.label.image_search import Cell


class CandidateBar(QWidget):
    """A question with one button per conflicting class, and its source file; hidden without a label conflict."""

    class_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, Button] = {}
        self._shown: tuple[object, ...] = ()
        self._choices = row(spacing=theme.MEDIUM)
        question = text("Label conflict: which class is correct?", "strong")
        self.setLayout(row(IconLabel("warning", tone="warn"), question, self._choices, None, spacing=theme.MEDIUM))
        self.hide()

    def show_candidates(self, cell: Cell | None, keys: Mapping[str, str]) -> None:
        candidates = cell.candidates if cell is not None else ()
        self.setVisible(bool(candidates))
        key_of = {name: key for key, name in keys.items()}
        colours = cell.swatches if cell is not None else ()
        pairs = zip(candidates, colours[: len(candidates)], strict=True)
        shown = tuple((each, colour, key_of.get(each.class_name, "")) for each, colour in pairs)
        if shown == self._shown:
            return
        self._shown, self.buttons = shown, {}
        clear(self._choices)
        for candidate, colour, key in shown:
            button = Button("", on_click=lambda name=candidate.class_name: self.class_chosen.emit(name))
            name = _shortened(candidate.class_name, 30)
            button.setText((f"{name}  ({key.upper()})" if key else name).replace("&", "&&"))
            button.setIcon(swatch(theme.class_colour(colour).name()))
            button.setToolTip(tr("“{name}”: from {file}", name=candidate.class_name, file=candidate.origin))
            file = ElidedLabel("/".join(Path(candidate.origin).parts[-2:]), "small")  # the folder may name the class
            file.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            self.buttons[candidate.class_name] = button
            self._choices.addWidget(button)
            self._choices.addWidget(file)


class ImageViewer(QWidget):
    """One image; `closed` returns to the grid."""

    closed = Signal()
    step_wanted = Signal(int)

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.view = ImageView(thumbnails)
        self.back_button = Button("Grid", "grid", on_click=self.closed.emit)
        self.previous_button = IconButton("chevron-left", "Previous", on_click=lambda: self.step_wanted.emit(-1))
        self.next_button = IconButton("chevron-right", "Next", on_click=lambda: self.step_wanted.emit(1))
        self._name = ElidedLabel("", "strong")
        self._place = text("", "small")
        self._facts = text("", "small")
        self.label_pill = pill()
        self.accept_button = Button("Accept", "check")
        self.accept_button.hide()
        self.candidates = CandidateBar()
        self.evidence = NearImages(side_px=84)
        self.evidence.grid.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.evidence.hide()
        self.accept_key = ""  # shown with the button
        self._zoom = text("", "small")
        self.fit_button = IconButton("fit", "Fit", on_click=self.view.fit)
        self.real_button = Button("1:1", on_click=self.view.show_real_pixels)
        moves = (self.back_button, self.previous_button, self.next_button, self._place)
        self._moves = widget_of(row(*moves, spacing=theme.MEDIUM))
        words = row(self._name, self._facts, self.label_pill, self.accept_button, spacing=theme.MEDIUM, grows=0)
        self._words = widget_of(words)
        self._looks = widget_of(row(self._zoom, self.fit_button, self.real_button, spacing=theme.MEDIUM))
        self._bar = QGridLayout()
        self._bar.setHorizontalSpacing(theme.MEDIUM)
        self._bar.setVerticalSpacing(theme.SMALL)
        self._bar.setColumnStretch(1, 1)
        self._bar.addWidget(self._moves, 0, 0)
        self._bar.addWidget(self._looks, 0, 2)
        self._place_words()
        self.setLayout(column(self._bar, self.candidates, self.view, self.evidence, grows=2))
        self.view.zoom_changed.connect(lambda scale: self._zoom.setText(f"{scale:.0%}"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_words()

    def _place_words(self) -> None:
        """Place the facts about the image between the buttons, or below them if its name would get less than 140 px."""
        needed = sum(part.sizeHint().width() for part in (self._moves, self._words, self._looks))
        is_wide = self.width() >= needed + theme.scaled(140)
        self._bar.removeWidget(self._words)
        self._bar.addWidget(self._words, *((0, 1) if is_wide else (1, 0, 1, 3)))

    def show_cell(
        self, cell: Cell | None, *, index: int, count: int, neighbours: list[Cell], keys: Mapping[str, str]
    ) -> None:
        self.view.show_image(cell.path if cell else None, neighbours=[each.path for each in neighbours])
        self._name.setText(cell.path.name if cell else "")
        self._place.setText(tr("{place} of {count}", place=f"{index + 1:,}", count=f"{count:,}") if cell else "")
        facts = (cell.size, cell.aside, cell.mark) if cell else ()
        self._facts.setToolTip(cell.note if cell else "")
        self._facts.setText("  ".join(fact for fact in facts if fact))
        self.label_pill.setText(_shortened(cell.title, 60) if cell else "")
        self.label_pill.setVisible(cell is not None)
        restyle(self.label_pill, tone="accent" if cell and cell.labels else "warn")
        self.candidates.show_candidates(cell, keys)
        suggested = cell.suggested if cell else ""
        self.accept_button.setVisible(bool(suggested))
        if not suggested:
            self.show_evidence(())
        else:
            words = tr("Suggested: {ranked}", ranked=suggested)
            key = tr("{key} accepts it.", key=self.accept_key) if self.accept_key else ""
            self.accept_button.setToolTip(f"{key} {words}".strip())
        self._place_words()

    def show_evidence(self, tiles: Sequence[Tile]) -> None:
        """Show the labelled images behind the suggestion; hidden without any."""
        self.evidence.setVisible(bool(tiles))
        self.evidence.show_images(tr("Most similar labelled images:"), tiles)

    def close_workers(self) -> None:
        self.view.close_reader()
        self.evidence.close_workers()


def _shortened(text: str, most: int) -> str:
    """Return a text cut to a number of characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
