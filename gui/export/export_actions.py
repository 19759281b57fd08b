"""The command of the export page."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.export.export_page import ExportPage


def export_actions(link: "PageLink[ExportPage]") -> list[Action]:
    title = "Export the selected run"
    return [link.action("run.export", title, lambda p: p.export(), lambda p: p.why_not_export(), menu="Run")]
