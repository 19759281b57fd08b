"""Two models side by side on the same images: which one is right where. Depends on Qt and plain data only."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.image_model import Tile
from gui.kit.parts import ElidedLabel, Segments, choice_box, column, row, text, verbatim, widget_of
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.next_steps import button_of
from gui.results.fixable_grid import FixableGrid
from visionft.core.errors import NextStep
from visionft.core.messages import Message

GROUPS = {
    "fixed": Message("Only 2 is right"),
    "broken": Message("Only 1 is right"),
    "still_wrong": Message("Both are wrong"),
}


class ComparisonView(QWidget):
    """Model 1, chosen here, beside model 2, the one selected in the table."""

    step_wanted = Signal(object)  # NextStep: the action to enable the comparison
    chosen = Signal()  # model 1

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.other_box = choice_box("Model to compare with", least=16)
        self.other_box.activated.connect(lambda _place: self.chosen.emit())
        self._to = ElidedLabel("", "strong")
        right = Qt.TextElideMode.ElideRight
        self.verdict = text("", "strong")
        self.facts = ElidedLabel("", "small", mode=right)
        self.grid = FixableGrid(thumbnails, name=Message("Images that at least one model has wrong"))
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self._groups: Mapping[str, Sequence[Tile]] = dict.fromkeys(GROUPS, ())
        self._switch = Segments({name: tr(title) for name, title in GROUPS.items()}, "")
        self._switch.chosen.connect(lambda _group: self._show_group())
        self.buttons = self._switch.buttons
        self.shares = (ElidedLabel("", "body", mode=right), ElidedLabel("", "body", mode=right))
        first = row(verbatim("1", "strong"), self.other_box, self.shares[0])
        second = row(verbatim("2", "strong"), self._to, self.shares[1])
        head = row(first, second, spacing=theme.LARGE)
        for place in (0, 1):
            head.setStretch(place, 1)
            first.setStretch(1 + place, 2 - place)
            second.setStretch(1 + place, 2 - place)
        facts = row(self.verdict, self.facts, spacing=theme.MEDIUM, grows=1)
        layout = column(facts, self._switch, self.grid, grows=2)
        body = widget_of(layout)
        self.empty = EmptyState("split", "Nothing to compare yet", "")
        self._step: NextStep | None = None
        self.empty.button.clicked.connect(lambda _checked=False: self.step_wanted.emit(self._step))
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(body)
        self.setLayout(column(head, self._stack, spacing=theme.MEDIUM, grows=1))

    def other(self) -> str:
        """Return the name of model 1; empty when there is none."""
        return self.other_box.currentData() or ""

    def offer(self, models: Sequence[tuple[str, str]], *, to: str, preferred: str = "") -> None:
        """Offer (name, title) of the models to compare with; keep the choice where it is still offered."""
        kept = preferred or self.other()
        self._to.setText(to)
        self.other_box.clear()
        for place, (name, title) in enumerate(models):
            self.other_box.addItem(title, name)
            self.other_box.setItemData(place, title, Qt.ItemDataRole.ToolTipRole)
        place = self.other_box.findData(kept)
        self.other_box.setCurrentIndex(place if kept and place >= 0 else len(models) - 1)

    def show_problem(self, message: str, hint: str, step: NextStep | None = None) -> None:
        self._stack.setCurrentIndex(0)
        self._step = step
        for label in self.shares:
            label.setText("")
        self.empty.show_words(message, hint, button_of(step).title if step else "")

    def show_groups(
        self,
        groups: Mapping[str, Sequence[Tile]],
        counts: Mapping[str, int],
        verdict: str,
        facts: str,
        *,
        shares: Sequence[str],
    ) -> None:
        """Show the three groups; `counts` include images no longer in the project, `shares` are of both models."""
        for label, words in zip(self.shares, shares, strict=True):
            label.setText(words)
        self._stack.setCurrentIndex(1)
        self._groups = groups
        self.verdict.setText(tr(verdict))
        self.facts.setText(facts)
        for name, title in GROUPS.items():
            self.buttons[name].setText(f"{tr(title)}  {counts[name]:,}")
        self._show_group()

    def group(self) -> str:
        return self._switch.value()

    def _show_group(self) -> None:
        tiles = self._groups[self.group()]
        self.strip.show_tiles(tiles)
        self.grid.show_openable(bool(tiles))
