"""The command of the export page."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.export.page import ExportPage


def export_actions(link: "PageLink[ExportPage]") -> list[Action]:
    """Return the commands."""
    return [
        link.action("run.export", "Export the chosen run", lambda p: p.export(), lambda p: p.why_not_export(),
                    menu="Run"),
    ]  # fmt: skip
