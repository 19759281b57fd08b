"""The window: the rail, the pages, the messages and the job bar; menus and shortcuts; closing while a job runs."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QByteArray, QEventLoop, Qt, QTimer, Slot
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QDialog, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from gui import dialogs, theme
from gui.commands import commands, shortcut_groups
from gui.icons import app_icon
from gui.pages.page import Page
from gui.state import AppState, JobInfo, JobOutcome
from gui.widgets.banner import Banner
from gui.widgets.job_bar import JobBar, duration
from gui.widgets.palette import CommandPalette
from gui.widgets.parts import row
from gui.widgets.rail import Rail
from gui.widgets.shortcut_sheet import ShortcutSheet
from visionft.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone

MIN_SIZE = (1024, 680)
START_SIZE = (1280, 800)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """A page the window offers; `place` is `module:class`, imported when the page is built."""

    name: str
    title: str
    icon_name: str
    place: str

    def load(self) -> type[Page]:
        """Import the page's class."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name)


class MainWindow(QMainWindow):
    """Everything the user sees. Pages are built when first shown, and in idle moments after start-up."""

    def __init__(self, state: AppState, pages: Sequence[PageEntry], *, bottom_pages: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.state = state
        self.entries = {entry.name: entry for entry in pages}
        self._pages: dict[str, Page] = {}
        self._epochs = 0
        self._steps_per_epoch = 1
        self.setWindowIcon(app_icon())
        self.setMinimumSize(*MIN_SIZE)
        self.resize(*START_SIZE)
        self.rail = Rail()
        for entry in pages:
            self.rail.add_page(entry.name, entry.title, entry.icon_name, at_bottom=entry.name in bottom_pages)
        self.banner = Banner()
        self.job_bar = JobBar()
        self._stack = QStackedWidget()
        self._lay_out()
        self._add_page_shortcuts()
        self._connect()
        self.show_page(pages[0].name)
        self._on_project_changed()

    # -- pages --------------------------------------------------------------------------------------------------

    def page(self, name: str) -> Page:
        """Return a page, building it when it is asked for the first time."""
        if name not in self._pages:
            page = self.entries[name].load()(self.state)
            self._pages[name] = page
            self._stack.addWidget(page)
        return self._pages[name]

    @Slot(str)
    def show_page(self, name: str) -> None:
        """Show a page."""
        self._stack.setCurrentWidget(self.page(name))
        self.rail.show_page(name)
        self.page(name).setFocus()

    @property
    def current_page(self) -> Page:
        """Return the page that is shown."""
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def build_pages_when_idle(self) -> None:
        """Build one page that was never shown, then come back for the next: opening it later is instant."""
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
        banner = row(self.banner)
        banner.setContentsMargins(theme.HUGE, theme.MEDIUM, theme.HUGE, 0)
        column.addLayout(banner)
        column.addWidget(self._stack, 1)
        column.addWidget(self.job_bar)
        whole = QWidget()
        whole.setLayout(row(self.rail, right, spacing=0))
        self.setCentralWidget(whole)

    def _add_page_shortcuts(self) -> None:
        for number, name in enumerate(self.entries, 1):
            action = QAction(self)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.triggered.connect(lambda _checked=False, page=name: self.show_page(page))
            self.addAction(action)
        for keys, act in (("Ctrl+Z", self.state.undo), ("Ctrl+Shift+Z", self.state.redo), ("Ctrl+Y", self.state.redo)):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked=False, act=act: act())
            self.addAction(action)
        for keys, act in (("Ctrl+K", self.show_palette), ("?", self.show_shortcuts), ("F1", self.show_shortcuts)):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked=False, act=act: act())
            self.addAction(action)
        for keys, step in (("Ctrl+Tab", 1), ("Ctrl+Shift+Tab", -1)):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked=False, step=step: self._step_page(step))
            self.addAction(action)

    def _connect(self) -> None:
        state = self.state
        self.rail.page_chosen.connect(self.show_page)
        self.job_bar.stop_requested.connect(self._on_stop_requested)
        self.job_bar.job_chosen.connect(self._on_job_chosen)
        state.page_requested.connect(self.show_page)
        state.run_continue_requested.connect(self._on_run_continue_requested)
        state.pictures_requested.connect(self._on_pictures_requested)
        state.project_changed.connect(self._on_project_changed)
        state.content_changed.connect(self._show_idle)
        state.message_raised.connect(self._on_message_raised)
        state.job_started.connect(self._on_job_started)
        state.job_reported.connect(self._on_job_reported)
        state.job_ended.connect(self._on_job_ended)

    def _step_page(self, step: int) -> None:
        names = list(self.entries)
        self.show_page(names[(names.index(self.current_page.name) + step) % len(names)])

    # -- commands -----------------------------------------------------------------------------------------------

    def show_palette(self) -> None:
        """Open the command palette."""
        self.palette_dialog = CommandPalette(self, commands(self))
        self._open_over(self.palette_dialog)

    def show_shortcuts(self) -> None:
        """Open the sheet of all keys."""
        self.shortcut_sheet = ShortcutSheet(self, shortcut_groups(self))
        self._open_over(self.shortcut_sheet)

    def _open_over(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def start_training(self) -> None:
        """Show the train page and start with its settings."""
        self.on_page("train", "start")

    def on_page(self, name: str, action: str) -> None:
        """Show a page and do one of its actions."""
        self.show_page(name)
        getattr(self.page(name), action)()

    # -- project and messages -----------------------------------------------------------------------------------

    @Slot()
    def _on_project_changed(self) -> None:
        path = self.state.path
        self.setWindowTitle(f"{path.name} - VisionFT" if path else "VisionFT")
        self.rail.show_project(path.name if path else "")
        self.banner.hide()
        self._show_idle()

    @Slot()
    @Slot(object)
    def _show_idle(self, _effects: object = None) -> None:
        if self.state.job_info is None:
            path, is_open = self.state.path, self.state.project is not None
            message = f"{path.name}: every change is saved" if path else "Open or create a project to begin."
            self.job_bar.show_idle(message, icon_name="check-circle" if is_open else "info")

    @Slot(str, str, str, str)
    def _on_message_raised(self, message: str, hint: str, tone: str, details: str) -> None:
        self.banner.show_message(message, hint, tone=tone, details=details)  # type: ignore[arg-type]

    # -- jobs ---------------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_job_started(self, info: JobInfo) -> None:
        self.banner.hide()
        self.job_bar.show_job(info.title)

    @Slot(object)
    def _on_job_reported(self, event: Event) -> None:
        bar = self.job_bar
        match event:
            case Progress(stage=stage, done=done, total=total):
                bar.show_progress(done, total, f"{stage} {done:,} of {total:,}" if total else stage)
            case RunStarted(epochs=epochs, steps_per_epoch=steps):
                self._epochs, self._steps_per_epoch = epochs, steps
                bar.show_progress(0, epochs * steps, f"Epoch 1 of {epochs}")
            case StepDone(epoch=epoch, step=step, steps=steps, eta_s=eta):
                done = (epoch - 1) * steps + step
                bar.show_progress(done, self._epochs * steps, f"Epoch {epoch} of {self._epochs}, {duration(eta)} left")
            case EpochDone(epoch=epoch, epochs=epochs):
                bar.show_progress(epoch * self._steps_per_epoch, epochs * self._steps_per_epoch, f"Epoch {epoch} done")
            case Notice(message=message, level="warning"):
                self.banner.show_message(message, tone="warn")
            case Notice():
                pass

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        self._show_idle()
        if outcome.has_failed:
            self.banner.show_message(outcome.message, outcome.hint, tone="bad", details=outcome.details)
        if outcome.info.kind in ("train", "export"):
            QApplication.alert(self)

    @Slot()
    def _on_stop_requested(self) -> None:
        self.state.stop_job()
        self.job_bar.show_stopping()

    @Slot(object)
    def _on_run_continue_requested(self, run: object) -> None:
        self.show_page("train")
        self.page("train").go_on_with(run)

    @Slot(object, str)
    def _on_pictures_requested(self, image_ids: tuple[int, ...], title: str) -> None:
        self.show_page("label")
        self.page("label").show_only(image_ids, title)

    @Slot()
    def _on_job_chosen(self) -> None:
        if self.state.job_info is not None:
            self.show_page(self.state.job_info.page)

    # -- closing ------------------------------------------------------------------------------------------------

    def restore_place(self) -> None:
        """Put the window where it was when it was last closed."""
        if self.state.settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(self.state.settings.geometry.encode("ascii")))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when a job runs; let it end well before the window goes."""
        if self.state.job_info is not None and not self._may_stop_job():
            event.ignore()
            return
        self._wait_for_job()
        for page in self._pages.values():
            page.close_workers()
        self.state.change_settings(geometry=bytes(self.saveGeometry().toBase64().data()).decode("ascii"))
        self.state.close_project()
        event.accept()

    def _may_stop_job(self) -> bool:
        assert self.state.job_info is not None
        question = "What it has done so far is kept; a training run can be used from its best epoch."
        return dialogs.ask_yes(
            self, f"“{self.state.job_info.title}” is running", question, yes="Stop and close", no="Keep running"
        )

    def _wait_for_job(self) -> None:
        if self.state.job_info is None:
            return
        self._on_stop_requested()
        self.setEnabled(False)
        self.setCursor(Qt.CursorShape.BusyCursor)
        waiting = QEventLoop(self)
        self.state.job_ended.connect(waiting.quit)
        while self.state.job_info is not None:
            waiting.exec()
