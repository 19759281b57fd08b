"""The view of duplicates: each group under a heading, the best image first; label conflicts on top."""

from collections import Counter

from gui.curate.curation import Curation
from gui.curate.issues_view import LOOK_ALIKES, GroupsView
from gui.curate.result_reader import LoadedIssues
from gui.curate.view import Command, EmptyContent, plain_tile
from gui.kit.image_model import Tile
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from visionft.analysis.duplicate_groups import DuplicateGroup, current_groups, duplicate_pairs, keep_best
from visionft.core.messages import Message
from visionft.project.edits.image_changes import KeepOneDuplicate
from visionft.project.queries import ImageRow

CONFLICT, EXACT, NEAR = "conflict", "exact", "near"  # kinds to filter by


class DuplicatesView(GroupsView[DuplicateGroup]):
    """Duplicate groups; one key keeps the best image of a group, with the labels, tags and split of the others."""

    name = "duplicates"
    title = Message("Duplicates")
    icon = "copy"
    check = "duplicates"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self._known: tuple[LoadedIssues | None, float, list[DuplicateGroup]] = (None, 0.0, [])
        self.commands = {
            "curate.keep_best": Command(self.keep_best, self.why_not_best, icon="check", words=tr("Keep the best")),
            "curate.keep_this": Command(self.keep_this, self.why_no_group, icon="pin", words=tr("Keep this one")),
            "curate.keep_all_best": Command(
                self.keep_all_best,
                self.why_not_all_best,
                icon="layers",
                words=tr("Keep the best of each"),
                needs_image=False,
            ),
            "curate.fine": Command(self.keep, self.why_no_group, icon="close", words=tr("Not duplicates")),
            "curate.remove": Command(self.remove, words=tr("Remove"), is_button=False),
            "curate.tag": Command(self.ask_tag, is_button=False),
            "curate.open": Command(self.open_on_label, icon="label", needs_image=False),
        }

    def groups(self) -> list[DuplicateGroup]:
        """Return the groups at the threshold: label conflicts first, then the surest."""
        loaded, threshold, project = self.loaded, self.threshold, self.curation.project
        if loaded is None or project is None:
            return []
        if self._known[0] is not loaded or self._known[1] != threshold:
            groups = current_groups(project, loaded.result, self.curation.now, threshold=threshold)
            self._known = (loaded, threshold, groups)
        return self._known[2]

    def fill(self) -> None:
        loaded = self.loaded
        groups = self.groups()
        if loaded is not None:
            kinds = Counter(map(_kind_of, groups))
            self._kinds &= frozenset(kinds)
            titles = {kind: (self.kind_title(kind), count) for kind, count in kinds.items()}
            self.controls.show_kinds(titles, self._kinds)
            self.controls.show_threshold(self.threshold, loaded.result.threshold)
            self.controls.show_count(len(groups), len(groups))
        self.show_groups(group for group in groups if not self._kinds or _kind_of(group) in self._kinds)

    def kind_title(self, kind: str) -> str:
        return {CONFLICT: tr("Label conflict"), EXACT: tr("Identical"), NEAR: tr("Near-duplicates")}.get(kind, kind)

    def heading(self, group: DuplicateGroup) -> str:
        count, labels = len(group.image_ids), ", ".join(group.labels)
        if group.is_conflict:
            return tr("Label conflict: {number} duplicates, labelled {labels}", number=f"{count:,}", labels=labels)
        if group.kind == EXACT:
            return tr("{number} identical images", number=f"{count:,}")
        return tr("{number} near-duplicates, similarity {share}", number=f"{count:,}", share=f"{group.score:.0%}")

    def heading_colour(self, group: DuplicateGroup) -> ClassColour | None:
        return self.curation.colours.get(group.labels[0]) if len(group.labels) == 1 else None

    def count(self) -> int | None:
        return len(self.groups()) if self.loaded is not None else None

    def sentence(self) -> str:
        if self.loaded is None:
            return super().sentence()
        groups = self.groups()
        words = [
            tr(
                "{count} duplicate group: {images} images.",
                "{count} duplicate groups: {images} images.",
                count=len(groups),
                images=f"{sum(len(group.image_ids) for group in groups):,}",
            )
        ]
        if conflicts := sum(group.is_conflict for group in groups):
            words.append(
                tr("{count} of them has a label conflict.", "{count} of them have a label conflict.", count=conflicts)
            )
        if self.has_look_alikes:
            words.append(tr(LOOK_ALIKES))
        return " ".join((*words, *self.limits(), tr("The best image comes first: the largest, labelled, sharpest.")))

    def empty(self) -> EmptyContent | None:
        return super().empty() if not self.shown_groups else None

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with its size; the best of its group is marked."""
        group = self.group_of(row.image_id)
        is_best = group is not None and group.image_ids[0] == row.image_id
        detail = f"{row.width} × {row.height}"
        return plain_tile(row, self.curation, detail=detail, mark=tr("best") if is_best else "")

    def reason(self, image_id: int) -> str:
        group = self.group_of(image_id)
        return super().reason(image_id) or (self.heading(group) if group is not None else "")

    def chosen_groups(self) -> list[DuplicateGroup]:
        """Return the groups of the selected images."""
        groups = {id(group): group for each in self.curation.chosen() if (group := self.group_of(each)) is not None}
        return list(groups.values())

    def why_no_group(self) -> str:
        return "" if self.chosen_groups() else tr("It is in no group here.")

    def why_not_best(self) -> str:
        if reason := self.why_no_group():
            return reason
        return "" if keep_best(self.chosen_groups()) else tr("Label conflict: choose the image to keep.")

    def why_not_all_best(self) -> str:
        return "" if keep_best(self.shown_groups) else tr("There is no group without a label conflict.")

    def keep_best(self) -> None:
        self._keep_one(keep_best(self.chosen_groups()))

    def keep_all_best(self) -> None:
        """Keep the best of every displayed group, in one step."""
        if not self.has_look_alikes or self.confirm(tr("Keep the best of each")):
            self._keep_one(keep_best(self.shown_groups))

    def keep_this(self) -> None:
        """Keep the current image of its group, with its own label."""
        current = self.curation.selection.current_id()
        group = self.group_of(current)
        if group is not None:
            others = tuple(each for each in group.image_ids if each != current)
            self._keep_one(KeepOneDuplicate({current: others}, takes_labels=not group.is_conflict))

    def _keep_one(self, change: KeepOneDuplicate | None) -> None:
        if change is not None:
            message = Message(
                "{count} duplicate was removed from the project.", "{count} duplicates were removed from the project."
            )
            self.curation.apply(change, tr(message, count=sum(map(len, change.groups.values()))))

    def keep(self) -> None:
        """Mark the images of the selected groups as no duplicates of each other."""
        number = {image_id: place for place, group in enumerate(self.chosen_groups()) for image_id in group.image_ids}
        pairs = duplicate_pairs(self.loaded.result) if self.loaded is not None else ()  # not all of many equals
        self.mark_as_no_duplicates(
            each.ids for each in pairs if number.get(each.first, -1) == number.get(each.second, -2)
        )


def _kind_of(group: DuplicateGroup) -> str:
    return CONFLICT if group.is_conflict else group.kind
