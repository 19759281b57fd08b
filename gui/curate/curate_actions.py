"""The commands of the Curate page. A view lists its commands, with their handlers, in `View.commands`.

Their shortcuts work in widgets with images (`CuratePage.eventFilter`). All views share them: no two commands may have
the same shortcut.
"""

from typing import TYPE_CHECKING, Any

from gui.actions import CURATE, Action
from gui.page import PageLink
from visionft.core.messages import Text

if TYPE_CHECKING:
    from gui.curate.curate_page import CuratePage


def curate_actions(link: "PageLink[CuratePage]") -> list[Action]:
    add = link.action

    def of_view(name: str, title: Text, *keys: str, **fields: Any) -> Action:
        """Return a command handled by the active view, if the view supports it."""
        act, why_not = (lambda p: p.do(name)), (lambda p: p.why_not(name))
        return add(name, title, act, why_not, keys=keys, scope=CURATE, **fields)

    return [
        add(
            "curate.find_issues",
            "Find issues",
            lambda p: p.find_issues(),
            lambda p: p.why_not_find(),
            menu="Project",
            begins_group=True,
        ),
        of_view("curate.fine", "Keep unchanged", "K"),
        of_view("curate.accept", "Accept the suggestion, else keep as it is", "Enter", "Return"),
        of_view("curate.first_label", "Take the first label of the conflict", "F"),
        of_view("curate.second_label", "Take the second label of the conflict", "Shift+F"),
        of_view("curate.keep_best", "Keep the best of the group", "B"),
        of_view("curate.keep_this", "Keep this one of the group", "Shift+B"),
        of_view("curate.keep_all_best", "Keep the best of every group"),
        of_view("curate.mend", "Move each group into one split", "M"),
        of_view("curate.remove", "Remove from the project", "Del"),
        of_view("curate.tag", "Tag", "Ctrl+T"),
        of_view("curate.open", "Open on Label"),
        of_view("curate.like", "Add as an example", "+"),
        of_view("curate.unlike", "Add as a counter-example", "-"),
        of_view("curate.above", "Select all up to this image", "Ctrl+Up"),
        add(
            "curate.toggle_viewer",
            "Show the image large, or the grid",
            lambda p: p.stage.toggle_viewer(),
            keys=("Space",),
            scope=CURATE,
        ),
        add("curate.next_view", "Next view", lambda p: p.step_view(1), keys=("Ctrl+PgDown",), scope=CURATE),
        add("curate.previous_view", "Previous view", lambda p: p.step_view(-1), keys=("Ctrl+PgUp",), scope=CURATE),
    ]
