"""What the set-up of a run knows of the project: its images as a run uses them, and the measured costs of presets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from gui.jobs import Job, Lane, Priority
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import capitalised, tr
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.errors import VisionFTError
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.project.splits import SplitRequest, is_fully_split, with_planned_splits
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import Circumstances
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingImages:
    """The images at one moment.

    Attributes:
        wish: The requested split of images without one.
        divided: As a run uses them: Start splits the images without a split.
        is_divided: Whether every image has a split.
        counts: Labelled images of `divided` by split.
        measurement_refusal: Why nothing can be measured on them, translated; empty where measuring is possible.
        recommendation_refusal: Why no recommendation is possible yet, translated; empty where one is.
    """

    now: Snapshot
    wish: SplitRequest
    divided: Snapshot
    is_divided: bool
    counts: Mapping[str, int]
    facts: SetFacts
    circumstances: Circumstances
    measurement_refusal: str
    recommendation_refusal: str


def read_training_images(session: ProjectSession, wish: SplitRequest, known: Snapshot | None) -> TrainingImages:
    """Read and count the images; thread-safe. For another snapshot than `known` only the shares of `wish` count."""
    from visionft.analysis.advice import check_labels

    now = session.snapshot()
    recommendation_refusal = ""
    try:
        check_labels(session.path, now)
    except VisionFTError as error:
        recommendation_refusal = " ".join(filter(None, (tr(error.message), tr(error.hint or ""))))
    if now is not known and any(image.split for image in now.images):
        wish = replace(SplitRequest.from_current_split(now), group=wish.group, seed=wish.seed)
    divided = with_planned_splits(now, wish)
    problems = config_problems(TrainConfig(), divided)[:1]
    return TrainingImages(
        now=now,
        wish=wish,
        divided=divided,
        is_divided=is_fully_split(now),
        counts=Counter(image.split or "unassigned" for image in divided.images if image.labels),
        facts=SetFacts.of(divided),
        circumstances=Circumstances.of(divided, device="cpu"),
        measurement_refusal=" ".join(f"{capitalised(tr(each.message))}. {tr(each.hint)}" for each in problems),
        recommendation_refusal=recommendation_refusal,
    )


DELAY_MS = 600  # a page visible for less time measures no cost of presets
ONE_MEASURED = Message("Measured")
estimate_run = lazy_function("visionft.training.estimate:estimate_run")


def estimate_costs(configs: Sequence[TrainConfig], images: Snapshot, *, job: JobContext) -> None:
    """Measure a few steps of all settings that can be trained here; `known_estimate` returns what is stored."""
    for number, config in enumerate(configs, 1):
        with suppress(VisionFTError):
            estimate_run(config, images, job=job)
        job.report(Progress(stage=ONE_MEASURED, done=number, total=len(configs)))
        if job.is_cancelled:
            break


class PresetCosts(QObject):
    """Measures settings in a job that yields to every other one; each setting is tried only once."""

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
        if self._wanted is None or self._session is None or self._state.jobs.is_busy(Lane.TRAINING, Lane.COMPUTE):
            return
        configs, snapshot = self._wanted
        configs = [config for config in configs if not config_problems(config)]
        if not configs:
            return
        self._tried |= set(configs)

        def on_progress(progress: Progress) -> None:
            if progress.stage == ONE_MEASURED:
                self.changed.emit()

        def on_end(job: "Job[Any]") -> None:
            if job.was_stopped:
                self._tried -= set(configs)  # it yielded to a job: the missing ones are measured after that
            self._set_measuring(False)

        work = partial(estimate_costs, configs, snapshot)
        title = tr("Measuring how long training takes")
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.BACKGROUND)
        self._set_measuring(True)
        self._state.jobs.run(job, owner=self, on_progress=on_progress, on_end=on_end)

    def _set_measuring(self, is_measuring: bool) -> None:
        self.is_measuring = is_measuring
        self.changed.emit()
