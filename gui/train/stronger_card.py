"""The offer to fetch a stronger network and to compare it on the user's images: a quiet card on *Train*."""

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout

from gui.jobs import Job, Lane, Priority
from gui.kit import theme
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, Card, IconLabel, column, row, text
from gui.kit.progress import progress_text
from gui.kit.translation import tr
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.amounts import rough_duration_text, size_text
from visionft.core.events import Progress
from visionft.core.offline import offline_reason
from visionft.training.framing_choice import FramingChoice, read_measured
from visionft.training.stronger import comparison_seconds, comparison_text, stronger_network

if TYPE_CHECKING:
    from gui.train.draft import TrainDraft
    from models.catalog import Backbone

fetch_and_compare = lazy_function("visionft.training.stronger:fetch_and_compare")


class StrongerCard(Card):
    """Offers a stronger network once a first answer is there; fetches and compares it when asked. Else it is hidden."""

    is_better = Signal()  # train with the draft, which takes the network

    def __init__(self, state: AppState, session: ProjectSession | None, draft: "TrainDraft") -> None:
        super().__init__(margin=theme.MEDIUM)
        self._state, self._session, self._draft = state, session, draft
        self._job: Job[Any] | None = None
        self._has_answer = self._has_result = self._is_dismissed = False
        self._waits = False  # for the next stage of the run
        self.title, self.words = text("", "strong", wrap=True), text("", "muted", wrap=True)
        self.fetch_button = Button("Fetch and compare", "import", on_click=self.fetch)
        self.cancel_button = Button("Cancel", "stop", on_click=self._cancel)
        self.dismiss_button = Button("Not now", role="quiet", on_click=self._dismiss)
        said = column(self.title, self.words, spacing=theme.HAIR)
        words = row(IconLabel("gauge", size=20), said, spacing=theme.MEDIUM, grows=1)
        buttons = row(self.fetch_button, self.cancel_button, self.dismiss_button, None)
        self._content = row(words, buttons, spacing=theme.MEDIUM, grows=0)
        self.body.addLayout(self._content)
        self.hide()
        draft.changed.connect(self.refresh)
        if session is not None:
            session.runner.run_evaluated.connect(self._on_evaluated)
            session.runner.run_ended.connect(self._on_run_ended)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons where there is room for them."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < theme.scaled(640)
        direction = QBoxLayout.Direction
        self._content.setDirection(direction.TopToBottom if is_narrow else direction.LeftToRight)

    def _show(self, title: str, words: str, *buttons: Button) -> None:
        self.title.setText(title)
        self.words.setText(words)
        self.dismiss_button.setText(tr("Not now"))
        for button in (self.fetch_button, self.cancel_button, self.dismiss_button):
            button.setVisible(button in buttons)
        self.show()

    def network(self) -> "Backbone | None":
        """Return the network to offer; None without a suitable network, or if nothing may be fetched."""
        circumstances = self._draft.circumstances
        if self._session is None or offline_reason() or not self._draft.framing.can_measure:
            return None
        return stronger_network(circumstances.device, circumstances.local_backbones)

    def refresh(self) -> None:
        """Show the offer after the first answer of a preset, unless the user has declined it."""
        if self._job is not None or self._has_result:
            return
        session, network = self._session, self.network()
        found = self._draft.framing.found
        choice = found.choice if found is not None else None
        has_answer = self._has_answer or choice is not None
        is_own = choice is not None and choice.is_own  # a framing chosen by the user is not measured
        if session is None or network is None or self._is_dismissed or not has_answer or is_own:
            self.hide()
            return
        size = size_text(network.hub_bytes)
        time = rough_duration_text(comparison_seconds(network, session.snapshot()))
        title = tr("A stronger network may do better: {title}", title=tr(network.title))
        if self._waits:
            words = tr("It is fetched and compared before the next stage, else after this run.")
            self._show(title, words)
            return
        words = tr(
            "{size} to fetch, licence {licence}; then about {time} on this computer to compare it on your images.",
            size=size,
            licence=network.licence,
            time=time,
        )
        self._show(title, words, self.fetch_button, self.dismiss_button)

    def fetch(self) -> None:
        """Fetch the network and compare it; while a run trains, as its next stage."""
        session, network = self._session, self.network()
        if session is None or network is None or self._job is not None:
            return
        if session.runner.is_training:
            session.runner.allow_fetch()
            self._waits = True
            self.refresh()
            return
        self._waits = False
        title = tr("Comparing {title} on your images", title=tr(network.title))
        work = partial(fetch_and_compare, session.path, session.snapshot_getter, self._draft.config, network.name)
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.MEASUREMENT)

        def show_stage(progress: Progress) -> None:
            self._show(title, progress_text(progress), self.cancel_button)

        self._job = job
        self._show(title, "", self.cancel_button)
        on_done = partial(self._on_compared, network)
        self._state.jobs.run(job, owner=self, on_done=on_done, on_progress=show_stage, on_end=self._on_end)

    def _on_compared(self, network: "Backbone", choice: FramingChoice) -> None:
        self._show_comparison(network, choice)
        self._draft.framing.refresh()
        if choice.backbone == network.name:
            config = dataclasses.replace(self._draft.config, try_networks=True, framing="auto", image_size=0)
            self._draft.take(config)  # the user may have named another one
            self.is_better.emit()

    def _show_comparison(self, network: "Backbone", choice: FramingChoice) -> None:
        """Show what the network gains on the images."""
        words = comparison_text(choice, network.name)
        is_better = choice.backbone == network.name
        title = (
            tr("{title} is better on your images", title=tr(network.title))
            if is_better
            else tr("{title} is not better on your images", title=tr(network.title))
        )
        follows = tr("Training goes on with it.") if is_better else tr("Everything stays as it is.")
        self._has_result = True
        self._show(title, " ".join((tr(words) if words is not None else "", follows)).strip(), self.dismiss_button)
        self.dismiss_button.setText(tr("Close"))

    def _on_end(self, _job: "Job[Any]") -> None:
        self._job = None
        self._draft.refresh()
        self.refresh()

    @Slot()
    def _on_evaluated(self) -> None:
        self._has_answer = True
        self.refresh()

    @Slot(str, object, object, object)
    def _on_run_ended(self, *_ended: object) -> None:
        """Show what the run has compared; where it ended before, compare now."""
        session, network = self._session, self.network()
        if self._waits and session is not None and network is not None:
            self._waits = False
            choice = read_measured(session.path)
            if choice is not None and any(each.backbone == network.name for each in choice.trials):
                self._show_comparison(network, choice)
            else:
                self.fetch()
        self.refresh()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _dismiss(self) -> None:
        self._is_dismissed, self._has_result = True, False
        self.hide()
