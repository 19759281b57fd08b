"""The commands of the Curate page. A view says in `View.commands` which of them it has and what they do there.

Their keys work where pictures are shown (`gui.curate.keys`). All views share them: no two may have the same keys.
"""

from typing import TYPE_CHECKING, Any

from gui.actions import CURATE, Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.curate.page import CuratePage


def curate_actions(link: "PageLink[CuratePage]") -> list[Action]:
    """Return the commands."""
    add = link.action

    def of_view(name: str, title: str, *keys: str, **fields: Any) -> Action:
        """Return a command that the view which is shown does, if it has it."""
        act, why_not = (lambda p: p.do(name)), (lambda p: p.why_not(name))
        return add(name, title, act, why_not, keys=keys, place=CURATE, **fields)

    return [
        add("curate.look", "Look through the pictures", lambda p: p.look(), lambda p: p.why_not_look(), menu="Project",
            also="check curate duplicates quality features embed", begins_group=True),
        of_view("curate.fine", "Keep as it is", "K"),
        of_view("curate.accept", "Accept the suggestion, else keep as it is", "Enter", "Return"),
        of_view("curate.keep_best", "Keep the best of the group", "B"),
        of_view("curate.keep_this", "Keep this one of the group", "Shift+B"),
        of_view("curate.keep_all_best", "Keep the best of every group"),
        of_view("curate.mend", "Put each group into one split", "M"),
        of_view("curate.remove", "Take out of the project", "Del"),
        of_view("curate.tag", "Tag", "Ctrl+T"),
        of_view("curate.open", "Open on Label"),
        of_view("curate.like", "Take as an example", "+"),
        of_view("curate.unlike", "Take as one that is not meant", "-"),
        of_view("curate.above", "Select all up to this one", "Ctrl+Up"),
        of_view("curate.save_report", "Save a report of the health", also="health html"),
        add("curate.toggle_viewer", "Show the picture large, or all of them again", lambda p: p.toggle_viewer(),
            keys=("Space",), place=CURATE),
        add("curate.next_view", "Next view", lambda p: p.step_view(1), keys=("Ctrl+PgDown",), place=CURATE),
        add("curate.previous_view", "Previous view", lambda p: p.step_view(-1), keys=("Ctrl+PgUp",), place=CURATE),
    ]  # fmt: skip
