"""The commands of the export page."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.export.export_page import ExportPage


def export_actions(link: "PageLink[ExportPage]") -> list[Action]:
    add = link.action
    return [
        add("run.export", "Export the selected run", lambda p: p.export(), lambda p: p.why_not_export(), menu="Run"),
        add(
            "export.folder",
            "Open the export folder",
            lambda p: p.follow_up.open_folder(),
            lambda p: p.follow_up.why_not(),
        ),
        add(
            "export.card",
            "Read the model card",
            lambda p: p.follow_up.show_card(),
            lambda p: p.follow_up.why_no_card(),
        ),
        add(
            "export.check",
            "Verify the export again",
            lambda p: p.follow_up.verify(),
            lambda p: p.follow_up.why_not_verify(),
        ),
        add(
            "export.publish",
            "Publish the export to Hugging Face",
            lambda p: p.publish(),
            lambda p: p.why_not_publish(),
            menu="Run",
            is_rare=True,
        ),
    ]
