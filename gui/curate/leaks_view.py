"""The view of leaks: each group in several splits under a heading, the kinds of groups in use, and the fix."""

from dataclasses import replace
from functools import cached_property

from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.issues_view import LOOK_ALIKES, GroupsView
from gui.curate.view import Command, EmptyContent, plain_tile
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.image_model import Tile
from gui.kit.parts import widget_of
from gui.kit.translation import tr
from models.messages import Message
from visionft.curation.leaks.leak_check import (
    DUPLICATE,
    NO_SPLITS,
    Leak,
    RelatedImages,
    can_leak,
    leaks_among,
    mend,
    related_images,
)
from visionft.project.edits.verdicts import CountGroupings, counted_groupings
from visionft.project.queries import ImageRow, image_rows


class LeaksView(GroupsView[Leak]):
    """Groups of related images in several splits; one button moves each group into one split."""

    name = "leaks"
    title = Message("Leaks")
    icon = "split"
    check = "leaks"
    gives_classes = False

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self._related: RelatedImages | None = None
        self._can_leak = False  # whether there are several splits
        self.chips: dict[str, Chip] = {}
        self.commands = {
            "curate.mend": Command(
                self.mend_all, self.why_not_mend, icon="check", words=tr("Remove all leaks"), needs_image=False
            ),
            "curate.fine": Command(self.keep, self.why_not_fine, icon="close", words=tr("Not duplicates")),
            "curate.remove": Command(self.remove, icon="trash", words=tr("Remove")),
            "curate.open": Command(self.open_on_label, icon="label", needs_image=False),
        }

    def fill(self) -> None:
        loaded, project = self.loaded, self.curation.project
        if loaded is None or project is None:
            self._related = None
            self.show_groups(())
            return
        self._related = related = related_images(project, loaded.result)
        ids = tuple(image_id for members in related.groups for image_id in members)
        splits = {row.image_id: row.split for row in image_rows(project, ids) if row.image_id in self.curation.now}
        self.show_groups(leaks_among(related, splits))
        self._can_leak = bool(self.shown_groups) or can_leak(project.summary().splits)
        self._show_groupings(related)

    def count(self) -> int | None:
        return len(self.shown_groups) if self._related is not None else super().count()

    def sentence(self) -> str:
        if self._related is None:
            return super().sentence()
        pairs = sum(leak.pairs for leak in self.shown_groups)
        count = len(self.shown_groups)
        words = tr("{count} group lies in several splits", "{count} groups lie in several splits", count=count)
        words += f" ({tr('{count} pair', '{count} pairs', count=pairs)})." if pairs else "."
        words += " " + tr(LOOK_ALIKES) if self._needs_confirmation() else ""
        return " ".join((words, *self.limits()))

    def empty(self) -> EmptyContent | None:
        if self._related is None:
            return super().empty()
        if self.shown_groups:
            return None
        if not self._can_leak:
            return EmptyContent(title=tr("Not split yet"), words=tr(NO_SPLITS), icon="info", keeps_controls=True)
        words = tr("Every group of related images lies in one split, or in none yet.")
        return EmptyContent(title=tr("No leaks"), words=words, icon="check-circle", keeps_controls=True)

    def heading(self, group: Leak) -> str:
        counts = " · ".join(f"{tr(split)} {len(ids):,}" for split, ids in group.images.items())
        return f"{', '.join(map(_kind_title, group.kinds))}: {counts}"

    def tile(self, row: ImageRow) -> Tile:
        return replace(plain_tile(row, self.curation, mark=tr(row.split) if row.split else ""), aside="")

    @cached_property
    def _chip_line(self) -> Flow:
        return Flow()

    def build_controls(self) -> QWidget | None:
        return widget_of(self._chip_line)

    def _show_groupings(self, related: RelatedImages) -> None:
        reasons = {each.kind: tr(each.reason) for each in related.groupings}
        for kind, links in related.links.items():
            if kind not in self.chips:
                chip = self.chips[kind] = Chip()
                chip.clicked.connect(lambda _checked=False, kind=kind: self.toggle(kind))
                self._chip_line.addWidget(chip)
            self.chips[kind].show_words(_kind_title(kind), is_on=kind in related.enabled)
            self.chips[kind].setToolTip(reasons.get(kind, ""))
            self.chips[kind].setEnabled(bool(links))

    def toggle(self, kind: str) -> None:
        """Enable or disable a way to group images; splitting follows it too."""
        project, related = self.curation.project, self._related
        if project is not None and related is not None:
            choices = {**counted_groupings(project), kind: kind not in related.enabled}
            if self.curation.apply(CountGroupings(choices)):
                self.changed.emit()

    def why_not_mend(self) -> str:
        return "" if self.shown_groups else tr("Every group of related images lies in one split, or in none yet.")

    def mend_all(self) -> None:
        """Move each group into the split with most of its images, in one step."""
        project = self.curation.project
        if project is None or (self._needs_confirmation() and not self.confirm(tr("Remove all leaks"))):
            return
        if (change := mend(self.shown_groups, project.snapshot())) is not None:
            message = Message(
                "{count} image moved to the split of its group.", "{count} images moved to the split of their group."
            )
            self.curation.apply(change, tr(message, count=len(change.splits)))

    def _needs_confirmation(self) -> bool:
        return self.has_look_alikes and any(DUPLICATE in leak.kinds for leak in self.shown_groups)

    def _chosen_pairs(self) -> list[tuple[int, int]]:
        chosen = frozenset(self.curation.chosen())
        links = self._related.links[DUPLICATE] if self._related is not None else ()
        return [pair for pair in links if chosen & set(pair)]

    def why_not_fine(self) -> str:
        return "" if self._chosen_pairs() else tr("It is related by name, time or folder: disable that kind above.")

    def keep(self) -> None:
        """Mark the selected images as no duplicates of images in other splits."""
        self.mark_as_no_duplicates(self._chosen_pairs())


def _kind_title(kind: str) -> str:
    titles = {
        DUPLICATE: tr("Near-duplicates"),
        "name": tr("Same name stem"),
        "time": tr("Taken within seconds"),
        "folder": tr("Same folder"),
    }
    return titles.get(kind, kind)
