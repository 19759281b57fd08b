"""The result of an export: comparison with PyTorch, speed, file, and a later verification. Plain data only."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, line, restyle, row, text, verbatim
from gui.kit.translation import tr
from visionft.core.amounts import size_text
from visionft.core.messages import Message, listed
from visionft.export.contents import FIXED_MODEL_FILE, MODEL_FILE, SCRIPT_FILE
from visionft.export.export_result import ExportResult, SampleRun, TransformEffect
from visionft.export.sample_programs import SAMPLES
from visionft.export.verifying import Fault, Verification

_CAPTIONS = {
    "agreement": Message("Same prediction"),
    "speed": Message("Time for one image"),
    "size": Message("File size"),
}
_FAULTS: dict[Fault, str] = {
    "changed": Message("Changed: {names}."),
    "missing": Message("Missing: {names}."),
    "unreadable": Message("Unreadable: {names}."),
}
_MOST_NAMES = 6


class ParityCard(Card):
    """A verdict first, then three figures, the file and its actions; measurements on request.

    The page connects the buttons.
    """

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._icon = IconLabel("shield", size=36, tone="good")
        self._verdict, self.meaning = text("", "heading", wrap=True), text("", "muted", wrap=True)
        self.figures: dict[str, QLabel] = {name: text("", "number") for name in _CAPTIONS}
        self.notes: dict[str, QLabel] = {name: text("", "small", wrap=True) for name in _CAPTIONS}
        self._file = ElidedLabel("", "strong")
        self._folder = Path()
        self.warnings = text("", "small", wrap=True)
        self.verification = text("", "small", wrap=True)
        self.folder_button = Button("Open folder", "folder-open", role="quiet")
        self.card_button = Button("Model card", "file", role="quiet")
        self.check_button = Button("Verify again", "shield", role="quiet")
        self.publish_button = Button("Publish to Hugging Face", "export", role="quiet")
        head = row(self._icon, column(self._verdict, self.meaning, spacing=theme.HAIR), spacing=theme.LARGE, grows=1)
        file = row(IconLabel("file", tone="muted"), self._file, spacing=theme.MEDIUM, grows=1)
        words = column(self.warnings, self.verification, spacing=theme.HAIR)
        buttons = (self.folder_button, self.card_button, self.check_button, self.publish_button)
        self.add(head, self._grid(), file, words, line())
        self.body.addLayout(Flow(*buttons, spacing=theme.TIGHT, outset=10))  # the inset of a quiet button's icon
        self.hide()

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.LARGE)
        grid.setVerticalSpacing(theme.HAIR)
        for place, (name, caption) in enumerate(_CAPTIONS.items()):
            grid.addWidget(verbatim(tr(caption), "caption", wrap=True), 0, place)
            grid.addWidget(self.figures[name], 1, place)
            self.notes[name].setAlignment(Qt.AlignmentFlag.AlignTop)
            grid.addWidget(self.notes[name], 2, place)
            grid.setColumnStretch(place, 1)
        return grid

    def show_result(self, result: ExportResult, *, when: str = "") -> None:
        """Show an export; the engine has already refused it when the comparison failed."""
        parity, latency = result.parity, result.latency
        self._show_verdict(is_whole=True)
        compared = tr("The same images were classified by PyTorch and by ONNX Runtime.")
        self.meaning.setText(f"{tr('Exported {when}.', when=when)} {compared}" if when else compared)
        same = round(parity.top1_agreement * parity.images)
        total = f"{parity.images:,}"
        figures = {
            "agreement": (tr("{same} of {total}", same=f"{same:,}", total=total), tr("images of the validation split")),
            "speed": (f"{latency.median_ms:.1f} ms", tr("on this computer, {chip}", chip=latency.hardware)),
            "size": (size_text(result.bytes), MODEL_FILE),
        }
        for name, (figure, note) in figures.items():
            self.figures[name].setText(figure)
            self.notes[name].setText(note)
        self._file.setText(str(result.model))
        self._folder = result.model.parent
        warned = [each for each in result.samples if each.agrees is False]
        left_out = [tr("Left out: {reason}", reason=tr(reason)) for reason in result.left_out]
        resized = [_fixed_size_text(result.fixed_size)] if result.fixed_size is not None else []
        shown = {
            self.warnings: " ".join([*left_out, *resized, *map(_sample_text, warned)]),
            self.verification: "",
        }
        for label, words in shown.items():
            label.setText(words)
            label.setVisible(bool(words))
        self.show()

    def show_verification(self, found: Verification) -> None:
        """Show a verification of the displayed export; ignore one of another export."""
        if found.folder == self._folder:
            self._show_verdict(is_whole=found.is_whole)
            self.verification.setText(_verification_text(found))
            restyle(self.verification, role="small" if found.is_whole else "fault")
            self.verification.show()

    def _show_verdict(self, *, is_whole: bool) -> None:
        self._icon.show_icon("shield" if is_whole else "warning", "good" if is_whole else "bad")
        equal, changed = tr("Verified: the file predicts like the trained model"), tr("Changed since the export")
        self._verdict.setText(equal if is_whole else changed)


def _fixed_size_text(effect: TransformEffect) -> str:
    return tr(
        "{file}: where a program scales images without antialiasing, {changed} of {count} image gets another class; "
        "probabilities differ by up to {n}.",
        "{file}: where a program scales images without antialiasing, {changed} of {count} images get another class; "
        "probabilities differ by up to {n}.",
        count=effect.images,
        file=FIXED_MODEL_FILE,
        changed=effect.changed,
        n=f"{effect.max_abs_diff:.3f}",
    )


def _sample_text(run: SampleRun) -> str:
    file = next((sample.file for sample in SAMPLES if sample.name == run.name), run.name)
    if run.agrees is None:
        return tr("{file} was not run: {reason}", file=file, reason=tr(run.why_not))
    if run.agrees:
        return tr("{file} was run and predicts the same.", file=file)
    return tr("{file} was run and its predictions differ: do not use it.", file=file)


def _verification_text(found: Verification) -> str:
    """Return sentences: all unchanged since the export, or the differences; then the unknown files."""
    words: list[str] = []
    if found.is_whole:
        words.append(
            tr("All {n} files are unchanged since the export, and the predictions are the same.", n=found.checked)
        )
    for fault, template in _FAULTS.items():
        if names := [each.name for each in found.faults if each.fault == fault]:
            words.append(tr(template, names=listed(names, _MOST_NAMES)))
    if differing := [each.name for each in found.answers if not each.is_equal]:
        words.append(tr("Predictions differ from those at export: {names}.", names=listed(differing, _MOST_NAMES)))
    if found.sample:
        words.append(tr("The predictions of predict.py differ from the model's."))
    if found.why_not_run:
        words.append(tr("{file} was not run: {reason}", file=SCRIPT_FILE, reason=tr(found.why_not_run)))
    if not found.is_whole:
        words.append(tr("Export it again, or copy it again."))
    if found.foreign:
        words.append(tr("Not part of this export: {names}.", names=listed(found.foreign, _MOST_NAMES)))
    return " ".join(words)
