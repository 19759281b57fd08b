"""Exclusive cards under headings, in as many columns as fit. Depends on plain data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QWidget

from gui.kit import theme
from gui.kit.parts import verbatim
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One card; disabled with a `refusal`. Cards of a `group` (a heading) follow each other.

    Attributes:
        facts: Shown at the foot of the card.
        badge: A word behind the title, such as Recommended.
        headline: The most important fact, in large letters.
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
    """Exclusive cards; arrow keys move between them. A card is built when it is first displayed."""

    chosen = Signal(str)

    def __init__(self, *, card_width: int = 205) -> None:
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

    def show_choices(self, choices: Sequence[Choice]) -> None:
        """Show these cards in this order; the selection stays while its card is among them."""
        is_same_order = [(c.name, c.group) for c in choices] == [(c.name, c.group) for c in self._choices]
        self._choices = list(choices)
        for choice in choices:
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
        if not is_same_order:
            self._arrange(max(1, self._columns or 3))

    def choose(self, name: str) -> None:
        """Select a card, without a signal."""
        self.tiles[name].setChecked(True)

    def choice(self) -> str:
        return next((name for name, tile in self.tiles.items() if tile.isChecked()), "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        columns = max(1, event.size().width() // theme.scaled(self._card_width))
        if columns != self._columns:
            self._arrange(columns)
        super().resizeEvent(event)

    def _arrange(self, columns: int) -> None:
        for old in range(self._columns):
            self._grid.setColumnStretch(old, 0)
        for heading in self._headings:
            self._grid.removeWidget(heading)
            heading.hide()
            heading.deleteLater()
        self._headings = []
        for tile in self.tiles.values():
            self._grid.removeWidget(tile)
        self._columns, line = columns, 0
        groups = [(group, list(cards)) for group, cards in groupby(self._choices, key=lambda each: each.group)]
        columns = min(columns, max((len(cards) for _, cards in groups), default=1))  # few cards share the full width
        for group, cards in groups:
            if group:
                heading = verbatim(tr(group), "caption")
                self._headings.append(heading)
                self._grid.addWidget(heading, line, 0, 1, columns)
                line += 1
            for index, choice in enumerate(cards):
                self._grid.addWidget(self.tiles[choice.name], line + index // columns, index % columns)
            line += -(-len(cards) // columns)
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)
        shown = {choice.name for choice in self._choices}
        for name, tile in self.tiles.items():
            tile.setVisible(name in shown)
