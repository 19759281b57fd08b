"""Several views of the same thing, one at a time: a view is built on first display. Depends on Qt only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, column, row
from models.messages import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: `build` makes its widget, once; `fill` shows the current content in it."""

    title: Text
    build: Callable[[], QWidget]
    fill: Callable[[], None]
    needs_evaluation: bool = True


class Views(QWidget):
    """Buttons to switch views, and the view; `missing` replaces views without content."""

    def __init__(self, views: Sequence[View], missing: EmptyState, *, first: int = 0) -> None:
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
        self.setLayout(column(switch, self.stack, grows=1))

    def sizeHint(self) -> QSize:
        """Return the minimum size: a larger hint, such as a chart's, would make the page scroll."""
        return self.minimumSizeHint()

    def hasHeightForWidth(self) -> bool:
        """Return False: the height is that of `sizeHint`, independent of wrapped text in a view."""
        return False

    def place(self) -> int:
        return self.buttons.checkedId()

    def choose(self, place: int) -> None:
        self.buttons.button(place).setChecked(True)
        self._show()

    def refill(self, *, has_evaluation: bool) -> None:
        """Refill the visible view at once, and the others when they become visible."""
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
