"""Which pictures two runs disagree on: fixed, newly broken, still wrong. Knows Qt and plain data only."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, choice_box, column, row, text
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.next_steps import button_of
from gui.results.fixable_grid import FixableGrid
from visionft.errors import NextStep

GROUPS = {"fixed": "Fixed", "broken": "Newly broken", "still_wrong": "Still wrong"}


class ChangesView(QWidget):
    """From an earlier run, chosen here, to the one chosen in the table."""

    other_changed = Signal(str)  # the earlier run's name
    step_wanted = Signal(object)  # NextStep: what it takes to compare

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.other_box = choice_box("Run to compare with", least=16)
        self.other_box.activated.connect(lambda _place: self.other_changed.emit(self.other()))
        self._to = ElidedLabel("", "strong")
        self._verdict = text("", "strong", wrap=True)
        self._facts = text("", "small", wrap=True)
        self.grid = FixableGrid(thumbnails, name="Pictures that changed")
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self.buttons: dict[str, Button] = {}
        self._groups: Mapping[str, Sequence[Tile]] = dict.fromkeys(GROUPS, ())
        choice = QButtonGroup(self)
        switch = row(spacing=0)
        for name, title in GROUPS.items():
            button = Button("", role="segment", on_click=lambda name=name: self.show_group(name))
            button.setText(tr(title))
            button.setCheckable(True)
            choice.addButton(button)
            switch.addWidget(button)
            self.buttons[name] = button
        self.buttons["fixed"].setChecked(True)
        head = row(text("From"), self.other_box, text("to"), self._to, spacing=theme.SMALL)
        head.setStretch(3, 1)
        body = QWidget()
        layout = column(self._verdict, self._facts, row(switch, None), self.grid)
        layout.setStretch(3, 1)
        body.setLayout(layout)
        self.empty = EmptyState("split", "Nothing to compare yet", "")
        self._step: NextStep | None = None
        self.empty.button.clicked.connect(lambda _checked=False: self.step_wanted.emit(self._step))
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(body)
        whole = column(head, self._stack, spacing=theme.MEDIUM)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def other(self) -> str:
        """Return the name of the earlier run; empty when there is none."""
        return self.other_box.currentData() or ""

    def offer(self, runs: Sequence[tuple[str, str]], *, to: str, preferred: str = "") -> None:
        """Offer (name, title) of the runs to compare with; keep the choice where it is still offered."""
        kept = preferred or self.other()
        self._to.setText(to)
        self.other_box.clear()
        for name, title in runs:
            self.other_box.addItem(title, name)
        names = [name for name, _ in runs]
        self.other_box.setCurrentIndex(names.index(kept) if kept in names else len(names) - 1)

    def show_problem(self, message: str, hint: str, step: NextStep | None = None) -> None:
        """Say why there is nothing to compare, and offer what it takes."""
        self._stack.setCurrentIndex(0)
        self._step = step
        self.empty.show_words(message, hint, button_of(step).title if step else "")

    def show_changes(
        self, groups: Mapping[str, Sequence[Tile]], counts: Mapping[str, int], verdict: str, facts: str
    ) -> None:
        """Show the three groups; `counts` also counts pictures that are no longer in the project."""
        self._stack.setCurrentIndex(1)
        self._groups = groups
        self._verdict.setText(verdict)
        self._facts.setText(facts)
        for name, title in GROUPS.items():
            self.buttons[name].setText(f"{tr(title)}  {counts[name]:,}")
        self.show_group(self.group())

    def group(self) -> str:
        """Return which group is shown."""
        return next(name for name, button in self.buttons.items() if button.isChecked())

    def show_group(self, name: str) -> None:
        """Show the pictures of a group."""
        self.buttons[name].setChecked(True)
        self.strip.show_tiles(self._groups[name])
        self.grid.show_openable(bool(self._groups[name]))

    def texts(self) -> tuple[str, str]:
        """Return the verdict and the facts."""
        return self._verdict.text(), self._facts.text()
