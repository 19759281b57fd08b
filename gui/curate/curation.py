"""Shared state of the views of the Curate page: open issues, the images of the grid, and changes of the project."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.result_reader import CurationData, LoadedIssues, ResultReader, issues_after
from gui.image_edits import ImageEdits
from gui.jobs import Failure, Job, Lane
from gui.kit.class_looks import class_colours, class_keys
from gui.kit.image_model import ImageModel, ImageSelection, Tile
from gui.kit.lazy_function import lazy_function
from gui.kit.progress import JobShare
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.session import ProjectSession
from gui.state import AppState
from visionft.analysis.check import Issue
from visionft.analysis.scan import CHECKS
from visionft.core.events import Event, Progress, ResultStored
from visionft.core.jobs import LOADING_PROGRESS
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AcceptSuggestions
from visionft.project.edits.verdicts import MarkFindingsFine, verdicts_of
from visionft.project.queries import ProjectImage, read_project_images

if TYPE_CHECKING:
    from visionft.analysis.scan import ScanReport, SkippedCheck

run_checks = lazy_function("visionft.analysis.scan:run_checks")


class IssueScan(QObject):
    """The single job for checks, with the last job of each check."""

    changed = Signal()  # progress
    stored = Signal()  # a check has stored its result, and the others go on
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._job: Job[Any] | None = None
        self.progress: Progress | None = None  # None while no job runs
        self.share = JobShare()
        self.checks: frozenset[str] = frozenset()  # running or queued in this job
        self.skipped: dict[str, SkippedCheck] = {}  # checks that could not run last time
        self.failure: Failure | None = None  # error of the last job
        self.was_stopped = False

    @property
    def is_running(self) -> bool:
        return self.progress is not None

    @property
    def is_stopping(self) -> bool:
        return self._job is not None and self._job.is_stopping

    def start(self, checks: Iterable[str] = ()) -> None:
        """Run the given checks; without any, all of them."""
        session = self._session
        names = tuple(checks)
        if session is None or self.is_running:
            return
        self.progress = LOADING_PROGRESS
        self.share = JobShare()
        self.checks = frozenset(names or CHECKS)
        self.failure, self.was_stopped = None, False
        work = partial(run_checks, session.path, session.snapshot_getter, names)
        self._job = self._state.jobs.run(
            Job(title=tr("Finding issues"), work=work, lane=Lane.COMPUTE, page=self._page, device=True),
            owner=self,
            on_failed=self._on_failed,
            on_event=self._on_event,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Cancel the job; results so far are kept."""
        if self._job is not None:
            self._job.stop()
            self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = None if failure.is_cancelled else failure

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
            self.share.take(event)
            self.changed.emit()
        elif isinstance(event, ResultStored):
            self.checks -= {event.name}
            self.stored.emit()

    def _on_ended(self, job: "Job[ScanReport]") -> None:
        self._job = self.progress = None
        self.checks = frozenset()
        self.was_stopped = job.was_stopped
        if job.result is not None:
            skipped = {name: each for name, each in self.skipped.items() if name not in job.result.results}
            self.skipped = skipped | job.result.skipped
        self.ended.emit()


class Curation(ImageEdits):
    """The state of curating one project; empty without a project."""

    issues_changed = Signal()  # the open issues or the images of the project
    view_wanted = Signal(str)  # request to show another view, by its name

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, window: QWidget) -> None:
        """Args: `page` is the page opened from jobs, `window` the parent of dialogs."""
        super().__init__(state, session, window)
        self.window = window
        self.load_tiles: Callable[[Sequence[int]], Iterable[Tile]] = lambda _ids: ()  # of the active view
        self.images = ImageModel(lambda ids: self.load_tiles(ids), self)  # noqa: PLW0108  (set by each view)
        self.selection = ImageSelection(self.images, self)
        self.scan = IssueScan(state, session, page=page, parent=self)
        self.is_read = self.project is None  # the project and its issues
        self.now: Mapping[int, ProjectImage] = {}  # the images of the project, by id
        self.results: Mapping[str, LoadedIssues] = {}  # of the checks that ever ran
        self._reader = BackgroundReader(ResultReader(), self._on_read, parent=self)
        self.scan.stored.connect(self.read)
        self.scan.ended.connect(self.read)

    @Slot()
    def read(self) -> None:
        """Read the project and its issues in the background."""
        if self.project is not None:
            self._reader.ask(self.project)

    def follow(self, effects: object) -> None:
        """Handle a change: one of few images is applied at once, any other is read in the background."""
        project = self.project
        if not self.is_read or project is None or not isinstance(effects, Effects) or effects.has_new_classes:
            self.read()
            return
        touched = effects.image_ids
        if len(touched) > 2000:  # images: a larger change is read again in the background
            self.read()
            return
        now = {**self.now}
        for image_id in touched:
            now.pop(image_id, None)
        now |= read_project_images(project, touched)
        results = {
            name: issues_after(each, touched, self.now, now, verdicts_of(project, name))
            for name, each in self.results.items()
        }
        self._set_data(CurationData(now, self.classes, results))
        self.images.invalidate(touched)

    def _on_read(self, data: CurationData) -> None:
        self._set_data(data)
        self.images.invalidate()

    def _set_data(self, data: CurationData) -> None:
        self.is_read, self.now, self.classes, self.results = True, data.now, data.classes, data.results
        self.colours = class_colours(data.classes)
        self._assign_keys()
        self.issues_changed.emit()

    @Slot()
    def _assign_keys(self) -> None:
        self.keys = class_keys(self.classes, self.state.actions.letters_in_use())

    def keep(self, check: str, issues: Iterable[Issue]) -> None:
        """Mark issues of a check as fine: they are not shown again."""
        pairs = {(each.image_id, other) for each in issues for other in (each.related or (0,))}
        if pairs:
            images = len({image_id for image_id, _ in pairs})
            message = tr("{count} image is kept unchanged.", "{count} images are kept as they are.", count=images)
            self.apply(MarkFindingsFine(check, tuple(sorted(pairs))), message)

    def accept(self, classes: dict[int, str]) -> None:
        if classes:
            message = tr("{count} suggestion was accepted.", "{count} suggestions were accepted.", count=len(classes))
            self.apply(AcceptSuggestions({each: (name,) for each, name in classes.items()}), message)

    def chosen(self) -> tuple[int, ...]:
        """Return the selected images of the grid, in order; the current one when none is selected."""
        return self.selection.selected_ids()

    @property
    def has_chosen(self) -> bool:
        """Whether any image is selected, or current; fast for large selections."""
        return bool(self.selection.current_id()) or self.selection.hasSelection()

    def close(self) -> None:
        self._reader.close()
