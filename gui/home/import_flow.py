"""From a dropped folder to pictures in the project: look, show, ask, import. Owns the panel that shows all of it.

Nothing is written before the user has seen what was found and confirmed it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from gui import work
from gui.home.import_preview import ImportPreviewPanel
from gui.kit.i18n import tr
from gui.state import AppState, JobOutcome
from visionft.events import Event, Progress

if TYPE_CHECKING:
    from visionft.project.importing.preview import ImportPreview
    from visionft.public_sets import PublicSet

LOOK, IMPORT, FETCH = "look", "import", "fetch"
_OURS = (LOOK, IMPORT, FETCH)


class ImportFlow(QObject):
    """One import at a time; `is_active` from the first look to the last picture."""

    active_changed = Signal()

    def __init__(self, state: AppState, *, ask_project: Callable[["ImportPreview"], bool], page: str) -> None:
        """Args: `ask_project` creates a project where none is open and says whether one is open now."""
        super().__init__(state)
        self.panel = ImportPreviewPanel()
        self.is_active = False
        self._state, self._ask_project, self._page = state, ask_project, page
        self._preview: ImportPreview | None = None
        self._is_leaving = False
        self.panel.confirmed.connect(self.confirm)
        self.panel.cancelled.connect(self.cancel)
        state.job_started.connect(self._on_job_started)
        state.job_reported.connect(self._on_job_reported)
        state.job_ended.connect(self._on_job_ended)
        state.project_changed.connect(self._on_project_changed)

    def look_at(self, source: Path) -> None:
        """Look at a source and show what it offers."""
        title = tr("Looking at {name}", name=source.name)
        looked = work.preview_pictures(self._state.project, source)
        self._is_leaving = False
        if self._state.start_job(LOOK, title, looked, page=self._page):
            self.panel.show_busy(title)
            self._set_active(True)

    def fetch(self, wanted: "PublicSet", folder: Path) -> None:
        """Fetch a public set into `folder` and show what it offers, as for any other source."""
        title = tr("Downloading {name}", name=wanted.title)
        self._is_leaving = False
        if self._state.start_job(FETCH, title, work.fetch_public_set(wanted, folder), page=self._page):
            self.panel.show_busy(title)
            self._set_active(True)

    @Slot()
    def confirm(self) -> None:
        """Import what is shown, under the names that the user chose."""
        preview = self._preview
        if preview is None or not self.panel.import_button.isEnabled():
            return
        if self._state.project is None and not self._ask_project(preview):
            return
        project = self._state.project
        assert project is not None
        imported = work.import_pictures(
            project,
            preview.path,
            copy=self.panel.copy_box.isChecked(),
            class_map=self.panel.classes.class_map(),
            known_facts=preview.known_facts,
        )
        title = tr("Importing {name}", name=preview.path.name)
        if self._state.start_job(IMPORT, title, imported, page=self._page, may_write=True):
            self._preview = None

    @Slot()
    def cancel(self) -> None:
        """Leave the preview; while something is under way, stop it. What is imported by then stays."""
        info = self._state.job_info
        if info is not None and info.kind in _OURS:
            self._is_leaving = info.kind != IMPORT
            self._state.stop_job()
            self.panel.progress.show_stopping()
        elif info is None:
            self._leave()

    def _leave(self) -> None:
        self._preview = None
        self._set_active(False)

    def _set_active(self, is_active: bool) -> None:
        if self.is_active != is_active:
            self.is_active = is_active
            self.active_changed.emit()

    @Slot(object)
    def _on_job_started(self, info: object) -> None:
        if getattr(info, "kind", "") == IMPORT:
            self.panel.show_busy(getattr(info, "title", ""))
            self._set_active(True)

    @Slot(object)
    def _on_job_reported(self, event: Event) -> None:
        info = self._state.job_info
        if isinstance(event, Progress) and info is not None and info.kind in _OURS:
            self.panel.progress.show_progress(event.stage, event.done, event.total)

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        if outcome.info.kind == IMPORT:
            self._leave()
        elif outcome.info.kind == LOOK:
            self._on_look_ended(outcome)
        elif outcome.info.kind == FETCH:
            if outcome.result is None or self._is_leaving:
                self._leave()
            else:
                self.look_at(outcome.result)

    def _on_look_ended(self, outcome: JobOutcome) -> None:
        preview: ImportPreview | None = outcome.result
        if preview is None or self._is_leaving or outcome.was_stopped:
            self._leave()
            return
        self._preview = preview
        project = self._state.project
        self.panel.show_preview(
            preview,
            known=list(project.summary().classes) if project is not None else [],
            can_copy=preview.path.suffix.casefold() != ".zip",
        )

    @Slot()
    def _on_project_changed(self) -> None:
        if self._state.project is None and self._state.job_info is None:
            self._leave()
