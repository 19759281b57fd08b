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
        add("label.previous", "Previous image", lambda p: p.labels.selection.step(-1), keys=("A",), place=LABEL),
        add("label.next", "Next image", lambda p: p.labels.selection.step(1), keys=("D",), place=LABEL),
        add(
            "label.previous_unlabelled",
            "Previous without a label",
            lambda p: p.labeller.step_unlabelled(-1),
            keys=("Ctrl+Shift+D",),
            place=LABEL,
        ),
        add(
            "label.next_unlabelled",
            "Next without a label",
            lambda p: p.labeller.step_unlabelled(1),
            keys=("Ctrl+D",),
            place=LABEL,
        ),
        add("label.skip", "Skip", lambda p: p.labeller.skip(), keys=("N",), place=LABEL),
        add("label.clear", "Clear the labels", lambda p: p.labeller.clear_labels(), keys=("Backspace",), place=LABEL),
        add("label.remove", "Remove from the project", lambda p: p.labeller.remove(), keys=("Del",), place=LABEL),
        add("label.select_all", "Select all", lambda p: p.labels.selection.select_all(), keys=("Ctrl+A",), place=LABEL),
        add(
            "label.accept",
            "Accept the suggestion, else open the viewer",
            lambda p: p.labeller.accept(),
            keys=("Enter", "Return"),
            place=LABEL,
        ),
        add(
            "label.toggle_viewer",
            "Open or close the viewer",
            lambda p: p.labels.toggle_viewer(),
            keys=("Space",),
            place=LABEL,
        ),
        add("label.tag", "Tag", lambda p: p.labeller.ask_tag(), keys=("Ctrl+T",), place=LABEL),
        add("label.note", "Write a note", lambda p: p.labeller.ask_note(), keys=("Ctrl+E",), place=LABEL),
        add("label.name_classes", "Name classes", lambda p: p.panel.search_edit.setFocus(), keys=("C",), place=LABEL),
        add(
            "label.accept_many",
            "Accept suggestions in bulk",
            lambda p: p.bulk.begin(),
            lambda p: p.bulk.why_not(),
            keys=("Ctrl+Shift+R",),
            place=LABEL,
        ),
        add(
            "sample.accept",
            "Accept the row, except marked images",
            lambda p: p.bulk.accept_row(),
            keys=("Enter", "Return"),
            place=SAMPLE,
        ),
        add(
            "sample.toggle",
            "Mark an image as wrong, or remove the mark",
            lambda p: p.bulk.toggle_current(),
            keys=("Space",),
            place=SAMPLE,
        ),
        add("sample.back", "Previous row", lambda p: p.bulk.back(), keys=("Backspace",), place=SAMPLE),
        add("sample.close", "Cancel the check", lambda p: p.bulk.close(), keys=("Esc",), place=SAMPLE),
        add("viewer.fit", "Fit", lambda p: p.viewer.view.fit(), keys=("F",), place=VIEWER),
        add("viewer.real_pixels", "Real pixels", lambda p: p.viewer.view.toggle_zoom(), keys=("Z",), place=VIEWER),
        add("viewer.zoom_in", "Zoom in", lambda p: p.viewer.view.zoom_by(1.25), keys=("+",), place=VIEWER),
        add("viewer.zoom_out", "Zoom out", lambda p: p.viewer.view.zoom_by(0.8), keys=("-",), place=VIEWER),
        add("viewer.close", "Back to the grid", lambda p: p.labels.view(False), keys=("Esc",), place=VIEWER),
    ]
