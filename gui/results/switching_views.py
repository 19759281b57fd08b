"""Several views of the same thing, one at a time: a view is built on first display. Depends on Qt only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QButtonGroup, QStackedWidget, QWidget

from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, column, row
from visionft.core.messages import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: `build` makes its widget, once; `fill` shows the current content in it.

    Without an evaluation, a view that needs one has no button, and neither has one that has nothing to show.
    """

    title: Text
    build: Callable[[], QWidget]
    fill: Callable[[], None]
    needs_evaluation: bool = False
    has_content: Callable[[], bool] = lambda: True
    is_last: bool = False  # its button is at the end of the row, apart from the others


class Views(QWidget):
    """Buttons to switch views, and the view; `missing` is shown in place of a chosen view without its evaluation."""

    def __init__(self, views: Sequence[View], missing: EmptyState | None = None) -> None:
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
            if view.is_last:
                switch.addStretch(1)
            switch.addWidget(button)
        if not views[-1].is_last:
            switch.addStretch(1)
        self.buttons.button(0).setChecked(True)
        self.buttons.idClicked.connect(lambda _place: self._show())
        self.stack = QStackedWidget()
        if missing is not None:
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
        offered = [place for place in range(len(self._views)) if self._is_offered(place)]
        for place in range(len(self._views)):
            self.buttons.button(place).setVisible(place in offered)
        is_missing = self._views[self.place()].needs_evaluation and not has_evaluation and self._missing is not None
        if self.place() not in offered and not is_missing:
            self.buttons.button(offered[0]).setChecked(True)
        self._show()

    def _is_offered(self, place: int) -> bool:
        view = self._views[place]
        return view.has_content() and (self._has_evaluation or not view.needs_evaluation)

    def _show(self) -> None:
        place = self.place()
        view = self._views[place]
        if self._missing is not None and view.needs_evaluation and not self._has_evaluation:
            self.stack.setCurrentWidget(self._missing)
            return
        if place not in self._built:
            self._built[place] = view.build()
            self.stack.addWidget(self._built[place])
        if place not in self._filled:
            self._filled.add(place)
            view.fill()
        self.stack.setCurrentWidget(self._built[place])
