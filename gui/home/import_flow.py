"""From a dropped folder to pictures in the project: look, show, ask, import. Owns the panel that shows all of it.

Nothing is written before the user has seen what was found and confirmed it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from gui.home import importing
from gui.home.import_preview import ImportPreviewPanel
from gui.kit.i18n import tr
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.events import Event, Progress
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice

if TYPE_CHECKING:
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview
    from visionft.public_sets import PublicSet


class ImportFlow(QObject):
    """One import at a time; `is_active` from the first look to the last picture."""

    active_changed = Signal()
    imported = Signal(object)  # ImportReport

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        *,
        ask_project: "Callable[[ImportPreview], bool]",
        page: str,
        parent: QObject,
    ) -> None:
        """Args: `ask_project` creates a project where none is open and says whether one is open now."""
        super().__init__(parent)
        self.panel = ImportPreviewPanel()
        self.is_active = False
        self._state, self._session, self._ask_project, self._page = state, session, ask_project, page
        self._preview: ImportPreview | None = None
        self._choice = AUTOMATIC
        self._handle: TaskHandle | None = None
        self._is_leaving = False
        self.panel.confirmed.connect(self.confirm)
        self.panel.cancelled.connect(self.cancel)
        self.panel.reading_chosen.connect(self._look_again)

    # -- starting -----------------------------------------------------------------------------------------------

    def look_at(self, source: Path, choice: ColumnChoice = AUTOMATIC) -> None:
        """Look at a source and show what it offers; `choice` is what the user says of its labels."""
        if not self._may_begin():
            return
        title = tr("Looking at {name}", name=source.name)
        project = self._session.project if self._session is not None else None
        self._choice = choice
        work = partial(importing.preview_pictures, project, source, choice=choice)
        task = Task(title=title, work=work, lane=Lane.DISK, page=self._page)
        self._begin(task)
        self._handle = self._state.tasks.run(
            task, owner=self, on_done=self._on_looked, on_event=self._show_event, on_end=self._on_ended
        )

    @Slot(object)
    def _look_again(self, choice: ColumnChoice) -> None:
        """Look at what is shown, read as the user says."""
        source = self.panel.source()
        if source is not None:
            self.look_at(source, choice)

    def fetch(self, wanted: "PublicSet", folder: Path) -> None:
        """Fetch a public set into `folder` and show what it offers, as for any other source."""
        if not self._may_begin():
            return
        title = tr("Downloading {name}", name=wanted.title)
        work = partial(importing.fetch_public_set, wanted, folder)
        task = Task(title=title, work=work, lane=Lane.DISK, page=self._page)
        self._begin(task)
        self._handle = self._state.tasks.run(
            task, owner=self, on_done=self._on_fetched, on_event=self._show_event, on_end=self._on_ended
        )

    def do(self, task: "Task[ImportReport | None]") -> None:
        """Do an import that was confirmed and show how far it is."""
        self._preview = None
        self._begin(task)
        self._handle = self._state.tasks.run(
            task, owner=self, on_done=self._on_imported, on_event=self._show_event, on_end=self._on_ended
        )

    @Slot()
    def confirm(self) -> None:
        """Import what is shown, under the names that the user chose."""
        preview = self._preview
        if preview is None or not self.panel.import_button.isEnabled():
            return
        copy, class_map = self.panel.copy_box.isChecked(), self.panel.classes.class_map()
        if self._session is None and not self._ask_project(preview):
            return
        session = self._state.session
        assert session is not None
        work = partial(
            importing.import_pictures,
            session.project,
            preview.path,
            copy=copy,
            choice=self._choice,
            class_map=class_map,
            known_facts=preview.known_facts,
        )
        title = tr("Importing {name}", name=preview.path.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page=self._page, writes=True)
        self._state.import_requested.emit(task)  # to the page of the session that is open now: it may be a new one

    @Slot()
    def cancel(self) -> None:
        """Leave the preview; while something is under way, stop it. What is imported by then stays."""
        if self._handle is not None:
            self._is_leaving = True
            self.panel.progress.show_stopping()
            self._handle.stop()
        else:
            self._leave()

    # -- following ----------------------------------------------------------------------------------------------

    def _may_begin(self) -> bool:
        if self._handle is not None:
            words = tr("Wait for its end, or cancel it, before the next one.")
            self._state.say(tr("An import is under way."), words)
        return self._handle is None

    def _begin(self, task: "Task") -> None:
        self._is_leaving = False
        self.panel.show_busy(task.title)
        self._set_active(True)

    def _leave(self) -> None:
        self._preview = None
        self._set_active(False)

    def _set_active(self, is_active: bool) -> None:
        if self.is_active != is_active:
            self.is_active = is_active
            self.active_changed.emit()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.panel.progress.show_progress(event)

    def _on_looked(self, preview: "ImportPreview | None") -> None:
        if preview is None or self._is_leaving:
            return
        self._preview = preview
        session = self._session
        self.panel.show_preview(
            preview,
            known=list(session.project.summary().classes) if session is not None else [],
            can_copy=preview.path.suffix.casefold() != ".zip",
            choice=self._choice,
        )

    def _on_fetched(self, listed: Path | None) -> None:
        self._handle = None
        if listed is not None and not self._is_leaving:
            self.look_at(listed)

    def _on_imported(self, report: "ImportReport | None") -> None:
        if report is not None:
            self.imported.emit(report)

    def _on_ended(self, outcome: Outcome[object]) -> None:
        handle = self._handle
        if handle is not None and handle.task is not outcome.task:
            return  # what was fetched is being looked at
        self._handle = None
        if self._preview is None or outcome.was_stopped:
            self._leave()
        else:
            self.panel.show_findings()  # what was looked at again could not be read so
