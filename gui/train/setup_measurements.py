"""Measurements for the set-up of a run, as tasks: cost of settings, backbone, costs of the presets."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Priority, Task
from visionft.core.events import Progress
from visionft.core.jobs import JobContext, load_libraries
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig

if TYPE_CHECKING:
    from visionft.training.estimate import Estimate

DELAY_MS = 600  # a page visible for less time measures no cost of presets
ONE_MEASURED = Message("Measured")
probe_backbones = lazy_function("visionft.training.probing:probe_backbones")
measure_framing = lazy_function("visionft.training.framing_choice:measure_framing")


def estimate_costs(
    configs: Sequence[TrainConfig], images: Snapshot, *, is_quiet: bool = False, job: JobContext
) -> "tuple[tuple[TrainConfig, Estimate | str], ...]":
    """Measure a few steps of each of these settings; the measurements are stored for `known_estimate`.

    Args:
        configs: The settings.
        images: The images of the training.
        is_quiet: The user did not request it: settings that cannot be trained here are no failure of the task.

    Returns:
        For each config its estimate, or the reason why it cannot be trained here.
    """
    load_libraries(job)
    from visionft.core.errors import VisionFTError
    from visionft.training.estimate import estimate_run

    found: list[tuple[TrainConfig, Estimate | str]] = []
    for config in configs:
        try:
            found.append((config, estimate_run(config, images, job=job)))
        except VisionFTError as error:
            if len(configs) == 1 and not job.is_cancelled and not is_quiet:
                raise
            found.append((config, error.message))
        job.report(Progress(stage=ONE_MEASURED, done=len(found), total=len(configs)))
        if job.is_cancelled:
            break
    return tuple(found)


class PresetCosts(QObject):
    """Measures settings in a task that yields to every other one; each setting is tried only once."""

    changed = Signal()  # whether it measures, and the known costs

    def __init__(self, state: AppState, session: ProjectSession | None, *, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session = state, session
        self._wanted: tuple[Sequence[TrainConfig], Snapshot] | None = None
        self._tried: set[TrainConfig] = set()
        self.is_measuring = False
        self.timer = QTimer(self, singleShot=True, interval=DELAY_MS)
        self.timer.timeout.connect(self._measure)

    def request(self, configs: Sequence[TrainConfig], snapshot: Snapshot) -> None:
        """Measure these settings after a short delay, unless other work is computing."""
        self._wanted = ([config for config in configs if config not in self._tried], snapshot)
        if self._wanted[0] and not self.is_measuring:
            self.timer.start()

    def _measure(self) -> None:
        if self._wanted is None or self._session is None or self._state.tasks.is_busy(Lane.TRAINING, Lane.COMPUTE):
            return
        configs, snapshot = self._wanted
        configs = [config for config in configs if not config_problems(config)]
        if not configs:
            return
        self._tried |= set(configs)

        def on_progress(progress: Progress) -> None:
            if progress.stage == ONE_MEASURED:
                self.changed.emit()

        def on_end(task: "Task[Any]") -> None:
            if task.was_stopped:
                self._tried -= set(configs)  # it yielded to a task: the missing ones are measured after that
            self._set_measuring(False)

        work = partial(estimate_costs, configs, snapshot, is_quiet=True)
        title = tr("Measuring how long training takes")
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.UNREQUESTED)
        self._set_measuring(True)
        self._state.tasks.run(task, owner=self, on_progress=on_progress, on_end=on_end)

    def _set_measuring(self, is_measuring: bool) -> None:
        self.is_measuring = is_measuring
        self.changed.emit()
