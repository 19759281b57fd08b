"""The view of any check of the table: its open issues in the grid, the worst first, above an adjustable threshold.

The issues of some checks are groups of images (`GroupsView`). A check with special needs has a view of its own, a
subclass (`gui.curate.curate_views`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from operator import attrgetter
from typing import Generic, TypeVar

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QSlider, QWidget

from gui.curate.curation import Curation
from gui.curate.result_reader import LoadedIssues
from gui.curate.view import Command, EmptyContent, View, ViewContent, plain_tile
from gui.kit import dialogs, theme
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.image_model import Section, Tile
from gui.kit.parts import IconButton, row, text, widget_of
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.next_steps import step_action
from visionft.analysis.check import APPROXIMATE_TEXT, Issue
from visionft.analysis.duplicate_groups import DuplicateGroup, are_look_alikes
from visionft.analysis.leaks import Leak
from visionft.analysis.scan import CHECKS
from visionft.core.messages import Message
from visionft.project.edits.verdicts import MarkFindingsFine
from visionft.project.queries import ImageRow

STEPS = 1000  # of the slider, from a score of 0 to 1
LOOK_ALIKES = Message("Many different images of this project are as similar as copies: review each group.")
Group = TypeVar("Group", DuplicateGroup, Leak)


class IssueFilter(QWidget):
    """A threshold slider with the number of issues above it, and a chip for each kind if there are several."""

    def __init__(
        self,
        *,
        on_threshold: Callable[[float], object],
        on_kind: Callable[[str], object],
        on_reset: Callable[[], object],
    ) -> None:
        """Args: `on_threshold` receives a score, `on_kind` a kind to show alone or no more."""
        super().__init__()
        self._on_kind = on_kind
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setInvertedAppearance(True)  # more issues to the right, as below in the grid
        self.slider.setFixedWidth(theme.scaled(180))
        self.slider.setAccessibleName(tr("Threshold"))
        self.slider.setToolTip(tr("Least score of the issues shown"))
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.valueChanged.connect(lambda value: on_threshold(value / STEPS))
        self._count = text(role="small")
        self._count.setMinimumWidth(theme.scaled(96))
        self.reset_button = IconButton("undo", "Reset the threshold", on_click=on_reset)
        self.chips: dict[str, Chip] = {}
        line = row(text("Most confident", "small"), self.slider, text("More", "small"), self._count, self.reset_button)
        self._flow = Flow(widget_of(line))
        self.setLayout(self._flow)

    def show_threshold(self, threshold: float, usual: float) -> None:
        with QSignalBlocker(self.slider):
            if abs(self.slider.value() / STEPS - threshold) > 0.5 / STEPS:
                self.slider.setValue(round(threshold * STEPS))
        self.reset_button.setEnabled(abs(threshold - usual) > 0.5 / STEPS)

    def show_count(self, shown: int, of: int) -> None:
        self._count.setText(tr("{shown} of {all} shown", shown=f"{shown:,}", all=f"{of:,}"))

    def show_kinds(self, kinds: Mapping[str, tuple[str, int]], chosen: AbstractSet[str]) -> None:
        """Show {kind: (title, how many)}, unless there is only one; `chosen` are those it is narrowed to."""
        for kind in self.chips.keys() - kinds.keys():
            chip = self.chips.pop(kind)
            self._flow.removeWidget(chip)
            chip.deleteLater()
        for kind, (title, count) in kinds.items():
            if kind not in self.chips:
                chip = self.chips[kind] = Chip()
                chip.clicked.connect(lambda _checked=False, kind=kind: self._on_kind(kind))
                self._flow.addWidget(chip)
            self.chips[kind].show_words(f"{title} {count:,}", is_on=kind in chosen)
            self.chips[kind].setVisible(len(kinds) > 1)


class IssuesView(View):
    """The issues of one check. Subclasses set `check` and override methods."""

    icon = "warning"

    def __init__(self, curation: Curation, check: str = "") -> None:
        """Args: `check` is the check's name, unless the class defines it."""
        super().__init__(curation)
        self.check = check or self.check
        self.name = getattr(self, "name", self.check)
        self.title = getattr(self, "title", CHECKS[self.check].title)
        self._chosen_threshold: float | None = None
        self._kinds: frozenset[str] = frozenset()  # displayed kinds; empty for all
        self._ids: tuple[int, ...] = ()  # of the displayed images
        self.commands = {
            "curate.fine": Command(self.keep, self.why_no_issue, icon="check", words=tr("Keep unchanged")),
            "curate.accept": Command(self.accept_or_keep, self.why_no_issue, is_button=False),
            **self.usual_commands(),
        }

    @property
    def loaded(self) -> LoadedIssues | None:
        """The open issues of the check; None where it never ran."""
        return self.curation.results.get(self.check)

    @property
    def threshold(self) -> float:
        """The score from which issues are shown: the user's choice, or the check's own."""
        if self._chosen_threshold is not None:
            return self._chosen_threshold
        return self.loaded.result.threshold if self.loaded is not None else 0.0

    def flagged(self) -> Sequence[Issue]:
        """Return the issues at or above the threshold, the worst first, of all kinds."""
        loaded = self.loaded
        return loaded.issues[: loaded.count(self.threshold)] if loaded is not None else ()

    def worst_issue(self, image_id: int) -> Issue | None:
        return next(iter(self.loaded.of(image_id)), None) if self.loaded is not None else None

    def shown_issues_of(self, image_id: int) -> list[Issue]:
        """Return the displayed issues of an image, the worst first."""
        issues = self.loaded.of(image_id) if self.loaded is not None else ()
        return [
            each for each in issues if each.score >= self.threshold and (not self._kinds or each.kind in self._kinds)
        ]

    def chosen_issues(self) -> Iterator[Issue]:
        return (each for image_id in self.curation.chosen() for each in self.shown_issues_of(image_id))

    def fill(self) -> None:
        loaded = self.loaded
        flagged = self.flagged()
        if loaded is None:
            self._ids = ()
            return
        kinds = Counter(map(attrgetter("kind"), flagged))
        self._kinds &= frozenset(kinds)
        shown = [each for each in flagged if each.kind in self._kinds] if self._kinds else flagged
        self._ids = tuple(dict.fromkeys(map(attrgetter("image_id"), shown)))
        self.controls.show_kinds(
            {kind: (self.kind_title(kind), count) for kind, count in kinds.most_common()}, self._kinds
        )
        self.controls.show_threshold(self.threshold, loaded.result.threshold)
        self.controls.show_count(sum(kinds.values()), len(loaded.issues))

    def count(self) -> int | None:
        return self.loaded.count(self.threshold) if self.loaded is not None else None

    def kind_title(self, kind: str) -> str:
        return kind.replace("_", " ").replace("-", " ").capitalize()

    def sentence(self) -> str:
        summary = tr(CHECKS[self.check].summary)
        scan = self.curation.scan
        if self.loaded is None:  # while not running either, the empty state has the summary
            return summary if self.check in scan.checks or self.check in scan.skipped else ""
        flagged = tr("{count} image is flagged.", "{count} images are flagged.", count=self.count() or 0)
        return " ".join((flagged, *self.limits(), summary))

    def limits(self) -> list[str]:
        """Return a translated sentence for a search that may have missed issues; empty after an exact one."""
        return [tr(APPROXIMATE_TEXT)] if self.loaded is not None and self.loaded.result.is_approximate else []

    def empty(self) -> EmptyContent | None:
        scan, loaded = self.curation.scan, self.loaded
        is_running = self.check in scan.checks
        skipped = scan.skipped.get(self.check)
        if is_running and loaded is None:
            words = tr("Issues are shown here when the check is finished.")
            return EmptyContent(title=tr("The check is running"), words=words, icon="search")
        if skipped is not None and (loaded is None or not is_running):
            button, act = step_action(skipped.next_step, self.curation.state.step_requested.emit) or ("", None)
            return EmptyContent(
                title=tr(skipped.message),
                words=tr(skipped.hint),
                button=tr(button),
                act=act,
            )
        if loaded is None:
            return EmptyContent(
                title=tr("The check was cancelled") if scan.was_stopped else tr("Not checked yet"),
                words=tr(CHECKS[self.check].summary),
                icon="search",
                button=tr("Find issues"),
                act=partial(scan.start, [self.check] if self.curation.results else []),
            )
        if self.shown().ids:
            return None
        if loaded.count(loaded.result.threshold) and self._chosen_threshold is not None:
            return EmptyContent(
                title=tr("No issues above this threshold"),
                words=tr("Lower the threshold to see more."),
                button=tr("Reset the threshold"),
                act=self.reset,
                keeps_controls=True,
            )
        is_resolved = bool(loaded.result.issues) and not loaded.issues
        return EmptyContent(
            title=tr("All issues are resolved") if is_resolved else tr("No issues found"),
            words=tr("{count} image was checked.", "{count} images were checked.", count=loaded.result.checked),
            icon="check-circle",
            keeps_controls=bool(loaded.issues),  # the slider, for low scores
        )

    def shown(self) -> ViewContent:
        return ViewContent(self._ids)

    def tile(self, row: ImageRow) -> Tile:
        issue = self.worst_issue(row.image_id)
        if issue is None:
            return plain_tile(row, self.curation)
        label = ", ".join(row.labels) or tr("no label")
        title = f"{label} → {issue.suggested}?" if issue.suggested else ""
        return plain_tile(row, self.curation, title=title, detail=tr(issue.reason))

    def reason(self, image_id: int) -> str:
        return " ".join(dict.fromkeys(tr(each.reason) for each in self.shown_issues_of(image_id)))

    @cached_property
    def controls(self) -> IssueFilter:
        return IssueFilter(
            on_threshold=self.set_threshold,
            on_kind=self.toggle_kind,
            on_reset=self.reset,
        )

    def build_controls(self) -> QWidget | None:
        return self.controls

    def reset(self) -> None:
        """Use the check's own threshold, and show all kinds."""
        self._chosen_threshold = None
        self._kinds = frozenset()
        self.changed.emit()

    def set_threshold(self, threshold: float) -> None:
        """Show the issues from a score on."""
        self._chosen_threshold = threshold
        self.changed.emit()

    def toggle_kind(self, kind: str) -> None:
        """Narrow the issues to a kind, or do so no more."""
        self._kinds ^= {kind}
        self.changed.emit()

    def why_no_issue(self) -> str:
        return "" if any(self.chosen_issues()) else tr("It has no issue here.")

    def keep(self) -> None:
        """Mark the issues of the selected images as fine."""
        self.curation.keep(self.check, self.chosen_issues())

    def accept_or_keep(self) -> None:
        """Accept the suggested classes of the selected images; mark issues without a suggestion as fine."""
        suggested = {each.image_id: each.suggested for each in reversed([*self.chosen_issues()]) if each.suggested}
        if suggested:
            self.curation.accept(suggested)
        else:
            self.keep()


class GroupsView(IssuesView, Generic[Group]):
    """Groups of images under headings; an image in several groups is shown in the first one."""

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.shown_groups: list[Group] = []
        self._group_of: dict[int, Group] = {}

    def show_groups(self, groups: Iterable[Group]) -> None:
        self.shown_groups = list(groups)
        self._group_of = {}
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
            self.curation.apply(MarkFindingsFine("duplicates", chosen), tr(message, count=len(chosen)))
