"""An import from a dropped folder to the project: scan, preview, questions, import. Owns the panel.

Nothing is written before the user has seen the preview and confirmed it.
"""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui.jobs import Job, Lane, Work, short_work
from gui.kit.lazy_function import lazy_function
from gui.kit.thumbnail_cache import set_image_reading
from gui.kit.translation import tr
from gui.state import AppState
from visionft.core.events import Event, Progress
from visionft.core.jobs import JobContext
from visionft.data.image_reading import AS_STORED
from visionft.project.label_files import changed_label_files

if TYPE_CHECKING:
    from gui.home.import_preview import ImportPreviewPanel
    from gui.session import ProjectSession
    from visionft.project.formats.image_table import LabelChoice
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview
    from visionft.project.importing.sources import Source
    from visionft.project.store import ProjectStore

preview_source = lazy_function("visionft.project.importing.preview:preview_source", uses_torch=False)
preview_table = lazy_function("visionft.project.importing.preview:preview_table", uses_torch=False)
import_table = lazy_function("visionft.project.importing.importer:import_table", uses_torch=False)


def _import(
    unpacked: "TemporaryDirectory[str] | None",
    project: "ProjectStore",
    source: "Source",
    *,
    job: JobContext,
    **options: Any,
) -> "ImportReport":
    """Import the previewed table; its files unpacked by the preview are deleted at the end."""
    try:
        return import_table(project, source, job=job, **options)
    finally:
        if unpacked is not None:
            unpacked.cleanup()


