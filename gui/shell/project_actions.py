"""The commands about the open project as a whole: the project menu."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gui.actions import Action
from gui.kit.i18n import tr
from gui.page import why_no_project
from gui.state import AppState
from visionft.errors import Action as StepAction
from visionft.errors import NextStep

if TYPE_CHECKING:
    from gui.shell.project_care import ProjectCare

MENU = "Project"


class Shell(Protocol):
    """What the commands ask of the window."""

    @property
    def care(self) -> "ProjectCare": ...
    def take_step(self, step: NextStep) -> object: ...


def project_actions(state: AppState, shell: Shell) -> list[Action]:
    """Return the commands."""

    def why_not_change() -> str:
        is_read_only = state.session is not None and state.session.project.is_read_only
        return why_no_project(state) or (tr("This project can only be read.") if is_read_only else "")

    def why_nothing_removed() -> str:
        return why_not_change() or ("" if _has_removed(state) else tr("No picture was taken out of this project."))

    def why_no_history() -> str:
        has_any = state.session is not None and bool(state.session.project.history(1))
        return why_not_change() or ("" if has_any else tr("Nothing was changed yet."))

    def step(action: StepAction) -> Callable[[], object]:
        return lambda: shell.take_step(NextStep(action))

    def careful(act: "Callable[[ProjectCare], object]") -> Callable[[], object]:
        return lambda: act(shell.care)  # only now it is loaded

    add, open_one = partial(Action, menu=MENU), partial(why_no_project, state)
    return [
        add("project.split", "Split into training, validation and test", step("split"), why_not_change,
            also="divide proportions"),
        add("project.restore_pictures", "Restore removed pictures", careful(lambda care: care.restore_pictures()),
            why_nothing_removed, also="deleted bring back"),
        add("project.relink", "Find missing pictures again", step("relink"), why_not_change, also="moved lost relink"),
        add("project.export_labels", "Export labels", careful(lambda care: care.export_labels()), open_one,
            begins_group=True, also="annotations CSV JSONL save"),
        add("project.history", "History", careful(lambda care: care.show_history()), why_no_history, ("Ctrl+H",),
            begins_group=True, also="undo to a point, changes"),
        add("project.back_up", "Back up now", careful(lambda care: care.back_up()), why_not_change, also="save backup"),
        add("project.restore", "Restore a backup", step("restore"), open_one, also="go back"),
        add("project.check", "Check and repair", step("check"), why_not_change, also="damaged verify"),
        add("project.duplicate", "Duplicate", careful(lambda care: care.duplicate()), open_one, begins_group=True,
            also="copy clone"),
        add("project.folder", "Open the project's folder", careful(lambda care: care.open_folder()), open_one,
            also="file manager where"),
        add("project.delete", "Move to the trash", careful(lambda care: care.delete()), why_not_change,
            also="delete remove"),
    ]  # fmt: skip


def _has_removed(state: AppState) -> bool:
    from visionft.project.queries import ImageFilter, find_images

    return state.session is not None and bool(find_images(state.session.project, ImageFilter(is_removed=True), limit=1))
