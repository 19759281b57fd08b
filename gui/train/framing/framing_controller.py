"""The framing of the open project on the train page: read, shown, chosen by the user. Measuring is the draft's."""

import dataclasses
from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.framing.framing_card import FramingCard
from gui.train.framing.project_framing import ProjectFraming
from visionft.core.events import Event, Notice
from visionft.data.preprocess import is_region, parsed_region
from visionft.training.config.train_config import Framing, TrainConfig
from visionft.training.framing_choice import choose_framing


class FramingController(QObject):
    """Connects the card with the project; `changed` is called with each other framing."""

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        card: FramingCard,
        *,
        parent: QObject,
        config: Callable[[], TrainConfig],
        take: Callable[[TrainConfig], object],
        changed: Callable[[], object],
    ) -> None:
        """Args: `config` is the draft, `take` replaces it."""
        super().__init__(parent)
        self._state, self._session, self._card = state, session, card
        self._config, self._take, self._changed = config, take, changed
        self.found: ProjectFraming | None = None
        self._reader = BackgroundReader(ProjectFraming.read, self._take_found, parent=self)
        if session is not None:
            session.runner.run_reported.connect(self._on_run_reported)
        card.hide()
        card.chosen.connect(self.choose)
        card.region_wanted.connect(self.draw)

    def refresh(self) -> None:
        if self._session is not None:
            self._reader.ask(self._session, self.found)

    def _take_found(self, found: ProjectFraming) -> None:
        is_other, self.found = found != self.found, found
        self._card.setVisible(bool(found.paths))
        if is_other:
            self._changed()

    @property
    def can_measure(self) -> bool:
        return self.found is not None and self.found.can_measure

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings as a run would take them now."""
        return self.found.applied(config) if self.found is not None else config

    def show(self, config: TrainConfig) -> None:
        if self.found is not None:
            self._card.show_framing(self.found, config)

    def choose(self, framing: Framing | None) -> None:
        """Keep the user's choice with the project, for this draft and the next runs; None: it is measured."""
        session = self._session
        config = self._config()
        if session is None:
            return
        if session.project.is_read_only:
            reason = session.project.read_only_reason
            self._state.say(tr("This project can only be read: {reason}.", reason=reason))
            self.show(config)
            return
        if not session.apply(choose_framing(framing)):
            self.show(config)
            return
        self._take(dataclasses.replace(config, **dataclasses.asdict(Framing(framing="auto"))))
        self.refresh()

    def draw(self, framing: Framing) -> None:
        """Let the user draw the region of this framing."""
        from gui.train.framing.region_dialog import RegionDialog

        found = self.found
        if found is None or not found.paths:
            return
        region = parsed_region(framing.region) if is_region(framing.region) else None
        config = framing.applied(dataclasses.replace(self._config(), image_size=0))
        dialog = RegionDialog(self._card.window(), found.paths, config=config, region=region)
        if dialog.ask():
            self.choose(dataclasses.replace(framing, region=dialog.region()))
        else:
            self.show(self._config())

    @Slot(object)
    def _on_run_reported(self, event: Event) -> None:
        """Read it again: a run that measures it says so."""
        if isinstance(event, Notice):
            self.refresh()

    def close(self) -> None:
        """Wait for the reading in progress."""
        self._session = None
        self._reader.close()
