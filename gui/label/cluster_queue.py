"""Labelling clusters of suggestions one by one: one key labels the visible images of a row, then the next row follows.

Images excluded from a row are asked about right after it, one by one. If these stayed unlabelled, the suggestions would
never learn from them: of suggestions with at least 90 % confidence, 84 to 94 % were then correct, with 97 and 98 %
expected (trashnet and sign_digits, 24 rows of 7, three seeds); with the questions, 96 and 99 %. Rows are refreshed
after each one: of suggestions computed three rows earlier, 92 and 97 % were correct.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Slot

from gui.kit.image_model import ImageModel
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.label.cell import Cell, shortened
from gui.label.label_session import LabelSession
from gui.label.rows_view import Question, RowsView
from models.messages import Message
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import LabelImages
from visionft.suggest.queue import SuggestionCluster


@dataclass(frozen=True, slots=True)
class _LabelledRow:
    """A labelled row: undo brings it back."""

    row: SuggestionCluster
    labelled: tuple[int, ...]
    excluded: tuple[int, ...]
    actions: int


class ClusterQueue(QObject):
    """The clusters to label, first one first; follows label changes meanwhile.

    A row without a class is a single image that was excluded from its cluster.
    """

    def __init__(self, labels: LabelSession, thumbnails: ThumbnailStore, parent: QObject, *, side_px: int) -> None:
        super().__init__(parent)
        self._labels, self._images = labels, ImageModel(self.tiles, self)
        name = Message("Clusters of suggestions")
        self.view = view = RowsView(thumbnails, self._images, name=name, back="Grid", side_px=side_px)
        self._rows: list[SuggestionCluster] = []
        self._labelled: list[_LabelledRow] = []
        self._excluded: set[int] = set()
        self._clicks = 0
        self._width = 0  # requested images per row
        self.is_on = False
        view.accepted.connect(self.accept)
        view.other_wanted.connect(self.put_off)
        view.toggled.connect(self.toggle)
        view.refitted.connect(lambda: self.is_on and view.capacity() != self._width and self._request())
        labels.suggesting.clusters_found.connect(self._on_clusters_found)
        labels.classes_changed.connect(self._show_progress)

    def begin(self) -> None:
        self.is_on = True
        self._rows = []
        self._labelled = []
        self._excluded = set()
        self._clicks = 0
        self._show()
        self._request()

    def tiles(self, image_ids: Sequence[int]) -> Iterator[Cell]:
        """Yield the tiles of images without captions: the row's heading names the suggested class."""
        for cell in self._labels.cells(image_ids):
            is_out = cell.image_id in self._excluded
            title = tr("excluded") if is_out else cell.title
            yield replace(cell, title=title, is_out=is_out, is_blank=True, aside="", mark="")

    def _request(self) -> None:
        """Request more clusters, without the images of the current one."""
        self._width = self.view.capacity()
        self._labels.suggesting.request_clusters(self._width, leave_out=self._kept()[1])

    def _kept(self) -> tuple[list[SuggestionCluster], set[int]]:
        """Return the rows kept when new ones arrive (the current one, and excluded images), and all images in them."""
        kept = [each for place, each in enumerate(self._rows) if not place or not each.class_name]
        return kept, self._excluded.union(*(each.image_ids for each in kept))

    @Slot(object)
    def _on_clusters_found(self, found: Sequence[SuggestionCluster]) -> None:
        """Append new rows behind those that stay."""
        if self.is_on:
            kept, seen = self._kept()
            self._rows = [*kept, *(each for each in found if not seen.intersection(each.image_ids))]
            self._show()

    def _show(self) -> None:
        suggesting, view, guessed = self._labels.suggesting, self.view, self._labels.guessed
        shown = (replace(each, purity=0.0) if each.class_name in guessed else each for each in self._rows[:12])
        view.show_rows(tuple(shown), self._labels.colours)
        if self._rows:
            self._show_question()
        else:
            words = suggesting.why_no_clusters() or tr("Excluded images are still in the grid.")
            title = tr("Searching for similar images") if suggesting.is_busy else tr("No more clusters")
            view.empty.show_words(title, words, tr("To the grid"))
        self._show_progress()

    def _show_question(self) -> None:
        name = self._rows[0].class_name
        key = self._labels.state.actions.shown_keys
        count = len(self._chosen())
        if name:
            words = tr("Are these all “{name}”?", name=name)
            hint = tr("Click an image to exclude it. A class key gives the row another class.")
        else:
            words, hint = tr("What is this?"), tr("You excluded it from its cluster: press its class key.")
        accept = tr("Label {number} as “{name}”", number=f"{count:,}", name=shortened(name, 16)) if name else ""
        question = Question(
            words=words,
            hint=hint,
            accept=accept,
            accept_key=key("rows.accept"),
            can_accept=count > 0,
            other=tr("Later"),
            other_key=key("rows.later"),
        )
        self.view.show_question(question)

    @Slot()
    def _show_progress(self) -> None:
        summary = self._labels.summary
        left = summary.images - summary.labelled if summary is not None else 0
        labelled = sum(len(each.labelled) for each in self._labelled)
        actions = self._clicks + sum(each.actions for each in self._labelled)
        text = tr("{count} image without a label", "{count} images without a label", count=left)
        if labelled:
            done = Message("{labelled} labelled with {actions} keys and clicks, {saved} saved")
            saved = max(0, labelled - actions)
            text += "; " + tr(done, labelled=f"{labelled:,}", actions=f"{actions:,}", saved=f"{saved:,}")
        self.view.show_progress(text, labelled, left + labelled)

    def _chosen(self) -> tuple[int, ...]:
        """Return the images of the first row that are visible and not excluded."""
        if not self._rows:
            return ()
        return tuple(each for each in self.view.seen_of(self._rows[0]) if each not in self._excluded)

    @Slot()
    def accept(self) -> None:
        if self._rows and self._rows[0].class_name:
            self.assign(self._rows[0].class_name)

    def assign(self, class_name: str) -> None:
        """Label the first row with a class, except images labelled meanwhile; its excluded images follow."""
        if not self._rows:
            return
        first, *rest = self._rows
        chosen = tuple(cell.image_id for cell in self._labels.cells(self._chosen()) if not cell.labels)
        excluded = tuple(each for each in self.view.seen_of(first) if each in self._excluded)
        self._labelled.append(_LabelledRow(first, chosen, excluded, self._clicks + 1))
        self._rows, self._clicks = rest, 0
        if chosen and not self._labels.apply(LabelImages(chosen, class_name)):
            self._labelled.pop()
            self._rows.insert(0, first)
        else:
            self._rows[:0] = [SuggestionCluster((each,)) for each in excluded]
            self._excluded.difference_update(excluded)
            self._images.invalidate(excluded)
            if class_name == first.class_name:
                self._labels.suggesting.reject(excluded, class_name)
        self._show()
        if not self._rows or self._rows[0].class_name:  # new clusters use the newest labels
            self._request()

    @Slot()
    def put_off(self) -> None:
        """Move the first row to the end; an excluded image leaves the rows and waits in the grid."""
        if self._rows:
            first, *rest = self._rows
            self._rows = [*rest, first] if first.class_name else rest
            self._excluded.update(() if first.class_name else first.image_ids)
            self._show()

    @Slot(int)
    def toggle(self, image_id: int) -> None:
        """Exclude an image from the first row, or include it again."""
        if not self._rows or not self._rows[0].class_name or image_id not in self.view.seen_of(self._rows[0]):
            return
        self._excluded ^= {image_id}
        self._clicks += 1
        self._images.invalidate((image_id,))
        self._show_question()
        self._show_progress()

    def follow(self, effects: object) -> None:
        """Follow a change: a row with undone labels becomes the first again."""
        if not self.is_on:
            return
        if not isinstance(effects, Effects):
            self.begin()
            return
        last = self._labelled[-1] if self._labelled else None
        is_undone = last is not None and last.labelled and effects.image_ids.issuperset(last.labelled)
        if last and is_undone and not any(cell.labels for cell in self._labels.cells(last.labelled)):
            self._labelled.pop()
            others = (each for each in self._rows if not set(last.excluded).intersection(each.image_ids))
            self._rows = [last.row, *others]
            self._excluded.update(last.excluded)
            self._show()
        self._show_progress()
