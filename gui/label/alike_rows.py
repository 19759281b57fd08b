"""Labelling rows of alike pictures: one key labels what is seen of a row, and the next row comes up by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Slot

from gui.kit.i18n import tr
from gui.kit.picture_model import PictureModel
from gui.kit.thumbnails import ThumbnailStore
from gui.label.cell import Cell
from gui.label.rows_view import Question, RowOfAlike, RowsView, shortened
from gui.label.session import LabelSession
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import LabelImages

SHOWN = 12  # rows in view and just below
FEW = 4  # rows left: more are asked for


@dataclass(frozen=True, slots=True)
class _Done:
    """A row that was labelled: undone, it comes back."""

    row: RowOfAlike
    labelled: tuple[int, ...]
    actions: int


class AlikeRows(QObject):
    """Rows, the first of which is to be labelled; follows what happens to the labels meanwhile."""

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self._labels, self._pictures = labels, PictureModel(self.tiles, self)
        name = "Rows of alike pictures"
        self.view = view = RowsView(thumbnails, self._pictures, name=name, back="Grid", side_px=side_px)
        self._rows: list[RowOfAlike] = []
        self._done: list[_Done] = []
        self._out: set[int] = set()
        self._clicks = 0
        self._width = 0  # pictures in a row that were asked for
        self.is_on = False
        view.accepted.connect(self.accept)
        view.other_wanted.connect(self.put_off)
        view.toggled.connect(self.toggle)
        view.refitted.connect(self._on_refitted)
        labels.suggesting.rows_found.connect(self._on_rows_found)
        labels.classes_changed.connect(self._show_progress)

    # -- what is shown ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with fresh rows."""
        self.is_on, self._rows, self._done, self._out, self._clicks = True, [], [], set(), 0
        self._show()
        self._ask()

    def end(self) -> None:
        """Stop asking for rows."""
        self.is_on = False

    def tiles(self, image_ids: Sequence[int]) -> Iterator[Cell]:
        """Yield the tiles of pictures: bare, for their heading says what they are taken for."""
        for cell in self._labels.cells(image_ids):
            is_out = cell.image_id in self._out
            title = tr("taken out") if is_out else cell.title
            yield replace(cell, title=title, is_out=is_out, is_blank=True, aside="", mark="")

    @Slot()
    def _on_refitted(self) -> None:
        if self.is_on and self.view.capacity() != self._width:
            self._ask()

    def _ask(self) -> None:
        """Ask for more rows, none of which holds pictures of the current one."""
        current, self._width = self._rows[0].image_ids if self._rows else (), self.view.capacity()
        self._labels.suggesting.ask_rows(self._width, leave_out=frozenset((*current, *self._out)))

    @Slot(object)
    def _on_rows_found(self, found: Sequence[RowOfAlike]) -> None:
        """Take fresh rows behind the current one, which stays: it is being looked at."""
        if self.is_on:
            current = self._rows[:1]
            seen = {image_id for each in current for image_id in each.image_ids} | self._out
            self._rows = [*current, *(each for each in found if not seen.intersection(each.image_ids))]
            self._show()

    def _show(self) -> None:
        suggesting, view = self._labels.suggesting, self.view
        view.show_rows(self._rows[:SHOWN], self._labels.colours)
        if self._rows:
            self._show_question()
        else:
            words = suggesting.why_no_rows() or tr("What was taken out of its row waits in the grid.")
            title = tr("Looking for pictures that are alike") if suggesting.is_looking else tr("No more rows")
            view.empty.show_words(title, words, tr("To the grid"))
        self._show_progress()

    def _show_question(self) -> None:
        shown, key = self._rows[0], self._labels.state.actions.shown_keys
        name, count = shown.class_name, len(self._chosen())
        if name:
            words = tr("Are these all “{name}”?", name=name)
            hint = tr("Click a picture to take it out. A class key gives the row another class.")
        else:
            words = tr("What are these?")
            hint = tr("A class key labels the row. Click a picture to take it out.")
        accept = tr("Label {number} as “{name}”", number=f"{count:,}", name=shortened(name)) if name else ""
        asked = Question(
            words=words, hint=hint, accept=accept, accept_key=key("rows.accept"), can_accept=count > 0,
            other=tr("Later"), other_key=key("rows.later"),
        )  # fmt: skip
        self.view.show_question(asked)

    @Slot()
    def _show_progress(self) -> None:
        summary = self._labels.summary
        left = summary.images - summary.labelled if summary is not None else 0
        labelled = sum(len(each.labelled) for each in self._done)
        actions = self._clicks + sum(each.actions for each in self._done)
        parts = [tr("{count} pictures without a label", count=f"{left:,}")]
        if labelled:
            done = "{labelled} labelled with {actions} keys and clicks, {saved} saved"
            saved = max(0, labelled - actions)
            parts.append(tr(done, labelled=f"{labelled:,}", actions=f"{actions:,}", saved=f"{saved:,}"))
        self.view.show_progress("; ".join(parts), labelled, left + labelled)

    # -- what is done -------------------------------------------------------------------------------------------

    def _chosen(self) -> tuple[int, ...]:
        """Return the pictures of the first row that are seen, and in it."""
        return tuple(each for each in self.view.seen_of(self._rows[0]) if each not in self._out) if self._rows else ()

    @Slot()
    def accept(self) -> None:
        """Label the first row with what is proposed."""
        if self._rows and self._rows[0].class_name:
            self.assign(self._rows[0].class_name)

    def assign(self, class_name: str) -> None:
        """Label the first row with a class; pictures that got a label meanwhile keep it."""
        if not self._rows:
            return
        shown, chosen = self._rows[0], self._chosen()
        chosen = tuple(cell.image_id for cell in self._labels.cells(chosen) if not cell.labels)
        done = _Done(shown, chosen, self._clicks + 1)
        self._rows, self._clicks = self._rows[1:], 0
        self._done.append(done)
        if chosen and not self._labels.apply(LabelImages(chosen, class_name)):
            self._done.pop()
            self._rows.insert(0, shown)
        elif class_name == shown.class_name:
            out = tuple(each for each in self.view.seen_of(shown) if each in self._out)
            self._labels.suggesting.reject(out, class_name)
        self._go_on()

    @Slot()
    def put_off(self) -> None:
        """Let the first row come last."""
        if self._rows:
            self._rows = [*self._rows[1:], self._rows[0]]
            self._show()

    @Slot(int)
    def toggle(self, image_id: int) -> None:
        """Take a picture out of the first row, or put it back."""
        if not self._rows or image_id not in self.view.seen_of(self._rows[0]):
            return
        self._out ^= {image_id}
        self._clicks += 1
        self._pictures.invalidate((image_id,))
        self._show_question()
        self._show_progress()

    def _go_on(self) -> None:
        self._show()
        if len(self._rows) < FEW:
            self._ask()

    def follow(self, effects: object) -> None:
        """Take note of a change: a row whose labels were taken back comes first again."""
        if not self.is_on:
            return
        if not isinstance(effects, Effects):
            self.begin()
            return
        last = self._done[-1] if self._done else None
        if last is not None and effects.image_ids.issuperset(last.labelled) and last.labelled and self._is_open(last):
            self._done.pop()
            self._rows.insert(0, last.row)
            self._show()
        self._show_progress()

    def _is_open(self, done: _Done) -> bool:
        return not any(cell.labels for cell in self._labels.cells(done.labelled))
