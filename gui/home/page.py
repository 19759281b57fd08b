"""The project page: where to begin; then what the project holds and what is missing before training."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QDialog, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gui.home import folders, importing
from gui.home.certificate_line import CertificateLine
from gui.home.checklist import Checklist
from gui.home.class_table import ClassTable
from gui.home.import_flow import ImportFlow
from gui.home.import_report import ImportReportCard
from gui.home.new_project import NewProjectDialog, free_path
from gui.home.readiness import Step, class_rows, conditions, next_step
from gui.home.recovery import Recovery
from gui.home.welcome import Welcome
from gui.kit import dialogs, drops, theme
from gui.kit.class_looks import class_colours
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, scrolling, text
from gui.kit.split_bar import SplitBar
from gui.kit.tiles import StatTile
from gui.page import Page
from gui.preferences import without_recent
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.amounts import size_text
from visionft.data.types import Snapshot
from visionft.data.types import Task as ProjectTask
from visionft.errors import NextStep
from visionft.project.edits.certificates import certificates_of
from visionft.project.formats.listing import ColumnChoice
from visionft.project.queries import class_rows as read_classes
from visionft.project.queries import find_conflicts
from visionft.project.splits import SplitWish
from visionft.project.store import DATABASE
from visionft.public_sets import PUBLIC_SETS, PublicSet, list_file
from visionft.weights import offline_reason

if TYPE_CHECKING:
    from gui.kit.picture_grid import PictureGrid
    from gui.kit.thumbnails import ThumbnailStore
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview
    from visionft.samples import Sample


class ProjectPage(Page):
    """Welcome, or the open project."""

    name = "project"
    title = "Project"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self.setAcceptDrops(True)
        self._next = ""
        self.next_button = Button("Import pictures", "import", role="primary")
        self.import_button = Button("Import pictures", "import", on_click=self.choose_pictures)
        self.close_button = Button("Close project", on_click=state.close_project)
        self.file_button = Button("Import zip or list", "file", on_click=self.choose_file)
        self.file_button.setToolTip(
            tr("A zip of pictures, or a CSV or JSONL file that lists pictures with their classes")
        )
        for button in (self.close_button, self.file_button, self.import_button, self.next_button):
            self.action_row.addWidget(button)
        self.welcome = Welcome()
        self.imports = ImportFlow(state, session, ask_project=self._ask_project_for, page=self.name, parent=self)
        self._recovery = Recovery(state, session, self)
        self._stack = QStackedWidget()
        self._stack.addWidget(scrolling(column(self.welcome)))
        self._stack.addWidget(scrolling(self._overview()))
        self._stack.addWidget(self.imports.panel)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _overview(self) -> QVBoxLayout:
        self.tiles = {
            "images": StatTile("Pictures", "pictures"),
            "labelled": StatTile("Labelled", "label"),
            "classes": StatTile("Classes", "layers"),
            "runs": StatTile("Training runs", "train"),
        }
        self.checklist = Checklist(ready="Ready to train", missing="{count} still missing")
        self.report, self.certificates = ImportReportCard(), CertificateLine()
        self.class_table = ClassTable()
        self.split_bar = SplitBar()
        classes = Card(margin=theme.LARGE)
        classes.body.addWidget(text("Classes", "heading"))
        classes.body.addWidget(self.class_table)
        self._no_classes = EmptyState(
            "pictures",
            "No classes yet",
            "Import a folder with one sub-folder per class, or import loose pictures and label them by hand.",
        )
        classes.body.addWidget(self._no_classes, 1)
        classes.body.addStretch(0)
        splits = Card(margin=theme.LARGE)
        self.divide_button = Button("Change", role="quiet", on_click=lambda: self.state.page_requested.emit("train"))
        self.divide_button.setToolTip(tr("Train shows how the pictures are divided, and divides them another way"))
        splits.body.addLayout(row(text("Splits", "heading"), None, self.divide_button))
        splits.body.addWidget(self.split_bar)
        side = QWidget()
        side.setLayout(column(self.checklist, splits, None, spacing=theme.LARGE))
        self._side, self._lower = side, QHBoxLayout()
        lower = self._lower
        lower.setSpacing(theme.LARGE)
        lower.addWidget(classes, 1)
        lower.addWidget(side, 0)
        self._sheet: PictureGrid | None = None
        self._thumbnails: ThumbnailStore | None = None
        self._sheet_card = Card(margin=theme.LARGE)
        self._sheet_card.body.addWidget(text("A look at the pictures", "heading"))
        self._sheet_card.hide()
        tiles = row(*self.tiles.values(), spacing=theme.LARGE)
        body = column(tiles, self.report, self.certificates, lower, self._sheet_card, None, spacing=theme.LARGE)
        body.setStretch(4, 100)
        body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        return body

    def _connect(self) -> None:
        welcome = self.welcome
        welcome.drop_zone.choose_button.clicked.connect(lambda _checked=False: self.choose_pictures())
        welcome.drop_zone.file_button.clicked.connect(lambda _checked=False: self.choose_file())
        welcome.new_tile.clicked.connect(lambda _checked=False: self.ask_new_project())
        welcome.open_tile.clicked.connect(lambda _checked=False: self.choose_project())
        welcome.sample_tile.clicked.connect(lambda _checked=False: self.try_sample("photographs"))
        welcome.drawn_tile.clicked.connect(lambda _checked=False: self.try_sample("drawn"))
        welcome.public.chosen.connect(self._on_public_chosen)
        welcome.recent.chosen.connect(self._on_recent_chosen)
        welcome.recent.forgotten.connect(self._on_recent_forgotten)
        self.next_button.clicked.connect(lambda _checked=False: self._on_action_chosen(self._next))
        self.checklist.action_chosen.connect(self._on_action_chosen)
        self.report.decide_wanted.connect(self._show_conflicts)
        self.imports.active_changed.connect(self._on_content_changed)
        self.imports.imported.connect(self.report.show_report)
        if self.session is not None:
            self.session.runs_changed.connect(self._on_content_changed)
        self.state.settings_changed.connect(self._on_content_changed)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the project as it is, or the welcome."""
        is_open = self.session is not None
        self.header.setVisible(is_open and not self.imports.is_active)
        self._stack.setCurrentIndex(2 if self.imports.is_active else 1 if is_open else 0)
        if self.session is not None:
            self._show_project(self.session)
        else:
            self.welcome.recent.show_projects([Path(entry) for entry in self.state.settings.recent_projects])
            here = [each.name for each in PUBLIC_SETS if list_file(each, folders.public_folder()).is_file()]
            self.welcome.public.show_sets(PUBLIC_SETS, here=here, offline_reason=offline_reason())

    def _show_project(self, session: ProjectSession) -> None:
        project, snapshot = session.project, session.snapshot()
        summary = project.summary()
        self.heading.setText(project.path.name)
        self.subtitle.setText(str(project.path))
        unlabelled = summary.images - summary.labelled
        self.tiles["images"].show_figure(f"{summary.images:,}", "in this project")
        note = f"{unlabelled:,} without a label" if unlabelled else "every picture has a label"
        self.tiles["labelled"].show_figure(f"{summary.labelled:,}", note if summary.images else "nothing to label yet")
        kind = "one per picture" if project.task == "single" else "several per picture"
        self.tiles["classes"].show_figure(f"{len(summary.classes):,}", kind)
        self.tiles["runs"].show_figure(f"{len(summary.runs):,}", "see Results" if summary.runs else "none yet")
        rows = class_rows(snapshot, class_colours(read_classes(project)))
        self.class_table.set_rows(rows)
        self.class_table.setVisible(bool(rows))
        self._no_classes.setVisible(not rows)
        self.split_bar.show_counts(summary.splits)
        self.certificates.show_certificates(certificates_of(project))
        self.checklist.show_conditions(conditions(summary, rows))
        self._show_next(next_step(summary, rows))
        self._show_sheet(snapshot, [row.colour for row in rows])

    def _show_next(self, step: Step) -> None:
        self._next = step.action
        self.next_button.setText(tr(step.title))
        self.next_button.set_icon_name(step.icon_name)
        self.import_button.setVisible(step.action != "import")

    def _show_sheet(self, snapshot: Snapshot, colours: list[theme.ClassColour]) -> None:
        """Show some pictures of each class; what decodes them loads with the first project, not at the start."""
        from gui.home.contact_sheet import SIDE_PX, sheet
        from gui.kit.picture_grid import PictureGrid
        from gui.kit.thumbnails import ThumbnailStore

        if self._sheet is None:
            self._thumbnails = ThumbnailStore(self)
            self._sheet = PictureGrid(
                self._thumbnails, name="Pictures of each class", side_px=theme.scaled(SIDE_PX),
                lines=0, single_row=True, selectable=False,
            )  # fmt: skip
            self._sheet.opened.connect(self._on_picture_chosen)
            self._sheet_card.body.addWidget(self._sheet, 1)
            QWidget.setTabOrder(self.class_table, self._sheet)
        tiles, sections = sheet(snapshot, colours)
        self._sheet.show_tiles(tiles, sections)
        self._sheet_card.setVisible(bool(tiles))

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        if self._thumbnails is not None:
            self._thumbnails.close()

    # -- beginning ----------------------------------------------------------------------------------------------

    def choose_pictures(self) -> None:
        """Let the user choose a folder of pictures, and show what it offers."""
        folder = dialogs.ask_folder(self, "Choose a folder of pictures")
        if folder is not None:
            self.take_source(folder)

    def choose_file(self) -> None:
        """Let the user choose a zip or a file that lists pictures, and show what it offers."""
        files = dialogs.ask_files(self, "Choose a zip of pictures, or a list of them", drops.SOURCE_PATTERN)
        if files:
            self.take_source(files[0])

    def take_source(self, source: Path) -> None:
        """Open `source` when it is a project; else show what a folder, a zip or a file of labels would bring in."""
        if (source / DATABASE).is_file():
            self.state.open_project(source)
        else:
            self.report.hide()
            self.imports.look_at(source)

    def import_pictures(self, task: "Task[ImportReport | None]") -> None:
        """Do an import that was confirmed, maybe on the page as it was before there was a project."""
        self.imports.do(task)

    def ask_new_project(self, *, name: str = "", task: ProjectTask = "single", folder: Path | None = None) -> bool:
        """Ask for a new project and create it; return whether it is open now."""
        folder = folder or folders.projects_folder()
        name = free_path(folder, name).name if name else ""
        dialog = NewProjectDialog(self, folder=folder, name=name, task=task)
        is_accepted = dialog.exec() == QDialog.DialogCode.Accepted
        answer = dialog.answer()
        dialog.deleteLater()
        return is_accepted and self.state.create_project(answer.path, task=answer.task)

    def take_step(self, step: NextStep) -> None:
        """Take a step about the project itself."""
        match step.action:
            case "create_project":
                path = step.project
                self.ask_new_project(name=path.name if path else "", folder=path.parent if path else None)
            case "open_project" if step.project is not None:
                self.state.open_project(step.project)
            case "import_images" if step.path is not None:
                self.take_source(step.path)
            case "import_images":
                self.choose_pictures()
            case "import_unlabelled" if step.path is not None:
                self.imports.look_at(step.path, ColumnChoice(is_unlabelled=True))
            case "take_marks" if step.path is not None:
                self.imports.look_at(step.path, ColumnChoice(takes_marks=True))
            case "choose_columns":
                self._choose_column(step)
            case "split" | "split_without_test":
                self._split(has_test=step.action == "split")
            case "restore":
                self._recovery.restore(step.project)
            case "check":
                self._recovery.check()
            case "relink":
                self._recovery.relink()

    def _choose_column(self, step: NextStep) -> None:
        """Let the user say which column of a table gives the class, and look again."""
        question = tr("Which column gives the class?")
        column = dialogs.ask_choice(self, tr("Choose the column"), question, step.columns)
        if column is not None and step.path is not None:
            self.imports.look_at(step.path, ColumnChoice(label=column))

    def _ask_project_for(self, preview: "ImportPreview") -> bool:
        source = preview.path
        name = source.stem if source.is_file() else source.name
        return self.ask_new_project(name=name, task="multi" if preview.multi_label_images else "single")

    def choose_project(self) -> None:
        """Let the user choose a project folder and open it."""
        folder = dialogs.ask_folder(self, "Open a project folder", folders.projects_folder())
        if folder is not None:
            self.state.open_project(folder)

    def try_sample(self, sample: "Sample") -> None:
        """Create a sample project and fill it in a task."""
        path = free_path(folders.projects_folder(), importing.SAMPLE_PROJECTS[sample])
        if self.state.create_project(path) and self.state.session is not None:
            work = partial(importing.make_sample, self.state.session.project, sample)
            title = tr("Making the sample project")
            self.state.import_requested.emit(Task(title=title, work=work, lane=Lane.DISK, page=self.name, writes=True))

    def choose_public_set(self) -> None:
        """Let the user choose a public set and fetch it."""
        sets = {each.title: each for each in PUBLIC_SETS}
        if title := dialogs.ask_choice(self, tr("Fetch a public set of pictures"), tr("Which one?"), tuple(sets)):
            self._on_public_chosen(sets[title])

    # -- slots --------------------------------------------------------------------------------------------------

    @Slot(Path)
    def _on_recent_chosen(self, path: Path) -> None:
        self.state.open_project(path)

    @Slot(Path)
    def _on_recent_forgotten(self, path: Path) -> None:
        self.state.change_settings(without_recent(self.state.settings, path))
        self.refresh()

    @Slot(int)
    def _on_picture_chosen(self, image_id: int) -> None:
        assert self.session is not None
        snapshot = self.session.snapshot()
        labels = next(image.labels for image in snapshot.images if image.image_id == image_id)
        ids = tuple(image.image_id for image in snapshot.images if set(image.labels) & set(labels))
        name = snapshot.class_names[labels[0]]
        self.state.pictures_requested.emit(ids, tr("Pictures of “{name}”", name=name), image_id)

    @Slot(object)
    def _on_public_chosen(self, wanted: PublicSet) -> None:
        if not list_file(wanted, folders.public_folder()).is_file():
            question = tr(
                "{size} come from the internet into {folder}. Licence: {licence}.",
                size=size_text(wanted.bytes), folder=folders.public_folder(), licence=tr(wanted.licence),
            )  # fmt: skip
            title = tr("Download {name}?", name=wanted.title)
            if not dialogs.ask_yes(self, title, question, yes=tr("Download")):
                return
        self.imports.fetch(wanted, folders.public_folder())

    @Slot(str)
    def _on_action_chosen(self, action: str) -> None:
        if action == "import":
            self.choose_pictures()
        elif action == "split":
            self._split()
        elif action in ("label", "train"):
            self.state.page_requested.emit(action)
        elif action == "conflicts":
            self._show_conflicts()

    @Slot()
    def _show_conflicts(self) -> None:
        """Show the pictures that came in several classes on the label page, to be decided."""
        if self.session is not None:
            ids = tuple(conflict.image_id for conflict in find_conflicts(self.session.project))
            self.state.pictures_requested.emit(ids, tr("Pictures in several classes"), 0)

    def _split(self, *, has_test: bool = True) -> None:
        if self.session is not None:
            wish = SplitWish.like(self.session.snapshot())
            self.session.splitter.split(wish if has_test else replace(wish, test=0.0), page=self.name)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the side column below the classes where there is no room beside them."""
        is_wide = event.size().width() >= theme.scaled(900)
        self._lower.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        self._side.setMaximumWidth(theme.scaled(350) if is_wide else 16777215)
        self._side.setMinimumWidth(theme.scaled(350) if is_wide else 0)
        super().resizeEvent(event)

    # -- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept a folder, a zip or a file of labels while none is being imported."""
        if not self.imports.is_active and _source_of(event) is not None:
            self.welcome.drop_zone.set_active(True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Put the light out."""
        self.welcome.drop_zone.set_active(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open or import what was dropped."""
        self.welcome.drop_zone.set_active(False)
        source = _source_of(event)
        if source is not None:
            event.acceptProposedAction()
            self.take_source(source)


def _source_of(event: QDropEvent) -> Path | None:
    dropped = drops.meaning(drops.local_paths(event.mimeData()))
    return dropped.path if dropped is not None and dropped.kind != "model" else None
