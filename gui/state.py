"""What outlives a project: settings, tasks, messages and the ways between the screens; and which project is open."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui import preferences as stored_settings
from gui.actions import Actions
from gui.preferences import Settings
from gui.session import ProjectSession
from gui.tasks import TaskHandle, Tasks
from visionft.errors import VisionFTError
from visionft.project.store import Project

if TYPE_CHECKING:
    from visionft.data.types import Task as ProjectTask
    from visionft.training.config.train_config import TrainConfig


def _is_of_project(handle: TaskHandle) -> bool:
    return not handle.task.outlives_project


class AppState(QObject):
    """The one shared state of the window."""

    session_changed = Signal()  # another project, or none
    settings_changed = Signal()
    message_raised = Signal(str, str, str, str)  # message, hint, tone, details
    page_requested = Signal(str)
    run_continue_requested = Signal(object)  # RunSummary: the train page goes on with it
    run_duplicate_requested = Signal(object)  # RunSummary: the train page takes its settings, to change and start anew
    pictures_requested = Signal(object, str)  # image ids, what they are: the label page shows just these
    import_requested = Signal(object)  # Task with an ImportReport: the project page does it and shows the report

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
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
        return self._take(lambda: Project.open(path))

    def create_project(self, path: Path, *, task: "ProjectTask" = "single") -> bool:
        """Create and open a project; on failure say why and keep what was open."""
        return self._take(lambda: Project.create(path, task=task))

    def close_project(self) -> bool:
        """Close the project; the welcome screen shows. Return whether it is closed: the user may keep its tasks."""
        if self.session is not None:
            if not self._may_end_tasks():
                return False
            self._end_tasks()
            self._change_session(None)
        return True

    def _take(self, opener: Callable[[], Project]) -> bool:
        if not self._may_end_tasks():
            return False
        try:
            project = opener()
        except VisionFTError as error:
            self.report(error)
            return False
        self._end_tasks()
        self.change_settings(stored_settings.with_recent(self.settings, project.path))
        self._change_session(project)
        if project.is_read_only:
            self.message_raised.emit(
                f"This project can only be read: {project.read_only_reason}.",
                "Close it there, then open it again.",
                "warn",
                "",
            )
        return True

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
    def report(self, error: VisionFTError) -> None:
        """Show an expected error as a banner."""
        self.message_raised.emit(error.message, error.hint, "bad", "")
