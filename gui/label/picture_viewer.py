"""The viewer: one picture with its name, place, labels and zoom in a bar above it. Knows Qt and plain data only."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, ElidedLabel, IconButton, column, pill, restyle, row, text
from gui.kit.thumbnails import ThumbnailStore
from gui.label.candidate_bar import CandidateBar
from gui.label.cell import Cell
from gui.label.evidence_strip import EvidenceStrip

_NAME_PX = 140  # what the name of a file needs beside the rest, at the normal text size


class PictureViewer(QWidget):
    """One picture; `closed` goes back to the grid."""

    closed = Signal()
    step_wanted = Signal(int)
    accept_wanted = Signal()

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.view = ImageView(thumbnails)
        self.back_button = Button("Grid", "grid", on_click=self.closed.emit)
        self.previous_button = IconButton("chevron-left", "Previous", on_click=lambda: self.step_wanted.emit(-1))
        self.next_button = IconButton("chevron-right", "Next", on_click=lambda: self.step_wanted.emit(1))
        self._name = ElidedLabel("", "strong")
        self._place = text("", "small")
        self._facts = text("", "small")
        self._labels = pill()
        self._accept = Button("Accept", "check", on_click=self.accept_wanted.emit)
        self._accept.hide()
        self.candidates, self.evidence = CandidateBar(), EvidenceStrip()
        self.accept_key = ""  # shown with the button
        self._zoom = text("", "small")
        self.fit_button = IconButton("fit", "Fit", on_click=self.view.fit)
        self.real_button = Button("1:1", on_click=self.view.show_real_pixels)
        self._moves = _group(self.back_button, self.previous_button, self.next_button, self._place)
        self._words = _group(self._name, self._facts, self._labels, self._accept)
        self._looks = _group(self._zoom, self.fit_button, self.real_button)
        self._bar = QGridLayout()
        self._bar.setHorizontalSpacing(theme.MEDIUM)
        self._bar.setVerticalSpacing(theme.SMALL)
        self._bar.setColumnStretch(1, 1)
        self._bar.addWidget(self._moves, 0, 0)
        self._bar.addWidget(self._looks, 0, 2)
        self._place_words()
        layout = column(self._bar, self.candidates, self.view, self.evidence, spacing=theme.SMALL)
        layout.setStretch(2, 1)
        self.setLayout(layout)
        self.view.zoom_changed.connect(lambda scale: self._zoom.setText(f"{scale:.0%}"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Find room for the words."""
        super().resizeEvent(event)
        self._place_words()

    def _place_words(self) -> None:
        """Have what is said of the picture between the buttons, or below them where its name would have no room."""
        needed = sum(part.sizeHint().width() for part in (self._moves, self._words, self._looks))
        is_wide = self.width() >= needed + theme.scaled(_NAME_PX)
        self._bar.removeWidget(self._words)
        self._bar.addWidget(self._words, *((0, 1) if is_wide else (1, 0, 1, 3)))

    def show_cell(
        self, cell: Cell | None, *, index: int, count: int, neighbours: list[Cell], keys: Mapping[str, str]
    ) -> None:
        """Show a picture and what is known of it; `keys` are {key: class name}."""
        self.view.show_picture(cell.path if cell else None, neighbours=[each.path for each in neighbours])
        self._name.setText(cell.path.name if cell else "")
        self._place.setText(f"{index + 1:,} of {count:,}" if cell else "")
        facts = (cell.size, cell.aside, cell.mark) if cell else ()
        self._facts.setToolTip(cell.note if cell else "")
        self._facts.setText("  ".join(fact for fact in facts if fact))
        self._labels.setText(_shortened(cell.title) if cell else "")
        self._labels.setVisible(cell is not None)
        restyle(self._labels, tone="accent" if cell and cell.labels else "warn")
        self.candidates.show_candidates(cell.candidates if cell else (), keys)
        badge = cell.badge if cell else None
        if badge is None:
            self.evidence.show_tiles(())
        self._accept.setVisible(badge is not None)
        if badge is not None:
            ranked = ", ".join(f"{name} {share:.0%}" for name, share in badge.ranked)
            words = tr("Suggested: {ranked}", ranked=ranked)
            key = tr("{key} accepts it.", key=self.accept_key) if self.accept_key else ""
            self._accept.setToolTip(f"{key} {words}".strip())
        self._place_words()

    def close_workers(self) -> None:
        """Wait for what is being decoded."""
        self.view.close_pool()
        self.evidence.close_workers()

    def label_text(self) -> str:
        """Return the labels shown over the picture."""
        return self._labels.text()


def _group(*widgets: QWidget) -> QWidget:
    """Return widgets side by side; a name that is shortened takes the room that is left."""
    group, line = QWidget(), row(*widgets, spacing=theme.MEDIUM)
    for place, widget in enumerate(widgets):
        line.setStretch(place, int(isinstance(widget, ElidedLabel)))
    group.setLayout(line)
    return group


def _shortened(words: str) -> str:
    return words if len(words) <= 60 else f"{words[:59]}…"
