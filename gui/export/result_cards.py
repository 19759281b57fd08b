"""The result of an export: comparison with PyTorch, speed, file, later verification; its variants. Plain data only."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.parts import (
    Button,
    Card,
    ElidedLabel,
    IconLabel,
    clear,
    column,
    line,
    pill,
    restyle,
    row,
    text,
    verbatim,
    widget_of,
)
from gui.kit.translation import tr
from visionft.core.amounts import size_text
from visionft.core.messages import Message, listed
from visionft.export.contents import FIXED_MODEL_FILE, MODEL_FILE, SCRIPT_FILE
from visionft.export.export_result import (
    MAX_LOSS,
    MAX_POSSIBLE_LOSS,
    ExportResult,
    SampleRun,
    TransformEffect,
    Variant,
    VariantAgreement,
)
from visionft.export.model_card import CARD_FILE
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
_MAX_NAMES = 6


class ParityCard(Card):
    """A verdict first, then three figures, the file and its actions, which the page connects."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._icon = IconLabel("shield", size=36, tone="good")
        self._verdict, self.meaning = text("", "heading", wrap=True), text("", "muted", wrap=True)
        self.figures: dict[str, QLabel] = {name: text("", "number") for name in _CAPTIONS}
        self.notes: dict[str, QLabel] = {name: text("", "small", wrap=True) for name in _CAPTIONS}
        self._file = ElidedLabel("", "strong")
        self.warnings = text("", "small", wrap=True)
        self.verification = text("", "small", wrap=True)
        self.folder_button = Button("Open folder", "folder-open", role="quiet")
        self.card_button = Button("Model card", "file", role="quiet")
        self.check_button = Button("Verify again", "shield", role="quiet")
        self.check_button.setToolTip(tr("Compare every file with its hash, and the predictions with those at export"))
        head = row(self._icon, column(self._verdict, self.meaning, spacing=theme.HAIR), spacing=theme.LARGE, grows=1)
        file = row(IconLabel("file", tone="muted"), self._file, spacing=theme.MEDIUM, grows=1)
        words = column(self.warnings, self.verification, spacing=theme.HAIR)
        buttons = (self.folder_button, self.card_button, self.check_button)
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
        has_card = card_of(result.model.parent) is not None
        missing = Message("This export has no model card. Export it again to get one.")
        self.card_button.setEnabled(has_card)
        self.card_button.setToolTip(
            tr(Message("The model, its evaluation and its limitations") if has_card else missing)
        )
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
        """Show a verification of the displayed export."""
        self._show_verdict(is_whole=found.is_whole)
        self.verification.setText(_verification_text(found))
        restyle(self.verification, role="small" if found.is_whole else "fault")
        self.verification.show()

    def _show_verdict(self, *, is_whole: bool) -> None:
        self._icon.show_icon("shield" if is_whole else "warning", "good" if is_whole else "bad")
        equal, changed = tr("Verified: the file predicts like the trained model"), tr("Changed since the export")
        self._verdict.setText(equal if is_whole else changed)


def card_of(folder: Path) -> Path | None:
    """Return the model card of an export, or None."""
    path = folder / CARD_FILE
    return path if path.is_file() and not path.is_symlink() else None  # a link may lead to a program


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
            words.append(tr(template, names=listed(names, _MAX_NAMES)))
    if differing := [each.name for each in found.answers if not each.is_equal]:
        words.append(tr("Predictions differ from those at export: {names}.", names=listed(differing, _MAX_NAMES)))
    if found.sample:
        words.append(tr("The predictions of predict.py differ from the model's."))
    if found.why_not_run:
        words.append(tr("{file} was not run: {reason}", file=SCRIPT_FILE, reason=tr(found.why_not_run)))
    if not found.is_whole:
        words.append(tr("Export it again, or copy it again."))
    if found.foreign:
        words.append(tr("Not part of this export: {names}.", names=listed(found.foreign, _MAX_NAMES)))
    return " ".join(words)


_VARIANT_COLUMNS = (Message("File"), Message("Size"), Message("Accuracy"), Message("Time for one image"))


