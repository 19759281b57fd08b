"""The card “Do you need to train?” and its task: the recommendation, its evidence and the next steps."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QBoxLayout, QVBoxLayout

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.fold import FoldButton
from gui.kit.model_table import OF_PLANS, ModelTable
from gui.kit.parts import Button, Card, column, row, text, widget_of
from gui.kit.progress import progress_text
from gui.kit.translation import tr
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Failure, Lane, Priority, Task
from gui.train.training_images import TrainingImages
from models.messages import Message, shortened
from visionft.advice import comparison_text as words
from visionft.amounts import rough_duration_text
from visionft.data.types import Snapshot
from visionft.jobs import JobContext
from visionft.libraries import load_libraries
from visionft.training.config.presets import PRESETS

if TYPE_CHECKING:
    from gui.train.set_up_charts import CurveChart
    from visionft.advice.recommend import Recommendation
    from visionft.evaluation.leaderboard import ComparedModel
    from visionft.training.config.train_config import TrainConfig
    from visionft.training.probing import Probe


_LONGEST_NAME = 28  # text of a button
QUESTION = Message(
    "Measures models without training on your images, and forecasts the gain from training and from more labels."
)


class AdviceCard(Card):
    """One line until the recommendation is requested; then the whole recommendation, collapsible."""

    requested = Signal(bool)  # whether to make two short trial runs

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.recommendation: Recommendation | None = None
        self.words = text(QUESTION, "muted", wrap=True)
        self.sentence = text("", "strong", wrap=True)
        self.recommend_button = Button("Compare models", "gauge", on_click=lambda: self.requested.emit(False))
        self.cancel_button = Button("Cancel", "stop")
        self.use_button = Button("Use settings", "check-circle")
        self.label_button = Button("Label more images", "label")
        self.trial_button = Button("Run trials", "play", role="quiet", on_click=lambda: self.requested.emit(True))
        self.again_button = Button("Compare again", "refresh", role="quiet")
        self.again_button.clicked.connect(lambda _checked=False: self.requested.emit(False))
        self.table = ModelTable(OF_PLANS)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.evidence, self.conditions = text("", "small", wrap=True), text("", "small", wrap=True)
        self.chart: CurveChart | None = None
        self._chart_box = QVBoxLayout()
        evidence = column(text("Evidence", "strong"), self.evidence, spacing=theme.HAIR)
        options = column(text("Other options", "strong"), self.conditions, spacing=theme.HAIR)
        reasons = column(evidence, options, None, spacing=theme.MEDIUM)
        self._reasons_layout = row(reasons, self._chart_box, spacing=theme.HUGE, grows=0)
        self._details = widget_of(column(self.table, self._reasons_layout, spacing=theme.MEDIUM))
        self.fold_button = FoldButton("Details", self._details)
        self.fold_button.toggled.connect(self._show_details)
        title = column(text("Do you need to train?", "heading"), self.words, self.sentence, spacing=theme.HAIR)
        head = row(title, self.fold_button, self.recommend_button, self.cancel_button, grows=0)
        self._buttons = widget_of(Flow(self.use_button, self.label_button, self.trial_button, self.again_button))
        self.add(head, self._details, self._buttons)
        self.body.setSpacing(theme.MEDIUM)
        self.show_question()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the chart where there is room for it."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < theme.scaled(900)
        direction = QBoxLayout.Direction
        self._reasons_layout.setDirection(direction.TopToBottom if is_narrow else direction.LeftToRight)

    def show_question(self, message: str = "", *, can_request: bool = True) -> None:
        """Show the button to request a recommendation, with a failure; or the reason why none is possible."""
        self.recommendation = None
        self.words.setText(message or tr(QUESTION))
        self._show_state(can_request=can_request)

    def show_stage(self, stage: str) -> None:
        self.words.setText(stage)
        self._show_state(is_running=True)

    def show_recommendation(self, found: "Recommendation", *, is_outdated: bool = False) -> None:
        """Show a recommendation; `is_outdated` marks one made before images, labels or splits changed."""
        self.recommendation = found
        self.sentence.setText(tr(words.advice(found)))
        self.words.setText(tr("Images, labels or splits have changed since this recommendation."))
        self.table.show_models(found, marked=found.chosen)
        self.table.fit_rows()
        self.evidence.setText("\n".join(map(tr, words.evidence(found))))
        self.conditions.setText("\n".join(map(tr, words.conditions(found))))
        best, class_name = found.recommended, found.curve.best_gain.class_name
        title = PRESETS[best.preset].title if best.preset else tr(best.title)
        use = tr("Show in Results") if best.kind == "run" else tr("Use “{what}”", what=shortened(title, _LONGEST_NAME))
        self.use_button.setText(use)
        more = (
            tr("Label more of “{name}”", name=shortened(class_name, _LONGEST_NAME))
            if class_name
            else tr("Label more images")
        )
        self.label_button.setText(more)
        tip = Message("Shows the images without a label that are most likely of this class")
        none = Message("Every image has a label: import more images")
        self.label_button.setToolTip(f"{class_name}\n{tr(tip) if found.to_label else tr(none)}".strip())
        self.trial_button.setVisible(found.trial_s is not None)
        if found.trial_s is not None:
            self.trial_button.setText(tr("Run trials, about {time}", time=rough_duration_text(found.trial_s)))
        self._show_state(has_result=True)
        self.words.setVisible(is_outdated)
        self._show_details()

    def show_draft(self, config: "TrainConfig") -> None:
        """Offer the recommended settings unless the draft has them already."""
        if self.recommendation is not None:
            best = self.recommendation.recommended
            is_same = (config.method, config.backbone) == (best.method, best.backbone) and best.kind != "run"
            self.use_button.setVisible(not is_same)

    def _show_state(self, *, can_request: bool = False, is_running: bool = False, has_result: bool = False) -> None:
        self.words.setVisible(True)
        self.recommend_button.setVisible(can_request)
        self.cancel_button.setVisible(is_running)
        for part in (self.sentence, self.fold_button, self._buttons):
            part.setVisible(has_result)
        if not has_result:
            self._details.hide()

    def _show_details(self) -> None:
        is_open = self.fold_button.isChecked() and self.recommendation is not None
        if is_open and self.recommendation is not None:
            if self.chart is None:
                from gui.train.set_up_charts import CurveChart  # pyqtgraph loads slowly

                self.chart = CurveChart()
                self.chart.setFixedWidth(theme.scaled(360))
                self._chart_box.addWidget(self.chart)
                self._chart_box.addStretch(1)
            self.chart.show_curve(self.recommendation.curve)
        self._details.setVisible(is_open)


def recommend(
    project_dir: Path,
    images: Snapshot,
    accepted: frozenset[int],
    probes: "tuple[Probe, ...]",
    *,
    device: str,
    tries: bool,
    job: JobContext,
) -> "Recommendation":
    """Compute a recommendation and store it in the project's folder."""
    load_libraries(job)
    from visionft.advice.recommend import recommend as compute
    from visionft.advice.stored_recommendation import store_recommendation

    found = compute(project_dir, images, accepted=accepted, device=device, probes=probes, tries=tries, job=job)
    store_recommendation(project_dir, images, found)
    return found


