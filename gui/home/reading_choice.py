"""The ways to understand a source. Depends on Qt and plain data only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QBoxLayout, QButtonGroup, QWidget

from gui.kit.parts import IconLabel, clear, column, row, text, widget_of
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from visionft.core.messages import Message

if TYPE_CHECKING:
    from visionft.project.formats.image_table import ImageTable


class ReadingChoice(QWidget):
    """The readings of a source, each with its evidence; `chosen` emits the number of one, from 1 on."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Ways to understand the source"))
        self.tiles: list[ActionTile] = []
        self._texts: list[tuple[Message, Message]] = []
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.chosen)
        self._doubt = text("", wrap=True, tone="warn")
        self._doubts = widget_of(row(column(IconLabel("warning", tone="warn"), None), self._doubt, grows=1))
        self._tiles = row()
        self.setLayout(column(self._doubts, self._tiles))

    def set_wide(self, is_wide: bool) -> None:
        """Lay the readings side by side, or below each other."""
        direction = QBoxLayout.Direction
        self._tiles.setDirection(direction.LeftToRight if is_wide else direction.TopToBottom)

    def show_readings(self, readings: "Sequence[ImageTable]", number: int, doubt: str = "") -> None:
        """Show the readings, the one of a number chosen; `doubt` says what the user has to decide."""
        by_hand = Message("{count} image, to be labelled by hand.", "{count} images, to be labelled by hand.")
        texts = [
            (each.title, each.evidence if each.classes else Message(by_hand, count=each.unlabelled))
            for each in readings
        ]
        if texts != self._texts:
            self._texts = texts
            clear(self._tiles)
            self.tiles = [ActionTile(*each, checkable=True) for each in texts]
            for place, tile in enumerate(self.tiles, 1):
                self._group.addButton(tile, place)
                self._tiles.addWidget(tile, 1)
        if self.tiles:
            self.tiles[number - 1].setChecked(True)
        self._doubt.setText(doubt)
        self._doubts.setVisible(bool(doubt))
