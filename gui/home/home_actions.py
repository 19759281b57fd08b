"""The commands of the project page: create or open a project, and import images."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.kit.translation import tr
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.home.home_page import ProjectPage


def home_actions(link: "PageLink[ProjectPage]") -> list[Action]:
    add, state = link.action, link.state

    def why_no_sample() -> str:
        return tr("The sample is a project of its own: close this one first.") if state.session is not None else ""

    return [
        add(
            "file.new", "New project", lambda p: p.ask_new_project(), needs_project=False, keys=("Ctrl+N",), menu="File"
        ),
        add(
            "file.open",
            "Open project",
            lambda p: p.choose_project(),
            needs_project=False,
            keys=("Ctrl+O",),
            menu="File",
        ),
        add(
            "file.sample",
            "Try a sample project",
            lambda p: p.try_sample(),
            needs_project=False,
            before=why_no_sample,
            menu="File",
        ),
        add(
            "file.import",
            "Import images",
            lambda p: p.choose_images(),
            keys=("Ctrl+I",),
            menu="File",
            begins_group=True,
        ),
        add("file.import_list", "Import zip or list", lambda p: p.choose_file(), menu="File"),
    ]
