"""The commands of the window itself: window, open project, pages, running jobs, help."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtWidgets import QDialog

from gui.actions import Action
from gui.jobs import Job, Jobs
from gui.kit.folders import show_folder
from gui.kit.toasts import Toasts
from gui.kit.translation import tr
from gui.page import Page, why_no_project
from gui.preferences import FONT_SCALES
from gui.state import AppState
from visionft.core.errors import Action as StepAction
from visionft.core.errors import NextStep
from visionft.core.log import log_folder
from visionft.core.messages import Message

if TYPE_CHECKING:
    from gui.shell.project_care import ProjectCare

_PAGE_TITLES = {
    "project": Message("Go to Project"),
    "label": Message("Go to Label"),
    "curate": Message("Go to Curate"),
    "train": Message("Go to Train"),
    "results": Message("Go to Results"),
    "export": Message("Go to Export"),
    "try": Message("Go to Try"),
    "settings": Message("Go to Settings"),
}


class Shell(Protocol):
    """The interface of the window for its commands and messages."""

    state: AppState
    toasts: Toasts

    @property
    def care(self) -> "ProjectCare": ...
    @property
    def current_page(self) -> Page: ...
    def open_over(self, dialog: QDialog) -> object: ...
    def close(self) -> object: ...
    def take_step(self, step: NextStep) -> object: ...
    def show_page(self, name: str) -> object: ...
    def step_page(self, step: int) -> object: ...
    def toggle_full_screen(self) -> object: ...
    def show_similar(self) -> object: ...
    def show_manual(self) -> object: ...
    def show_shortcuts(self) -> object: ...
    def show_report(self) -> object: ...
    def show_about(self) -> object: ...


def shell_actions(state: AppState, shell: Shell, pages: Sequence[str]) -> list[Action]:
    """Return the commands of the window; `pages` are the names of its pages."""
    groups = (_edit_actions(state, shell), _view_actions(state, shell, pages), _help_actions(state, shell))
    return [*(action for group in groups for action in group), *_project_actions(state, shell)]


def _edit_actions(state: AppState, shell: Shell) -> list[Action]:
    def change(is_undo: bool) -> str | None:
        project = state.session.project if state.session is not None else None
        return None if project is None else project.undo_title if is_undo else project.redo_title

    def why_not(is_undo: bool) -> str:
        nothing = tr("Nothing to undo") if is_undo else tr("Nothing to redo")
        return why_no_project(state) or ("" if change(is_undo) else nothing)

    def undo_title() -> str:
        title = change(True)
        return tr("Undo: {change}", change=tr(title)) if title else tr("Undo")

    def redo_title() -> str:
        title = change(False)
        return tr("Redo: {change}", change=tr(title)) if title else tr("Redo")

    return [
        Action(
            "file.close", "Close project", state.close_project, partial(why_no_project, state), ("Ctrl+W",), menu="File"
        ),
        Action("file.quit", "Quit", shell.close, keys=("Ctrl+Q",), menu="File", begins_group=True),
        Action(
            "edit.undo",
            "Undo",
            lambda: state.session is not None and state.session.undo(),
            partial(why_not, True),
            ("Ctrl+Z",),
            menu="Edit",
            title_now=undo_title,
        ),
        Action(
            "edit.redo",
            "Redo",
            lambda: state.session is not None and state.session.redo(),
            partial(why_not, False),
            ("Ctrl+Shift+Z", "Ctrl+Y"),
            menu="Edit",
            title_now=redo_title,
        ),
        Action(
            "image.similar",
            "Show similar images",
            shell.show_similar,
            partial(why_no_project, state),
            ("F3",),
            menu="Edit",
            begins_group=True,
        ),
    ]


def _view_actions(state: AppState, shell: Shell, pages: Sequence[str]) -> list[Action]:
    def why_not_larger() -> str:
        return "" if state.settings.font_scale < FONT_SCALES[-1] else tr("The text is as large as it can be.")

    def why_not_smaller() -> str:
        return "" if state.settings.font_scale > FONT_SCALES[0] else tr("The text is as small as it can be.")

    def scale_text(step: int) -> None:
        now = state.settings.font_scale
        place = min(range(len(FONT_SCALES)), key=lambda each: abs(FONT_SCALES[each] - now)) + step
        state.change_settings(font_scale=FONT_SCALES[max(0, min(place, len(FONT_SCALES) - 1))])

    def why_no_message() -> str:
        return "" if shell.toasts.newest is not None else tr("There is no message.")

    return [
        *(
            Action(
                f"page.{name}",
                _PAGE_TITLES[name],
                partial(shell.show_page, name),
                keys=(f"Ctrl+{number}",),
                menu="View",
            )
            for number, name in enumerate(pages, 1)
        ),
        Action(
            "view.next_page",
            "Next page",
            partial(shell.step_page, 1),
            keys=("Ctrl+Tab",),
            menu="View",
            begins_group=True,
        ),
        Action(
            "view.previous_page", "Previous page", partial(shell.step_page, -1), keys=("Ctrl+Shift+Tab",), menu="View"
        ),
        Action(
            "view.larger",
            "Larger text",
            partial(scale_text, 1),
            why_not_larger,
            ("Ctrl++", "Ctrl+="),
            menu="View",
            begins_group=True,
        ),
        Action("view.smaller", "Smaller text", partial(scale_text, -1), why_not_smaller, ("Ctrl+-",), menu="View"),
        Action(
            "view.message",
            "Go to the message",
            shell.toasts.take_focus,
            why_no_message,
            ("F6",),
            menu="View",
            begins_group=True,
        ),
        Action("view.full_screen", "Full screen", shell.toggle_full_screen, keys=("F11",), menu="View"),
    ]


def _help_actions(state: AppState, shell: Shell) -> list[Action]:
    def stop() -> None:
        if (job := stoppable(state.jobs)) is not None:
            job.stop()

    def stop_title() -> str:
        job = stoppable(state.jobs)
        return tr("Stop: {job}", job=job.title) if job is not None else tr("Stop the running job")

    def why_not_stop() -> str:
        return "" if stoppable(state.jobs) is not None else tr("Nothing is running.")

    def open_log() -> None:
        show_folder(log_folder())

    return [
        Action(
            "run.stop",
            "Stop the running job",
            stop,
            why_not_stop,
            ("Ctrl+.",),
            menu="Run",
            begins_group=True,
            title_now=stop_title,
        ),
        Action("help.manual", "Manual", shell.show_manual, keys=("F1",), menu="Help"),
        Action("help.shortcuts", "Keyboard shortcuts", shell.show_shortcuts, keys=("?",), menu="Help"),
        Action("help.log", "Open the folder of the log", open_log, menu="Help", begins_group=True),
        Action("help.report", "Copy report", shell.show_report, menu="Help"),
        Action("help.about", "About VisionFT", shell.show_about, menu="Help"),
    ]


def stoppable(jobs: Jobs) -> Job[Any] | None:
    """Return the job that Stop cancels: the newest one not yet stopping."""
    return next((job for job in reversed(jobs.pending) if not job.is_stopping), None)


def _project_actions(state: AppState, shell: Shell) -> list[Action]:
    def why_not_change() -> str:
        is_read_only = state.session is not None and state.session.project.is_read_only
        return why_no_project(state) or (tr("This project can only be read.") if is_read_only else "")

    def why_nothing_removed() -> str:
        has_removed = state.session is not None and state.session.project.status.has_removed
        return why_not_change() or ("" if has_removed else tr("No image was taken out of this project."))

    def why_no_image() -> str:
        has_any = state.session is not None and state.session.project.status.has_history
        return why_not_change() or ("" if has_any else tr("There are no images yet."))

    def why_no_history() -> str:
        has_any = state.session is not None and state.session.project.status.has_history
        return why_not_change() or ("" if has_any else tr("Nothing was changed yet."))

    def step(action: StepAction) -> Callable[[], object]:
        return lambda: shell.take_step(NextStep(action))

    def careful(act: "Callable[[ProjectCare], object]") -> Callable[[], object]:
        return lambda: act(shell.care)  # loaded only now

    add = partial(Action, menu="Project")
    open_one = partial(why_no_project, state)
    return [
        add("project.split", "Split into training, validation and test", step("split"), why_not_change),
        add(
            "project.restore_images",
            "Restore removed images",
            careful(lambda care: care.restore_images()),
            why_nothing_removed,
        ),
        add("project.relink", "Find missing images again", step("relink"), why_not_change),
        add(
            "project.export_labels",
            "Export labels",
            careful(lambda care: care.export_labels()),
            open_one,
            begins_group=True,
        ),
        add("project.window", "Image values", careful(lambda care: care.choose_window()), why_no_image),
        add(
            "project.history",
            "History",
            careful(lambda care: care.show_history()),
            why_no_history,
            ("Ctrl+H",),
            begins_group=True,
        ),
        add("project.back_up", "Back up now", careful(lambda care: care.back_up()), why_not_change),
        add("project.restore", "Restore a backup", step("restore"), open_one),
        add("project.check", "Check and repair", step("check"), why_not_change),
        add("project.duplicate", "Duplicate", careful(lambda care: care.duplicate()), open_one, begins_group=True),
        add("project.folder", "Open the project's folder", careful(lambda care: care.open_folder()), open_one),
        add("project.delete", "Move to the trash", careful(lambda care: care.delete()), why_not_change),
    ]
