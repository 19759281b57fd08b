"""What the presets cost on this computer, measured by itself when the page is looked at, once for each circumstance."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from gui.kit.i18n import tr
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from gui.train import measuring
from visionft.data.types import Snapshot
from visionft.events import Event, Progress
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig

DELAY_MS = 600  # a page that is only passed by measures nothing


class PresetCosts(QObject):
    """Has settings measured in a task that gives way to every run; what was tried once is not tried again."""

    changed = Signal()  # whether it measures, and what is known

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._wanted: tuple[Sequence[TrainConfig], Snapshot] | None = None
        self._tried: set[TrainConfig] = set()
        self.is_measuring = False
        self._timer = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._timer.timeout.connect(self._measure)

    def want(self, configs: Sequence[TrainConfig], snapshot: Snapshot) -> None:
        """Have these settings measured in a moment, if nothing else computes by then."""
        self._wanted = ([config for config in configs if config not in self._tried], snapshot)
        if self._wanted[0] and not self.is_measuring:
            self._timer.start()

    def close(self) -> None:
        """Begin nothing any more."""
        self._timer.stop()

    def _measure(self) -> None:
        if self._wanted is None or self._session is None or self._state.tasks.is_busy(Lane.TRAINING, Lane.COMPUTE):
            return
        configs, snapshot = self._wanted
        configs = [config for config in configs if not config_problems(config, snapshot)]
        if not configs:
            return
        self._tried |= set(configs)
        work = partial(measuring.estimate_costs, configs, snapshot, is_quiet=True)
        title = tr("Measuring how long training takes")
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, gives_way=True)
        self._set_measuring(True)
        on_end = partial(self._on_end, configs)
        self._state.tasks.run(
            task, owner=self, on_done=lambda _found: None, on_event=self._on_event, on_end=on_end,
        )  # fmt: skip

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.stage == measuring.ONE_MEASURED:
            self.changed.emit()

    def _on_end(self, configs: Sequence[TrainConfig], outcome: "Outcome[object]") -> None:
        if outcome.was_stopped and self._state.tasks.is_busy(Lane.TRAINING):
            self._tried -= set(configs)  # it gave way to a run: what is missing is measured after it
        self._set_measuring(False)

    def _set_measuring(self, is_measuring: bool) -> None:
        self.is_measuring = is_measuring
        self.changed.emit()
