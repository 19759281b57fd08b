"""The view of leaks: each group in several splits under a heading, and the fix."""

from dataclasses import replace

from gui.curate.curation import Curation
from gui.curate.issues_view import LOOK_ALIKES, GroupsView
from gui.curate.view import Command, EmptyContent, plain_tile
from gui.kit.image_model import Tile
from gui.kit.translation import tr
from visionft.analysis.leaks import (
    NO_SPLITS,
    Leak,
    RelatedImages,
    can_leak,
    leaks_among,
    mend,
    related_images,
)
from visionft.core.messages import Message
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
            return EmptyContent(title=tr("Not split yet"), words=tr(NO_SPLITS), icon="info")
        words = tr("Every group of related images is in a single split, or not split yet.")
        return EmptyContent(title=tr("No leaks"), words=words, icon="check-circle")

    def heading(self, group: Leak) -> str:
        return " · ".join(f"{tr(split)} {len(ids):,}" for split, ids in group.images.items())

    def build_controls(self) -> None:
        """Show no threshold: every group counts."""

    def tile(self, row: ImageRow) -> Tile:
        return replace(plain_tile(row, self.curation, mark=tr(row.split) if row.split else ""), aside="")

    def why_not_mend(self) -> str:
        return "" if self.shown_groups else tr("Every group of related images is in a single split, or not split yet.")

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
        return self.has_look_alikes and bool(self.shown_groups)

    def _chosen_pairs(self) -> list[tuple[int, int]]:
        chosen = frozenset(self.curation.chosen())
        pairs = self._related.pairs if self._related is not None else ()
        return [pair for pair in pairs if chosen & set(pair)]

    def why_not_fine(self) -> str:
        return "" if self._chosen_pairs() else tr("It has no issue here.")

    def keep(self) -> None:
        """Mark the selected images as no duplicates of images in other splits."""
        self.mark_as_no_duplicates(self._chosen_pairs())
