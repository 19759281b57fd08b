"""The leaderboard of the results page: read in the background, filled by tasks, its view built on first display.

The chart libraries load more slowly than the rest of the page, so they load with the first chart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.results.evaluations import StoredEvaluations
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Priority, Task
from visionft.advice import comparison_text as words
from visionft.data.types import Snapshot, Split
from visionft.evaluation.leaderboard import Leaderboard, read_leaderboard
from visionft.evaluation.leaderboard_jobs import TrainingFreeReport, training_free, why_not
from visionft.evaluation.run_cost import cost_of_run
from visionft.events import Progress
from visionft.project.splits import SplitRequest, as_divided, is_divided
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary
from visionft.weights.locations import RANDOM

if TYPE_CHECKING:
    from gui.results.leaderboard.leaderboard_view import LeaderboardView

measure_runs = lazy_function("visionft.evaluation.leaderboard_jobs:measure_runs")
fit_training_free = lazy_function("visionft.evaluation.leaderboard_jobs:fit_training_free")


_FitRefusal = tuple[Snapshot | None, TrainConfig | None, str]  # images, settings, reason


def _fit_refusal(inputs: tuple[ProjectSession, TrainConfig]) -> _FitRefusal:
    """Return the problem of the images, as they would be split, or of the backbone of these settings."""
    session, base = inputs
    now = session.snapshot()
    images = now if is_divided(now) else as_divided(now, SplitRequest())
    reasons = [why_not(config, base, images) for config in training_free(base)]
    return now, base, "" if not all(reasons) else tr(reasons[-1])


class LeaderboardController(QObject):
    """Connects the state, the page and the view; the view depends on plain data only."""

    run_chosen = Signal(str)
    changed = Signal()  # a task started, progressed or ended
    models_fitted = Signal()  # training-free ones

    def __init__(self, state: AppState, session: ProjectSession | None, *, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session = state, session
        self._runs: Sequence[RunSummary] = ()
        self._chosen: RunSummary | None = None
        self._colours: Mapping[str, int] = {}
        self._split: Split = "val"
        self._tasks: dict[str, Task[Any]] = {}
        self.stage = ""  # the work in progress, in words
        self._refusal: _FitRefusal = (None, None, "")
        self._refusals = BackgroundReader(_fit_refusal, self._take_refusal, parent=self)
        stored = StoredEvaluations()  # of the reader's thread

        def read(request: tuple[tuple[RunSummary, ...], ProjectSession, Split]) -> Leaderboard:
            runs, session, split = request
            return read_leaderboard(runs, session.snapshot(), split, evaluations=lambda run: stored.get(run, split))

        self._reader = BackgroundReader(read, self._show_board, parent=self)

    def take_runs(
        self, runs: Sequence[RunSummary], chosen: RunSummary | None, *, colours: Mapping[str, int], split: Split
    ) -> None:
        """Take all runs and the selected one; `colours` are places by the runs' names."""
        self._runs, self._chosen, self._colours, self._split = runs, chosen, colours, split
        base = self._base()
        images, known, _ = self._refusal
        if self._session is not None and (known != base or images is None or images is not self._session.kept_snapshot):
            self._refusals.ask((self._session, base))  # reads all images

    def cost_words(self) -> tuple[str, str]:
        """Return the cost of the selected run, in a line and in full; empty where nothing is known."""
        if (run := self._chosen) is None:
            return "", ""
        by_name = {run.name: run for run in self._runs}
        cost = cost_of_run(run, [by_name[part.run] for part in run.parts if part.run in by_name])
        return " · ".join(map(tr, words.cost_parts(cost))), tr(words.cost_tip(cost))

    def close(self) -> None:
        self._reader.close()
        self._refusals.close()

    @cached_property
    def view(self) -> "LeaderboardView":
        from gui.results.leaderboard.leaderboard_view import LeaderboardView

        view = LeaderboardView(on_measure=self.measure, on_fit=self.fit)
        self._state.actions.attach(view.measure_button, "run.measure_all", "")
        self._state.actions.attach(view.fit_button, "run.fit_training_free", "")
        view.run_chosen.connect(self.run_chosen)
        return view

    def show(self) -> None:
        """Show the selected run at once, and the leaderboard once it is read."""
        self.view.choose(self._chosen.name if self._chosen is not None else "")
        if self._session is not None:
            self._reader.ask((tuple(self._runs), self._session, self._split))

    def _show_board(self, board: Leaderboard) -> None:
        self.view.show_board(board, colours=self._colours, chosen=self._chosen.name if self._chosen else "")
        self._show_stage()

    def _show_stage(self) -> None:
        if "view" in vars(self):  # it was built
            self.view.show_stage(self.stage)
        self._state.actions.refresh()

    def _set_stage(self, stage: str) -> None:
        self.stage = stage
        self._show_stage()
        self.changed.emit()

    def why_not_measure(self) -> str:
        if self._tasks:
            return tr("Runs are being measured already.")
        has_run = any(run.best is not None and run.has_weights for run in self._runs)
        return "" if has_run else tr("There are no runs yet.")

    def measure(self) -> None:
        if self._session is None or self.why_not_measure():
            return
        work = partial(measure_runs, self._session.path, self._session.images, self._split)
        task = Task(
            title=tr("Measuring all runs"),
            work=work,
            lane=Lane.COMPUTE,
            page=RESULTS,
            device=True,
            priority=Priority.MEASUREMENT,
        )
        self._run("measure", task)

    def why_not_fit(self) -> str:
        if self._session is None:
            return tr("Open a project first.")
        if self._tasks:
            return tr("Runs are being measured already.")
        _, known, reason = self._refusal
        return reason if known == self._base() else ""

    def fit(self) -> None:
        """Fit every training-free model on the backbone of the selected run; images without a split get one first."""
        if self._session is None or self.why_not_fit():
            return
        if is_divided(self._session.snapshot()):
            self._fit()
        else:
            split = self._session.splitter.split
            split(SplitRequest(), page=RESULTS, or_without_test=True, then=lambda _report: self._fit())

    def _fit(self) -> None:
        assert self._session is not None

        def on_done(report: TrainingFreeReport) -> None:
            titles = {config.method: tr(config.method_row.title) for config in training_free(TrainConfig())}
            lines = [f"{titles.get(name, name)}: {tr(reason)}" for name, reason in report.left_out.items()]
            title = tr(
                "{count} training-free model was fitted.",
                "{count} training-free models were fitted.",
                count=len(report.made),
            )
            if not report.made and report.existing:
                title = tr("The training-free models of these labels exist already.")
            self._state.say(title, "\n".join(lines), tone="good" if report.made or report.existing else "warn")

        base = self._base()
        work = partial(fit_training_free, self._session.path, self._session.images, base)
        task = Task(
            title=tr("Fitting training-free models"),
            work=work,
            lane=Lane.TRAINING,
            page=RESULTS,
            device=base.device != "cpu",
        )
        self._run("fit", task, on_done=on_done)

    def _base(self) -> TrainConfig:
        """Return the base settings: the selected run's backbone and device, where it has weights to build on."""
        run = self._chosen
        usual = TrainConfig()
        if run is None or run.config.weights == RANDOM:
            return usual
        config = run.config
        return replace(
            usual,
            backbone=config.backbone,
            weights=config.weights,
            image_size=config.image_size,
            device=config.device,
            accept_licence=config.accept_licence,
            seed=config.seed,
        )

    def _take_refusal(self, refusal: _FitRefusal) -> None:
        self._refusal = refusal
        self._set_stage(self.stage)

    def _run(self, name: str, task: Task[Any], *, on_done: Callable[[Any], object] = lambda _result: None) -> None:
        def on_progress(progress: Progress) -> None:
            if tr(progress.stage) != self.stage:
                self._set_stage(tr(progress.stage))

        def on_end(_task: Task[Any]) -> None:
            self._tasks.pop(name, None)
            if self._session is not None:
                self._session.runs_changed.emit()
            self._set_stage("")
            if name == "fit":
                self.models_fitted.emit()

        self._tasks[name] = self._state.tasks.run(
            task, owner=self, on_done=on_done, on_progress=on_progress, on_end=on_end
        )
        self._set_stage(task.title)
