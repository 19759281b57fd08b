"""The commands of the Try page; it needs no project."""

from typing import TYPE_CHECKING

from gui.actions import TRY, Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.predict.predict_page import TryPage


def try_actions(link: "PageLink[TryPage]") -> list[Action]:
    add = link.action
    return [
        add(
            "try.paste",
            "Classify the image on the clipboard",
            lambda p: p.paste(),
            lambda p: p.why_not_classify(),
            needs_project=False,
            keys=("Ctrl+V",),
            scope=TRY,
            menu="Run",
            is_rare=True,
        ),
        add(
            "try.open",
            "Open an exported model",
            lambda p: p.browse_model(),
            needs_project=False,
            menu="Run",
            begins_group=True,
        ),
    ]
