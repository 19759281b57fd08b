"""The window: menus, the rail, the pages, the messages and the task bar; drops anywhere; closing while tasks run.

The pages about a project are built anew whenever another one is open, so that nothing of the last one is left.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QDialog, QMainWindow, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from gui.actions import Action
from gui.errors import ReportDialog
from gui.kit import dialogs, drops
from gui.kit.i18n import tr
from gui.kit.icons import app_icon
from gui.kit.parts import row
from gui.kit.toasts import Toasts
from gui.next_steps import button_of
from gui.page import Page, PageLink
from gui.shell.actions import shell_actions
from gui.shell.commands import Commands
from gui.shell.job_bar import JobBar
from gui.shell.messages import Messenger
from gui.shell.palette import CommandPalette
from gui.shell.project_actions import project_actions
from gui.shell.rail import Rail
from gui.shell.shortcut_sheet import ShortcutSheet
from gui.state import AppState
from gui.tasks import Lane, TaskHandle
from visionft import __version__
from visionft.errors import NextStep
from visionft.events import Event

if TYPE_CHECKING:
    from gui.shell.project_care import ProjectCare

MIN_SIZE = (1024, 680)
START_SIZE = (1280, 800)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """A page the window offers; `place` is `module:class`, imported when the page is built.

    `actions` returns the commands of the page, which are there before it. A page that `outlives_project` has nothing to
    do with the open one, and stays when another is opened.
    """

    name: str
    title: str
    icon_name: str
    place: str
    actions: Callable[[PageLink[Any]], Sequence[Action]]
    outlives_project: bool = False

    def load(self) -> type[Page]:
        """Import the page's class."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name)


