"""The view of leaks: each group that lies in several splits under a heading, what counts as a group, and mending."""

from dataclasses import dataclass, replace
from functools import cached_property

from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.findings_view import FindingsView
from gui.curate.leak_accuracy import LeakAccuracy
from gui.curate.reading import Found
from gui.curate.view import Command, Empty, Shown, plain_tile
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.honest_accuracies import HonestAccuracies, honest_words
from gui.kit.i18n import tr
from gui.kit.parts import column
from gui.kit.picture_model import Section, Tile
from visionft.curation.leaks.check import DOUBLES, Leak, Together, leaks_among, mend, together_now
from visionft.project.edits.grouping_changes import CountGroupings, counted_groupings
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.queries import ImageRow, image_rows


@dataclass(frozen=True, slots=True)
class _Known:
    """What belongs together now, and which of it lies in several splits."""

    together: Together
    leaks: tuple[Leak, ...]


class LeaksView(FindingsView):
    """Pictures that belong together in several splits; one button puts each group into one."""

    name, title, icon, check = "leaks", "Leaks", "split", "leaks"
    gives_classes = False

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self._known: _Known | None = None
        self._leak_of: dict[int, Leak] = {}
        self.accuracies = HonestAccuracies(self)
        self.accuracies.changed.connect(self.changed)
        self.commands = {
            "curate.mend": Command(
                self.mend_all, self.why_not_mend, icon="check", words=tr("Mend all"), needs_picture=False
            ),
            "curate.fine": Command(self.keep, self.why_not_fine, icon="close", words=tr("No doubles")),
            "curate.remove": Command(self.acting.remove, icon="trash", words=tr("Take out")),
            "curate.open": Command(self.open_on_label, icon="label", needs_picture=False),
        }

    # -- answers ------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Take what belongs together, and in which splits it lies now."""
        found = self.found
        self._known = self._read(found) if found is not None else None
        self._leak_of = {}
        if self._known is None:
            return
        for leak in self._known.leaks:
            for ids in leak.pictures.values():
                self._leak_of.update((image_id, leak) for image_id in ids)
        self._show_groupings(self._known.together)
        if self.curation.project is not None:
            self.accuracies.ask(self.curation.project)
        self.accuracy_table.show_accuracies(self.accuracies.found)

    def _read(self, found: Found) -> _Known | None:
        project = self.curation.project
        if project is None:
            return None
        together = together_now(project, found.result)
        ids = tuple(image_id for members in together.components for image_id in members)
        splits = {row.image_id: row.split for row in image_rows(project, ids) if row.image_id in self.curation.now}
        return _Known(together, leaks_among(together, splits))

    def count(self) -> int | None:
        """Return the number of groups in several splits."""
        if self.found is None:
            return None
        return len(self._known.leaks) if self._known is not None else super().count()

    def sentence(self) -> str:
        """Return how much leaks, and what the runs' accuracy is without it."""
        if self.found is None or self._known is None:
            return super().sentence()
        pairs = sum(leak.pairs for leak in self._known.leaks)
        groups = tr("{count} groups lie in several splits", count=f"{len(self._known.leaks):,}")
        words = f"{groups} ({tr('{count} pairs', count=f'{pairs:,}')})." if pairs else f"{groups}."
        newest = self.accuracies.newest
        return " ".join(filter(None, (words, honest_words(newest) if newest is not None else "")))

    def empty(self) -> Empty | None:
        """Return why there is nothing to show."""
        if self.found is None:
            return super().empty()
        if self._leak_of:
            return None
        words = tr("What belongs together lies in one split, or in none yet.")
        if self.accuracies.newest is not None:
            words += " " + tr("The last run learned from the splits before: train again, and its accuracy will hold.")
        return Empty(title=tr("Nothing leaks"), words=words, icon="check-circle", keeps_controls=True)

    def shown(self) -> Shown:
        """Return the groups, each under its heading, training first."""
        leaks = list(dict.fromkeys(map(id, self._leak_of.values())))
        by_id = {id(leak): leak for leak in self._leak_of.values()}
        shown = [by_id[each] for each in leaks]
        members = [[image_id for ids in leak.pictures.values() for image_id in ids] for leak in shown]
        sections = tuple(Section(self._heading(leak), None, len(ids)) for leak, ids in zip(shown, members, strict=True))
        return Shown(tuple(image_id for ids in members for image_id in ids), sections)

    def _heading(self, leak: Leak) -> str:
        counts = " · ".join(f"{tr(split)} {len(ids):,}" for split, ids in leak.pictures.items())
        return f"{', '.join(map(_kind_title, leak.kinds))}: {counts}"

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with its split over it."""
        return replace(plain_tile(row, self.curation, mark=tr(row.split) if row.split else ""), aside="")

    # -- what counts --------------------------------------------------------------------------------------------

    @cached_property
    def groupings(self) -> QWidget:
        """A chip for each way to tell what belongs together."""
        whole = QWidget()
        whole.setLayout(Flow())
        return whole

    @cached_property
    def chips(self) -> dict[str, Chip]:
        """The chips by kind."""
        return {}

    @cached_property
    def accuracy_table(self) -> LeakAccuracy:
        """What the runs are worth without what leaked."""
        return LeakAccuracy()

    def build_controls(self) -> QWidget | None:
        """Return what counts as belonging together, and what leaks did to the runs' accuracy."""
        whole = QWidget()
        whole.setLayout(column(self.groupings, self.accuracy_table))
        return whole

    def _show_groupings(self, together: Together) -> None:
        reasons = {each.kind: tr(each.reason) for each in together.groupings}
        for kind, links in together.links.items():
            if kind not in self.chips:
                chip = self.chips[kind] = Chip()
                chip.clicked.connect(lambda _checked=False, kind=kind: self.toggle(kind))
                layout = self.groupings.layout()
                assert layout is not None
                layout.addWidget(chip)
            self.chips[kind].show_words(_kind_title(kind), is_on=kind in together.counted)
            self.chips[kind].setToolTip(reasons.get(kind, ""))
            self.chips[kind].setEnabled(bool(links))

    def toggle(self, kind: str) -> None:
        """Let a way to tell what belongs together count, or not; dividing keeps to it too."""
        project, known = self.curation.project, self._known
        if project is not None and known is not None:
            counts = {**counted_groupings(project), kind: kind not in known.together.counted}
            if self.curation.apply(CountGroupings(counts)):
                self.changed.emit()

    def close(self) -> None:
        """Wait for what is being read of the runs."""
        self.accuracies.close()

    # -- acting -------------------------------------------------------------------------------------------------

    def why_not_mend(self) -> str:
        """Return why there is nothing to mend."""
        return "" if self._leak_of else tr("What belongs together lies in one split, or in none yet.")

    def mend_all(self) -> None:
        """Put each group into the split that has most of it, in one step."""
        project = self.curation.project
        if project is None or self._known is None:
            return
        change = mend(self._known.leaks, project.snapshot())
        if change is not None:
            self.curation.apply(
                change, tr("{count} pictures moved to the split of their group.", count=len(change.splits))
            )

    def _chosen_doubles(self) -> tuple[tuple[int, int], ...]:
        chosen = frozenset(self.curation.chosen())
        links = self._known.together.links[DOUBLES] if self._known is not None else ()
        return tuple(pair for pair in links if chosen & set(pair))

    def why_not_fine(self) -> str:
        """Return why the chosen pictures cannot be called no doubles."""
        if reason := self.why_no_picture():
            return reason
        return (
            "" if self._chosen_doubles() else tr("It belongs there by its name, time or folder: switch that off above.")
        )

    def keep(self) -> None:
        """Note that the chosen pictures are no doubles of those in other splits."""
        pairs = self._chosen_doubles()
        if pairs:
            self.curation.apply(JudgeFine("duplicates", pairs), tr("{count} pairs are no doubles.", count=len(pairs)))


def _kind_title(kind: str) -> str:
    titles = {
        DOUBLES: tr("Nearly the same"),
        "name": tr("Same name before its last part"),
        "time": tr("Taken within seconds"),
        "folder": tr("Same folder"),
    }
    return titles.get(kind, kind)
