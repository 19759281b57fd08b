"""The result of an export: comparison with PyTorch, speed, file, and a later verification. Plain data only."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.fold import Fold
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, line, restyle, row, text, verbatim
from gui.kit.translation import tr
from models.messages import Message, listed
from visionft.amounts import size_text
from visionft.export.bundle.sample_programs import SAMPLES
from visionft.export.bundle.verifying import Fault, Verification
from visionft.export.contents import FLOAT_MODEL_FILE, MODEL_FILE, PYTORCH_FILE, RECORD_FILE, SCRIPT_FILE
from visionft.export.export_result import MAX_ABS_DIFF, ExportResult, Form, MirrorEffect, SampleRun

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
        self.warnings, self.details = text("", "small", wrap=True), text("", "small", wrap=True)
        self.mirror, self.verification = text("", "small", wrap=True), text("", "small", wrap=True)
        self.folder_button = Button("Open folder", "folder-open", role="quiet")
        self.card_button = Button("Model card", "file", role="quiet")
        self.check_button = Button("Verify again", "shield", role="quiet")
        self.speed_button = Button("Measure speed", "gauge", role="quiet")
        self.publish_button = Button("Publish to Hugging Face", "export", role="quiet")
        head = row(self._icon, column(self._verdict, self.meaning, spacing=theme.HAIR), spacing=theme.LARGE, grows=1)
        file = row(IconLabel("file", tone="muted"), self._file, spacing=theme.MEDIUM, grows=1)
        words = column(self.mirror, self.warnings, self.verification, spacing=theme.HAIR)
        buttons = (self.folder_button, self.card_button, self.check_button, self.speed_button, self.publish_button)
        self.fold = Fold("Details", self.details)
        self.add(head, self._grid(), file, words, self.fold, line())
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
        self.details.setText("\n".join(_detail_lines(result)))
        warned = [each for each in result.samples if each.agrees is False]
        left_out = [tr("Left out: {reason}", reason=tr(reason)) for reason in result.left_out]
        shown = {
            self.mirror: _mirror_text(result.mirror) if result.mirror else "",
            self.warnings: " ".join([*left_out, *map(_sample_text, warned)]),
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


def _pytorch_lines(result: ExportResult) -> list[str]:
    """Return the comparisons of the files for PyTorch and timm, where there are any."""
    lines: list[str] = []
    if result.pytorch:
        words = tr(
            "{file}: largest difference of a probability to {other}: {n}.",
            file=PYTORCH_FILE,
            other=MODEL_FILE,
            n=f"{result.pytorch.max_abs_diff:.1e}",
        )
        lines.append(words)
    if result.timm_transform:
        words = tr(
            "timm's own transform changes probabilities by up to {n}; the model card says how to avoid it.",
            n=f"{result.timm_transform.max_abs_diff:.3f}",
        )
        lines.append(words)
    return lines


def _detail_lines(result: ExportResult) -> list[str]:
    """Return the measurements of an export, one a line."""
    latency, border = result.latency, result.border
    per_cent, slow = latency.tail
    size = f"{latency.width}\u00a0x\u00a0{latency.height}"
    words = Message("The slowest of {runs} runs took {time} ms, with an image of {size}.")
    if per_cent < 100:
        words = Message("{n} % of {runs} runs took at most {time} ms, with an image of {size}.")
    names = [name for name in (*result.files, RECORD_FILE) if name != MODEL_FILE]
    names = dict.fromkeys(f"{name.partition('/')[0]}/" if "/" in name else name for name in names)  # folders once
    lines = [
        tr(
            "Largest difference of a probability: {n}; the limit is {limit}.",
            n=f"{result.parity.max_abs_diff:.1e}",
            limit=f"{MAX_ABS_DIFF:g}",
        ),
        *_pytorch_lines(result),
        tr(words, n=per_cent, runs=latency.runs, time=f"{slow:.1f}", size=size),
        _large_image_text(result),
    ]
    if border is not None:
        low, high = (f"{share:.0%}" for share in border.false_alarms)
        lines.append(
            tr(
                "Marked as out of distribution: about {share} of new images of the same kind ({low} to {high}).",
                share=f"{1 - border.share:.0%}",
                low=low,
                high=high,
            )
        )
    lines += [tr("Temperature {value}, opset {n}.", value=f"{result.temperature:.2f}", n=result.opset)]
    lines += map(_form_text, result.forms)
    lines += map(_sample_text, result.samples)
    return [*filter(None, lines), tr("In the same folder: {names}", names=", ".join(names))]


def _large_image_text(result: ExportResult) -> str:
    """Return the cost of a 12-megapixel image, where resizing it takes longer than the inference; else empty."""
    if result.large_ms <= result.latency.median_ms:
        return ""
    time = tr("Resizing an image of 12 megapixels takes {time} ms before inference.", time=f"{result.large_ms:.0f}")
    if result.float_model is not None:
        way = tr("Your program can resize faster and use {file}.", file=FLOAT_MODEL_FILE)
    else:
        way = tr("To resize in your own program, export {file} too.", file=FLOAT_MODEL_FILE)
    return f"{time} {way}"


def _mirror_text(effect: MirrorEffect) -> str:
    words = tr(
        "Averaged with the mirrored image: {share} instead of {plain} on {count} validation image "
        "({low} to {high} points).",
        "Averaged with the mirrored image: {share} instead of {plain} on {count} validation images "
        "({low} to {high} points).",
        count=effect.images,
        share=f"{effect.top1:.1%}",
        plain=f"{effect.plain_top1:.1%}",
        low=f"{100 * effect.difference[0]:+.1f}",
        high=f"{100 * effect.difference[1]:+.1f}",
    )
    changed = tr(
        "Mirroring changes the prediction of {count} image.",
        "Mirroring changes the predictions of {count} images.",
        count=effect.changed,
    )
    worse = tr("It is less accurate: mirroring may change a class. Export without it.") if effect.is_worse else ""
    return " ".join(filter(None, (words, changed, worse)))


def _form_text(form: Form) -> str:
    if not form.images:
        return f"{form.file}: {tr(form.why_not)}"
    words = tr(
        "{file}: {changed} of {count} image gets another class than from {source}; probabilities differ by up to {n}.",
        "{file}: {changed} of {count} images get another class than from {source}; probabilities differ by up to {n}.",
        count=form.images,
        file=form.file,
        changed=form.changed,
        source=form.source,
        n=f"{form.max_abs_diff:.1e}",
    )
    if form.scaled_max_abs_diff is None:
        return words
    resized = tr(
        "The app resizes images, with antialiasing as its samples do; without it {changed} get another class, and "
        "probabilities differ by up to {n}.",
        changed=form.scaled_changed,
        n=f"{form.scaled_max_abs_diff:.3f}",
    )
    return f"{words} {resized}"


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
