"""The card “Do you need to train?”: compares models in a job, and shows the recommendation with the next steps."""

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QAbstractItemView

from gui.jobs import Failure, Job, Lane, Priority
from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, Card, column, row, text, widget_of
from gui.kit.progress import progress_text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.setup_measurements import TrainingImages
from visionft.core.messages import Message, shortened
from visionft.core.names import count_of
from visionft.data.types import Snapshot
from visionft.training.config.presets import PRESETS

if TYPE_CHECKING:
    from visionft.analysis.advice import Recommendation

_MAX_NAME_CHARS = 28  # so that the button stays narrow
recommend = lazy_function("visionft.analysis.advice:recommend")
QUESTION = Message("Compares models that need no training with your newest run, on the same held-out images.")


class AdviceCard(Card):
    """Asks for a recommendation in one line; afterwards shows the compared models and the next steps."""

    used = Signal(object)  # Recommendation, the settings of which the draft shall take

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(margin=theme.LARGE)
        self._state, self._session = state, session
        self._job: Job[Any] | None = None
        self._images: Snapshot | None = None  # the images of the displayed recommendation
        self._refusal = ""  # the reason why no recommendation is possible yet
        self.recommendation: Recommendation | None = None
        self.words = text(QUESTION, "muted", wrap=True)
        self.sentence = text("", "strong", wrap=True)
        self.recommend_button = Button("Compare models", "gauge", on_click=self.start)
        self.cancel_button = Button("Cancel", "stop", on_click=self.cancel)
        self.use_button = Button("Use settings", "check-circle", on_click=self._use_recommended)
        show_label = partial(state.page_requested.emit, "label")
        self.label_button = Button("Label more images", "label", on_click=show_label)
        self.again_button = Button("Compare again", "refresh", role="quiet", on_click=self.start)
        for button in (self.recommend_button, self.again_button):
            state.actions.attach(button, "run.advise", tr("Measure models on held-out images; nothing is trained"))
        headers = (Message("Model"), Message("Accuracy"), Message("95 % interval"))
        self.table = ValueTable(headers, name=Message("Compared models"), is_sortable=False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.notes = text("", "small", wrap=True)
        title = column(text("Do you need to train?", "heading"), self.words, self.sentence, spacing=theme.HAIR)
        buttons = Flow(self.use_button, self.label_button, self.again_button)
        self._result = widget_of(column(self.table, self.notes, buttons, spacing=theme.MEDIUM))
        self.add(row(title, self.recommend_button, self.cancel_button, grows=0), self._result)
        self.body.setSpacing(theme.MEDIUM)
        self.show_question()

    def show_question(self, message: str = "", *, can_request: bool = True) -> None:
        """Show the button to request a recommendation; `message` is an error or the reason why it is not possible."""
        self.recommendation = None
        self.words.setText(message or tr(QUESTION))
        self._show_state(can_request=can_request)

    def show_stage(self, stage: str) -> None:
        self.words.setText(stage)
        self._show_state(is_running=True)

    def show_recommendation(self, recommendation: "Recommendation", *, is_outdated: bool = False) -> None:
        """Show a recommendation; it is outdated if images, labels or splits have changed since."""
        self.recommendation = recommendation
        self.sentence.setText(tr(recommendation.sentence))
        self.words.setText(tr("Images, labels or splits have changed since this recommendation."))
        rows = [
            [(tr(model.title), 0), (f"{model.accuracy:.1%}", 0), ("{:.1%} – {:.1%}".format(*model.interval), 0)]
            for model in recommendation.models
        ]
        self.table.show_rows(
            rows,
            marked=[index for index, model in enumerate(recommendation.models) if model.name == recommendation.chosen],
        )
        self.table.fit_rows()
        counted = count_of(
            recommendation.images, "test image" if recommendation.split == "test" else "held-out validation image"
        )
        notes = [tr("Measured on {counted}.", counted=tr(counted))]
        if len(recommendation.curve) > 1:
            curve_text = ", ".join(
                tr("{share} with {labels}", share=f"{model.accuracy:.1%}", labels=f"{model.labels:,}")
                for model in recommendation.curve
            )
            notes.append(tr("Accuracy of a linear probe with a part of the labels: {shares}.", shares=curve_text))
        self.notes.setText("\n".join([*notes, *map(tr, recommendation.notes)]))
        best_model = recommendation.recommended
        button_text = tr("Show in Results")
        if recommendation.is_training_worthwhile:
            button_text = tr("Use “{what}”", what=tr(PRESETS["balanced"].title))
        elif not best_model.run:
            button_text = tr("Use “{what}”", what=shortened(tr(best_model.title), _MAX_NAME_CHARS))
        self.use_button.setText(button_text)
        self._show_state(has_result=True)
        self.words.setVisible(is_outdated)

    def _show_state(self, *, can_request: bool = False, is_running: bool = False, has_result: bool = False) -> None:
        self.words.setVisible(True)
        self.recommend_button.setVisible(can_request)
        self.cancel_button.setVisible(is_running)
        for widget in (self.sentence, self._result):
            widget.setVisible(has_result)

    def show_images(self, images: TrainingImages | None) -> None:
        """Follow the images; a recommendation becomes outdated when they, their labels or splits change."""
        self.setVisible(images is not None and bool(images.now.images))
        self._refusal = images.recommendation_refusal if images is not None else ""
        if images is None or self._job is not None:
            return
        if self.recommendation is None:
            self.show_question(self._refusal, can_request=not self._refusal)
        elif self._is_outdated:
            self.show_recommendation(self.recommendation, is_outdated=True)

    @property
    def _is_outdated(self) -> bool:
        """Whether images, labels or splits have changed since the displayed recommendation was requested."""
        return self._session is not None and self._images is not self._session.cached_snapshot

    def why_not(self) -> str:
        """Return the reason why a recommendation cannot be requested now; empty if it can."""
        if self._job is not None:
            return tr("Models are being compared already.")
        for job in self._state.jobs.requested:
            if job.lane is Lane.TRAINING:
                return tr("“{job}” is computing: wait until it has ended.", job=job.title)
        return self._refusal

    def start(self) -> None:
        """Compute a recommendation."""
        from visionft.analysis.feature_suggester import labels_so_far

        session = self._session
        if session is None or self.why_not():
            return
        images = session.snapshot()
        accepted = labels_so_far(session.project).accepted
        device = self._state.settings.device
        work = partial(recommend, session.path, images, accepted=accepted, device=device)
        title = tr("Comparing models with and without training")

        def on_done(recommendation: "Recommendation") -> None:
            self._images = images
            self.show_recommendation(recommendation, is_outdated=self._is_outdated)

        def on_failed(failure: Failure) -> None:
            if failure.details:
                self.show_question(tr("A bug stopped this. The log has the report."))
            elif not failure.is_cancelled:
                self.show_question(f"{tr(failure.message)} {tr(failure.hint)}".strip())

        self._job = self._state.jobs.run(
            Job(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.MEASUREMENT),
            owner=self,
            on_done=on_done,
            on_failed=on_failed,
            on_end=self._on_ended,
            on_progress=lambda progress: self.show_stage(progress_text(progress)),
        )
        self.show_stage(title)
        self._state.actions.refresh()

    def cancel(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _on_ended(self, job: "Job[Recommendation]") -> None:
        self._job = None
        if job.result is None and job.was_stopped:
            if self.recommendation is not None:
                self.show_recommendation(self.recommendation, is_outdated=self._is_outdated)
            else:
                self.show_question()
        self._state.actions.refresh()

    def _use_recommended(self) -> None:
        recommendation = self.recommendation
        if recommendation is not None and recommendation.recommended.run and not recommendation.is_training_worthwhile:
            self._state.page_requested.emit("results")
        elif recommendation is not None:
            self.used.emit(recommendation)
