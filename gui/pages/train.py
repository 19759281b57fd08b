"""The train page: choose backbone and method from cards, set what matters, start, and watch the run live."""

import dataclasses

from PySide6.QtCore import Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QWidget

from gui import theme, work
from gui.forms import ConfigForm
from gui.pages.page import Page, scrolling
from gui.state import AppState, JobInfo, JobOutcome
from gui.widgets.banner import Banner
from gui.widgets.choice_grid import ChoiceGrid
from gui.widgets.parts import Button, Card, column, row, text
from gui.widgets.run_monitor import RunMonitor, millions
from gui.widgets.train_choices import backbone_choices, command_line, method_choices, parameter_count
from visionft.events import Event
from visionft.training.config import TrainConfig
from visionft.training.runs import RunSummary, TrainResult

_OWN_FIELDS = ("backbone", "method")


class TrainPage(Page):
    """Two views: *Set up* edits a draft config, *Live run* shows the run."""

    name = "train"
    title = "Train"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, scrolls=False)
        self.draft = TrainConfig()
        self.backbones = ChoiceGrid(backbone_choices())
        self.methods = ChoiceGrid(method_choices(self.draft, classes=2))
        names = [field.name for field in dataclasses.fields(TrainConfig) if field.metadata]
        self.form = ConfigForm(self.draft, names=[name for name in names if name not in _OWN_FIELDS])
        self.method_forms = {
            name: ConfigForm(getattr(self.draft, name)) for name in self.methods.tiles if _has_fields(self.draft, name)
        }
        self.monitor = RunMonitor()
        self.start_button = Button("Start training", "play", role="primary", on_click=self.start)
        self.start_button.setToolTip("Start training (Ctrl+Enter)")
        self.stop_button = Button("Stop", "stop", on_click=self.stop)
        self.stop_button.setToolTip("End the run after the current step; the best epoch so far is kept")
        self.results_button = Button("See results", "results", on_click=lambda: state.page_requested.emit("results"))
        self.results_button.hide()
        self.problems = Banner()
        self._lay_out()
        self._connect()
        self.backbones.choose(self.draft.backbone)
        self.methods.choose(self.draft.method)
        self._show_draft()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._views = QStackedWidget()
        self.setup_button, self.live_button = Button("Set up"), Button("Live run")
        group = QButtonGroup(self)
        for place, button in enumerate((self.setup_button, self.live_button)):
            button.setCheckable(True)
            button.setProperty("role", "segment")
            group.addButton(button, place)
        self.setup_button.setChecked(True)
        group.idClicked.connect(self._views.setCurrentIndex)
        self._views.currentChanged.connect(lambda place: group.button(place).setChecked(True))
        self.action_row.addLayout(row(self.setup_button, self.live_button, spacing=0))
        self.action_row.addSpacing(theme.SMALL)
        self.action_row.addWidget(self.results_button)
        self.action_row.addWidget(self.stop_button)
        self.action_row.addWidget(self.start_button)
        live = QWidget()
        live_layout = column(self.monitor)
        live_layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        live.setLayout(live_layout)
        self._views.addWidget(self._setup_view())
        self._views.addWidget(live)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._views)

    def _setup_view(self) -> QWidget:
        self.summary = text(role="muted", wrap=True)
        self._method_box = QStackedWidget()
        self._no_settings = text("This method has no settings of its own.", "muted")
        self._method_box.addWidget(self._no_settings)
        for form in self.method_forms.values():
            self._method_box.addWidget(form)
        self._method_title = text("", "heading")
        settings, own, about = Card(), Card(), Card()
        for item in (text("Settings", "heading"), self.form):
            settings.body.addWidget(item)
        for item in (self._method_title, self._method_box):
            own.body.addWidget(item)
        self.command_button = Button("Copy command", "copy", role="quiet", on_click=self._copy_command)
        self.command_button.setToolTip("Copy the command line that trains exactly this")
        about.body.addLayout(row(text("This run", "heading"), None, self.command_button))
        about.body.addWidget(self.summary)
        right = column(self.problems, about, settings, own, None, spacing=theme.LARGE)
        right.setContentsMargins(0, 0, theme.HUGE, theme.HUGE)
        right_area = scrolling(right)
        right_area.setFixedWidth(theme.scaled(390))
        left = column(
            text("Method", "heading"),
            text("How much of the network learns from your pictures.", "muted", wrap=True),
            self.methods,
            theme.LARGE,
            text("Backbone", "heading"),
            text("The pretrained network to start from. Larger ones see more and take longer.", "muted", wrap=True),
            self.backbones,
            None,
        )
        left.setContentsMargins(theme.HUGE, 0, theme.TIGHT, theme.HUGE)
        whole = QWidget()
        layout = QHBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SMALL)
        layout.addWidget(scrolling(left), 1)
        layout.addWidget(right_area)
        return whole

    def _connect(self) -> None:
        self.backbones.chosen.connect(self._on_choice_made)
        self.methods.chosen.connect(self._on_choice_made)
        for form in (self.form, *self.method_forms.values()):
            form.edited.connect(self._on_edited)
        state = self.state
        state.job_started.connect(self._on_job_started)
        state.job_reported.connect(self._on_job_reported)
        state.job_ended.connect(self._on_job_ended)

    # -- the draft ----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Follow the project: its pictures and classes decide what a run is."""
        path = self.state.path
        self.subtitle.setText("" if path else "Open a project first: training needs pictures with labels.")
        self.subtitle.setText(f"Fine-tune on the pictures of {path.name}" if path else self.subtitle.text())
        self._show_draft()

    def config(self) -> TrainConfig:
        """Return the draft as the page shows it."""
        chosen = dataclasses.replace(self.form.value(), backbone=self.backbones.choice(), method=self.methods.choice())
        own = {name: form.value() for name, form in self.method_forms.items()}
        return dataclasses.replace(chosen, **own)

    @Slot(str)
    def _on_choice_made(self, _name: str) -> None:
        self._show_draft()

    @Slot()
    def _on_edited(self) -> None:
        self._show_draft()

    def _show_draft(self) -> None:
        self.draft = self.config()
        snapshot = self.state.snapshot()
        classes = max(2, len(snapshot.class_names)) if snapshot else 2
        self.methods.update_choices(method_choices(self.draft, classes=classes))
        if not self.methods.tiles[self.draft.method].isEnabled():
            self.methods.choose("lora")
            self.draft = self.config()
        title = self.draft.method_row.title
        self._method_title.setText(f"{title} settings")
        self._method_box.setCurrentWidget(self.method_forms.get(self.draft.method, self._no_settings))
        self.summary.setText(self._summary(classes))
        self._show_readiness()

    def _summary(self, classes: int) -> str:
        count = parameter_count(self.draft, classes=classes)
        lines = [f"{self.draft.backbone_row.title} with {self.draft.method_row.title}, {self.draft.epochs} epochs."]
        lines.append(f"{millions(count.trainable)} of {millions(count.total)} parameters learn ({count.share:.2%}).")
        snapshot = self.state.snapshot()
        if snapshot is not None:
            train, val = len(snapshot.labelled("train")), len(snapshot.labelled("val"))
            lines.append(f"{train:,} pictures to learn from, {val:,} to check on, {len(snapshot.class_names)} classes.")
        if self.draft.batch_size > 0 and self.draft.learning_rate >= 0:
            lines.append(f"Learning rate {self.draft.peak_learning_rate:.2g} at its peak.")
        return "\n".join(lines)

    def _show_readiness(self) -> None:
        is_busy = self.state.job_info is not None
        self.start_button.setEnabled(self.state.project is not None and not is_busy)
        self.stop_button.setVisible(is_busy and self.state.job_info.kind == "train")  # type: ignore[union-attr]
        self.start_button.setVisible(not self.stop_button.isVisibleTo(self))

    def _copy_command(self) -> None:
        project = str(self.state.path or "PROJECT")
        QGuiApplication.clipboard().setText(command_line(self.config(), project))
        self.command_button.setText("Copied")

    # -- the run ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Check the draft; start the run, or show every fault beside its field."""
        snapshot, path = self.state.snapshot(), self.state.path
        if snapshot is None or path is None or self.state.job_info is not None:
            return
        config = self.config()
        problems = config.problems(snapshot)
        self._show_problems(problems)
        if problems:
            self._views.setCurrentIndex(0)
            return
        title = f"{config.backbone_row.title}, {config.method_row.title}"
        self.monitor.start(title, epochs=config.epochs)
        self.state.start_job("train", f"Training {title}", work.train_run(config, snapshot, path), page=self.name)
        self._views.setCurrentIndex(1)

    def go_on_with(self, run: object) -> None:
        """Go on with a run that was stopped or killed; its curves go on as well."""
        snapshot = self.state.snapshot()
        if not isinstance(run, RunSummary) or snapshot is None or self.state.job_info is not None:
            return
        self.monitor.start(run.name, epochs=run.config.epochs)
        for epoch in run.epochs:
            self.monitor.handle(epoch)
        goes_on = work.continue_run(run, snapshot)
        self.state.start_job("train", f"Going on with {run.name}", goes_on, page=self.name)
        self._views.setCurrentIndex(1)

    def stop(self) -> None:
        """Ask the run to end well."""
        self.state.stop_job()
        self.stop_button.setEnabled(False)
        self.stop_button.setText("Stopping")

    def _show_problems(self, problems) -> None:
        self.form.show_problems(problems)
        for name, form in self.method_forms.items():
            form.show_problems(problems, prefix=f"{name}.")
        shown = [problem for problem in problems if problem.field in ("", *_OWN_FIELDS)]
        self.problems.setVisible(bool(shown))
        if shown:
            message = "; ".join(problem.message for problem in shown)
            self.problems.show_message(
                message[:1].upper() + message[1:] + ".", next((p.hint for p in shown if p.hint), ""), tone="warn"
            )

    @Slot(object)
    def _on_job_started(self, _info: JobInfo) -> None:
        self.stop_button.setEnabled(True)
        self.stop_button.setText("Stop")
        self.results_button.hide()
        self._show_readiness()

    @Slot(object)
    def _on_job_reported(self, event: Event) -> None:
        if self.state.job_info is not None and self.state.job_info.kind == "train":
            self.monitor.handle(event)

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        self._show_readiness()
        if outcome.info.kind != "train":
            return
        if outcome.has_failed:
            self.monitor.fail(outcome.message)
        elif isinstance(outcome.result, TrainResult):
            result = outcome.result
            self.monitor.finish(seconds=result.seconds, was_stopped=result.stopped, run=result.run)
            self.results_button.show()
        self.state.runs_changed.emit()


def _has_fields(config: TrainConfig, method: str) -> bool:
    return bool(dataclasses.fields(getattr(config, method)))
