"""Accepting many suggestions: what a threshold means, a check of a random sample, and what it proved.

The engine plans, draws and keeps (`visionft.suggest.certificate`); what a person said of the sample is kept as labels,
whatever came of it, and also where the check was stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.kit.i18n import tr
from gui.kit.picture_model import PictureModel
from gui.kit.thumbnails import ThumbnailStore
from gui.label.accept_view import AcceptView
from gui.label.audit_words import kept_words, offer_of, verdict_of
from gui.label.cell import Cell
from gui.label.rows_view import Question, RowOfAlike, RowsView
from gui.label.session import LabelSession
from gui.label.verdict_view import VerdictView
from visionft.errors import VisionFTError
from visionft.project.edits.changes import AcceptSuggestions, LabelImages
from visionft.project.store import Project
from visionft.suggest.audit import AuditPlan, confidence_of, suggest_plan
from visionft.suggest.certificate import PendingAudit, draw_audit, finish_audit, next_number
from visionft.suggest.suggestions import FEATURES

RIGHTNESS = (0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
CONFIDENCE = 0.95
USUAL_THRESHOLD, USUAL_RIGHTNESS = 0.9, 2
_LEAST_SHOWN = 24  # pictures at the threshold that are shown
_PAUSE_MS = 60


def keep_answers(project: Project, answers: Mapping[int, str]) -> None:
    """Give pictures the classes that a person said, as one step of the history."""
    by_class: dict[str, list[int]] = {}
    for image_id, name in answers.items():
        by_class.setdefault(name, []).append(image_id)
    step_id = 0
    for name, ids in by_class.items():
        step_id = project.apply(LabelImages(tuple(ids), name), continues=step_id).step_id or step_id


class Auditing(QObject):
    """The way from a threshold to accepted labels."""

    view_wanted = Signal(object)  # the view to show in place of the one before; None for the grid

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self._labels = labels
        self._pictures = PictureModel(self._tiles, self)
        least = PictureModel(labels.cells, self)
        self.accept_view = AcceptView(thumbnails, least, rightness=RIGHTNESS)
        name = "Sample to check"
        self.sample_view = RowsView(
            thumbnails, self._pictures, name=name, back="Stop the check", back_icon="close", side_px=side_px
        )
        self.verdict_view = VerdictView()
        self._least = least
        self._threshold, self._wanted = USUAL_THRESHOLD, USUAL_RIGHTNESS
        self._plan: AuditPlan | None = None
        self._pending: PendingAudit | None = None
        self._rows: list[RowOfAlike] = []
        self._done: list[tuple[int, ...]] = []  # the rows that were looked at
        self._checked: dict[int, str] = {}
        self._wrong: dict[int, str] = {}  # what marked pictures are; empty while nobody said
        self._width = 0  # pictures in a row, as it was cut
        self._asked = 0  # the marked picture that a class key is about
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._show_offer)
        self._connect()

    def _connect(self) -> None:
        view, sample, verdict = self.accept_view, self.sample_view, self.verdict_view
        view.threshold_moved.connect(self._on_threshold_moved)
        view.rightness_chosen.connect(self._on_rightness_chosen)
        view.check_wanted.connect(self.draw)
        view.accept_wanted.connect(self.accept_unchecked)
        sample.accepted.connect(self.accept_row)
        sample.other_wanted.connect(self.back)
        sample.toggled.connect(self.toggle)
        sample.refitted.connect(self._on_refitted)
        verdict.accept_wanted.connect(self.accept_unchecked)
        verdict.again_wanted.connect(self.begin)
        self._labels.suggesting.changed.connect(self._on_suggestions_changed)
        for each in (view, sample, verdict):
            each.closed.connect(self.close)

    @property
    def views(self) -> tuple[QWidget, ...]:
        """Return the views, of which at most one is shown."""
        return (self.accept_view, self.sample_view, self.verdict_view)

    # -- choosing -----------------------------------------------------------------------------------------------

    def why_not(self) -> str:
        """Return why nothing can be accepted, translated; empty when something can."""
        return "" if self._labels.suggesting.found else tr("There are no suggestions.")

    def begin(self) -> None:
        """Let the user choose from which probability on suggestions are accepted."""
        self._show_offer()
        self.view_wanted.emit(self.accept_view)

    @Slot()
    def _on_suggestions_changed(self) -> None:
        if self.accept_view.isVisible():
            self._pause.start()

    @Slot(float)
    def _on_threshold_moved(self, threshold: float) -> None:
        self._threshold = threshold
        self._pause.start()

    @Slot(int)
    def _on_rightness_chosen(self, place: int) -> None:
        self._wanted = place
        self._show_offer()

    def _show_offer(self) -> None:
        project = self._labels.project
        if project is None:
            return
        ids, confidences = self._labels.suggesting.by_confidence()
        first = int(np.searchsorted(confidences, self._threshold - 1e-9))
        chosen = confidences[first:]
        expected = float(chosen.mean()) if len(chosen) else 0.0
        number, rightness = next_number(project), RIGHTNESS[self._wanted]
        planned, claimed = confidence_of(number, CONFIDENCE)
        self._plan = None
        if len(chosen) and project.task == "single":
            self._plan = suggest_plan(len(chosen), rightness=rightness, expected_wrong=1 - expected, confidence=planned)
        self.accept_view.rightness_box.setCurrentIndex(self._wanted)
        self.accept_view.show_offer(
            offer_of(self._plan, threshold=self._threshold, count=len(chosen), total=len(ids), expected=expected,
                     claimed=claimed, number=number, is_multi=project.task == "multi")
        )  # fmt: skip
        self._least.set_ids(tuple(ids[first : first + _LEAST_SHOWN].tolist()))

    @Slot()
    def accept_unchecked(self) -> None:
        """Accept all from the threshold on; nothing is proven."""
        found = self._labels.suggesting.sure_ones(self._threshold)
        classes = {image_id: each.classes for image_id, each in found.items()}
        said = tr("{count} suggestions were accepted. Nothing is proven about them.", count=f"{len(classes):,}")
        if not classes or self._labels.apply(AcceptSuggestions(classes), said):
            self.view_wanted.emit(None)

    # -- checking -----------------------------------------------------------------------------------------------

    @Slot()
    def draw(self) -> None:
        """Draw the sample, write it down, and show it in rows by class."""
        project, suggesting, plan = self._labels.project, self._labels.suggesting, self._plan
        if project is None or plan is None:
            return
        found = suggesting.sure_ones(self._threshold)
        pending = self._labels.run(
            lambda: draw_audit(
                project, found, source=suggesting.run_name or FEATURES, threshold=self._threshold,
                rightness=RIGHTNESS[self._wanted], confidence=CONFIDENCE,
            )
        )  # fmt: skip
        if pending is None:
            return
        self._pending, self._done, self._checked, self._wrong, self._asked = pending, [], {}, {}, 0
        by_class: dict[str, list[int]] = {}
        for image_id in pending.sample:
            by_class.setdefault(pending.accepted[image_id][0], []).append(image_id)
        order = {each.name: place for place, each in enumerate(self._labels.classes)}
        self._rows = [
            RowOfAlike(image_ids=tuple(ids), class_name=name)
            for name, ids in sorted(by_class.items(), key=lambda each: order.get(each[0], len(order)))
        ]
        self.view_wanted.emit(self.sample_view)
        self._show()

    def _tiles(self, image_ids: Sequence[int]) -> Iterator[Cell]:
        """Yield the tiles of the sample: bare, unless they were marked as wrong."""
        colours = self._labels.colours
        for cell in self._labels.cells(image_ids):
            name = self._wrong.get(cell.image_id)
            title = tr("wrong") if name == "" else f"→ {name}" if name else self._said(cell.image_id)
            yield replace(
                cell, title=title, is_out=name == "", is_blank=name is None, aside="", mark="", is_proposed=False,
                tone="warn" if name is not None else "", swatches=(colours.get(name, 0),) if name else (),
            )  # fmt: skip

    def _said(self, image_id: int) -> str:
        return self._pending.accepted[image_id][0] if self._pending is not None else ""

    def _cut(self) -> list[RowOfAlike]:
        """Return the rows as they are shown: as many pictures side by side as find room."""
        width = self.sample_view.capacity()
        return [
            replace(each, image_ids=each.image_ids[start : start + width])
            for each in self._rows
            for start in range(0, len(each.image_ids), width)
        ]

    def _show(self) -> None:
        rows, self._width = self._cut(), self.sample_view.capacity()
        self.sample_view.show_rows(rows, self._labels.colours)
        if rows:
            self._show_question(rows[0])

    def _show_question(self, shown: RowOfAlike) -> None:
        key, is_open = self._labels.state.actions.shown_keys, any(not name for name in self._wrong.values())
        wrong = sum(each in self._wrong for each in shown.image_ids)
        if is_open:
            words = tr("What is the marked picture really?")
            hint = tr("Press its class key, or choose it in the list. Another click takes the mark back.")
        else:
            words = tr("Are these all “{name}”?", name=shown.class_name)
            hint = tr("Click each one that is wrong.")
        asked = Question(
            words=words, hint=hint, can_accept=not is_open, accept_key=key("sample.accept"),
            accept=tr("The others are right") if wrong else tr("All are right"),
            other=tr("Previous row") if self._done and not is_open else "", other_key=key("sample.back"),
        )  # fmt: skip
        self.sample_view.show_question(asked)
        total = len(self._pending.sample) if self._pending is not None else 0
        words = tr("{done} of {total} checked", done=f"{len(self._checked):,}", total=f"{total:,}")
        marked = tr("{count} wrong", count=f"{len(self._wrong):,}")
        self.sample_view.show_progress(f"{words}, {marked}" if self._wrong else words, len(self._checked), total)

    @Slot()
    def _on_refitted(self) -> None:
        if self._pending is not None and self.sample_view.capacity() != self._width:
            self._show()

    def toggle_current(self) -> None:
        """Mark the picture that the keys are on as wrong, or take the mark back."""
        self.toggle(self.sample_view.grid.selection.current_id())

    @Slot(int)
    def toggle(self, image_id: int) -> None:
        """Mark a picture of the first row as wrong, or take the mark back."""
        rows = self._cut()
        if not rows or image_id not in rows[0].image_ids:
            return
        if image_id in self._wrong:
            del self._wrong[image_id]
        else:
            self._wrong[image_id] = ""
        self._ask_next()
        self._pictures.invalidate((image_id,))
        self._show_question(rows[0])

    def assign(self, class_name: str) -> None:
        """Say what the marked picture really is."""
        image_id = self._asked
        if not image_id:
            self._labels.state.say(tr("Mark the picture that is wrong first: click it."), tone="info")
            return
        if class_name == self._said(image_id):
            del self._wrong[image_id]
        else:
            self._wrong[image_id] = class_name
        self._ask_next()
        self._pictures.invalidate((image_id,))
        self._show_question(self._cut()[0])

    def _ask_next(self) -> None:
        """Let class keys be about the picture marked last of those that nobody said anything of."""
        self._asked = next((each for each, name in reversed(self._wrong.items()) if not name), 0)

    @Slot()
    def accept_row(self) -> None:
        """Take what is not marked in the first row as right, and go on."""
        rows = self._cut()
        if not rows or self._asked:
            return
        seen = rows[0].image_ids
        self._checked |= {each: self._wrong.get(each) or self._said(each) for each in seen}
        self._done.append(seen)
        rest = self._rows[0].image_ids[len(seen) :]
        self._rows[:1] = [replace(self._rows[0], image_ids=rest)] if rest else []
        if self._rows:
            self._show()
        else:
            self._finish()

    @Slot()
    def back(self) -> None:
        """Look at the row before once more."""
        if not self._done or self._asked:
            return
        seen = self._done.pop()
        for each in seen:
            self._checked.pop(each, None)
        name = self._said(seen[0])
        if self._rows and self._rows[0].class_name == name:
            self._rows[0] = replace(self._rows[0], image_ids=(*seen, *self._rows[0].image_ids))
        else:
            self._rows.insert(0, RowOfAlike(image_ids=seen, class_name=name))
        self._show()

    def _finish(self) -> None:
        project, pending = self._labels.project, self._pending
        if project is None or pending is None:
            return
        answers = {image_id: (name,) for image_id, name in self._checked.items()}
        audit = self._labels.run(lambda: finish_audit(project, pending, answers))
        if audit is not None:
            self._pending = None
            self.verdict_view.show_verdict(verdict_of(audit))
            self.view_wanted.emit(self.verdict_view)

    def _said_so_far(self) -> dict[int, str]:
        """Return what was said of pictures in a check that is not finished, without those that have a label by now."""
        said = {**self._checked, **{each: name for each, name in self._wrong.items() if name}}
        if self._pending is None or not said:
            return {}
        is_open = {cell.image_id for cell in self._labels.cells(tuple(said)) if not cell.labels}
        return {image_id: name for image_id, name in said.items() if image_id in is_open}

    def keep_said(self) -> None:
        """Keep what was said of pictures before the page goes; nobody is told any more."""
        project, said = self._labels.project, self._said_so_far()
        if project is not None and said:
            try:
                keep_answers(project, said)
            except VisionFTError as error:
                self._labels.state.report(error)

    @Slot()
    def close(self) -> None:
        """Go back to the grid; of a check that was stopped, what was said of pictures is kept as their labels."""
        project, said = self._labels.project, self._said_so_far()
        self._pending, self._checked, self._wrong, self._asked, self._rows, self._done = None, {}, {}, 0, [], []
        if project is not None and said:
            self._labels.run(lambda: keep_answers(project, said) or True)
            self._labels.state.say(kept_words(len(said)), tone="info", command="edit.undo")
        self.view_wanted.emit(None)
