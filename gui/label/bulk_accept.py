"""Bulk acceptance of suggestions: a threshold, a random sample to check before where wanted, and *Accept*.

The page asks for the view to show in place of the grid.

The user's answers about the sample are kept as labels, whatever they say of the others, also after a cancelled check.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui import actions
from gui.kit.image_model import ImageModel, Section
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.label.bulk_views import AcceptView, SampleView, offer_text
from gui.label.image_search import Cell
from gui.label.label_session import LabelSession
from gui.label.labeller import label_keys
from visionft.analysis.suggestions import SAMPLE, AuditSample, current_suggestions, draw_sample, unlabelled_images
from visionft.core.errors import VisionFTError
from visionft.project.edits.changes import AcceptSuggestions, CheckSuggestions

SIZES = (30, 60, SAMPLE, 300)  # of a sample: without an error, 30 prove that 90.5 % are correct, 300 that 99 % are


class BulkAccept(QObject):
    """The steps from a threshold to accepted labels, and the view of each, shown in place of the grid."""

    changed = Signal()  # another view, or none

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self._labels = labels
        self._images, self._least = ImageModel(self._tiles, self), ImageModel(labels.cells, self)
        self.accept_view = AcceptView(thumbnails, self._least, sizes=SIZES)
        self.sample_view = SampleView(thumbnails, self._images, side_px=side_px)
        self.views = (self.accept_view, self.sample_view)
        self.view: QWidget | None = None  # the one shown; None for the grid
        self._threshold = 0.9  # of the shown offer
        self._result: tuple[AuditSample, int] | None = None  # the checked sample, and its number of correct suggestions
        self._pending: AuditSample | None = None
        self._order: list[int] = []  # the sample, class by class
        self._checked = 0  # images at its start
        self._starts: list[int] = []  # of the finished rows
        self._wrong: dict[int, str] = {}  # the right classes of the marked images; empty until answered
        self._width = 0  # images per row at the last layout
        self._pause = QTimer(self, singleShot=True, interval=60)
        view, sample = self.accept_view, self.sample_view
        self._pause.timeout.connect(lambda: view.isVisible() and self._show_offer())
        view.slider.setValue(round(100 * self._threshold))
        view.size_box.setCurrentIndex(SIZES.index(SAMPLE))
        view.slider.valueChanged.connect(lambda _percent: self._show_other_threshold())
        view.size_box.activated.connect(self._show_offer)
        view.check_button.clicked.connect(self.draw)
        view.accept_button.clicked.connect(self.accept)
        sample.accepted.connect(self.accept_row)
        sample.previous_wanted.connect(self.back)
        sample.toggled.connect(self.toggle)
        sample.refitted.connect(lambda: self._pending and sample.capacity() != self._width and self._show_rows())
        for changed in (labels.suggesting.changed, labels.classes_changed):  # labels may be given elsewhere meanwhile
            changed.connect(lambda: view.isVisible() and self._pause.start())
        for each in self.views:
            each.closed.connect(self.close)
        sample.grid.installEventFilter(label_keys(labels, self.assign, self, place=actions.SAMPLE))

    @property
    def focus(self) -> QWidget | None:
        """The widget of the active view that takes the keys."""
        if self.view is self.sample_view:
            return self.sample_view.grid
        return self.accept_view.slider if self.view is not None else None

    @property
    def has_sizes(self) -> bool:
        """Whether the active view uses the image size chosen by the user."""
        return self.view is self.sample_view

    def _show(self, view: QWidget | None) -> None:
        if view is not self.view:
            self.view = view
            self.changed.emit()

    def why_not(self) -> str:
        """Return the reason nothing can be accepted, translated; empty if something can."""
        return "" if self._labels.suggesting.found else tr("There are no suggestions.")

    def begin(self) -> None:
        """Let the user choose the threshold for accepting suggestions."""
        self.close()
        self._show_offer()
        self._show(self.accept_view)

    def _show_other_threshold(self) -> None:
        self._result = None  # it is about the suggestions of another threshold
        self._pause.start()

    @Slot()
    def _show_offer(self) -> None:
        project, view = self._labels.project, self.accept_view
        if project is None:
            return
        ids, confidences = self._labels.suggesting.current().by_confidence
        if self._result is not None:
            sample, right = self._result
            if (change := self._remaining(sample)) is not None:
                left = (image_id for image_id in ids.tolist() if image_id in change.classes)
                self._least.set_ids(tuple(islice(left, 24)))
                view.show_result(sample, right, count=len(change.classes))
            return
        self._threshold = view.slider.value() / 100
        first = int(np.searchsorted(confidences, self._threshold - 1e-9))
        count = len(ids) - first
        checks = 0
        expected = float(confidences[first:].mean()) if count else 0.0
        if project.task == "multi":
            proof = tr("Images may have several labels here: there is no check of a sample for them yet.")
        elif not count:
            proof = tr("There is nothing to check.")
        else:
            checks = min(count, SIZES[view.size_box.currentIndex()])
            proof = offer_text(count, checks, expected=expected)
        view.show_offer(count=count, total=len(ids), expected=expected, proof=proof, checks=checks)
        self._least.set_ids(tuple(ids[first : first + 24].tolist()))

    @Slot()
    def accept(self) -> None:
        """Accept all suggestions above the threshold, or only the checked sample.

        Images labelled meanwhile keep their labels.
        """
        change = self._remaining(self._result[0]) if self._result is not None else self._from_threshold()
        if change is None:
            return
        count = len(change.classes)
        text = tr("{count} suggestion was accepted.", "{count} suggestions were accepted.", count=count)
        if not count:
            self._labels.state.show_message(tr("There are no suggestions."), tone="info")
        elif not self._labels.apply(change, text):
            return
        self._result = None
        self._show(None)

    def _from_threshold(self) -> AcceptSuggestions | None:
        """Return the change that accepts all suggestions from the threshold on; None after a reported failure."""
        project = self._labels.project
        if project is None:
            return None
        found = self._labels.suggesting.current().from_confidence(self._threshold)
        try:
            found = current_suggestions(project, found)  # those from the labels so far follow a change with a delay
        except VisionFTError as error:
            self._labels.state.report(error)
            return None
        return AcceptSuggestions({image_id: each.classes for image_id, each in found.items()})

    def _remaining(self, sample: AuditSample) -> AcceptSuggestions | None:
        """Return the change that accepts the suggestions beside a checked sample; None after a reported failure.

        Images labelled or removed meanwhile keep their state.
        """
        project = self._labels.project
        if project is None:
            return None
        try:
            left = unlabelled_images(project).difference(sample.images)
        except VisionFTError as error:
            self._labels.state.report(error)
            return None
        return AcceptSuggestions({image_id: names for image_id, names in sample.suggested.items() if image_id in left})

    def draw(self) -> None:
        """Draw the sample, and show it in rows by class."""
        change = self._from_threshold()
        if change is None:
            return
        if not change.classes:
            self._labels.state.show_message(tr("There are no suggestions."), tone="info")
            return
        pending = draw_sample(change.classes, size=SIZES[self.accept_view.size_box.currentIndex()])
        self._pending, self._checked, self._starts, self._wrong = pending, 0, [], {}
        place_of = {each.name: place for place, each in enumerate(self._labels.classes)}
        self._order = sorted(pending.images, key=lambda each: place_of.get(self._suggested(each), len(place_of)))
        self._show(self.sample_view)
        self._show_rows()

    def _suggested(self, image_id: int) -> str:
        return self._pending.suggested[image_id][0] if self._pending is not None else ""

    def _tiles(self, image_ids: Sequence[int]) -> Iterator[Cell]:
        """Yield the tiles of the sample: without captions, unless marked as wrong."""
        colours = self._labels.colours
        for cell in self._labels.cells(image_ids):
            name = self._wrong.get(cell.image_id)
            title = tr("wrong") if name == "" else f"→ {name}" if name else self._suggested(cell.image_id)
            yield replace(
                cell,
                title=title,
                is_out=name == "",
                is_blank=name is None,
                aside="",
                mark="",
                is_proposed=False,
                tone="warn" if name is not None else "",
                swatches=(colours.get(name, 0),) if name else (),
            )

    def _rows(self) -> list[tuple[int, ...]]:
        """Return the rows to check: each fills the width with images of one suggested class."""
        width = self.sample_view.capacity()
        rows = list[tuple[int, ...]]()
        for _name, group in groupby(self._order[self._checked :], key=self._suggested):
            ids = tuple(group)
            rows += [ids[start : start + width] for start in range(0, len(ids), width)]
        return rows

    @property
    def _unanswered(self) -> int:
        """The marked image for the next class key: the newest without an answer; 0 for none."""
        return next((each for each, name in reversed(self._wrong.items()) if not name), 0)

    def _show_rows(self) -> None:
        rows, self._width = self._rows(), self.sample_view.capacity()
        sections: list[Section] = []
        for place, ids in enumerate(rows):
            name = self._suggested(ids[0])
            title = tr("{name}?", name=name)
            sections.append(Section(title, self._labels.colours.get(name), len(ids), is_current=not place))
        self.sample_view.show_rows(tuple(self._order[self._checked :]), sections)
        self._show_question(rows[0])

    def _show_question(self, row: Sequence[int]) -> None:
        key = self._labels.state.actions.shown_keys
        is_marked = bool(self._unanswered)
        if is_marked:
            words = tr("What is the correct class of the marked image?")
            hint = tr("Press its key or choose it in the list. Click again to unmark.")
        else:
            words = tr("Are these all “{name}”?", name=self._suggested(row[0]))
            hint = tr("Click each wrong image.")
        has_wrong = any(each in self._wrong for each in row)
        accept = tr("The other labels are correct") if has_wrong else tr("All labels are correct")
        previous = f"{tr('Previous row')}  ({key('sample.back')})" if self._starts and not is_marked else ""
        accept = f"{accept}  ({key('sample.accept')})"
        self.sample_view.show_question(words, hint, accept=accept, can_accept=not is_marked, previous=previous)
        total = len(self._order)
        words = tr("{done} of {total} checked", done=f"{self._checked:,}", total=f"{total:,}")
        marked = tr("{count} wrong", count=len(self._wrong))
        self.sample_view.show_progress(f"{words}, {marked}" if self._wrong else words, self._checked, total)

    @Slot(int)
    def toggle(self, image_id: int) -> None:
        """Mark an image of the first row as wrong, or remove the mark."""
        rows = self._rows()
        if rows and image_id in rows[0]:
            self._mark(image_id, None if image_id in self._wrong else "")

    def toggle_current(self) -> None:
        """Mark the current image of the sample as wrong, or remove the mark."""
        if self.view is self.sample_view:
            self.toggle(self.sample_view.grid.selection.current_id())

    def assign(self, class_name: str) -> bool:
        """Give the marked image of a sample its right class; return whether a view is active."""
        image_id = self._unanswered
        if self.view is self.sample_view and not image_id:
            self._labels.state.show_message(tr("Mark a wrong image first: click it."), tone="info")
        elif self.view is self.sample_view:
            self._mark(image_id, class_name if class_name != self._suggested(image_id) else None)
        return self.view is not None

    def _mark(self, image_id: int, right_class: str | None) -> None:
        if right_class is None:
            del self._wrong[image_id]
        else:
            self._wrong[image_id] = right_class
        self._images.invalidate((image_id,))
        self._show_question(self._rows()[0])

    @Slot()
    def accept_row(self) -> None:
        """Accept the unmarked images of the first row as correct, and continue."""
        rows = self._rows()
        if not rows or self._unanswered:
            return
        self._starts.append(self._checked)
        self._checked += len(rows[0])
        if self._checked < len(self._order):
            self._show_rows()
            return
        project, pending = self._labels.project, self._pending
        if project is None or pending is None:
            return
        answers = self._answers()
        if self._labels.run(lambda: self._label(answers)) is None:
            return
        self._pending = None
        change = self._remaining(pending)
        if change is None or change.classes:
            right = sum(name == pending.suggested[image_id][0] for image_id, name in answers.items())
            self._result = (pending, right)
            self._show_offer()
            self._show(self.accept_view)
        else:
            text = tr(
                "The only suggestion was checked.", "All {count} suggestions were checked.", count=len(pending.images)
            )
            self._labels.state.show_message(text, tone="good", command="edit.undo")
            self._show(None)

    @Slot()
    def back(self) -> None:
        if self._starts and not self._unanswered:
            self._checked = self._starts.pop()
            self._show_rows()

    def _answers(self) -> dict[int, str]:
        return {each: self._wrong.get(each) or self._suggested(each) for each in self._order[: self._checked]}

    def _stop(self) -> int:
        """End an unfinished check: its answers become labels, in one step of the history; return their number.

        Images labelled meanwhile keep their labels.
        """
        answers = self._answers() | {each: name for each, name in self._wrong.items() if name}
        project, pending = self._labels.project, self._pending
        self._pending, self._order, self._checked, self._starts, self._wrong = None, [], 0, [], {}
        if project is None or pending is None or not answers:
            return 0
        return self._label(answers)

    def _label(self, answers: Mapping[int, str]) -> int:
        """Give checked images their classes, in one step of the history; return their number."""
        project = self._labels.project
        assert project is not None
        unlabelled = unlabelled_images(project)
        checked = {image_id: (name,) for image_id, name in answers.items() if image_id in unlabelled}
        if checked:
            project.apply(CheckSuggestions(checked))
        return len(checked)

    def keep_answers(self) -> None:
        """Store the answers before the page closes, without a message."""
        try:
            self._stop()
        except VisionFTError as error:
            self._labels.state.report(error)

    @Slot()
    def close(self) -> None:
        """Return to the grid; the answers of a cancelled check are kept as labels."""
        if self._pending is not None and (count := self._labels.run(self._stop)):
            kept = tr(
                "The check was cancelled. {count} checked label is kept.",
                "The check was cancelled. {count} answers are kept as labels.",
                count=count,
            )
            self._labels.state.show_message(kept, tone="info", command="edit.undo")
        self._result = None
        self._show(None)
