"""The window: menus, the rail, the pages, the messages and the job bar; drag and drop; closing while jobs run.

The project pages are rebuilt whenever another project is opened, so that no state of the previous one is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QDialog, QMainWindow, QMessageBox, QStackedWidget, QWidget

from gui.actions import Action
from gui.errors import ReportDialog
from gui.jobs import Job, Lane
from gui.kit import dialogs, drops, theme
from gui.kit.icons import app_icon
from gui.kit.lazy_function import import_name
from gui.kit.parts import column, row
from gui.kit.toasts import Toasts
from gui.kit.translation import tr
from gui.next_steps import button_of
from gui.page import Page, PageLink
from gui.shell.bars import Guide, JobBar, Rail
from gui.shell.commands import Commands, ShortcutSheet
from gui.shell.messages import Messenger
from gui.shell.shell_actions import shell_actions
from gui.state import AppState
from visionft import __version__
from visionft.core.errors import NextStep
from visionft.core.messages import Message

if TYPE_CHECKING:
    from gui.shell.project_care import ProjectCare

FOLDS_BELOW_PX = 1024  # of the window, at the normal text size: then the rail shows icons only


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page of the window; `place` is `module:class`, imported when the page is built.

    `actions` returns the commands of the page; they exist before the page. A page with `outlives_project` is
    independent of the open project, and stays when another is opened.
    """

    name: str
    title: str
    icon_name: str
    place: str
    actions: Callable[[PageLink[Any]], Sequence[Action]]
    outlives_project: bool = False

    def load(self) -> type[Page]:
        return import_name(self.place)


