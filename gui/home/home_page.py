"""The project page: the welcome screen; then the project's content and the missing steps before training."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.home import new_project
from gui.home.import_flow import ImportFlow
from gui.home.new_project import NewProjectDialog, free_path
from gui.home.recovery import Recovery
from gui.home.welcome import Welcome
from gui.jobs import Job, Lane
from gui.kit import dialogs, drops, theme
from gui.kit.drops import DropContent
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, column, scrolling
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.page import Page
from gui.preferences import without_recent
from gui.state import AppState
from visionft.core.errors import NextStep
from visionft.core.messages import Message
from visionft.project.edits.changes import AssignSplits

if TYPE_CHECKING:
    from gui.home.overview import OverviewView, ShownProject
    from gui.session import ProjectSession
    from visionft.project.importing.importer import ImportReport

import_files = lazy_function("visionft.project.importing.importer:import_files", uses_torch=False)
fill_with_sample = lazy_function("visionft.project.importing.sample_projects:fill_with_sample", uses_torch=False)

_SAMPLE_PROJECT = "Sample photographs"


class ProjectPage(Page):
    name = "project"
    title = Message("Project")

    def __init__(self, state: AppState, session: "ProjectSession | None") -> None:
        super().__init__(state, session, scrolls=False)
        self.setAcceptDrops(True)
        self._next = ""
        self.next_button = Button(
            "Import images", "import", role="primary", on_click=lambda: self._on_action_chosen(self._next)
        )
        self.import_button = Button("Import images", "import", on_click=self.choose_images)
        self.action_row.addWidget(self.import_button)
        self.action_row.addWidget(self.next_button)
        self.next_button.hide()  # until the project is read
        self.welcome = welcome = Welcome()
        self.imports = ImportFlow(state, session, parent=self)
        self._recovery = Recovery(state, session, self)
        self._stack = QStackedWidget()
        self._stack.addWidget(scrolling(column(welcome)))
        body = column(self.overview if session is not None else QWidget())
        body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        self._stack.addWidget(scrolling(body))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)
        welcome.drop_zone.choose_button.clicked.connect(lambda _checked=False: self.choose_images())
        welcome.drop_zone.file_button.clicked.connect(lambda _checked=False: self.choose_file())
        welcome.new_tile.clicked.connect(lambda _checked=False: self.ask_new_project())
        welcome.open_tile.clicked.connect(lambda _checked=False: self.choose_project())
        welcome.sample_tile.clicked.connect(lambda _checked=False: self.try_sample())
        welcome.recent.chosen.connect(state.open_project)
        welcome.recent.forgotten.connect(self._on_recent_forgotten)
        self.imports.active_changed.connect(self._on_content_changed)
        if session is not None:
            session.runs_changed.connect(self._on_content_changed)
        state.settings_changed.connect(self._on_content_changed)

    @cached_property
    def overview(self) -> "OverviewView":
        """The view of the open project; the image decoder loads with it, not at the start."""
        from gui.home.overview import OverviewView

        view = OverviewView()
        view.split_change_wanted.connect(partial(self.state.page_requested.emit, "train"))
        view.checklist.action_chosen.connect(self._on_action_chosen)
        view.report.decide_wanted.connect(self._decide_conflicts)
        view.import_wanted.connect(self.take_source)
        view.sheet.grid.opened.connect(self._on_image_chosen)
        view.file_button.clicked.connect(lambda _checked=False: self.choose_file())
        self.imports.imported.connect(view.report.show_report)
        return view

    def refresh(self) -> None:
        session = self.session
        self.header.setVisible(session is not None and not self.imports.is_active)
        if self.imports.is_active:
            self._stack.addWidget(self.imports.panel)  # no effect where it is there already
        self._stack.setCurrentIndex(2 if self.imports.is_active else 1 if session is not None else 0)
        if session is not None:
            self.heading.setText(session.path.name)
            self.subtitle.setText(str(session.path))
            self._reader.ask(session.project)
        else:
            self.welcome.recent.show_projects([Path(entry) for entry in self.state.settings.recent_projects])

    @cached_property
    def _reader(self) -> "BackgroundReader[ShownProject]":
        from gui.home.overview import read_shown

        return BackgroundReader(read_shown, self._show_overview, parent=self)

    @cached_property
    def _alike(self) -> "BackgroundReader[tuple[tuple[int, ...], str, int]]":
        from gui.home.overview import read_alike

        def show(found: tuple[tuple[int, ...], str, int]) -> None:
            self.state.images_requested.emit(*found)

        return BackgroundReader(read_alike, show, parent=self)

    def _show_overview(self, shown: "ShownProject") -> None:
        self._next, title, icon_name = self.overview.show_project(shown)
        self.next_button.setText(tr(title))
        self.next_button.show()
        self.next_button.set_icon_name(icon_name)
        self.import_button.setVisible(self._next != "import")

    def close_workers(self) -> None:
        self.imports.close()
        if self.session is not None:
            self._reader.close()
            self._alike.close()
            self.overview.sheet.thumbnails.close()

    def choose_images(self) -> None:
        folder = dialogs.ask_folder(self, "Choose a folder of images")
        if folder is not None:
            self.take_source(folder)

    def choose_file(self) -> None:
        files = dialogs.ask_files(self, "Choose a zip of images, or a list of them", drops.source_pattern())
        if files:
            self.take_source(files[0])

    def take_source(self, source: Path) -> None:
        """Open `source` when it is a project; else show the preview of a folder, a zip or a file of labels."""
        dropped = drops.recognise_drop([source])
        if dropped is not None and dropped.kind == "project":
            self.state.open_project(source)
        else:
            if self.session is not None:
                self.overview.report.hide()
            self.imports.scan(source)

    def take_drop(self, dropped: DropContent) -> None:
        """Import what was dropped; of several sources their folder, or else the first, and say so."""
        if dropped.kind == "images":
            self._take_images(dropped.paths)
            return
        self.take_source(dropped.path)
        if len(dropped.paths) > 1:
            words = Message("{count} items were dropped, and one can be imported at a time: this is {name}.")
            hint = tr("Untick classes that you do not want to import.") if dropped.path not in dropped.paths else ""
            self.state.show_message(tr(words, count=len(dropped.paths), name=dropped.path.name), hint)

    def _take_images(self, images: Sequence[Path]) -> None:
        """Import loose images, without labels."""
        if not self.imports.is_free():
            return
        if self.session is None and not self.ask_new_project(name=images[0].parent.name):
            return
        assert self.state.session is not None
        work = partial(import_files, self.state.session.project, images)
        title = tr("Importing {count} image", "Importing {count} images", count=len(images))
        self.state.import_requested.emit(Job(title=title, work=work, lane=Lane.DISK, page=self.name, writes=True))

    def import_images(self, job: "Job[ImportReport | None]") -> None:
        """Run a confirmed import, possibly on the page's state from before there was a project."""
        self.imports.run_import(job)

    def ask_new_project(self, *, name: str = "", folder: Path | None = None) -> bool:
        """Ask for a new project and create it; return whether it is open now."""
        folder = folder or new_project.projects_folder()
        name = free_path(folder, name).name if name else ""
        dialog = NewProjectDialog(self, folder=folder, name=name)
        return dialog.ask() and self.state.create_project(dialog.form.path, task=dialog.form.task)

    def take_step(self, step: NextStep) -> None:
        from visionft.project.formats.image_table import LabelChoice

        match step.action:
            case "create_project":
                path = step.project
                self.ask_new_project(name=path.name if path else "", folder=path.parent if path else None)
            case "open_project" if step.project is not None:
                self.state.open_project(step.project)
            case "import_images" if step.path is not None:
                self.take_source(step.path)
            case "import_images":
                self.choose_images()
            case "import_unlabelled" if step.path is not None:
                self.imports.scan(step.path, LabelChoice(is_unlabelled=True))
            case "take_marks" if step.path is not None:
                self.imports.scan(step.path, LabelChoice(takes_marks=True))
            case "choose_columns" if step.path is not None:  # by a click in the preview
                self.take_source(step.path)
            case "split" | "split_without_test":
                self._split(has_test=step.action == "split")
            case "restore":
                self._recovery.restore(step.project)
            case "check":
                self._recovery.check()
            case "relink":
                self._recovery.relink()

    def choose_project(self) -> None:
        folder = dialogs.ask_folder(self, "Open a project folder", new_project.projects_folder())
        if folder is not None:
            self.state.open_project(folder)

    def try_sample(self) -> None:
        path = free_path(new_project.projects_folder(), _SAMPLE_PROJECT)
        if self.state.create_project(path) and self.state.session is not None:
            work = partial(fill_with_sample, self.state.session.project)
            title = tr("Making the sample project")
            self.state.import_requested.emit(Job(title=title, work=work, lane=Lane.DISK, page=self.name, writes=True))
            self.state.guide_requested.emit()

    @Slot(Path)
    def _on_recent_forgotten(self, path: Path) -> None:
        self.state.change_settings(without_recent(self.state.settings, path))
        self.refresh()

    @Slot(int)
    def _on_image_chosen(self, image_id: int) -> None:
        assert self.session is not None
        self._alike.ask(self.session.project, image_id)

    @Slot(str)
    def _on_action_chosen(self, action: str) -> None:
        if action == "import":
            self.choose_images()
        elif action == "split":
            self._split()
        elif action in ("label", "train"):
            self.state.page_requested.emit(action)
        elif action == "conflicts":
            self._decide_conflicts()
        elif action in ("show_groups", "ungroup"):
            self._on_groups_chosen(is_shown=action == "show_groups")

    def _on_groups_chosen(self, *, is_shown: bool) -> None:
        """Show the images of all groups on the Label page, or make each a group of its own."""
        from visionft.project.queries import grouped_images

        assert self.session is not None
        ids = grouped_images(self.session.project)
        if is_shown:
            self.state.images_requested.emit(ids, tr("Images in series"), ids[0])
        else:
            self.session.apply(AssignSplits({}, dict.fromkeys(ids, "")))
            self.refresh()

    @Slot()
    def _decide_conflicts(self) -> None:
        self.state.step_requested.emit(NextStep("decide_conflicts"))

    def _split(self, *, has_test: bool = True) -> None:
        from visionft.project.splits import SplitRequest

        if self.session is not None:
            wish = SplitRequest.from_current_split(self.session.snapshot())
            self.session.splitter.split(wish if has_test else replace(wish, test=0.0), page=self.name)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the project again: label files may have changed on the disk."""
        self.is_stale = True
        super().showEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept a folder, a zip or a file of labels while none is being imported."""
        if not self.imports.is_active and _source_of(event) is not None:
            self.welcome.drop_zone.set_active(True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.welcome.drop_zone.set_active(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        self.welcome.drop_zone.set_active(False)
        dropped = _source_of(event)
        if dropped is not None:
            event.acceptProposedAction()
            self.take_drop(dropped)


def _source_of(event: QDropEvent) -> DropContent | None:
    dropped = drops.recognise_drop(drops.local_paths(event.mimeData()))
    return dropped if dropped is not None and dropped.kind != "model" else None
