"""Several views of the same thing, one at a time: a view is built when it is first looked at. Knows Qt only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import LiteralString

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, column, row


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: `build` makes its widget, once; `fill` shows in it what there is now."""

    title: LiteralString
    build: Callable[[], QWidget]
    fill: Callable[[], None]
    needs_evaluation: bool = True


class Views(QWidget):
    """Buttons to switch by, and the view; `missing` stands in for those that have nothing to show yet."""

    def __init__(self, views: Sequence[View], missing: EmptyState, *, first: int = 0) -> None:
        """Args: `first` is the view that is shown until another is chosen."""
        super().__init__()
        self._views, self._missing = views, missing
        self._built: dict[int, QWidget] = {}
        self._filled: set[int] = set()
        self._has_evaluation = False
        self.buttons = QButtonGroup(self)
        switch = row(spacing=0)
        for place, view in enumerate(views):
            button = Button(view.title, role="segment")
            button.setCheckable(True)
            self.buttons.addButton(button, place)
            switch.addWidget(button)
        switch.addStretch(1)
        self.buttons.button(first).setChecked(True)
        self.buttons.idClicked.connect(lambda _place: self._show())
        self.stack = QStackedWidget()
        self.stack.addWidget(missing)
        layout = column(switch, self.stack)
        layout.setStretch(1, 1)
        self.setLayout(layout)

    def sizeHint(self) -> QSize:
        """Return the least size: no view asks for more than there is, or a chart would make the page scroll."""
        return self.minimumSizeHint()

    def hasHeightForWidth(self) -> bool:
        """Return that the height is that of `sizeHint`, whatever wraps in a view."""
        return False

    def place(self) -> int:
        """Return which view was chosen."""
        return self.buttons.checkedId()

    def choose(self, place: int) -> None:
        """Show a view."""
        self.buttons.button(place).setChecked(True)
        self._show()

    def refill(self, *, has_evaluation: bool) -> None:
        """Show what there is now: in the view that is seen at once, in the others when they are."""
        self._has_evaluation = has_evaluation
        self._filled.clear()
        self._show()

    def _show(self) -> None:
        place = self.place()
        view = self._views[place]
        if view.needs_evaluation and not self._has_evaluation:
            self.stack.setCurrentWidget(self._missing)
            return
        if place not in self._built:
            self._built[place] = view.build()
            self.stack.addWidget(self._built[place])
        if place not in self._filled:
            self._filled.add(place)
            view.fill()
        self.stack.setCurrentWidget(self._built[place])
