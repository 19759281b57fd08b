"""A stack of views, one at a time; and the views of the selected runs' details: curves and settings.

The chart libraries load more slowly than the rest of the page, so they load with the first chart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QStackedWidget, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, ElidedLabel, choice_box, column, row, widget_of
from gui.kit.run_table import kept_words
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.results import evaluations
from visionft.core.messages import Message, Text
from visionft.training.runs.run_folder import StoredRun

if TYPE_CHECKING:
    from gui.results.run_charts import CompareChart


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultView:
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

    def __init__(self, views: Sequence[ResultView], missing: EmptyState | None = None) -> None:
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

    def refill(self, *, has_evaluation: bool = False) -> None:
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


COMPARED_RUNS = 4
CURVES, SETTINGS = range(2)


class DetailsView(QWidget):
    """Curves and settings of the selected runs.

    Each `_build` method sets the widgets that its `_show` method fills.
    """

    chart: "CompareChart"
    settings: ValueTable
    only_differing: QCheckBox

    def __init__(self, splits: Sequence[str], *, on_measure: Callable[[], object]) -> None:
        """Args: `splits` are the displayed names of the splits to measure on."""
        super().__init__()
        self._chosen: Sequence[StoredRun] = ()
        self._colours: Mapping[str, int] = {}
        self.split_box = choice_box("Split to evaluate on", splits)
        self.evaluate_button = Button("Evaluate again", "refresh", role="quiet", on_click=on_measure)
        self.kept = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.views = Views(
            (
                ResultView(
                    title="Curves", build=self._build_curves, fill=self._show_curves, has_content=self._has_curve
                ),
                ResultView(title="Settings", build=self._build_settings, fill=self._show_settings),
            )
        )
        head = row(self.kept, self.split_box, self.evaluate_button, spacing=theme.MEDIUM, grows=0)
        self.setLayout(column(head, self.views, spacing=theme.SMALL, grows=1))

    def take_runs(self, chosen: Sequence[StoredRun], *, colours: Mapping[str, int]) -> None:
        """Take the selected runs; `colours` are places by the runs' names."""
        self._chosen, self._colours = chosen, colours

    def refill(self) -> None:
        words = " · ".join(
            (f"{run.title}: " if len(self._chosen) > 1 else "") + kept_words(run)
            for run in self._chosen[:COMPARED_RUNS]
        )
        self.kept.setText(words)
        self.views.refill()

    def _has_curve(self) -> bool:
        return any(run.config.total_epochs and any(each.figures for each in run.epochs) for run in self._chosen)

    def _build_curves(self) -> QWidget:
        from gui.results.run_charts import CompareChart

        self.chart = CompareChart()
        return self.chart

    def _show_curves(self) -> None:
        self.chart.show_runs(self._chosen, self._colours)

    def _build_settings(self) -> QWidget:
        headers = (Message("Setting"), Message("Value"))
        self.settings = ValueTable(headers, name="Settings", is_sortable=False, is_of_texts=True)
        self.only_differing = QCheckBox(tr("Only what differs"))
        self.only_differing.toggled.connect(lambda _is_on: self._show_settings())
        layout: QVBoxLayout = column(row(self.only_differing, None), self.settings, grows=1)
        return widget_of(layout)

    def _show_settings(self) -> None:
        compared = self._chosen[:COMPARED_RUNS]
        is_several = len(compared) > 1
        self.only_differing.setVisible(is_several)
        only_differing = self.only_differing.isChecked() and is_several
        rows, marked = evaluations.setting_rows(compared, only_differing=only_differing)
        self.settings.show_columns([Message("Setting"), *[run.title for run in compared]])
        self.settings.show_rows(rows, marked=marked)
