"""The view of any check of the table: its findings in the grid, the worst first, above a threshold that can be moved.

A check whose findings want more than this has a view of its own, a subclass (`gui.curate.views`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from operator import attrgetter

from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.finding_controls import FindingControls
from gui.curate.reading import Found
from gui.curate.view import Command, Empty, Shown, View, plain_tile
from gui.kit.i18n import tr
from gui.kit.picture_model import Tile
from gui.next_steps import way_of
from visionft.curation.check import Finding
from visionft.curation.table import CHECKS
from visionft.project.queries import ImageRow


class FindingsView(View):
    """The findings of one check. Subclasses set `check` and replace what they have better answers for."""

    icon = "warning"

    def __init__(self, curation: Curation, check: str = "") -> None:
        """Args: `check` is the check's name, where the class does not say it."""
        super().__init__(curation)
        self.check = check or self.check
        self.name = getattr(self, "name", self.check)
        self.title = getattr(self, "title", CHECKS[self.check].title)
        self._moved_to: float | None = None  # the threshold that the user chose
        self._kinds: frozenset[str] = frozenset()  # to which it is narrowed; empty for all
        self._ids: tuple[int, ...] = ()  # that are shown
        self.commands = {
            "curate.fine": Command(self.keep, self.why_no_finding, icon="check", words=tr("Keep as it is")),
            "curate.accept": Command(self.accept_or_keep, self.why_no_finding, is_button=False),
            "curate.remove": Command(self.acting.remove, icon="trash", words=tr("Take out")),
            "curate.tag": Command(self.acting.ask_tag, icon="pin", words=tr("Tag")),
            "curate.open": Command(self.open_on_label, icon="label", needs_picture=False),
        }

    # -- what is found ------------------------------------------------------------------------------------------

    @property
    def found(self) -> Found | None:
        """What the check found, as it holds now; None where it never looked."""
        return self.curation.found(self.check)

    @property
    def threshold(self) -> float:
        """The score from which findings are shown: the user's choice, or the check's own."""
        if self._moved_to is not None:
            return self._moved_to
        return self.found.result.threshold if self.found is not None else 0.0

    def flagged(self) -> Sequence[Finding]:
        """Return the findings at or above the threshold, the worst first, of all kinds."""
        found = self.found
        return found.findings[: found.count(self.threshold)] if found is not None else ()

    def findings_of(self, image_id: int) -> tuple[Finding, ...]:
        """Return what is found of a picture, the worst first, however little."""
        return self.found.of(image_id) if self.found is not None else ()

    def chosen_findings(self) -> list[Finding]:
        """Return the flagged findings about what is selected."""
        return list(self._chosen_findings())

    def _chosen_findings(self) -> Iterator[Finding]:
        found = (each for image_id in self.curation.chosen() for each in self.findings_of(image_id))
        return (each for each in found if self._is_shown(each))

    def _is_shown(self, finding: Finding) -> bool:
        return finding.score >= self.threshold and (not self._kinds or finding.kind in self._kinds)

    # -- answers ------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Bring the controls up to date."""
        found, flagged = self.found, self.flagged()
        if found is None:
            self._ids = ()
            return
        kinds = Counter(map(attrgetter("kind"), flagged))
        self._kinds &= frozenset(kinds)
        mine = [each for each in flagged if each.kind in self._kinds] if self._kinds else flagged
        self._ids = tuple(dict.fromkeys(map(attrgetter("image_id"), mine)))
        shown = {kind: (self.kind_title(kind), count) for kind, count in kinds.most_common()}
        self.controls.show_kinds(shown, self._kinds)
        self.controls.show_threshold(self.threshold, found.result.threshold)
        self.controls.show_count(sum(kinds.values()), len(found.findings))

    def count(self) -> int | None:
        """Return how many pictures are flagged."""
        found = self.found
        return found.count(self.threshold) if found is not None else None

    def kind_title(self, kind: str) -> str:
        """Return what a kind of finding is called, translated."""
        return tr(kind.replace("_", " ").replace("-", " ").capitalize())

    def sentence(self) -> str:
        """Return how many pictures are flagged, and what the check looks for."""
        summary = tr(CHECKS[self.check].summary)
        looking, found = self.curation.looking, self.found
        if found is None:  # while it is not being looked for either, the empty state says it
            return summary if self.check in looking.checks or self.check in looking.refused else ""
        flagged = tr("{count} pictures are flagged.", count=f"{self.count() or 0:,}")
        return f"{flagged} {summary}"

    def empty(self) -> Empty | None:
        """Return why there is nothing to show: it never looked, could not, is looking, or found nothing."""
        looking, found = self.curation.looking, self.found
        if self.check in looking.checks and found is None:
            words = tr("What it finds shows here when it has looked at all of them.")
            return Empty(title=tr("The pictures are being looked through"), words=words, icon="search")
        refusal = looking.refused.get(self.check)
        if refusal is not None and (found is None or self.check not in looking.checks):
            button, act = way_of(refusal.next_step, self.curation.state.step_requested.emit) or ("", None)
            return Empty(title=tr(refusal.message), words=tr(refusal.hint), icon="info", button=tr(button), act=act)
        if found is None:
            return self._empty_unlooked()
        return self._empty_clean(found) if not self.shown().ids else None

    def _empty_unlooked(self) -> Empty:
        title = tr("Looking was stopped") if self.curation.looking.was_stopped else tr("Not looked through yet")
        words, button = tr(CHECKS[self.check].summary), tr("Look through the pictures")
        checks = [self.check] if self.curation.has_looked else []
        act = partial(self.curation.looking.start, checks)
        return Empty(title=title, words=words, icon="search", button=button, act=act)

    def _empty_clean(self, found: Found) -> Empty:
        """Return that nothing is flagged, which is good; or that all that is flagged lies below the threshold."""
        looked = tr("{count} pictures were looked at.", count=f"{found.result.looked_at:,}")
        if found.count(found.result.threshold) and self._moved_to is not None:
            words = tr("Move the threshold down to see more.")
            button = tr("Back to the usual threshold")
            return Empty(
                title=tr("Nothing above this threshold"),
                words=words,
                button=button,
                act=self.reset,
                keeps_controls=True,
            )
        if found.result.findings and not found.findings:
            return Empty(title=tr("Nothing is left to do here"), words=looked, icon="check-circle")
        below = bool(found.findings)  # little was found: the slider shows it
        return Empty(title=tr("Nothing was found"), words=looked, icon="check-circle", keeps_controls=below)

    def shown(self) -> Shown:
        """Return the pictures that are flagged, the worst first."""
        return Shown(self._ids)

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with what is suggested for it, and the reason below."""
        finding = next(iter(self.findings_of(row.image_id)), None)
        if finding is None:
            return plain_tile(row, self.curation)
        label = ", ".join(row.labels) or tr("no label")
        title = f"{label} → {finding.suggested}?" if finding.suggested else ""
        return plain_tile(row, self.curation, title=title, detail=tr(finding.reason))

    def reason(self, image_id: int) -> str:
        """Return all reasons for a picture."""
        reasons = dict.fromkeys(tr(each.reason) for each in self.findings_of(image_id) if self._is_shown(each))
        return " ".join(reasons)

    # -- controls -----------------------------------------------------------------------------------------------

    @cached_property
    def controls(self) -> FindingControls:
        """The threshold and the kinds."""
        controls = FindingControls()
        controls.threshold_moved.connect(self._on_threshold_moved)
        controls.kind_toggled.connect(self._on_kind_toggled)
        controls.reset_wanted.connect(self.reset)
        return controls

    def build_controls(self) -> QWidget | None:
        """Return the threshold and the kinds."""
        return self.controls

    def reset(self) -> None:
        """Take the check's own threshold, and all kinds."""
        self._moved_to, self._kinds = None, frozenset()
        self.changed.emit()

    def _on_threshold_moved(self, threshold: float) -> None:
        self._moved_to = threshold
        self.changed.emit()

    def _on_kind_toggled(self, kind: str) -> None:
        self._kinds ^= {kind}
        self.changed.emit()

    # -- acting -------------------------------------------------------------------------------------------------

    def why_no_finding(self) -> str:
        """Return why there is nothing to keep as it is."""
        return self.why_no_picture() or ("" if any(self._chosen_findings()) else tr("Nothing is flagged about it."))

    def keep(self) -> None:
        """Note of what is selected that it is no fault."""
        self.acting.keep(self.check, self.chosen_findings())

    def accept_or_keep(self) -> None:
        """Take the classes that are suggested for what is selected; where there is none, keep it as it is."""
        suggested = {each.image_id: each.suggested for each in reversed(self.chosen_findings()) if each.suggested}
        if suggested:
            self.acting.accept(suggested)
        else:
            self.keep()

    def open_on_label(self) -> None:
        """Show all these pictures on the Label page."""
        self.acting.open_on_label(self.shown().ids, tr(self.title))
