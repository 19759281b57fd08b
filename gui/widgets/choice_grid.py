"""Cards of which one is chosen, in as many columns as fit. Knows Qt and plain data only."""

from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QWidget

from gui import theme
from gui.widgets.tiles import ActionTile


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One card: `name` identifies it, `facts` stand at its foot, `refusal` says why it cannot be chosen."""

    name: str
    title: str
    words: str
    facts: str = ""
    refusal: str = ""


class ChoiceGrid(QWidget):
    """Exclusive cards; arrow keys move between them."""

    chosen = Signal(str)

    def __init__(self, choices: list[Choice], *, card_width: int = 205) -> None:
        super().__init__()
        self._card_width = card_width
        self._columns = 0
        self._group = QButtonGroup(self)
        self.tiles: dict[str, ActionTile] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SMALL)
        for choice in choices:
            tile = ActionTile(choice.title, choice.words, checkable=True)
            tile.show_facts(choice.facts)
            self._group.addButton(tile)
            tile.clicked.connect(lambda _checked=False, name=choice.name: self.chosen.emit(name))
            self.tiles[choice.name] = tile
        self._arrange(3)

    def choose(self, name: str) -> None:
        """Mark a card as the chosen one, without a signal."""
        self.tiles[name].setChecked(True)

    def choice(self) -> str:
        """Return the chosen card's name."""
        return next((name for name, tile in self.tiles.items() if tile.isChecked()), "")

    def update_choices(self, choices: list[Choice]) -> None:
        """Show new facts and refusals."""
        for choice in choices:
            tile = self.tiles[choice.name]
            tile.show_facts(choice.refusal or choice.facts)
            tile.setEnabled(not choice.refusal)
            tile.setToolTip(choice.refusal)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use as many columns as fit."""
        self._arrange(max(1, event.size().width() // theme.scaled(self._card_width)))
        super().resizeEvent(event)

    def _arrange(self, columns: int) -> None:
        columns = min(columns, len(self.tiles))
        if columns == self._columns:
            return
        for old in range(self._columns):
            self._grid.setColumnStretch(old, 0)
        self._columns = columns
        for place, tile in enumerate(self.tiles.values()):
            self._grid.addWidget(tile, place // columns, place % columns)
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)
