"""The commands of the label page. Their keys work in the grid and in the viewer (`gui.label.keys`)."""

from typing import TYPE_CHECKING

from gui.actions import LABEL, ROWS, SAMPLE, VIEWER, Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.label.page import LabelPage


def label_actions(link: "PageLink[LabelPage]") -> list[Action]:
    """Return what can be done with the pictures that are selected, and where to go."""
    add = link.action
    return [
        add("label.previous", "Previous picture", lambda p: p.labels.selection.step(-1), keys=("A",), place=LABEL),
        add("label.next", "Next picture", lambda p: p.labels.selection.step(1), keys=("D",), place=LABEL),
        add("label.previous_unlabelled", "Previous without a label",
            lambda p: p.labeller.step_unlabelled(-1), keys=("Ctrl+Shift+D",), place=LABEL),
        add("label.next_unlabelled", "Next without a label",
            lambda p: p.labeller.step_unlabelled(1), keys=("Ctrl+D",), place=LABEL),
        add("label.skip", "Skip", lambda p: p.labeller.skip(), keys=("N",), place=LABEL),
        add("label.clear", "Clear the labels", lambda p: p.labeller.clear_labels(), keys=("Backspace",), place=LABEL),
        add("label.remove", "Take out of the project", lambda p: p.labeller.remove(), keys=("Del",), place=LABEL),
        add("label.select_all", "Select all",
            lambda p: p.labels.selection.select_all(), keys=("Ctrl+A",), place=LABEL),
        add("label.accept", "Accept the suggestion, else open the viewer",
            lambda p: p.labeller.accept(), keys=("Enter", "Return"), place=LABEL),
        add("label.toggle_viewer", "Open or close the viewer",
            lambda p: p.labels.toggle_viewer(), keys=("Space",), place=LABEL),
        add("label.tag", "Tag", lambda p: p.labeller.ask_tag(), keys=("Ctrl+T",), place=LABEL),
        add("label.note", "Write a note", lambda p: p.labeller.ask_note(), keys=("Ctrl+E",), place=LABEL),
        add("label.name_classes", "Name classes", lambda p: p.panel.search_edit.setFocus(), keys=("C",), place=LABEL),
        add("label.rows", "Rows of alike", lambda p: p.bulk.show_rows(), lambda p: p.bulk.why_no_rows(),
            keys=("Ctrl+R",), place=LABEL, also="label similar pictures together, clusters, batch"),
        add("label.accept_many", "Accept many suggestions",
            lambda p: p.bulk.show_accepting(), lambda p: p.bulk.auditing.why_not(),
            keys=("Ctrl+Shift+R",), place=LABEL, also="accept all above, audit, certificate, check a sample, proof"),
        add("rows.accept", "Label the row as suggested", lambda p: p.bulk.rows.accept(),
            keys=("Enter", "Return"), place=ROWS),
        add("rows.toggle", "Take a picture out of its row, or put it back",
            lambda p: p.bulk.toggle_current(), keys=("Space",), place=ROWS),
        add("rows.later", "Let the row come later", lambda p: p.bulk.rows.put_off(), keys=("Ctrl+D",), place=ROWS),
        add("rows.close", "Back to the grid", lambda p: p.bulk.close(), keys=("Esc",), place=ROWS),
        add("sample.accept", "The row is right, but for what is marked",
            lambda p: p.bulk.auditing.accept_row(), keys=("Enter", "Return"), place=SAMPLE),
        add("sample.toggle", "Mark a picture as wrong, or take the mark back",
            lambda p: p.bulk.toggle_current(), keys=("Space",), place=SAMPLE),
        add("sample.back", "Previous row", lambda p: p.bulk.auditing.back(), keys=("Backspace",), place=SAMPLE),
        add("sample.close", "Stop the check", lambda p: p.bulk.close(), keys=("Esc",), place=SAMPLE),
        add("viewer.fit", "Fit", lambda p: p.viewer.view.fit(), keys=("F",), place=VIEWER),
        add("viewer.real_pixels", "Real pixels", lambda p: p.viewer.view.toggle_zoom(), keys=("Z",), place=VIEWER),
        add("viewer.zoom_in", "Zoom in", lambda p: p.viewer.view.zoom_by(1.25), keys=("+",), place=VIEWER),
        add("viewer.zoom_out", "Zoom out", lambda p: p.viewer.view.zoom_by(0.8), keys=("-",), place=VIEWER),
        add("viewer.close", "Back to the grid", lambda p: p.labels.view(False), keys=("Esc",), place=VIEWER),
    ]  # fmt: skip
