"""The view of duplicates: each group under a heading, the best picture first; contradicting labels on top.

A picture whose copies an import refused because they have another label stands as a group of its own: a conflict.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gui.curate.curation import Curation
from gui.curate.findings_view import FindingsView
from gui.curate.reading import Found
from gui.curate.view import Command, Empty, Shown, plain_tile
from gui.kit.i18n import tr
from gui.kit.picture_model import Section, Tile
from visionft.curation.duplicates.check import duplicate_pairs
from visionft.curation.duplicates.groups_now import standing_groups
from visionft.project.edits.keep_one import KeepOne
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.queries import ImageRow, find_conflicts

CONFLICT, EXACT, NEAR = "conflict", "exact", "near"


@dataclass(frozen=True, slots=True)
class Doubles:
    """A group: its kind, its pictures with the best first, how alike the least alike are, what its labels are."""

    kind: str
    ids: tuple[int, ...]
    score: float
    labels: tuple[str, ...]

    def heading(self) -> str:
        """Return what stands over it, translated."""
        count = f"{len(self.ids):,}"
        if self.kind == CONFLICT and len(self.ids) == 1:
            return tr("The same picture came as {labels}: which is right?", labels=", ".join(self.labels))
        if self.kind == CONFLICT:
            return tr("{count} copies, labelled {labels}: which is right?", count=count, labels=", ".join(self.labels))
        if self.kind == EXACT:
            return tr("{count} pictures with the same pixels", count=count)
        return tr("{count} pictures, {share} alike", count=count, share=f"{self.score:.0%}")


class DuplicatesView(FindingsView):
    """Groups of copies; one key keeps the best of a group, which takes over labels, tags and split of the others."""

    name, title, icon, check = "duplicates", "Duplicates", "copy", "duplicates"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self._known: tuple[Found | None, float, list[Doubles]] = (None, 0.0, [])
        self._group_of: dict[int, Doubles] = {}
        self.commands = {
            "curate.keep_best": Command(self.keep_best, self.why_not_best, icon="check", words=tr("Keep the best")),
            "curate.keep_this": Command(self.keep_this, self.why_no_group, icon="pin", words=tr("Keep this one")),
            "curate.keep_all_best": Command(
                self.keep_all_best, self.why_not_all_best, icon="layers", words=tr("Keep the best of each"),
                needs_picture=False,
            ),
            "curate.fine": Command(self.keep, self.why_no_group, icon="close", words=tr("No doubles")),
            "curate.remove": Command(self.acting.remove, words=tr("Take out"), is_button=False),
            "curate.tag": Command(self.acting.ask_tag, is_button=False),
            "curate.open": Command(self.open_on_label, icon="label", needs_picture=False),
        }  # fmt: skip

    # -- groups -------------------------------------------------------------------------------------------------

    def groups(self) -> list[Doubles]:
        """Return the groups at the threshold: contradicting labels first, then the surest."""
        found, threshold = self.found, self.threshold
        if found is None:
            return []
        if self._known[0] is not found or self._known[1] != threshold:
            groups = [*self._refused_copies(), *self._found_groups(found, threshold)]
            self._known = (found, threshold, sorted(groups, key=lambda group: group.kind != CONFLICT))
        return self._known[2]

    def _found_groups(self, found: Found, threshold: float) -> Iterable[Doubles]:
        project, now = self.curation.project, self.curation.now
        assert project is not None
        for group, is_conflict in standing_groups(project, found.result, now, threshold=threshold):
            names = tuple(dict.fromkeys(name for each in group.image_ids for name in now[each].labels))
            yield Doubles(CONFLICT if is_conflict else group.kind, group.image_ids, group.score, names)

    def _refused_copies(self) -> Iterable[Doubles]:
        """Yield the pictures that came in several classes, with the same content each time."""
        project, now = self.curation.project, self.curation.now
        for conflict in find_conflicts(project) if project is not None else ():
            if conflict.image_id in now:
                yield Doubles(CONFLICT, (conflict.image_id,), 1.0, conflict.classes)

    # -- answers ------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Bring controls and groups up to date."""
        found = self.found
        self._group_of = {}
        if found is None:
            return
        groups = self.groups()
        kinds = Counter(group.kind for group in groups)
        self._kinds &= frozenset(kinds)
        titles = {kind: (self.kind_title(kind), count) for kind, count in kinds.items()}
        self.controls.show_kinds(titles, self._kinds)
        self.controls.show_threshold(self.threshold, found.result.threshold)
        self.controls.show_count(len(groups), len(groups))
        shown = [group for group in groups if not self._kinds or group.kind in self._kinds]
        for group in shown:
            for image_id in group.ids:
                self._group_of.setdefault(image_id, group)

    def kind_title(self, kind: str) -> str:
        """Return what a kind of group is called."""
        titles = {CONFLICT: tr("Labels contradict"), EXACT: tr("Same pixels"), NEAR: tr("Nearly the same")}
        return titles.get(kind, kind)

    def count(self) -> int | None:
        """Return the number of groups."""
        return len(self.groups()) if self.found is not None else None

    def sentence(self) -> str:
        """Return how many groups there are, and how sure that is."""
        found = self.found
        if found is None:
            return super().sentence()
        groups = self.groups()
        words = tr("{count} groups of copies.", count=f"{len(groups):,}")
        contradicting = sum(group.kind == CONFLICT for group in groups)
        if contradicting:
            words += " " + tr("Labels contradict each other in {count} of them.", count=f"{contradicting:,}")
        return f"{words} {tr('The best stands first: the largest, labelled, sharpest.')}"

    def empty(self) -> Empty | None:
        """Return why there is nothing to show."""
        return super().empty() if not self._group_of else None

    def shown(self) -> Shown:
        """Return the groups, each under its heading."""
        groups = list(dict.fromkeys(self._group_of.values()))
        colours = self.curation.colours
        members = [[each for each in group.ids if self._group_of[each] is group] for group in groups]
        sections = tuple(
            Section(group.heading(), colours.get(group.labels[0]) if len(group.labels) == 1 else None, len(ids))
            for group, ids in zip(groups, members, strict=True)
            if ids
        )
        return Shown(tuple(image_id for ids in members for image_id in ids), sections)

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with its size; the best of its group is marked."""
        group = self._group_of.get(row.image_id)
        is_best = group is not None and len(group.ids) > 1 and group.ids[0] == row.image_id
        candidates = ", ".join(each.class_name for each in row.candidates)
        title = f"{candidates}?" if candidates else ""
        detail = f"{row.width} × {row.height}"
        return plain_tile(row, self.curation, title=title, detail=detail, mark=tr("best") if is_best else "")

    def reason(self, image_id: int) -> str:
        """Return which picture it is like, or why it stands here."""
        reasons = [tr(each.reason) for each in self.findings_of(image_id) if each.score >= self.threshold]
        group = self._group_of.get(image_id)
        return " ".join(reasons) or (group.heading() if group is not None else "")

    # -- acting -------------------------------------------------------------------------------------------------

    def chosen_groups(self) -> list[Doubles]:
        """Return the groups of what is selected."""
        groups = (self._group_of.get(image_id) for image_id in self.curation.chosen())
        return list(dict.fromkeys(group for group in groups if group is not None and len(group.ids) > 1))

    def why_no_group(self) -> str:
        """Return why nothing can be done to a group."""
        if reason := self.why_no_picture():
            return reason
        return "" if self.chosen_groups() else tr("There is only one of it: a key gives it its class.")

    def why_not_best(self) -> str:
        """Return why the best of the chosen groups cannot be kept by itself."""
        if reason := self.why_no_group():
            return reason
        clear = any(group.kind != CONFLICT for group in self.chosen_groups())
        return "" if clear else tr("Their labels contradict each other: choose the one to keep.")

    def why_not_all_best(self) -> str:
        """Return why there is no group whose best can be kept by itself."""
        clear = any(group.kind != CONFLICT and len(group.ids) > 1 for group in self._group_of.values())
        return "" if clear else tr("There is no group here whose labels agree.")

    def keep_best(self) -> None:
        """Keep the best of the chosen groups; those whose labels contradict each other are left to a person."""
        self._keep_one({group.ids[0]: group.ids[1:] for group in self.chosen_groups() if group.kind != CONFLICT})

    def keep_all_best(self) -> None:
        """Keep the best of every group that is shown, in one step."""
        groups = dict.fromkeys(self._group_of.values())
        clear = [group for group in groups if group.kind != CONFLICT and len(group.ids) > 1]
        self._keep_one({group.ids[0]: group.ids[1:] for group in clear})

    def keep_this(self) -> None:
        """Keep the current picture of its group, with the label that it has."""
        current = self.curation.selection.current_id()
        group = self._group_of.get(current)
        if group is not None and len(group.ids) > 1:
            self._keep_one({current: _others(group.ids, current)}, takes_labels=group.kind != CONFLICT)

    def _keep_one(self, groups: dict[int, tuple[int, ...]], *, takes_labels: bool = True) -> None:
        if groups:
            count = sum(map(len, groups.values()))
            said = tr("{count} copies were taken out of the project.", count=f"{count:,}")
            self.curation.apply(KeepOne(groups, takes_labels=takes_labels), said)

    def keep(self) -> None:
        """Note that the pictures of the chosen groups are no copies of each other."""
        group_of = {image_id: group for group in self.chosen_groups() for image_id in group.ids}
        compared = duplicate_pairs(self.found.result) if self.found is not None else ()  # of many equal ones not all
        pairs = tuple(
            (each.first, each.second)
            for each in compared
            if each.first in group_of and group_of[each.first] is group_of.get(each.second)
        )
        if pairs:
            said = tr("{count} pairs are no doubles.", count=f"{len(pairs):,}")
            self.curation.apply(JudgeFine(self.check, pairs), said)


def _others(ids: Sequence[int], kept: int) -> tuple[int, ...]:
    return tuple(image_id for image_id in ids if image_id != kept)
