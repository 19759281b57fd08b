"""Asks the engine whether training is worth it, in a task, and keeps the answer for as long as it holds."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from gui.kit.i18n import tr
from gui.kit.workers import Failure
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from gui.train.advice_card import AdviceCard
from visionft.errors import VisionFTError
from visionft.events import Event, OnEvent, Progress, ShouldStop
from visionft.libraries import load_libraries

if TYPE_CHECKING:
    from pathlib import Path

    from visionft.advice.answerers import Answerer
    from visionft.advice.recommend import Recommendation
    from visionft.data.types import Snapshot
    from visionft.training.probing import Probe

_HOME, _LABEL, _RESULTS = "project", "label", "results"


def advise(
    project_dir: "Path",
    images: "Snapshot",
    accepted: frozenset[int],
    probes: "tuple[Probe, ...]",
    *,
    device: str,
    tries: bool,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "Recommendation":
    """Find out, and keep the answer in the project's folder."""
    load_libraries(on_event)
    from visionft.advice.kept import keep_advice
    from visionft.advice.recommend import recommend

    found = recommend(
        project_dir,
        images,
        accepted=accepted,
        device=device,
        probes=probes,
        tries=tries,
        on_event=on_event,
        should_stop=should_stop,
    )
    keep_advice(project_dir, images, found)
    return found


class Adviser(QObject):
    """Runs the question of one card, and does what its buttons say."""

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        card: AdviceCard,
        *,
        page: str,
        use: "Callable[[Answerer], object]",
        shown: Callable[[], object],
        parent: QObject,
    ) -> None:
        """Args: `page` is the one that the task leads to; `use` takes the settings of what is advised, `shown` is told
        once there is an answer.
        """
        super().__init__(parent)
        self._state, self._session, self._card, self._page = state, session, card, page
        self._use, self._shown = use, shown
        self._handle: TaskHandle | None = None
        self._said_of: Snapshot | None = None  # what the answer that is shown was given for
        self._looked = False
        self._refused: tuple[Snapshot | None, str] = (None, "")
        asks = tr("Measure and forecast; nothing is trained")
        tries = tr("Train twice, shortly, on half of the pictures: what training adds on yours")
        for button, words in ((card.ask_button, asks), (card.again_button, asks), (card.try_button, tries)):
            state.actions.attach(button, "run.advise", words)
        card.wanted.connect(self.ask)
        card.stop_wanted.connect(self.stop)
        card.used.connect(self._on_used)
        card.label_wanted.connect(self._on_label_wanted)

    @property
    def is_asking(self) -> bool:
        """Whether it is being found out."""
        return self._handle is not None

    def refresh(self) -> None:
        """Follow the project: an answer holds until its pictures, labels or splits change."""
        session, card = self._session, self._card
        card.setVisible(session is not None and bool(session.snapshot().images))
        if session is None or self.is_asking:
            return
        if not self._looked:
            self._look()
        if card.advice is None:
            card.show_question(self._refusal())
        elif self._is_old:
            card.show_advice(card.advice, is_old=True)

    @property
    def _is_old(self) -> bool:
        """Whether pictures, labels or splits have changed since the answer that is shown was asked for."""
        return self._session is not None and self._said_of is not self._session.snapshot()

    def _look(self) -> None:
        """Show what was said of these pictures before, even before the program was started."""
        from visionft.advice.kept import has_advice, kept_advice

        assert self._session is not None
        self._looked = True
        images = self._session.snapshot()
        found = kept_advice(self._session.path, images) if has_advice(self._session.path) else None
        if found is not None:
            self._said_of = images
            self._card.show_advice(found)
            self._shown()

    def _refusal(self) -> str:
        """Return why there is nothing to find out yet; empty where there is."""
        if self._session is None:
            return ""
        images = self._session.snapshot()
        if self._refused[0] is not images:
            self._refused = images, _labels_refusal(self._session.path, images)
        return self._refused[1]

    def why_not(self) -> str:
        """Return why it cannot be asked now; empty when it can."""
        if self.is_asking:
            return tr("It is being found out already.")
        for handle in self._state.tasks.pending:
            if handle.task.lane is Lane.TRAINING:
                return tr("“{task}” is computing: wait until it has ended.", task=handle.task.title)
        return self._refusal()

    def ask(self, tries: bool = False) -> None:
        """Find out; with `tries` by two short trainings, too."""
        from visionft.suggest.feature_suggester import labels_so_far

        session = self._session
        if session is None or self.why_not():
            return
        images = session.snapshot()
        accepted = labels_so_far(session.project).accepted
        device = self._state.settings.device
        work = partial(advise, session.path, images, accepted, session.probes, device=device, tries=tries)
        title = tr("Finding out whether training is worth it")
        self._handle = self._state.tasks.run(
            Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, gives_way=True),
            owner=self,
            on_done=partial(self._take, images),
            on_failed=self._fail,
            on_event=self._on_event,
            on_end=self._on_ended,
        )
        self._card.show_stage(tr(title))
        self._state.actions.refresh()

    def stop(self) -> None:
        """Ask it to end."""
        if self._handle is not None:
            self._handle.stop()

    def _take(self, images: "Snapshot", found: "Recommendation") -> None:
        self._said_of = images
        self._card.open_details(True)
        self._card.show_advice(found, is_old=self._is_old)
        self._shown()

    def _fail(self, failure: Failure) -> None:
        if failure.details:
            self._card.show_failure(tr("A bug stopped this; the report of it is in the log."), "")
        elif not failure.is_stop:
            self._card.show_failure(tr(failure.message), tr(failure.hint))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            stage = tr(event.stage)
            self._card.show_stage(f"{stage}: {event.done:,} / {event.total:,}" if event.total else stage)

    def _on_ended(self, outcome: "Outcome[Recommendation]") -> None:
        self._handle = None
        shown, card = self._card.advice, self._card
        if outcome.result is None and outcome.was_stopped:
            if shown is not None:
                card.show_advice(shown, is_old=self._is_old)
            else:
                card.show_question()
        self._state.actions.refresh()

    # -- acting -------------------------------------------------------------------------------------------------

    def _on_used(self) -> None:
        advice = self._card.advice
        if advice is None:
            return
        if advice.best.kind == "run":
            self._state.page_requested.emit(_RESULTS)
        else:
            self._use(advice.best)

    def _on_label_wanted(self) -> None:
        advice = self._card.advice
        if advice is None:
            return
        if not advice.to_label:
            self._state.page_requested.emit(_HOME)
            return
        name = advice.label_class
        title = tr("likely “{name}”, without a label", name=name) if name else tr("without a label, the least sure")
        self._state.pictures_requested.emit(advice.to_label, title, 0)

    def close(self) -> None:
        """Let the task end with the project; nothing is asked any more."""
        self.stop()


def _labels_refusal(project_dir: "Path", images: "Snapshot") -> str:
    """Return why labels are too few to say anything; empty where they are not."""
    from visionft.advice.enough import check_labels

    try:
        check_labels(project_dir, images)
    except VisionFTError as error:
        return " ".join(filter(None, (tr(error.message), tr(error.hint or ""))))
    return ""
