"""“Do you need to train?”: a question with a button; then a sentence, what it rests on, and what to do next.

Knows Qt and what the engine said, never the state.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, text
from gui.kit.value_table import ValueTable
from visionft.amounts import rough_duration_text, size_text
from visionft.training.config.presets import PRESETS

if TYPE_CHECKING:
    from gui.train.curve_chart import CurveChart
    from visionft.advice.answerers import Answerer
    from visionft.advice.recommend import Recommendation
    from visionft.training.config.train_config import TrainConfig

_ROW_HEIGHT = 30
_CHART_WIDTH, _NARROW = 360, 900  # below, the chart stands under the table
_LONGEST_NAME = 28  # on a button
QUESTION = (
    "Measures on your pictures what answers without training, and forecasts what training and more labels would add."
)


class AdviceCard(Card):
    """One line until it is asked; then the whole answer, which folds."""

    wanted = Signal(bool)  # whether two short trials are to be made
    stop_wanted = Signal()
    used = Signal()  # take what is advised
    label_wanted = Signal()  # label more of what gains most

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.advice: Recommendation | None = None
        self.words = text(QUESTION, "muted", wrap=True)
        self.sentence = text("", "strong", wrap=True)
        self.fold_button = Button("Why", "chevron-right", role="fold", on_click=self._on_folded)
        self.fold_button.setCheckable(True)
        self.ask_button = Button("Find out", "gauge", on_click=lambda: self.wanted.emit(False))
        self.stop_button = Button("Stop", "stop", on_click=self.stop_wanted.emit)
        self.use_button = Button("Use it", "check-circle", on_click=self.used.emit)
        self.label_button = Button("Label more", "label", on_click=self.label_wanted.emit)
        self.try_button = Button("Try it", "play", role="quiet", on_click=lambda: self.wanted.emit(True))
        self.again_button = Button("Ask again", "refresh", role="quiet", on_click=lambda: self.wanted.emit(False))
        headers = ("Answer", "Right (95 % interval)", "To make", "A picture", "Size")
        self.table = ValueTable(headers, name="What could answer", is_sortable=False)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.evidence, self.change = text("", "small", wrap=True), text("", "small", wrap=True)
        self.chart: CurveChart | None = None
        self._lay_out()
        self.show_question()

    def _lay_out(self) -> None:
        head = row(
            column(text("Do you need to train?", "heading"), self.words, self.sentence, spacing=theme.HAIR),
            self.fold_button,
            self.ask_button,
            self.stop_button,
        )
        head.setStretch(0, 1)
        self._buttons = QWidget()
        self._buttons.setLayout(Flow(self.use_button, self.label_button, self.try_button, self.again_button))
        self._chart_box = QVBoxLayout()
        self._beside = beside = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        beside.setSpacing(theme.HUGE)
        beside.setContentsMargins(0, 0, 0, 0)
        rests = column(text("What this rests on", "strong"), self.evidence, spacing=theme.HAIR)
        changes = column(text("What would change it", "strong"), self.change, spacing=theme.HAIR)
        beside.addLayout(column(self.table, rests, changes, None, spacing=theme.MEDIUM), 1)
        beside.addLayout(self._chart_box)
        self._details = QWidget()
        self._details.setLayout(beside)
        for item in (self._details, self._buttons):
            self.body.addWidget(item)
        self.body.insertLayout(0, head)
        self.body.setSpacing(theme.MEDIUM)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the chart where there is room for it."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < theme.scaled(_NARROW)
        self._beside.setDirection(QBoxLayout.Direction.TopToBottom if is_narrow else QBoxLayout.Direction.LeftToRight)

    # -- states -------------------------------------------------------------------------------------------------

    def show_question(self, why_not: str = "") -> None:
        """Offer to find out, or say why that cannot be done."""
        self.advice = None
        self.words.setText(why_not or tr(QUESTION))
        self._show_state(is_asking=not why_not)

    def show_stage(self, words: str) -> None:
        """Say how far it is."""
        self.words.setText(words)
        self._show_state(is_working=True)

    def show_failure(self, message: str, hint: str) -> None:
        """Say why there is no answer."""
        self.advice = None
        self.words.setText(" ".join(filter(None, (message, hint))))
        self._show_state(is_asking=True)

    def show_advice(self, advice: "Recommendation", *, is_old: bool = False) -> None:
        """Show an answer; one that `is_old` was given before pictures, labels or splits changed."""
        self.advice = advice
        self.sentence.setText(tr(advice.advice))
        self.words.setText(tr("This was said before pictures, labels or splits changed.") if is_old else "")
        self._fill_table(advice)
        for label, lines in ((self.evidence, advice.evidence), (self.change, advice.change)):
            label.setText("\n".join(map(tr, lines)))
        self._show_buttons(advice)
        self._show_state(has_answer=True)
        self.words.setVisible(is_old)
        self._show_details()

    def show_draft(self, config: "TrainConfig") -> None:
        """Offer what is advised where it is not what the draft is already."""
        if self.advice is not None:
            best = self.advice.best
            is_taken = (config.method, config.backbone) == (best.method, best.backbone) and best.kind != "run"
            self.use_button.setVisible(not is_taken)

    def _show_state(self, *, is_asking: bool = False, is_working: bool = False, has_answer: bool = False) -> None:
        self.words.setVisible(True)
        self.ask_button.setVisible(is_asking)
        self.stop_button.setVisible(is_working)
        for part in (self.sentence, self.fold_button, self._buttons):
            part.setVisible(has_answer)
        if not has_answer:
            self._details.hide()

    # -- the answer ---------------------------------------------------------------------------------------------

    def _fill_table(self, advice: "Recommendation") -> None:
        rows = [_cells(each) for each in advice.answerers]
        marked = [place for place, each in enumerate(advice.answerers) if each.name == advice.chosen]
        self.table.show_rows(rows, marked=marked)
        self.table.setFixedHeight(theme.scaled(_ROW_HEIGHT) * (len(rows) + 1) + theme.scaled(10))

    def _show_buttons(self, advice: "Recommendation") -> None:
        chosen, name = advice.best, _shortened(advice.label_class)
        title = PRESETS[chosen.preset].title if chosen.preset else tr(chosen.title)
        is_run = chosen.kind == "run"
        self.use_button.setText(tr("See it in Results") if is_run else tr("Take “{what}”", what=_shortened(title)))
        self.label_button.setText(tr("Label more of “{name}”", name=name) if name else tr("Label more"))
        tip = "Shows the pictures without a label that look most like it"
        none = "Every picture has a label: import more of it"
        self.label_button.setToolTip(f"{advice.label_class}\n{tr(tip) if advice.to_label else tr(none)}".strip())
        self.try_button.setVisible(advice.trial_s is not None and advice.trial is None)
        if advice.trial_s is not None:
            self.try_button.setText(tr("Try it, about {time}", time=rough_duration_text(advice.trial_s)))

    def _on_folded(self) -> None:
        self._show_details()

    def open_details(self, is_open: bool) -> None:
        """Show or hide what the answer rests on."""
        self.fold_button.setChecked(is_open)
        self._show_details()

    def _show_details(self) -> None:
        is_open = self.fold_button.isChecked() and self.advice is not None
        self.fold_button.set_icon_name("chevron-down" if is_open else "chevron-right")
        if is_open and self.advice is not None:
            self._chart().show_curve(self.advice.curve)
        self._details.setVisible(is_open)

    def _chart(self) -> "CurveChart":
        """Return the chart, built when it is first needed: pyqtgraph takes its time."""
        if self.chart is None:
            from gui.train.curve_chart import CurveChart

            self.chart = CurveChart()
            self.chart.setFixedWidth(theme.scaled(_CHART_WIDTH))
            self._chart_box.addWidget(self.chart)
            self._chart_box.addStretch(1)
        return self.chart


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}…"


def _cells(answerer: "Answerer") -> list[tuple[str, object]]:
    right = f"{answerer.accuracy:.1%} ({answerer.low:.0%}–{answerer.high:.0%})"
    return [
        (tr(answerer.title), answerer.title),
        (tr("about {share}", share=right) if answerer.is_forecast else right, answerer.accuracy),
        (_making(answerer), answerer.seconds or 0.0),
        ("–" if answerer.milliseconds is None else f"{answerer.milliseconds:.0f} ms", answerer.milliseconds or 0.0),
        ("–" if answerer.size_mb is None else size_text(answerer.size_mb * 1e6), answerer.size_mb or 0.0),
    ]


def _making(answerer: "Answerer") -> str:
    if answerer.kind == "run":
        return tr("is there")
    return "–" if answerer.seconds is None else rough_duration_text(answerer.seconds)
