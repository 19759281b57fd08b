"""The smaller files of an export beside model.onnx: size, accuracy and speed of each, and what is thought of it."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.parts import Card, clear, column, line, pill, text, verbatim
from visionft.amounts import size_text
from visionft.export.contents import MODEL_FILE
from visionft.export.precision.variants import MOST_DOUBT, MOST_LOSS, Variant

REFERENCE = "fp32"
_CAPTIONS = ("File", "Size", "Right answers", "Time for one picture")
_COLUMNS = len(_CAPTIONS)


class VariantsCard(Card):
    """A table: model.onnx first, then each smaller file, with a sentence below it. Hidden where there are none."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._judged = text("", "muted", wrap=True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.LARGE)
        self._grid.setVerticalSpacing(theme.SMALL)
        for place in range(_COLUMNS):
            self._grid.setColumnStretch(place, 1)
        head = column(text("Smaller files", "heading"), self._judged, spacing=theme.HAIR)
        self.body.addLayout(head)
        self.body.addLayout(self._grid)
        self.hide()

    def show_variants(self, variants: Sequence[Variant]) -> None:
        """Show what was measured of them; the card goes where there are none."""
        self.setVisible(bool(variants))
        clear(self._grid)
        if not variants:
            return
        count = variants[0].answers.pictures
        self._judged.setText(
            tr("Judged on {count} validation pictures, and timed in turn on this machine.", count=count)
        )
        self._add(0, *(verbatim(tr(words), "caption", wrap=True) for words in _CAPTIONS))
        self._add(1, *_reference(variants))
        for place, variant in enumerate(variants):
            self._grid.addWidget(line(), 3 * place + 2, 0, 1, _COLUMNS)
            self._add(3 * place + 3, *_figures(variant))
            sentence = verbatim(verdict_words(variant), "small", wrap=True)
            self._grid.addWidget(sentence, 3 * place + 4, 0, 1, _COLUMNS)

    def words(self) -> list[str]:
        """Return all texts of the table, as they are shown."""
        found: list[str] = []
        for place in range(self._grid.count()):
            item = self._grid.itemAt(place)
            cell = item.widget() if item is not None else None
            if cell is not None:
                labels = [cell] if isinstance(cell, QLabel) else cell.findChildren(QLabel)
                found += [label.text() for label in labels if label.text()]
        return found

    def _add(self, place: int, *cells: QWidget) -> None:
        for at, cell in enumerate(cells):
            self._grid.addWidget(cell, place, at, Qt.AlignmentFlag.AlignTop)


def _reference(variants: Sequence[Variant]) -> tuple[QWidget, ...]:
    """Return the line of model.onnx, as it was measured beside the others."""
    first = variants[0]
    timed = next((each.speed for each in reversed(variants) if each.speed is not None), None)
    return (
        _cell(verbatim(REFERENCE, "strong"), MODEL_FILE),
        _cell(verbatim(size_text(first.reference_bytes), "strong"), ""),
        _cell(verbatim(f"{first.answers.reference_top1:.1%}", "strong"), ""),
        _cell(verbatim(f"{timed.reference_p50_ms:.1f} ms" if timed else "", "strong"), ""),
    )


def _figures(variant: Variant) -> tuple[QWidget, ...]:
    answers, speed = variant.answers, variant.speed
    low, high = (f"{100 * share:+.1f}" for share in answers.difference)
    name: QWidget = verbatim(variant.precision, "strong")
    if variant.is_recommended:
        name = _beside(name, pill("Recommended", "good"))
    elif not variant.is_kept:
        name = _beside(name, pill("Not kept", "bad"))
    points = tr(
        "{n} points ({low} to {high})", n=f"{100 * (answers.top1 - answers.reference_top1):+.1f}", low=low, high=high
    )
    share = tr("{share} of it", share=f"{variant.bytes / variant.reference_bytes:.0%}")
    faster = "" if speed is None else tr("{n} times as fast", n=f"{speed.times_faster:.1f}")
    return (
        _cell(name, variant.file),
        _cell(verbatim(size_text(variant.bytes), "strong"), share),
        _cell(verbatim(f"{answers.top1:.1%}", "strong"), points),
        _cell(verbatim("" if speed is None else f"{speed.p50_ms:.1f} ms", "strong"), faster),
    )


def _beside(first: QWidget, second: QWidget) -> QWidget:
    both = QWidget()
    both.setLayout(Flow(first, second))
    return both


def _cell(head: QWidget, note: str) -> QWidget:
    cell = QWidget()
    parts = column(head, verbatim(note, "small", wrap=True), None, spacing=theme.HAIR)
    parts.setContentsMargins(0, 0, 0, 0)
    cell.setLayout(parts)
    return cell


def verdict_words(variant: Variant) -> str:
    """Return what is thought of a smaller file, in sentences."""
    answers, name = variant.answers, variant.precision
    match variant.verdict:
        case "recommended":
            said = [tr("{name} answers alike, takes less space and is faster on this processor.", name=name)]
        case "not_faster":
            said = [tr("{name} answers alike and takes less space; it is not faster on this computer.", name=name)]
        case "too_few":
            said = [
                tr(
                    "{name} lost nothing that was seen. So few pictures cannot rule out a loss of {n} points.",
                    name=name,
                    n=f"{100 * MOST_DOUBT:.0f}",
                )
            ]
        case "wrong" if variant.precision == "int8":
            said = [
                tr(
                    "{name} is right in {loss} points fewer; {n} are allowed. model.onnx is there as always.",
                    name=name,
                    loss=f"{100 * answers.loss:.1f}",
                    n=f"{100 * MOST_LOSS:.1f}",
                )
            ]
        case _:
            said = [tr("{name} gives other answers than model.onnx, which is there as always.", name=name)]
    if variant.in_float:
        said.append(tr("Layers that stay in float: {names}.", names=", ".join(variant.in_float)))
    if variant.is_kept and not variant.is_for_any_processor:
        said.append(
            tr(
                "On x86 without VNNI it is exact here and in the samples; programs of your own set "
                "session.x64quantprecision to 1."
            )
        )
    return " ".join(said)