class MainWindow(QMainWindow):
    """The main window. Pages are built when first shown, or before that in idle moments."""

    def __init__(self, state: AppState, pages: Sequence[PageEntry], *, bottom_pages: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.state = state
        self.entries = {entry.name: entry for entry in pages}
        self._pages: dict[str, Page] = {}
        self._builds_ahead = False
        self.setWindowIcon(app_icon())
        self.setMinimumSize(800, 500)
        self.resize(1280, 800)
        self.setAcceptDrops(True)
        self.rail, self.guide, self.job_bar, self._stack = Rail(), Guide(), JobBar(), QStackedWidget()
        for entry in pages:
            self.rail.add_page(entry.name, entry.title, entry.icon_name, at_bottom=entry.name in bottom_pages)
        right, whole = QWidget(), QWidget()
        right.setObjectName("canvas")
        right.setLayout(column(self._stack, self.guide, self.job_bar, spacing=0, grows=0))
        whole.setLayout(row(self.rail, right, spacing=0))
        self.setCentralWidget(whole)
        self.toasts = Toasts(right, self._stack)
        self.toasts.focus_left.connect(lambda: self.current_page.setFocus(Qt.FocusReason.OtherFocusReason))
        self.messenger = Messenger(self, self)
        for name, entry in self.entries.items():
            link = PageLink(state=state, show=partial(self.opened, name), built=partial(self._pages.get, name))
            state.actions.declare(entry.actions(link))
        state.actions.declare(shell_actions(state, self, tuple(self.entries)))
        for name in self.entries:
            state.actions.attach(self.rail.button(name), f"page.{name}")
        self.commands = Commands(state, self)
        self.commands.fill(self.menuBar())
        self._connect()
        self.show_page(pages[0].name)
        self._show_session()

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, name: str) -> Page:
        if name not in self._pages:
            entry = self.entries[name]
            page = entry.load()(self.state, None if entry.outlives_project else self.state.session)
            self._pages[name] = page
            self._stack.addWidget(page)
            self.commands.attach(name, page)
        return self._pages[name]

    def opened(self, name: str) -> Page:
        if self.current_page is not self.page(name):
            self.show_page(name)
        return self.page(name)

    def show_page(self, name: str) -> None:
        self._stack.setCurrentWidget(self.page(name))
        self.rail.show_page(name)
        self.page(name).setFocus()
        self.messenger.follow_page(name)
        self._show_guide()
        self._show_one_stop()
        if self.state.session is not None:
            self.state.session.check_project_folder()

    def _show_one_stop(self) -> None:
        """Hide a line's Stop on a page with its own."""
        for line in self.job_bar.lines:
            has_own = line.job.lane is Lane.TRAINING and self.current_page.name == line.job.page
            line.stop_button.setVisible(not has_own)

    @property
    def current_page(self) -> Page:
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def build_pages_when_idle(self) -> None:
        """Build one page not yet built, then schedule the next: opening it later is instant."""
        self._builds_ahead = True
        missing = next((name for name in self.entries if name not in self._pages), None)
        if missing is not None:
            self.page(missing)
            QTimer.singleShot(0, self, self.build_pages_when_idle)

    def _connect(self) -> None:
        state = self.state
        self.rail.page_chosen.connect(self.show_page)
        self.job_bar.job_chosen.connect(lambda job: self.show_page(job.page))
        state.page_requested.connect(self.show_page)
        state.guide_requested.connect(self.guide.begin)
        self.guide.page_chosen.connect(self.show_page)
        self.guide.step_wanted.connect(self._show_guide)
        state.run_continue_requested.connect(lambda run: self.on_page("train", "go_on_with", run))
        state.run_duplicate_requested.connect(lambda run: self.on_page("train", "tweak", run))
        state.images_requested.connect(
            lambda image_ids, title, current: self.on_page("label", "show_only", image_ids, title, current=current)
        )
        state.similar_requested.connect(lambda chosen: self.on_page("curate", "show_similar", chosen))
        state.import_requested.connect(lambda job: self.on_page("project", "import_images", job))
        state.session_changed.connect(self._on_session_changed)
        state.step_requested.connect(self.take_step)
        state.confirm_stop = self._confirm_stop
        state.jobs.changed.connect(self._show_jobs)
        state.jobs.reported.connect(self.job_bar.show_event)

    # -- commands -----------------------------------------------------------------------------------------------

    @property
    def care(self) -> "ProjectCare":
        """Actions on the whole open project; imported on first use, because most sessions never need them."""
        from gui.shell.project_care import ProjectCare

        return ProjectCare(self.state, self)

    def step_page(self, step: int) -> None:
        names = list(self.entries)
        self.show_page(names[(names.index(self.current_page.name) + step) % len(names)])

    def on_page(self, name: str, action: str, *inputs: object, **options: object) -> None:
        self.show_page(name)
        getattr(self.page(name), action)(*inputs, **options)

    def show_similar(self) -> None:
        """Show the images most similar to those selected on this page, on Curate."""
        if chosen := self.current_page.chosen_images():
            self.state.similar_requested.emit(chosen)
        else:
            self.state.show_message(Message("Choose an image first."))

    def show_shortcuts(self) -> None:
        self.shortcut_sheet = ShortcutSheet(self, self.commands.groups())
        self.open_over(self.shortcut_sheet)

    def show_manual(self) -> None:
        from gui.shell.manual import ManualDialog  # not needed for the window to be seen

        self.manual = ManualDialog(self, self.current_page.name)
        self.open_over(self.manual)

    def show_about(self) -> None:
        words = tr("Label images, fine-tune a pretrained network, leave with one verified ONNX file.")
        box = QMessageBox(QMessageBox.Icon.NoIcon, tr("About VisionFT"), f"VisionFT {__version__}", parent=self)
        box.setInformativeText(f"{words}\n{tr('Licence: Apache 2.0. Nothing leaves this computer.')}")
        self.open_over(box)

    def show_report(self) -> None:
        self.open_over(ReportDialog(self))

    def open_over(self, dialog: QDialog) -> None:
        """Open a dialog and delete it when it is closed."""
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _show_guide(self) -> None:
        if self.state.path is not None and not self.guide.isHidden():
            titles = {name: tr(entry.title) for name, entry in self.entries.items()}
            is_busy = bool(self.state.jobs.requested)
            self.guide.show_step(self.state.path, self.current_page, titles, is_busy=is_busy)

    # -- project and messages -----------------------------------------------------------------------------------

    def _on_session_changed(self) -> None:
        """Replace the pages of the old session by pages of the new session."""
        self.guide.hide()
        name = self.current_page.name
        names = [each for each in self._pages if not self.entries[each].outlives_project]
        left = [self._pages.pop(each) for each in names]
        for page in left:
            page.close_workers()
        self.show_page(name)
        for page in left:
            self._stack.removeWidget(page)
            page.deleteLater()
        self._show_session()
        if self._builds_ahead:
            QTimer.singleShot(0, self, self.build_pages_when_idle)

    def _show_session(self) -> None:
        path = self.state.path
        self.setWindowTitle(f"{path.name} - VisionFT" if path else "VisionFT")
        self.rail.show_project(path.name if path else "")
        self.messenger.follow_session()
        if path is None:
            self.job_bar.show_idle(tr("Open or create a project to begin."), icon_name="info")
        else:
            message = tr("{project}: every change is saved", project=path.name)
            self.job_bar.show_idle(message, icon_name="check-circle")

    def take_step(self, step: NextStep) -> None:
        """Show the page for the next step of an error, and start the step there."""
        self.on_page(button_of(step).page, "take_step", step)

    # -- jobs --------------------------------------------------------------------------------------------------

    def _show_jobs(self) -> None:
        self.job_bar.show_jobs(self.state.jobs.requested)
        self._show_one_stop()

    # -- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept drops valid on any page; pages handle others themselves."""
        if drops.recognise_drop(drops.local_paths(event.mimeData())) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open, import or try the dropped item, on the page for it."""
        dropped = drops.recognise_drop(drops.local_paths(event.mimeData()))
        if dropped is None:
            return
        event.acceptProposedAction()
        if dropped.kind == "model":
            self.on_page("try", "take_model", dropped.path)
        else:
            self.on_page("project", "take_drop", dropped)

    # -- closing ------------------------------------------------------------------------------------------------

    def restore_place(self) -> None:
        if self.state.settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(self.state.settings.geometry.encode("ascii")))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.rail.fold(self.width() < theme.scaled(FOLDS_BELOW_PX))
        super().resizeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask where a job would lose something; stop all. The window is seen as long as one must end first."""
        if not self.state.may_end_all_jobs():
            event.ignore()
            return
        if any(job.must_end for job in self.state.jobs.pending):
            self.setCursor(Qt.CursorShape.BusyCursor)
        else:
            self.hide()
        self.state.end_all_jobs()
        self.unsetCursor()
        for page in self._pages.values():
            page.close_workers()
        self.state.change_settings(geometry=bytes(self.saveGeometry().toBase64().data()).decode("ascii"))
        # The pages of a window without a project are not built any more.
        self.state.session_changed.disconnect(self._on_session_changed)
        self.state.close_project()
        self.state.session_changed.connect(self._on_session_changed)
        event.accept()

    def _confirm_stop(self, jobs: Sequence[Job[Any]]) -> bool:
        if len(jobs) == 1:
            title = tr("“{job}” is running", job=jobs[0].title)
            question = tr("Results so far are kept; a training run can be continued later.")
        else:
            title = tr("{count} jobs are running or waiting", count=len(jobs))
            question = tr("Their results so far are kept; a training run can be continued later.")
            question += "\n\n" + "\n".join(job.title for job in jobs)
        return dialogs.ask_yes(self, title, question, yes=tr("Stop and close"), no=tr("Keep running"))
