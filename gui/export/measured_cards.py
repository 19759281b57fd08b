"""Measurements of an export's files: their speed on this computer, and the variants beside model.onnx."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout

from gui.kit import theme
from gui.kit.parts import Card, clear, column, line, pill, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.amounts import size_text
from visionft.core.messages import Message
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import MOST_DOUBT, MOST_LOSS, Variant, VariantAgreement

_CAPTIONS = (Message("File"), Message("Size"), Message("Accuracy"), Message("Time for one image"))


class VariantsCard(Card):
    """A table: model.onnx first, then each variant, with a sentence below it. Hidden without variants."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._basis = text("", "muted", wrap=True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.LARGE)
        self._grid.setVerticalSpacing(theme.SMALL)
        for place in range(len(_CAPTIONS)):
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
        for place, caption in enumerate(_CAPTIONS):
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
            self._grid.addWidget(line(), top, 0, 1, len(_CAPTIONS))
            self._add_row(top + 1, *_figures(variant))
            verdict = column(verbatim(verdict_text(variant), "small", wrap=True), spacing=theme.HAIR)
            if variant.is_recommended or not variant.is_kept:
                badge = pill("Recommended", "good") if variant.is_recommended else pill("Not kept", "bad")
                verdict.insertWidget(0, badge, 0, Qt.AlignmentFlag.AlignLeft)
            self._grid.addLayout(verdict, top + 2, 0, 1, len(_CAPTIONS))

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
    most = f"{100 * MOST_LOSS:.1f}"
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
    if answers.lacking:
        return tr(
            "{changed} of {total} predictions change. Too few held-out images to rule out a loss of {n} points: "
            "{count} more without a change would.",
            changed=changed,
            total=total,
            n=f"{100 * MOST_DOUBT:.0f}",
            count=answers.lacking,
        )
    return tr(
        "{changed} of {total} predictions change: a loss of more than {n} points is ruled out (95 %).",
        changed=changed,
        total=total,
        n=f"{100 * answers.largest_loss:.1f}",
    )
