"""What outlives a project: settings, tasks, messages and the ways between the screens; and which project is open."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui import preferences as stored_settings
from gui.actions import Actions
from gui.kit.i18n import tr
from gui.preferences import Settings
from gui.session import ProjectSession
from gui.tasks import TaskHandle, Tasks
from visionft.errors import NextStep, VisionFTError
from visionft.events import Notice
from visionft.log import log_expected
from visionft.project.store import Project

if TYPE_CHECKING:
    from gui.kit.parts import Tone
    from visionft.data.types import Task as ProjectTask
    from visionft.training.config.train_config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a toast says; its button is the command of that id, or else the `next_step`."""

    message: str
    hint: str
    tone: "Tone"
    details: str
    next_step: NextStep | None
    command: str = ""


@dataclass(frozen=True, slots=True)
class ChosenPictures:
    """Pictures that are chosen on a page: of the project by their ids, others by their files."""

    image_ids: tuple[int, ...] = ()
    paths: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.image_ids or self.paths)


def _is_of_project(handle: TaskHandle) -> bool:
    return not handle.task.outlives_project


class AppState(QObject):
    """The one shared state of the window."""

    session_changed = Signal()  # another project, or none
    settings_changed = Signal()
    message_raised = Signal(object)  # Message
    step_requested = Signal(object)  # NextStep: the window shows the page that takes it
    page_requested = Signal(str)
    run_continue_requested = Signal(object)  # RunSummary: the train page goes on with it
    run_duplicate_requested = Signal(object)  # RunSummary: the train page takes its settings, to change and start anew
    pictures_requested = Signal(
        object, str, int
    )  # image ids, what they are, the current one or 0: Label shows just these
    similar_requested = Signal(object)  # ChosenPictures: Curate shows what is most like them
    import_requested = Signal(object)  # Task with an ImportReport: the project page does it and shows the report

    _noticed = Signal(object)  # also from the thread of a backup

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._noticed.connect(self._warn)
        self.settings: Settings = stored_settings.load_settings()
        self.tasks = Tasks(self)
        self.actions = Actions(lambda: self.settings.shortcuts, self)
        self.session: ProjectSession | None = None
        self.draft: TrainConfig | None = None  # settings of a run that the user chose: kept for the next project
        self.may_stop: Callable[[Sequence[TaskHandle]], bool] = lambda _handles: True  # asks, where there is a window
        self._is_ending = False

    # -- project ------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """Return the open project's folder."""
        return self.session.path if self.session is not None else None

    def open_project(self, path: Path) -> bool:
        """Open a project in place of the one that is open; on failure say why and keep what was open."""
        session = self.session
        is_open = session is not None and session.path.resolve() == path.resolve()
        if is_open and session is not None and not session.project.is_read_only:
            return True  # opened a second time, it could only be read
        return self._take(path, lambda: Project.open(path))

    def create_project(self, path: Path, *, task: "ProjectTask" = "single") -> bool:
        """Create and open a project; on failure say why and keep what was open."""
        return self._take(path, lambda: Project.create(path, task=task))

    def close_project(self) -> bool:
        """Close the project; the welcome screen shows. Return whether it is closed: the user may keep its tasks."""
        if self.session is not None:
            if not self._may_end_tasks():
                return False
            self._end_tasks()
            self._change_session(None)
        return True

    def _take(self, path: Path, opener: Callable[[], Project]) -> bool:
        if not self._may_end_tasks():
            return False
        try:
            project = opener()
        except VisionFTError as error:
            self.report(error, path)
            return False
        self._end_tasks()
        self.change_settings(stored_settings.with_recent(self.settings, project.path))
        self._change_session(project)
        self._tell_notices(project)
        return True

    def _tell_notices(self, project: Project) -> None:
        """Say what the user should know of a project that was opened, and from now on what comes up."""
        project.tell_notices(self._noticed.emit)
        first = project.notices[0] if project.notices else None
        told, step = " ".join(notice.message for notice in project.notices), first.next_step if first else None
        if project.is_read_only:
            hint = f"{tr('Close it there, then open it again.')} {told}".rstrip()
            self.say(f"This project can only be read: {project.read_only_reason}.", hint, next_step=step)
        elif told:
            self.say(told, next_step=step)

    @Slot(object)
    def _warn(self, notice: Notice) -> None:
        self.say(notice.message, next_step=notice.next_step)

    def _change_session(self, project: Project | None) -> None:
        left, self.session = self.session, None
        if project is not None:
            self.session = ProjectSession(project, self.tasks, parent=self)
            self.session.refused.connect(self.report)
        self.session_changed.emit()  # the pages of the project that is left go now
        if left is not None:
            left.close()

    # -- tasks --------------------------------------------------------------------------------------------------

    def end_all_tasks(self) -> bool:
        """Stop everything and wait for its end, before the window goes; return False if the user would rather not."""
        if not self._may_end_tasks(lambda _handle: True):
            return False
        self._end_tasks(lambda _handle: True)
        return True

    def _may_end_tasks(self, ending: "Callable[[TaskHandle], bool]" = _is_of_project) -> bool:
        if self._is_ending:
            return False
        handles = [handle for handle in self.tasks.pending if ending(handle)]
        return not handles or self.may_stop(handles)

    def _end_tasks(self, ending: "Callable[[TaskHandle], bool]" = _is_of_project) -> None:
        """Stop tasks and wait. Their results still reach the session they belong to, which is open until then."""
        self._is_ending = True
        try:
            if self.session is not None:
                self.session.runner.keep_waiting()
            self.tasks.end(ending)
        finally:
            self._is_ending = False

    # -- settings and messages ----------------------------------------------------------------------------------

    def change_settings(self, changed: Settings | None = None, **values: Any) -> None:
        """Replace the settings, or some fields of them, and write them."""
        updated = replace(changed or self.settings, **values)
        if updated == self.settings:
            return
        self.settings = updated
        stored_settings.save_settings(updated)
        self.settings_changed.emit()

    @Slot(object)
    def report(self, error: VisionFTError, project: Path | None = None) -> None:
        """Show an expected error as a toast, its next step as a button; `project` is what it is about, if not open."""
        log_expected(logger, error)
        step = error.next_step.on(project) if error.next_step is not None else None
        self.say(error.message, error.hint, tone="bad", next_step=step)

    def say(
        self,
        message: str,
        hint: str = "",
        *,
        tone: "Tone" = "warn",
        details: str = "",
        next_step: NextStep | None = None,
        command: str = "",
    ) -> None:
        """Show a message; its button does the command of that id (such as `edit.undo`), or leads to the next step."""
        said = Message(message=message, hint=hint, tone=tone, details=details, next_step=next_step, command=command)
        self.message_raised.emit(said)
