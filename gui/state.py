"""The state of the window: settings, jobs, messages, navigation requests and the open project."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui import preferences as stored_settings
from gui.actions import Actions
from gui.jobs import Job, Jobs
from gui.kit.thumbnail_cache import set_image_reading
from gui.kit.translation import tr
from gui.preferences import Settings
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.events import Notice
from visionft.core.log import log_visionft_error
from visionft.data.image_reading import AS_STORED

if TYPE_CHECKING:
    from gui.kit.parts import Tone
    from gui.session import ProjectSession
    from visionft.data.types import Task as ProjectTask
    from visionft.project.store import ProjectStore
    from visionft.training.config.train_config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToastContent:
    """The text of a toast; its button runs the command with the id `command`, opens `folder` or takes `next_step`."""

    message: str
    hint: str
    tone: "Tone"
    details: str
    next_step: NextStep | None
    command: str
    folder: Path | None


@dataclass(frozen=True, slots=True)
class ChosenImages:
    """The selected images of a page: images of the project by id, other images by file."""

    image_ids: tuple[int, ...] = ()
    paths: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.image_ids or self.paths)


def _is_of_project(job: Job[Any]) -> bool:
    return not job.outlives_project


class AppState(QObject):
    """The state shared by all screens, and the signals by which they request actions of the window."""

    session_changed = Signal()  # another project was opened, or the project was closed
    settings_changed = Signal()
    message_raised = Signal(object)  # ToastContent
    step_requested = Signal(object)  # NextStep: the window shows the page of the step
    page_requested = Signal(str)
    run_continue_requested = Signal(object)  # Run: the train page resumes it
    run_duplicate_requested = Signal(object)  # Run: the train page copies its settings for a new run
    images_requested = Signal(object, str, int)  # image ids, title, current id or 0: Label shows these images
    similar_requested = Signal(object)  # ChosenImages: Curate shows the most similar images
    import_requested = Signal(object)  # Job with an ImportReport: the project page runs it and shows the report

    guide_requested = Signal()  # starts the guided first run in the open sample project

    _noticed = Signal(object)  # Notice; emitted by the backup thread, too

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._noticed.connect(self._on_noticed)
        self.settings: Settings = stored_settings.load_settings()
        self.jobs = Jobs(self)
        self.actions = Actions(self)
        self.session: ProjectSession | None = None
        self.draft: TrainConfig | None = None  # training settings edited by the user, kept for the next project
        # The window replaces this function by one that asks the user.
        self.confirm_stop: Callable[[Sequence[Job[Any]]], bool] = lambda _jobs: True
        self._is_ending = False

    @property
    def path(self) -> Path | None:
        return self.session.path if self.session is not None else None

    def open_project(self, path: Path) -> bool:
        """Open a project in place of the current one; on failure report the error and keep the current project."""
        session = self.session
        if session and session.path.resolve() == path.resolve() and not session.project.is_read_only:
            return True  # opening it a second time would make it read-only
        from visionft.project.store import ProjectStore  # slow to import, so only once the window is visible

        return self._switch_to(path, lambda: ProjectStore.open(path))

    def create_project(self, path: Path, *, task: "ProjectTask" = "single") -> bool:
        """Create a project and open it; return whether that succeeded."""
        from visionft.project.store import ProjectStore

        return self._switch_to(path, lambda: ProjectStore.create(path, task=task))

    def close_project(self) -> bool:
        """Close the project and show the welcome screen; return False if the user keeps its jobs running."""
        if self.session is not None:
            if not self._may_end_jobs():
                return False
            self._end_jobs()
            self._change_session(None)
        return True

    def _switch_to(self, path: Path, opener: "Callable[[], ProjectStore]") -> bool:
        if not self._may_end_jobs():
            return False
        try:
            project = opener()
        except VisionFTError as error:
            self.report(error, path)
            return False
        self._end_jobs()
        self.change_settings(stored_settings.with_recent(self.settings, project.path))
        self._change_session(project)
        project.forward_notices(self._noticed.emit)
        notices = " ".join(tr(notice.message) for notice in project.notices)
        step = project.notices[0].next_step if project.notices else None
        if project.is_read_only:
            hint = f"{tr('Close it there, then open it again.')} {notices}".rstrip()
            message = tr("This project can only be read: {reason}.", reason=project.read_only_reason)
            self.show_message(message, hint, next_step=step)
        elif notices:
            self.show_message(notices, next_step=step)
        return True

    @Slot(object)
    def _on_noticed(self, notice: Notice) -> None:
        self.show_message(notice.message, next_step=notice.next_step)

    @Slot(object)
    def _on_split_notice_raised(self, notice: Notice) -> None:
        self.show_message(notice.message, tone="good")

    def _change_session(self, project: "ProjectStore | None") -> None:
        previous, self.session = self.session, None
        set_image_reading(AS_STORED)
        if project is not None:
            from gui.session import ProjectSession

            self.session = ProjectSession(project, self.jobs, parent=self)
            self.session.refused.connect(self.report)
            self.session.splitter.notice_raised.connect(self._on_split_notice_raised)
        self.session_changed.emit()  # the pages of the previous project are deleted now
        if previous is not None:
            previous.close()

    def may_end_all_jobs(self) -> bool:
        """Return whether the window may close: ask about the jobs that would lose something."""
        return self._may_end_jobs(lambda _job: True)

    def end_all_jobs(self) -> None:
        """Stop all jobs; wait for the jobs that must complete."""
        self._end_jobs(lambda _job: True)

    def _may_end_jobs(self, is_affected: "Callable[[Job[Any]], bool]" = _is_of_project) -> bool:
        if self._is_ending:
            return False
        jobs = [job for job in self.jobs.pending if is_affected(job) and job.needs_stop_confirmation]
        return not jobs or self.confirm_stop(jobs)

    def _end_jobs(self, is_affected: "Callable[[Job[Any]], bool]" = _is_of_project) -> None:
        """Stop jobs and wait for them; the session stays open meanwhile, so that it receives their results."""
        self._is_ending = True
        try:
            if self.session is not None:
                self.session.runner.close()
            self.jobs.stop_and_wait(is_affected)
        finally:
            self._is_ending = False

    def change_settings(self, changed: Settings | None = None, /, **values: Any) -> None:
        """Replace the settings or some of their fields, and save them."""
        updated = replace(changed or self.settings, **values)
        if updated == self.settings:
            return
        self.settings = updated
        stored_settings.save_settings(updated)
        self.settings_changed.emit()

    @Slot(object)
    def report(self, error: VisionFTError, project: Path | None = None) -> None:
        """Show an expected error as a toast with a button for its next step; `project` is the affected folder."""
        log_visionft_error(logger, error)
        step = error.next_step.on(project) if error.next_step is not None else None
        self.show_message(error.message, error.hint, tone="bad", next_step=step)

    def show_message(
        self,
        message: str,
        hint: str = "",
        *,
        tone: "Tone" = "warn",
        details: str = "",
        next_step: NextStep | None = None,
        command: str = "",
        folder: Path | None = None,
    ) -> None:
        """Show a toast; its button runs the command with this id (`edit.undo`), opens `folder` or takes `next_step`."""
        self.message_raised.emit(ToastContent(message, hint, tone, details, next_step, command, folder))
