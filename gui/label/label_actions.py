"""The commands of the label page. Loaded at the start: it imports no page."""

from typing import TYPE_CHECKING

from gui.actions import LABEL, SAMPLE, VIEWER, Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.label.label_page import LabelPage


def label_actions(link: "PageLink[LabelPage]") -> list[Action]:
    """Return the commands on the selected images, and for navigation."""
    add = link.action
    return [
        add("label.previous", "Previous image", lambda p: p.labels.selection.step(-1), keys=("A",), scope=LABEL),
        add("label.next", "Next image", lambda p: p.labels.selection.step(1), keys=("D",), scope=LABEL),
        add(
            "label.previous_unlabelled",
            "Previous without a label",
            lambda p: p.labeller.step_unlabelled(-1),
            keys=("Ctrl+Shift+D",),
            scope=LABEL,
        ),
        add(
            "label.next_unlabelled",
            "Next without a label",
            lambda p: p.labeller.step_unlabelled(1),
            keys=("Ctrl+D",),
            scope=LABEL,
        ),
        add("label.skip", "Skip", lambda p: p.labeller.skip(), keys=("N",), scope=LABEL),
        add("label.clear", "Clear the labels", lambda p: p.labeller.clear_labels(), keys=("Backspace",), scope=LABEL),
        add("label.remove", "Remove from the project", lambda p: p.labeller.remove(), keys=("Del",), scope=LABEL),
        add("label.select_all", "Select all", lambda p: p.labels.selection.select_all(), keys=("Ctrl+A",), scope=LABEL),
        add(
            "label.accept",
            "Accept the suggestion, else open the viewer",
            lambda p: p.labeller.accept(),
            keys=("Enter", "Return"),
            scope=LABEL,
        ),
        add(
            "label.toggle_viewer",
            "Open or close the viewer",
            lambda p: p.labels.toggle_viewer(),
            keys=("Space",),
            scope=LABEL,
        ),
        add("label.tag", "Tag", lambda p: p.labeller.ask_tag(), keys=("Ctrl+T",), scope=LABEL),
        add("label.note", "Write a note", lambda p: p.labeller.ask_note(), keys=("Ctrl+E",), scope=LABEL),
        add("label.name_classes", "Name classes", lambda p: p.panel.search_edit.setFocus(), keys=("C",), scope=LABEL),
        add(
            "label.accept_many",
            "Accept suggestions in bulk",
            lambda p: p.bulk.begin(),
            lambda p: p.bulk.why_not(),
            keys=("Ctrl+Shift+R",),
            scope=LABEL,
        ),
        add(
            "sample.accept",
            "Accept the row, except marked images",
            lambda p: p.bulk.accept_row(),
            keys=("Enter", "Return"),
            scope=SAMPLE,
        ),
        add(
            "sample.toggle",
            "Mark an image as wrong, or remove the mark",
            lambda p: p.bulk.toggle_current(),
            keys=("Space",),
            scope=SAMPLE,
        ),
        add("sample.back", "Previous row", lambda p: p.bulk.back(), keys=("Backspace",), scope=SAMPLE),
        add("sample.close", "Cancel the check", lambda p: p.bulk.close(), keys=("Esc",), scope=SAMPLE),
        add("viewer.fit", "Fit", lambda p: p.viewer.view.fit(), keys=("F",), scope=VIEWER),
        add("viewer.real_pixels", "Real pixels", lambda p: p.viewer.view.toggle_zoom(), keys=("Z",), scope=VIEWER),
        add("viewer.zoom_in", "Zoom in", lambda p: p.viewer.view.zoom_by(1.25), keys=("+",), scope=VIEWER),
        add("viewer.zoom_out", "Zoom out", lambda p: p.viewer.view.zoom_by(0.8), keys=("-",), scope=VIEWER),
        add("viewer.close", "Back to the grid", lambda p: p.labels.view(False), keys=("Esc",), scope=VIEWER),
    ]
