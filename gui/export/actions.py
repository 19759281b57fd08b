"""The commands of the export page."""

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.export.page import ExportPage


def export_actions(link: "PageLink[ExportPage]") -> list[Action]:
    """Return the commands."""
    add = link.action
    return [
        add("run.export", "Export the chosen run", lambda p: p.export(), lambda p: p.why_not_export(), menu="Run"),
        add("export.folder", "Open the folder of the export", lambda p: p.afterwards.open_folder(),
            lambda p: p.afterwards.why_not()),
        add("export.card", "Read the model card", lambda p: p.afterwards.show_card(),
            lambda p: p.afterwards.why_no_card(), also="readme"),
        add("export.check", "Check the export again", lambda p: p.afterwards.check(),
            lambda p: p.afterwards.why_not_check(), also="verify hash"),
        add("export.speed", "Measure how fast the export answers", lambda p: p.measure(),
            lambda p: p.afterwards.why_not_measure(), also="benchmark latency"),
        add("export.publish", "Publish the export to Hugging Face", lambda p: p.publish(),
            lambda p: p.why_not_publish(), menu="Run", also="push upload hub share"),
    ]  # fmt: skip