class ImportFlow(QObject):
    """One import at a time; `is_active` from the first scan to the last image."""

    active_changed = Signal()
    imported = Signal(object)  # ImportReport

    def __init__(self, state: AppState, session: "ProjectSession | None", *, parent: QObject) -> None:
        super().__init__(parent)
        self.is_active = False
        self._state, self._session = state, session
        self._preview: ImportPreview | None = None
        self._choice: LabelChoice  # of the last scan
        self._shown_choice: LabelChoice  # of the preview
        self._source: Source | None = None  # with the table chosen in the preview
        self._unpacked: TemporaryDirectory[str] | None = None
        self._job: Job[Any] | None = None
        self._is_leaving = self._is_outdated = False

    @cached_property
    def panel(self) -> "ImportPreviewPanel":
        """The view, built with the first import: it is most of the page, and rarely used."""
        from gui.home.import_preview import ImportPreviewPanel

        panel = ImportPreviewPanel()
        panel.confirmed.connect(self.confirm)
        panel.cancelled.connect(self.cancel)
        panel.choice.chosen.connect(self.choose_labels)
        panel.readings.chosen.connect(self.choose_reading)
        return panel

    def scan(self, source: Path, choice: "LabelChoice | None" = None) -> None:
        """Scan a source and show its contents, by the user's `choice` of the labels if there is one."""
        from visionft.project.formats.image_table import AUTOMATIC_CHOICE  # loads the image formats

        if self.is_free():
            if self._preview is None or self._preview.path != source:
                self._forget()
            self._choice, self._source = choice or AUTOMATIC_CHOICE, None
            self._look(source)

    def choose_reading(self, number: int) -> None:
        """Show the classes of another reading at once, and its preview as soon as there is one."""
        assert self._preview is not None
        self._source = self._preview.source.with_reading(number)
        self.panel.show_reading(number)
        self._look_again()

    def choose_labels(self, choice: "LabelChoice") -> None:
        """Show the classes by the user's choice as soon as they are read."""
        self._choice, self._source = choice, None
        self.panel.show_choice(choice)
        self._look_again()

    def _look_again(self) -> None:
        assert self._preview is not None
        if self._job is None:
            self._look(self._preview.path, is_shown=True)
        else:
            self._is_outdated = True
            self._job.stop()

    def _look(self, source: Path, *, is_shown: bool = False) -> None:
        project = self._session.project if self._session is not None else None
        if self._unpacked is None and source.is_file():
            from visionft.project.importing.sources import UNPACKED_PREFIX

            place = project.path if project is not None and not project.is_read_only else None
            self._unpacked = TemporaryDirectory(prefix=UNPACKED_PREFIX, dir=place, ignore_cleanup_errors=True)
        facts = self._preview.known_facts if self._preview is not None else None
        if self._source is not None:
            work = partial(preview_table, self._source, project, known_facts=facts)
        else:
            unpacked = Path(self._unpacked.name) if self._unpacked is not None else None
            work = partial(preview_source, source, project, choice=self._choice, unpacked=unpacked, known_facts=facts)
        self._run(self._new_job(tr("Looking at {name}", name=source.name), work), self._on_scanned, is_shown=is_shown)

    def run_import(self, job: "Job[ImportReport | None]") -> None:
        self._preview = None
        self._run(job, lambda report: self.imported.emit(report) if report is not None else None)

    @Slot()
    def confirm(self) -> None:
        """Import the displayed source, under the class names chosen by the user; create the project if none is open."""
        preview = self._preview
        if preview is None or not self.panel.import_button.isEnabled():
            return
        copy, class_map = self.panel.copy_box.isChecked(), self.panel.classes.class_map()
        form = self.panel.project_form
        if self._session is None and not self._state.create_project(form.path, task=form.task):
            return
        session = self._state.session
        assert session is not None
        work = partial(
            _import,
            self._unpacked,
            session.project,
            preview.source,
            copy=copy,
            class_map=class_map,
            known_facts=preview.known_facts,
            replaces_labels=self.panel.replaces_labels,
        )
        self._unpacked = None  # deleted by the import
        job = self._new_job(tr("Importing {name}", name=preview.path.name), work, writes=True)
        self._state.import_requested.emit(job)  # to the page of the session that is open now: it may be a new one

    @Slot()
    def cancel(self) -> None:
        """Leave the preview and cancel any running job. Images imported so far stay."""
        if self._job is not None:
            self._is_leaving = True
            self.panel.progress.show_stopping()
            self._job.stop()
        else:
            self._leave()

    def is_free(self) -> bool:
        """Return whether a job can begin, or say that an import is under way."""
        if self._job is not None:
            words = tr("Wait for its end, or cancel it, before the next one.")
            self._state.show_message(tr("An import is under way."), words)
        return self._job is None

    def _new_job(self, title: str, work: Work[Any], **fields: Any) -> Job[Any]:
        return Job(title=title, work=work, lane=Lane.DISK, page="project", **fields)

    def _run(self, job: Job[Any], on_done: Callable[[Any], object], *, is_shown: bool = False) -> None:
        """Args: `is_shown` leaves the preview in view."""
        self._is_leaving = False
        self.panel.progress.show_title(job.title)
        if not is_shown:
            self.panel.setCurrentWidget(self.panel.progress)
        self._set_active(True)
        self._job = self._state.jobs.run(
            job, owner=self, on_done=on_done, on_event=self._show_event, on_end=self._on_ended
        )

    def _leave(self) -> None:
        self._forget()
        self._set_active(False)

    def _forget(self) -> None:
        """Drop the preview, and the unpacked files of an archive."""
        if self._preview is not None:
            set_image_reading(self._session.project.image_reading if self._session is not None else AS_STORED)
        self._preview = None
        if self._has_unpacked() and self._unpacked is not None:
            work = short_work("Delete temporary files", self._unpacked.cleanup)
            job = self._new_job(tr("Deleting temporary files"), work, outlives_project=True)
            self._state.jobs.run(job, owner=self)
            self._unpacked = None
        self.close()

    def _has_unpacked(self) -> bool:
        return self._unpacked is not None and any(Path(self._unpacked.name).iterdir())

    def _base(self, source: Path) -> Path:
        """Return the folder of a source's files."""
        if self._has_unpacked() and self._unpacked is not None:
            return next(Path(self._unpacked.name).iterdir())
        return source if source.is_dir() else source.parent

    def close(self) -> None:
        """Delete the temporary files, and wait for the thumbnails being read."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None
        if "panel" in vars(self):
            self.panel.classes.table.thumbnails.close()

    def _set_active(self, is_active: bool) -> None:
        if self.is_active != is_active:
            self.is_active = is_active
            self.active_changed.emit()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.panel.progress.show_progress(event)

    def _on_scanned(self, preview: "ImportPreview | None") -> None:
        if preview is None or self._is_leaving or self._is_outdated:
            return
        self._preview, self._shown_choice = preview, self._choice
        set_image_reading(preview.image_reading)
        self._show(preview)

    def _show(self, preview: "ImportPreview") -> None:
        known = list[str]()
        changed = ()
        if self._session is not None:
            known, changed = list(self._session.project.summary().classes), changed_label_files(self._session.path)
        self.panel.show_preview(
            preview,
            known=known,
            can_copy=not self._has_unpacked(),
            is_new=self._session is None,
            base=self._base(preview.path),
            choice=self._choice,
            is_chosen=self._source is not None,
            is_changed=any(Path(each.source) == preview.path for each in changed),
        )

    def _on_ended(self, job: Job[object]) -> None:
        self._job = None
        is_outdated, self._is_outdated = self._is_outdated, False
        if is_outdated and self._preview is not None and not self._is_leaving:
            self._look(self._preview.path, is_shown=True)
        elif self._preview is None or job.was_stopped:
            self._leave()
        elif job.failure is not None:  # the source cannot be read with the new choice: the last preview stays
            self._source, self._choice = self._preview.source, self._shown_choice
            self._show(self._preview)
