"""Training on another computer by files: a job is packed here, and its result is taken into the project."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import RESULTS, TRAIN
from gui.tasks import Lane, Task
from visionft.core.messages import Message
from visionft.training.config.train_config import TrainConfig
from visionft.training.remote.job_file import RESULT_SUFFIX, SUFFIX
from visionft.training.runs.run_folder import RUNS_FOLDER, run_title

if TYPE_CHECKING:
    from gui.session import ProjectSession
    from gui.state import AppState
    from visionft.training.remote.packed_file import PackedJob
    from visionft.training.remote.results import ImportedResult

pack_job = lazy_function("visionft.training.remote.job_file:pack_job")
import_result = lazy_function("visionft.training.remote.results:import_result")


class JobFiles(QObject):
    """Packs the run of the draft as a job file, and takes the results of jobs into the project."""

    def __init__(
        self,
        state: "AppState",
        session: "ProjectSession | None",
        *,
        config: Callable[[], TrainConfig],
        when_ready: Callable[[Callable[[Any], object]], object],
        parent: QWidget,
    ) -> None:
        """Args: `when_ready` calls a function once the settings are valid and the images are split."""
        super().__init__(parent)
        self._state, self._session, self._parent = state, session, parent
        self._config, self._when_ready = config, when_ready

    def pack(self) -> None:
        """Ask for a file and pack a job with the settings of the draft into it."""
        session = self._session
        assert session is not None
        start = session.path.with_name(f"{session.path.name}{SUFFIX}")
        target = dialogs.ask_save_file(self._parent.window(), tr("Pack a job"), f"VisionFT (*{SUFFIX})", start)
        if target is None:
            return
        target = target if target.suffix == SUFFIX else target.with_name(f"{target.name}{SUFFIX}")

        def begin(_runner: object) -> None:
            def on_done(found: "PackedJob") -> None:
                words = Message("On the other computer: {command}", command=f"visionft job run {target.name}")
                done = tr("{count} images are in {path}.", count=found.images, path=target)
                self._state.say(done, tr(words), tone="good")

            work = partial(pack_job, session.path, session.images, self._config(), target)
            self._run(tr("Packing the job"), work, on_done, makes_files=True)

        self._when_ready(begin)

    def import_result(self) -> None:
        """Ask for the result of a job and take it into the project."""
        session = self._session
        assert session is not None
        title = tr("Import a job result")
        chosen = dialogs.ask_files(self._parent.window(), title, f"VisionFT (*{RESULT_SUFFIX})")
        if chosen:
            work = partial(import_result, session.path, session.images, chosen[0])
            self._run(tr("Taking in the result"), work, partial(self._show_imported, session))

    def _show_imported(self, session: "ProjectSession", found: "ImportedResult") -> None:
        session.runs_changed.emit()
        title = run_title(session.path / RUNS_FOLDER / found.run)
        words = tr("{run}, trained on {device}, is in the project.", run=title, device=found.device)
        self._state.say(words, " ".join(map(tr, found.remarks)), tone="good")
        self._state.page_requested.emit(RESULTS)

    def _run(self, title: str, work: Any, on_done: Callable[[Any], object], *, makes_files: bool = False) -> None:
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, makes_files=makes_files)
        self._state.tasks.run(task, owner=self, on_done=on_done)