class VariantsCard(Card):
    """A table: model.onnx first, then each variant, with a sentence below it. Hidden without variants."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._basis = text("", "muted", wrap=True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.LARGE)
        self._grid.setVerticalSpacing(theme.SMALL)
        for place in range(len(_VARIANT_COLUMNS)):
            self._grid.setColumnStretch(place, 1)
        self.body.addLayout(column(text("Variants", "heading"), self._basis, spacing=theme.HAIR))
        self.body.addLayout(self._grid)
        self.hide()

    def show_variants(self, variants: Sequence[Variant]) -> None:
        self.setVisible(bool(variants))
        clear(self._grid)
        if not variants:
            return
        self._basis.setText(_basis_text(variants[0]))
        for place, caption in enumerate(_VARIANT_COLUMNS):
            self._grid.addWidget(verbatim(tr(caption), "caption", wrap=True), 0, place)
        first = variants[0]
        timed = next((each.speed for each in reversed(variants) if each.speed is not None), None)
        self._add_row(
            1,
            ("fp32", MODEL_FILE),
            (size_text(first.reference_bytes), ""),
            (f"{first.answers.reference_top1:.1%}", ""),
            (f"{timed.reference_p50_ms:.1f} ms" if timed else "", ""),
        )
        for place, variant in enumerate(variants):
            top = 3 * place + 2
            self._grid.addWidget(line(), top, 0, 1, len(_VARIANT_COLUMNS))
            self._add_row(top + 1, *_figures(variant))
            verdict = column(verbatim(verdict_text(variant), "small", wrap=True), spacing=theme.HAIR)
            if variant.is_recommended or not variant.is_kept:
                badge = pill("Recommended", "good") if variant.is_recommended else pill("Not kept", "bad")
                verdict.insertWidget(0, badge, 0, Qt.AlignmentFlag.AlignLeft)
            self._grid.addLayout(verdict, top + 2, 0, 1, len(_VARIANT_COLUMNS))

    def _add_row(self, place: int, *cells: tuple[str, str]) -> None:
        """Add a figure, and the note below it, for each column."""
        for at, (figure, note) in enumerate(cells):
            layout = column(verbatim(figure, "strong"), verbatim(note, "small", wrap=True), None, spacing=theme.HAIR)
            layout.setContentsMargins(0, 0, 0, 0)
            cell = widget_of(layout)
            self._grid.addWidget(cell, place, at, Qt.AlignmentFlag.AlignTop)


def _basis_text(variant: Variant) -> str:
    count = variant.answers.images
    if variant.split == "held_out":
        return tr(
            "Evaluated on {count} image of validation and test, timed in turn on this computer.",
            "Evaluated on {count} images of validation and test, timed in turn on this computer.",
            count=count,
        )
    if variant.split == "test":
        return tr(
            "Evaluated on {count} test image, timed in turn on this computer.",
            "Evaluated on {count} test images, timed in turn on this computer.",
            count=count,
        )
    return tr(
        "Evaluated on {count} validation image, timed in turn on this computer.",
        "Evaluated on {count} validation images, timed in turn on this computer.",
        count=count,
    )


def _figures(variant: Variant) -> tuple[tuple[str, str], ...]:
    measured, speed = variant.answers, variant.speed
    low, high = (f"{100 * share:+z.1f}" for share in measured.difference)
    points = tr("{n} points ({low} to {high})", n=f"{-100 * measured.loss:+z.1f}", low=low, high=high)
    share = tr("{share} of it", share=f"{variant.bytes / variant.reference_bytes:.0%}")
    faster = "" if speed is None else tr("{n} times as fast", n=f"{speed.times_faster:.1f}")
    return (
        (variant.precision, variant.file),
        (size_text(variant.bytes), share),
        (f"{measured.top1:.1%}", points),
        ("" if speed is None else f"{speed.p50_ms:.1f} ms", faster),
    )


def verdict_text(variant: Variant) -> str:
    name, loss = variant.precision, f"{100 * variant.answers.loss:.1f}"
    most = f"{100 * MAX_LOSS:.1f}"
    match variant.verdict:
        case "recommended":
            words = [tr("{name} keeps the accuracy, is smaller, and is faster on this computer.", name=name)]
        case "not_faster":
            words = [tr("{name} keeps the accuracy and is smaller; it is not faster on this computer.", name=name)]
        case "too_few":
            words = [tr("{name} is smaller, and faster on this computer.", name=name)]
        case "wrong" if name == "int8":
            words = [tr("{name} loses {loss} points of accuracy; the limit is {n}.", name=name, loss=loss, n=most)]
        case _:
            words = [tr("Too many predictions of {name} differ from those of model.onnx.", name=name)]
    if variant.is_kept:
        words.append(_proof_text(variant.answers))
    return " ".join(words)


def _proof_text(answers: VariantAgreement) -> str:
    """Return which loss the images rule out, or how many more would rule out enough."""
    changed, total = f"{answers.flips:,}", f"{answers.images:,}"
    if answers.missing_images:
        return tr(
            "{changed} of {total} predictions change. Too few held-out images to rule out a loss of {n} points: "
            "{count} more without a change would.",
            changed=changed,
            total=total,
            n=f"{100 * MAX_POSSIBLE_LOSS:.0f}",
            count=answers.missing_images,
        )
    return tr(
        "{changed} of {total} predictions change: a loss of more than {n} points is ruled out (95 %).",
        changed=changed,
        total=total,
        n=f"{100 * answers.largest_loss:.1f}",
    )
