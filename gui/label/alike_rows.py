"""Labelling rows of alike pictures: one key labels what is seen of a row, and the next row comes up by itself.

What was taken out of a row is asked for right after it, one by one. Left open, such pictures would be the ones that
suggestions never learn from: of those at least 90 % sure 84 to 94 % were right then, with 97 and 98 % expected
(trashnet and sign_digits, 24 rows of 7, three seeds); asked for, 96 and 99 %. Fresh rows after each: of those that are
three rows old 92 and 97 %.
"""

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


@dataclass(frozen=True, slots=True)
class _Done:
    """A row that was labelled: undone, it comes back."""

    row: RowOfAlike
    labelled: tuple[int, ...]
    out: tuple[int, ...]
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
        self._width = self.view.capacity()
        standing = {image_id for each in self._standing() for image_id in each.image_ids}
        self._labels.suggesting.ask_rows(self._width, leave_out=frozenset(standing | self._out))

    def _standing(self) -> list[RowOfAlike]:
        """Return the rows that stay when others come: the one that is looked at, and what was taken out of one."""
        return [each for place, each in enumerate(self._rows) if not place or not each.class_name]

    @Slot(object)
    def _on_rows_found(self, found: Sequence[RowOfAlike]) -> None:
        """Take fresh rows behind those that stay."""
        if self.is_on:
            standing = self._standing()
            seen = {image_id for each in standing for image_id in each.image_ids} | self._out
            self._rows = [*standing, *(each for each in found if not seen.intersection(each.image_ids))]
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
        if shown.is_exception:
            words = tr("What is this?")
            hint = tr("You took it out of its row: press its class key.")
        elif name:
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
        out = tuple(each for each in self.view.seen_of(shown) if each in self._out)
        done = _Done(shown, chosen, out, self._clicks + 1)
        self._rows, self._clicks = self._rows[1:], 0
        self._done.append(done)
        if chosen and not self._labels.apply(LabelImages(chosen, class_name)):
            self._done.pop()
            self._rows.insert(0, shown)
        else:
            self._ask_for(out)
            if class_name == shown.class_name:
                self._labels.suggesting.reject(out, class_name)
        self._go_on()

    def _ask_for(self, out: tuple[int, ...]) -> None:
        """Let pictures that were taken out of a row come next, one by one."""
        self._rows[:0] = [RowOfAlike(image_ids=(each,), is_exception=True) for each in out]
        self._out.difference_update(out)
        self._pictures.invalidate(out)

    @Slot()
    def put_off(self) -> None:
        """Let the first row come last; what was taken out of a row waits in the grid."""
        if self._rows:
            first, *rest = self._rows
            self._rows = rest if first.is_exception else [*rest, first]
            self._out.update(first.image_ids if first.is_exception else ())
            self._show()

    @Slot(int)
    def toggle(self, image_id: int) -> None:
        """Take a picture out of the first row, or put it back."""
        if not self._rows or self._rows[0].is_exception or image_id not in self.view.seen_of(self._rows[0]):
            return
        self._out ^= {image_id}
        self._clicks += 1
        self._pictures.invalidate((image_id,))
        self._show_question()
        self._show_progress()

    def _go_on(self) -> None:
        """Go on with the next row, and ask for others behind it: they know what was just learnt."""
        self._show()
        if not self._rows or not self._rows[0].is_exception:
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
            self._rows = [last.row, *(each for each in self._rows if not set(last.out).intersection(each.image_ids))]
            self._out.update(last.out)
            self._show()
        self._show_progress()

    def _is_open(self, done: _Done) -> bool:
        return not any(cell.labels for cell in self._labels.cells(done.labelled))
