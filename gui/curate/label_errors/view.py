"""The view of labels that are probably wrong: one after the other, with what speaks for and against each."""

from dataclasses import replace

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.findings_view import FindingsView
from gui.curate.label_errors.evidence import LabelEvidence
from gui.curate.label_errors.rescoring import Asked, Rescored, Rescorer
from gui.curate.reading import Found, Index, found_now
from gui.curate.view import Command, plain_tile
from gui.kit import theme
from gui.kit.chips import Chip
from gui.kit.i18n import tr
from gui.kit.parts import row
from gui.kit.picture_model import Tile
from gui.kit.workers import WorkerPool
from visionft.curation.check import CheckResult, Finding
from visionft.curation.label_errors.check import NAME
from visionft.curation.label_errors.review import LEFT_OUT, PUT_IN, WRONG, chance_text
from visionft.project.edits.changes import UnlabelImages
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import ImageRow

_KINDS = {WRONG: "Wrong", LEFT_OUT: "Left out", PUT_IN: "Too many"}


class LabelErrorsView(FindingsView):
    """Suspicious labels beside the picture, large; each decision scores the others anew behind it."""

    name, title, icon, check = NAME, "Label errors", "label", NAME
    panel_place = "beside"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = {
            "curate.accept": Command(
                self.accept_or_keep, self.why_no_finding, icon="check", words=tr("Accept suggestion")
            ),
            "curate.fine": Command(self.keep, self.why_no_finding, icon="shield", words=tr("Label is right")),
            "curate.remove": Command(self.acting.remove, icon="trash", words=tr("Take out")),
            "curate.tag": Command(self.acting.ask_tag, icon="pin", words=tr("Tag"), is_button=False),
            "curate.open": Command(self.open_on_label, icon="label", needs_picture=False),
        }
        self.panel: LabelEvidence | None = None
        self.overlap_chip = Chip()
        self.overlap_chip.clicked.connect(lambda _checked=False: self._toggle_overlap())
        self._times = 0  # changes of the project, as far as scores go
        self._asked: Asked | None = None
        self._base: CheckResult | None = None  # what the check found, which `_scored` are the newer scores of
        self._scored: tuple[Finding, ...] | None = None
        self._now: Found | None = None  # those of the findings that hold now
        self._scoring = WorkerPool(Rescorer(), threads=1, answers_age=True, parent=self)
        self._scoring.done.connect(self._on_scored)
        curation.found_changed.connect(self._forget)
        curation.selection.current_changed.connect(self._show_current)

    # -- what is found ------------------------------------------------------------------------------------------

    @property
    def found(self) -> Found | None:
        """What is found by the labels as they are now: the check's findings, or newer ones of the review."""
        stored, project = super().found, self.curation.project
        if stored is None or project is None or self._scored is None or stored.result is not self._base:
            return stored
        if self._now is None:
            result = replace(stored.result, findings=self._scored)
            index = Index(result)
            self._now = found_now(result, index, self.curation.now, verdicts_of(project, self.check))
        return self._now

    def follow(self, effects: object) -> None:
        """Score anew after a change, once somebody looks."""
        self._times += 1

    @Slot()
    def _forget(self) -> None:
        self._now = None

    def progress(self) -> tuple[int, int]:
        """Return how many of the labels that the check flagged were decided on, and how many it flagged."""
        stored = super().found
        if stored is None:
            return 0, 0
        of = len(stored.result.flagged(self.threshold))
        return of - stored.count(self.threshold), of

    def sentence(self) -> str:
        """Return how far the review is."""
        done, of = self.progress()
        said = super().sentence()
        if not done:
            return said
        return tr("{done} of {of} looked at.", done=f"{done:,}", of=f"{of:,}") + " " + said

    def kind_title(self, kind: str) -> str:
        """Return what people call a kind."""
        return tr(_KINDS[kind]) if kind in _KINDS else super().kind_title(kind)

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with its label and the suggestion, and how probable it is that the label is wrong."""
        finding = next(iter(self.findings_of(row.image_id)), None)
        if finding is None:
            return plain_tile(row, self.curation)
        chance = tr("{share} wrong", share=chance_text(finding.score))
        return plain_tile(row, self.curation, title=self._title(row, finding), detail=chance)

    def _title(self, row: ImageRow, finding: Finding) -> str:
        """Return a label and what it should perhaps be: another one, one more, or one less."""
        label = ", ".join(row.labels) or tr("no label")
        if finding.kind == WRONG:
            return f"{label} → {finding.suggested}?"
        return f"{label} + {finding.suggested}?" if finding.suggested else f"{label} - {finding.doubted}?"

    # -- its own widgets ----------------------------------------------------------------------------------------

    def build_controls(self) -> QWidget | None:
        """Return the threshold and the kinds, and the classes that are mixed up."""
        whole = QWidget()
        parts = row(self.controls, self.overlap_chip, spacing=theme.MEDIUM)
        parts.setStretch(0, 1)
        whole.setLayout(parts)
        self._show_overlap()
        return whole

    def build_panel(self) -> QWidget | None:
        """Return the picture with what speaks for and against its label."""
        self.panel = LabelEvidence()
        return self.panel

    def _toggle_overlap(self) -> None:
        if self.panel is not None:
            self.panel.show_table(not self.panel.is_table)
            self._show_overlap()

    def fill(self) -> None:
        """Bring controls, table and picture up to date, and have the labels scored anew."""
        super().fill()
        self._show_overlap()
        self._show_current()

    def _show_overlap(self) -> None:
        found = super().found
        rows = found.result.facts.get("overlap", ()) if found is not None else ()
        pairs = [(str(each["first"]), str(each["second"]), int(each["pictures"])) for each in rows]
        is_table = self.panel is not None and self.panel.is_table
        if self.overlap_chip.parent() is not None:  # before it stands in the controls it would be a window of its own
            self.overlap_chip.setVisible(bool(pairs) or is_table)
        self.overlap_chip.show_words(tr("Mixed-up classes"), is_on=is_table)
        if self.panel is not None:
            self.panel.show_overlap(pairs)

    # -- one picture --------------------------------------------------------------------------------------------

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        """Show the current picture, and ask for what is near it and for the scores as they are now."""
        panel, current = self.panel, self.curation.selection.current_id()
        if panel is None or not panel.isVisible() or self.curation.project is None:
            return
        rows = self.rows((current,)) if current in self.curation.now else ()
        finding = next(iter(self.findings_of(current)), None)
        if not rows or finding is None:
            panel.show_finding(None, "", "")
            panel.show_near("", (), "", ())
        else:
            chance = tr("wrong with a probability of {share}", share=chance_text(finding.score))
            panel.show_finding(self.tile(rows[0]), self._title(rows[0], finding), chance)
        self._ask(current if finding is not None else 0, finding)

    def _ask(self, image_id: int, finding: Finding | None) -> None:
        project = self.curation.project
        if project is None or super().found is None:
            return
        asked = Asked(project, self._times, image_id, finding.suggested if finding is not None else "")
        if asked != self._asked:
            self._asked = asked
            self._scoring.request([asked])

    @Slot(object, object)
    def _on_scored(self, asked: Asked, answer: Rescored | None) -> None:
        if answer is None or asked.times != self._times:  # the project has changed since
            return
        stored = super().found
        self._show_near(asked, answer)
        if stored is not None and answer.findings is not self._scored:
            self._base, self._scored, self._now = stored.result, answer.findings, None
            self.changed.emit()

    def _show_near(self, asked: Asked, answer: Rescored) -> None:
        panel, evidence = self.panel, answer.evidence
        if panel is None or asked.image_id != self.curation.selection.current_id() or evidence is None:
            return
        names = self.curation.now[asked.image_id].labels if asked.image_id in self.curation.now else ()
        own, others = ([plain_tile(each, self.curation) for each in self.rows(ids)] for ids in
                       (evidence.own, evidence.suggested))  # fmt: skip
        panel.show_near(", ".join(names), own, asked.suggested, others)

    # -- acting -------------------------------------------------------------------------------------------------

    def accept_or_keep(self) -> None:
        """Do what is suggested for what is selected: another class, one more, or one less."""
        taken: dict[str, list[int]] = {}
        for each in self.chosen_findings():
            if not each.suggested and each.doubted:
                taken.setdefault(each.doubted, []).append(each.image_id)
        for name, image_ids in taken.items():
            said = tr("“{name}” was taken off {count} pictures.", name=name, count=f"{len(image_ids):,}")
            self.curation.apply(UnlabelImages(tuple(image_ids), name), said)
        if any(each.suggested for each in self.chosen_findings()):
            super().accept_or_keep()

    def close(self) -> None:
        """Wait for scores and pictures."""
        self._scoring.close()
        if self.panel is not None:
            self.panel.close_workers()