class MainWindow(QMainWindow):
    """Everything the user sees. Pages are built when first shown, and in idle moments before that."""

    def __init__(self, state: AppState, pages: Sequence[PageEntry], *, bottom_pages: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.state = state
        self.entries = {entry.name: entry for entry in pages}
        self._pages: dict[str, Page] = {}
        self._builds_ahead = False
        self._care: ProjectCare | None = None
        self.setWindowIcon(app_icon())
        self.setMinimumSize(*MIN_SIZE)
        self.resize(*START_SIZE)
        self.rail = Rail()
        for entry in pages:
            self.rail.add_page(entry.name, entry.title, entry.icon_name, at_bottom=entry.name in bottom_pages)
        self.job_bar = JobBar()
        self._stack = QStackedWidget()
        self.setAcceptDrops(True)
        self._lay_out()
        self.messenger = Messenger(self, self)
        self._declare_actions()
        self.commands = Commands(state, self)
        self.commands.fill(self.menuBar())
        self._connect()
        self.show_page(pages[0].name)
        self._show_session()

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, name: str) -> Page:
        """Return a page, building it when it is asked for the first time."""
        if name not in self._pages:
            entry = self.entries[name]
            page = entry.load()(self.state, None if entry.outlives_project else self.state.session)
            self._pages[name] = page
            self._stack.addWidget(page)
            self.commands.attach(name, page)
        return self._pages[name]

    def opened(self, name: str) -> Page:
        """Return a page, in front."""
        if self.current_page is not self.page(name):
            self.show_page(name)
        return self.page(name)

    @Slot(str)
    def show_page(self, name: str) -> None:
        """Show a page."""
        self._stack.setCurrentWidget(self.page(name))
        self.rail.show_page(name)
        self.page(name).setFocus()
        self.messenger.follow_page(name)
        self._show_one_stop()

    def _show_one_stop(self) -> None:
        """Hide a line's Stop where the page has its own."""
        for line in self.job_bar.lines:
            has_own = line.handle.task.lane is Lane.TRAINING and self.current_page.name == line.handle.task.page
            line.stop_button.setVisible(not has_own)

    @property
    def current_page(self) -> Page:
        """Return the page that is shown."""
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def build_pages_when_idle(self) -> None:
        """Build one page that was never shown, then come back for the next: opening it later is instant."""
        self._builds_ahead = True
        missing = next((name for name in self.entries if name not in self._pages), None)
        if missing is not None:
            self.page(missing)
            QTimer.singleShot(0, self, self.build_pages_when_idle)

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        right = QWidget()
        right.setObjectName("canvas")
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._stack, 1)
        column.addWidget(self.job_bar)
        self.toasts = Toasts(right, self._stack)
        self.toasts.focus_left.connect(self._on_toast_focus_left)
        whole = QWidget()
        whole.setLayout(row(self.rail, right, spacing=0))
        self.setCentralWidget(whole)

    def _connect(self) -> None:
        state = self.state
        self.rail.page_chosen.connect(self.show_page)
        self.job_bar.task_chosen.connect(lambda handle: self.show_page(handle.task.page))
        state.page_requested.connect(self.show_page)
        state.run_continue_requested.connect(self._on_run_continue_requested)
        state.run_duplicate_requested.connect(lambda run: self.on_page("train", "tweak", run))
        state.pictures_requested.connect(self._on_pictures_requested)
        state.similar_requested.connect(lambda chosen: self.on_page("curate", "show_similar", chosen))
        state.import_requested.connect(lambda task: self.on_page("project", "import_pictures", task))
        state.session_changed.connect(self._on_session_changed)
        state.step_requested.connect(self.take_step)
        state.may_stop = self._may_stop
        state.tasks.changed.connect(self._show_tasks)
        state.tasks.reported.connect(self._on_task_reported)

    @Slot()
    def _on_toast_focus_left(self) -> None:
        self.current_page.setFocus()

    # -- commands -----------------------------------------------------------------------------------------------

    def _declare_actions(self) -> None:
        """Gather the commands of the pages and the shell's own."""
        for name, entry in self.entries.items():
            link = PageLink(state=self.state, show=partial(self.opened, name), built=partial(self._pages.get, name))
            self.state.actions.declare(entry.actions(link))
        self.state.actions.declare(shell_actions(self.state, self, tuple(self.entries)))
        self.state.actions.declare(project_actions(self.state, self))
        for name in self.entries:
            self.state.actions.attach(self.rail.button(name), f"page.{name}")

    @property
    def care(self) -> "ProjectCare":
        """What is done with the open project as a whole; it loads what most sessions never need."""
        if self._care is None:
            from gui.shell.project_care import ProjectCare

            self._care = ProjectCare(self.state, self)
        return self._care

    def step_page(self, step: int) -> None:
        """Show the next (1) or previous (-1) page."""
        names = list(self.entries)
        self.show_page(names[(names.index(self.current_page.name) + step) % len(names)])

    def on_page(self, name: str, action: str, *inputs: object) -> None:
        """Show a page and do one of its actions."""
        self.show_page(name)
        getattr(self.page(name), action)(*inputs)

    def show_palette(self) -> None:
        """Open the command palette."""
        self.palette_dialog = CommandPalette(self, self.commands.listed())
        self.open_over(self.palette_dialog)

    def show_similar(self) -> None:
        """Show what is most like the pictures that are chosen on this page, on Curate."""
        if chosen := self.current_page.chosen_pictures():
            self.state.similar_requested.emit(chosen)
        else:
            self.state.say("Choose a picture first.")

    def read_message(self) -> None:
        """Put the keyboard on the newest message."""
        self.toasts.take_focus()

    def why_no_message(self) -> str:
        """Return why there is none to read; empty when there is."""
        return "" if self.toasts.newest is not None else tr("There is no message.")

    def show_shortcuts(self) -> None:
        """Open the sheet of all keys."""
        self.shortcut_sheet = ShortcutSheet(self, self.commands.groups())
        self.open_over(self.shortcut_sheet)

    def show_about(self) -> None:
        """Say what this program is."""
        words = tr("Label pictures, fine-tune a pretrained network, leave with one verified ONNX file.")
        box = QMessageBox(QMessageBox.Icon.NoIcon, tr("About VisionFT"), f"VisionFT {__version__}", parent=self)
        box.setInformativeText(f"{words}\n{tr('Licence: Apache 2.0. Nothing leaves this computer.')}")
        self.open_over(box)

    def show_report(self) -> None:
        """Open the report for whoever helps."""
        known = (self.state.path, *self.state.settings.recent_projects)
        self.open_over(ReportDialog(self, names=[Path(path).name for path in known if path]))

    def open_over(self, dialog: QDialog) -> None:
        """Open a dialog that goes when it is closed."""
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def toggle_full_screen(self) -> None:
        """Fill the screen with the window, or go back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # -- project and messages -----------------------------------------------------------------------------------

    @Slot()
    def _on_session_changed(self) -> None:
        """Put pages about the new session in place of those about the old one."""
        name, left = self.current_page.name, self._take_pages()
        for page in left:
            page.close_workers()
        self.show_page(name)
        for page in left:
            self._stack.removeWidget(page)
            page.deleteLater()
        self._show_session()
        if self._builds_ahead:
            QTimer.singleShot(0, self, self.build_pages_when_idle)

    def _take_pages(self) -> list[Page]:
        """Forget the pages about a project, and return them."""
        names = [name for name in self._pages if not self.entries[name].outlives_project]
        return [self._pages.pop(name) for name in names]

    def _show_session(self) -> None:
        path = self.state.path
        self.setWindowTitle(f"{path.name} - VisionFT" if path else "VisionFT")
        self.rail.show_project(path.name if path else "")
        self.messenger.follow_session()
        self._show_idle()

    def _show_idle(self) -> None:
        path = self.state.path
        message = tr("Open or create a project to begin.")
        if path is not None:
            message = tr("{project}: every change is saved", project=path.name)
        self.job_bar.show_idle(message, icon_name="check-circle" if path is not None else "info")

    @Slot(object)
    def take_step(self, step: NextStep) -> None:
        """Show the page that takes the next step of an error, and take it there."""
        page = button_of(step).page
        self.show_page(page)
        self.page(page).take_step(step)

    # -- tasks --------------------------------------------------------------------------------------------------

    @Slot()
    def _show_tasks(self) -> None:
        self.job_bar.show_tasks(self.state.tasks.pending)
        self._show_one_stop()

    @Slot(object, object)
    def _on_task_reported(self, handle: TaskHandle, event: Event) -> None:
        self.job_bar.show_event(handle, event)

    @Slot(object)
    def _on_run_continue_requested(self, run: object) -> None:
        self.show_page("train")
        self.page("train").go_on_with(run)

    @Slot(object, str, int)
    def _on_pictures_requested(self, image_ids: tuple[int, ...], title: str, current: int) -> None:
        self.show_page("label")
        self.page("label").show_only(image_ids, title, current=current)

    # -- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept what means something on any page; pages take the rest themselves."""
        if drops.meaning(drops.local_paths(event.mimeData())) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open, import or try what was dropped, on the page that does it."""
        dropped = drops.meaning(drops.local_paths(event.mimeData()))
        if dropped is None:
            return
        event.acceptProposedAction()
        if dropped.kind == "model":
            self.on_page("try", "take_model", dropped.path)
        else:
            self.on_page("project", "take_source", dropped.path)

    # -- closing ------------------------------------------------------------------------------------------------

    def restore_place(self) -> None:
        """Put the window where it was when it was last closed."""
        if self.state.settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(self.state.settings.geometry.encode("ascii")))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when tasks run; let them end well before the window goes."""
        self.setCursor(Qt.CursorShape.BusyCursor)
        has_ended = self.state.end_all_tasks()
        self.unsetCursor()
        if not has_ended:
            event.ignore()
            return
        self.messenger.notifier.put_away()
        for page in self._pages.values():
            page.close_workers()
        self.state.change_settings(geometry=bytes(self.saveGeometry().toBase64().data()).decode("ascii"))
        self._close_project()
        event.accept()

    def _close_project(self) -> None:
        """Let the project go without building the pages that would show without one."""
        self.state.session_changed.disconnect(self._on_session_changed)
        self.state.close_project()
        self.state.session_changed.connect(self._on_session_changed)

    def _may_stop(self, handles: Sequence[TaskHandle]) -> bool:
        title = tr("“{job}” is running", job=handles[0].task.title)
        if len(handles) > 1:
            title = tr("{count} tasks are running or waiting", count=len(handles))
        question = tr("What they have done so far is kept; a training run can be continued later.")
        if len(handles) == 1:
            question = tr("What it has done so far is kept; a training run can be continued later.")
        else:
            question += "\n\n" + "\n".join(handle.task.title for handle in handles)
        return dialogs.ask_yes(self, title, question, yes=tr("Stop and close"), no=tr("Keep running"))
