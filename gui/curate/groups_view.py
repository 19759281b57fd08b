"""The view of a check with groups of images (duplicates, leaks): each group under a heading."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from gui.curate.curation import Curation
from gui.curate.issues_view import IssuesView
from gui.curate.view import ViewContent
from gui.kit import dialogs
from gui.kit.image_model import Section
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from models.messages import Message
from visionft.curation.duplicates.duplicate_groups import DuplicateGroup, are_look_alikes
from visionft.curation.leaks.leak_check import Leak
from visionft.project.edits.verdicts import JudgeFine

LOOK_ALIKES = Message("Many different images of this project are as similar as copies: review each group.")
Group = TypeVar("Group", DuplicateGroup, Leak)


class GroupsView(IssuesView, Generic[Group]):
    """Groups of images under headings; an image in several groups is shown in the first one."""

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.shown_groups: list[Group] = []
        self._group_of: dict[int, Group] = {}

    def show_groups(self, groups: Iterable[Group]) -> None:
        self.shown_groups, self._group_of = list(groups), {}
        for group in self.shown_groups:
            for image_id in group.image_ids:
                self._group_of.setdefault(image_id, group)

    def group_of(self, image_id: int) -> Group | None:
        return self._group_of.get(image_id)

    def heading(self, group: Group) -> str:
        raise NotImplementedError

    def heading_colour(self, group: Group) -> ClassColour | None:
        return None

    def shown(self) -> ViewContent:
        ids: list[int] = []
        sections: list[Section] = []
        for group in self.shown_groups:
            own = [each for each in group.image_ids if self._group_of[each] is group]
            ids += own
            if own:
                sections.append(Section(self.heading(group), self.heading_colour(group), len(own)))
        return ViewContent(tuple(ids), tuple(sections))

    @property
    def has_look_alikes(self) -> bool:
        """Whether different images of the project are as similar as copies."""
        return self.loaded is not None and are_look_alikes(self.loaded.result)

    def confirm(self, action: str) -> bool:
        """Ask whether to act on all groups although they may join different images."""
        return dialogs.ask_yes(self.curation.window, f"{action}?", tr(LOOK_ALIKES), yes=action, no=tr("Cancel"))

    def mark_as_no_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Mark pairs of images as no duplicates of each other."""
        if chosen := tuple(pairs):
            message = Message("{count} pair is marked as no duplicates.", "{count} pairs are marked as no duplicates.")
            self.curation.apply(JudgeFine("duplicates", chosen), tr(message, count=len(chosen)))