class AdviceController(QObject):
    """Runs the recommendation of one card and handles its buttons."""

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        card: AdviceCard,
        *,
        use: "Callable[[ComparedModel], object]",
        shown: Callable[[], object],
        parent: QObject,
    ) -> None:
        """Args: `use` applies the recommended settings; `shown` is called once there is a recommendation."""
        super().__init__(parent)
        self._state, self._session, self._card = state, session, card
        self._use, self._shown = use, shown
        self._task: Task[Any] | None = None
        self._images: Snapshot | None = None  # the snapshot behind the displayed recommendation
        self._has_read_stored = False
        self._refusal = ""  # the reason why no recommendation is possible yet
        compare = tr("Measure and forecast; nothing is trained")
        trials = tr("Make two short trial runs, each on half of the images, to measure the gain from training")
        for button in (card.recommend_button, card.again_button, card.trial_button):
            state.actions.attach(button, "run.advise", trials if button is card.trial_button else compare)
        card.requested.connect(self.start)
        card.cancel_button.clicked.connect(lambda _checked=False: self.cancel())
        card.use_button.clicked.connect(lambda _checked=False: self._use_recommended())
        card.label_button.clicked.connect(lambda _checked=False: self._label_more())

    def show_images(self, images: TrainingImages | None) -> None:
        """Take the current images: a recommendation is valid until they, their labels or splits change."""
        card = self._card
        card.setVisible(images is not None and bool(images.now.images))
        self._refusal = images.unadvisable if images is not None else ""
        if images is None or self._task is not None:
            return
        if not self._has_read_stored:
            self._has_read_stored = True
            if images.recommendation is not None:
                self._images = images.now
                card.show_recommendation(images.recommendation)
                self._shown()
        if card.recommendation is None:
            card.show_question(self._refusal, can_request=not self._refusal)
        elif self._is_outdated:
            card.show_recommendation(card.recommendation, is_outdated=True)

    @property
    def _is_outdated(self) -> bool:
        """Whether images, labels or splits have changed since the displayed recommendation was requested."""
        return self._session is not None and self._images is not self._session.kept_snapshot

    def why_not(self) -> str:
        """Return the reason why no recommendation can be requested now; empty when it can."""
        if self._task is not None:
            return tr("Models are being compared already.")
        for task in self._state.tasks.requested:
            if task.lane is Lane.TRAINING:
                return tr("“{task}” is computing: wait until it has ended.", task=task.title)
        return self._refusal

    def start(self, tries: bool = False) -> None:
        """Compute a recommendation; `tries` adds two short trial runs."""
        from visionft.suggest.feature_suggester import labels_so_far

        session = self._session
        if session is None or self.why_not():
            return
        images = session.snapshot()
        card = self._card
        accepted = labels_so_far(session.project).accepted
        device = self._state.settings.device
        work = partial(recommend, session.path, images, accepted, session.probes, device=device, tries=tries)
        title = tr("Comparing models with and without training")

        def on_done(found: "Recommendation") -> None:
            self._images = images
            card.fold_button.setChecked(True)
            card.show_recommendation(found, is_outdated=self._is_outdated)
            self._shown()

        def on_failed(failure: Failure) -> None:
            if failure.details:
                card.show_question(tr("A bug stopped this; the report of it is in the log."))
            elif not failure.is_stop:
                card.show_question(f"{tr(failure.message)} {tr(failure.hint)}".strip())

        self._task = self._state.tasks.run(
            Task(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.MEASUREMENT),
            owner=self,
            on_done=on_done,
            on_failed=on_failed,
            on_end=self._on_ended,
            on_progress=lambda progress: card.show_stage(progress_text(progress)),
        )
        card.show_stage(title)
        self._state.actions.refresh()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.stop()

    def _on_ended(self, task: "Task[Recommendation]") -> None:
        self._task = None
        card = self._card
        if task.result is None and task.was_stopped:
            if card.recommendation is not None:
                card.show_recommendation(card.recommendation, is_outdated=self._is_outdated)
            else:
                card.show_question()
        self._state.actions.refresh()

    def _use_recommended(self) -> None:
        found = self._card.recommendation
        if found is not None and found.recommended.kind == "run":
            self._state.page_requested.emit("results")
        elif found is not None:
            self._use(found.recommended)

    def _label_more(self) -> None:
        found = self._card.recommendation
        if found is None:
            return
        if not found.to_label:
            self._state.page_requested.emit("project")
            return
        name = found.curve.best_gain.class_name
        title = tr("likely “{name}”, without a label", name=name) if name else tr("without a label, least confident")
        self._state.images_requested.emit(found.to_label, title, 0)
