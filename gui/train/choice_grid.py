"""Cards of which one is chosen, in as many columns as fit, under headings. Knows plain data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import verbatim
from gui.kit.tiles import ActionTile


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One card: `name` identifies it, `facts` stand at its foot, `refusal` says why it cannot be chosen.

    Attributes:
        group: Heading the card stands under; cards of a group follow each other. Empty for none.
        badge: A word behind the title, such as Recommended.
        headline: What matters most, in large letters.
    """

    name: str
    title: str
    words: str
    facts: str = ""
    refusal: str = ""
    group: str = ""
    badge: str = ""
    headline: str = ""


class ChoiceGrid(QWidget):
    """Exclusive cards; arrow keys move between them. A card is built when it is first shown."""

    chosen = Signal(str)

    def __init__(self, choices: Sequence[Choice], *, card_width: int = 205) -> None:
        super().__init__()
        self._card_width = card_width
        self._columns = 0
        self._group = QButtonGroup(self)
        self._choices: list[Choice] = []
        self._headings: list[QLabel] = []
        self.tiles: dict[str, ActionTile] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SMALL)
        self.show_choices(choices)

    def show_choices(self, choices: Sequence[Choice]) -> None:
        """Show these cards in this order; what was chosen stays chosen while its card is among them."""
        is_same_order = [(c.name, c.group) for c in choices] == [(c.name, c.group) for c in self._choices]
        self._choices = list(choices)
        for choice in choices:
            self._show(choice)
        if not is_same_order:
            self._arrange(max(1, self._columns or 3), is_forced=True)

    def _show(self, choice: Choice) -> None:
        if choice.name not in self.tiles:
            tile = ActionTile(choice.title, choice.words, checkable=True)
            self._group.addButton(tile)
            tile.clicked.connect(lambda _checked=False, name=choice.name: self.chosen.emit(name))
            self.tiles[choice.name] = tile
        tile = self.tiles[choice.name]
        tile.show_headline(choice.headline)
        tile.show_words(choice.words)
        tile.show_facts(choice.refusal or choice.facts)
        tile.show_badge(choice.badge)
        tile.setEnabled(not choice.refusal)
        tile.setToolTip(tr(choice.refusal))

    def choose(self, name: str) -> None:
        """Mark a card as the chosen one, without a signal."""
        self.tiles[name].setChecked(True)

    def choice(self) -> str:
        """Return the chosen card's name, or an empty text."""
        return next((name for name, tile in self.tiles.items() if tile.isChecked()), "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use as many columns as fit."""
        self._arrange(max(1, event.size().width() // theme.scaled(self._card_width)))
        super().resizeEvent(event)

    def _arrange(self, columns: int, *, is_forced: bool = False) -> None:
        if columns == self._columns and not is_forced:
            return
        self._empty()
        self._columns = columns
        line = 0
        widest = max((len(list(cards)) for _, cards in groupby(self._choices, key=lambda each: each.group)), default=1)
        columns = min(columns, widest)  # fewer cards than would fit share the whole width
        for group, members in groupby(self._choices, key=lambda choice: choice.group):
            if group:
                heading = verbatim(tr(group), "caption")
                self._headings.append(heading)
                self._grid.addWidget(heading, line, 0, 1, columns)
                line += 1
            names = [choice.name for choice in members]
            for index, name in enumerate(names):
                self._grid.addWidget(self.tiles[name], line + index // columns, index % columns)
                self.tiles[name].show()
            line += -(-len(names) // columns)
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)

    def _empty(self) -> None:
        for old in range(self._columns):
            self._grid.setColumnStretch(old, 0)
        for heading in self._headings:
            self._grid.removeWidget(heading)
            heading.hide()
            heading.deleteLater()
        self._headings = []
        shown = {choice.name for choice in self._choices}
        for name, tile in self.tiles.items():
            self._grid.removeWidget(tile)
            if name not in shown:
                tile.hide()
