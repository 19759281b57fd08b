"""The commands of the shell itself: the window, the open project, the pages, the task that runs, help."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from gui.actions import Action
from gui.kit.i18n import tr
from gui.page import why_no_project
from gui.preferences import FONT_SCALES
from gui.state import AppState
from gui.tasks import TaskHandle, Tasks
from visionft.log import log_folder

_THEMES = {"light": "Theme: Light", "dark": "Theme: Dark", "system": "Theme: System"}
_PAGE_TITLES = {
    "project": "Go to Project",
    "label": "Go to Label",
    "curate": "Go to Curate",
    "train": "Go to Train",
    "results": "Go to Results",
    "export": "Go to Export",
    "try": "Go to Try",
    "settings": "Go to Settings",
}


class Shell(Protocol):
    """What the commands ask of the window."""

    def close(self) -> object: ...
    def show_page(self, name: str) -> object: ...
    def step_page(self, step: int) -> object: ...
    def toggle_full_screen(self) -> object: ...
    def show_palette(self) -> object: ...
    def show_similar(self) -> object: ...
    def read_message(self) -> object: ...
    def why_no_message(self) -> str: ...
    def show_shortcuts(self) -> object: ...
    def show_report(self) -> object: ...
    def show_about(self) -> object: ...


def shell_actions(state: AppState, shell: Shell, pages: Sequence[str]) -> list[Action]:
    """Return the shell's commands; `pages` are the names of its pages."""
    return [*_project_actions(state, shell), *_view_actions(state, shell, pages), *_help_actions(state, shell)]


def _project_actions(state: AppState, shell: Shell) -> list[Action]:
    def history(word: str) -> tuple[str | None, str]:
        project = state.session.project if state.session is not None else None
        title = (project.undo_title if word == "undo" else project.redo_title) if project is not None else None
        return title, tr("Nothing to undo") if word == "undo" else tr("Nothing to redo")

    def why_not(word: str) -> str:
        title, nothing = history(word)
        return why_no_project(state) or ("" if title else nothing)

    def undo_title() -> str:
        title, _ = history("undo")
        return tr("Undo: {change}", change=tr(title)) if title else tr("Undo")

    def redo_title() -> str:
        title, _ = history("redo")
        return tr("Redo: {change}", change=tr(title)) if title else tr("Redo")

    return [
        Action("file.close", "Close project", state.close_project, partial(why_no_project, state), ("Ctrl+W",),
               menu="File"),
        Action("file.quit", "Quit", shell.close, keys=("Ctrl+Q",), menu="File", begins_group=True),
        Action("edit.undo", "Undo", lambda: state.session is not None and state.session.undo(),
               partial(why_not, "undo"), ("Ctrl+Z",), menu="Edit", title_now=undo_title),
        Action("edit.redo", "Redo", lambda: state.session is not None and state.session.redo(),
               partial(why_not, "redo"), ("Ctrl+Shift+Z", "Ctrl+Y"), menu="Edit", title_now=redo_title),
        Action("picture.similar", "Show similar pictures", shell.show_similar, partial(why_no_project, state), ("F3",),
               menu="Edit", begins_group=True, also="find alike nearest neighbours search"),
    ]  # fmt: skip


def _view_actions(state: AppState, shell: Shell, pages: Sequence[str]) -> list[Action]:
    def why_no_theme(name: str) -> str:
        return tr("This theme is in use.") if state.settings.theme == name else ""

    def why_not_larger() -> str:
        return "" if state.settings.font_scale < FONT_SCALES[-1] else tr("The text is as large as it can be.")

    def why_not_smaller() -> str:
        return "" if state.settings.font_scale > FONT_SCALES[0] else tr("The text is as small as it can be.")

    return [
        *(Action(f"page.{name}", _PAGE_TITLES[name], partial(shell.show_page, name), keys=(f"Ctrl+{number}",),
                 menu="View") for number, name in enumerate(pages, 1)),
        Action("view.next_page", "Next page", partial(shell.step_page, 1), keys=("Ctrl+Tab",), menu="View",
               begins_group=True),
        Action("view.previous_page", "Previous page", partial(shell.step_page, -1), keys=("Ctrl+Shift+Tab",),
               menu="View"),
        *(Action(f"view.{name}", title, partial(state.change_settings, theme=name), partial(why_no_theme, name),
                 menu="View", also="colours appearance", begins_group=name == "light")
          for name, title in _THEMES.items()),
        Action("view.larger", "Larger text", partial(_scale_text, state, 1), why_not_larger, ("Ctrl++", "Ctrl+="),
               menu="View", also="zoom font size", begins_group=True),
        Action("view.smaller", "Smaller text", partial(_scale_text, state, -1), why_not_smaller, ("Ctrl+-",),
               menu="View", also="zoom font size"),
        Action("view.message", "Go to the message", shell.read_message, shell.why_no_message, ("F6",), menu="View",
               begins_group=True),
        Action("view.full_screen", "Full screen", shell.toggle_full_screen, keys=("F11",), menu="View"),
    ]  # fmt: skip


def _help_actions(state: AppState, shell: Shell) -> list[Action]:
    def stop() -> None:
        if (handle := stoppable(state.tasks)) is not None:
            handle.stop()

    def stop_title() -> str:
        handle = stoppable(state.tasks)
        return tr("Stop: {job}", job=handle.task.title) if handle is not None else tr("Stop the running job")

    def why_not_stop() -> str:
        return "" if stoppable(state.tasks) is not None else tr("Nothing is running.")

    def open_log() -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_folder())))

    return [
        Action("run.stop", "Stop the running job", stop, why_not_stop, ("Ctrl+.",), menu="Run", begins_group=True,
               title_now=stop_title),
        Action("help.commands", "All commands", shell.show_palette, keys=("Ctrl+K",), menu="Help"),
        Action("help.shortcuts", "Keyboard shortcuts", shell.show_shortcuts, keys=("?", "F1"), menu="Help"),
        Action("help.log", "Open the folder of the log", open_log, menu="Help", begins_group=True),
        Action("help.report", "Copy report", shell.show_report, menu="Help", also="support bug versions"),
        Action("help.about", "About VisionFT", shell.show_about, menu="Help"),
    ]  # fmt: skip


def stoppable(tasks: Tasks) -> TaskHandle | None:
    """Return the task that Stop stops: the one handed in last."""
    return next((handle for handle in reversed(tasks.pending) if not handle.is_stopping), None)


def _scale_text(state: AppState, step: int) -> None:
    now = state.settings.font_scale
    place = min(range(len(FONT_SCALES)), key=lambda each: abs(FONT_SCALES[each] - now)) + step
    state.change_settings(font_scale=FONT_SCALES[max(0, min(place, len(FONT_SCALES) - 1))])
