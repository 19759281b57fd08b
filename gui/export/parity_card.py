"""The outcome of an export: the verdict of the comparison with PyTorch, its speed, and the file. Plain data only."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel

from gui.export.check_words import check_words
from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, line, restyle, row, text, verbatim
from visionft.amounts import size_text
from visionft.export.bundle.samples import SAMPLES
from visionft.export.bundle.verifying import Verification
from visionft.export.contents import FLOAT_MODEL_FILE, LABELS_FILE, MODEL_FILE, RECORD_FILE, SCRIPT_FILE
from visionft.export.parity import MAX_ABS_DIFF, ExportResult, Latency, SampleRun

_CAPTIONS = {
    "agreement": "Same top class",
    "difference": "Largest difference",
    "images": "Pictures compared",
    "speed": "Time for one picture",
    "slow": "Rarely longer than",
    "size": "File size",
}
_COLUMNS = 3
_INSET = 10  # of a quiet button's icon


class ParityCard(Card):
    """A verdict first, then the figures behind it, then the file."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._icon = IconLabel("shield", size=36, tone="good")
        self._verdict = text("", "heading", wrap=True)
        self._meaning = text("", "muted", wrap=True)
        self._figures: dict[str, QLabel] = {name: text("", "number") for name in _CAPTIONS}
        self._notes: dict[str, QLabel] = {name: text("", "small", wrap=True) for name in _CAPTIONS}
        self._file = ElidedLabel("", "strong")
        self._others, self._samples = text("", "small", wrap=True), text("", "small", wrap=True)
        self._checked = text("", "small", wrap=True)
        self._big = text("", "small", wrap=True)
        self.folder_button = Button("Open folder", "folder-open", role="quiet")
        self.card_button = Button("Model card", "file", role="quiet")
        self.check_button = Button("Check again", "shield", role="quiet")
        self.speed_button = Button("Measure speed", "gauge", role="quiet")
        self.publish_button = Button("Publish to Hugging Face", "export", role="quiet")
        self._folder = Path()
        head = row(
            self._icon,
            column(self._verdict, self._meaning, spacing=theme.HAIR),
            spacing=theme.LARGE,
        )
        head.setStretch(1, 1)
        file = row(IconLabel("file", tone="muted"), self._file, spacing=theme.MEDIUM)
        file.setStretch(1, 1)
        self.body.addLayout(head)
        self.body.addLayout(self._grid())
        self.body.addLayout(file)
        self.body.addLayout(column(self._others, self._samples, self._big, self._checked, spacing=theme.HAIR))
        self.body.addWidget(line())
        self.body.addLayout(Flow(*self.buttons(), spacing=theme.TIGHT, outset=_INSET))
        self.hide()

    def buttons(self) -> tuple[Button, ...]:
        """Return what can be done with the export; the page says what each does."""
        return (self.folder_button, self.card_button, self.check_button, self.speed_button, self.publish_button)

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.LARGE)
        grid.setVerticalSpacing(theme.HAIR)
        for place, (name, caption) in enumerate(_CAPTIONS.items()):
            top, column_place = 4 * (place // _COLUMNS), place % _COLUMNS
            grid.addWidget(verbatim(tr(caption), "caption", wrap=True), top, column_place)
            grid.addWidget(self._figures[name], top + 1, column_place)
            self._notes[name].setAlignment(Qt.AlignmentFlag.AlignTop)
            grid.addWidget(self._notes[name], top + 2, column_place)
            grid.setColumnStretch(column_place, 1)
            grid.setRowMinimumHeight(top + 3, theme.SMALL)
        return grid

    def show_result(self, result: ExportResult, *, when: str = "") -> None:
        """Show an export; the engine has refused it already when the comparison did not hold."""
        parity, latency = result.parity, result.latency
        self._icon.show_icon("shield", "good")
        self._verdict.setText(tr("Verified: the file answers like the trained model"))
        compared = tr("The same pictures went through PyTorch and through ONNX Runtime.")
        self._meaning.setText(f"{tr('Exported {when}.', when=when)} {compared}" if when else compared)
        shown = {
            "agreement": (f"{parity.top1_agreement:.1%}", tr("of the pictures")),
            "difference": (
                f"{parity.max_abs_diff:.1e}",
                tr("of a probability; the limit is {n}", n=f"{MAX_ABS_DIFF:g}"),
            ),
            "images": (f"{parity.images:,}", tr("of the validation split")),
            "speed": (
                f"{latency.median_ms:.1f} ms",
                tr("median on this machine, {n} runs, {chip}", n=latency.runs, chip=latency.hardware),
            ),
            "slow": _slow(latency),
            "size": (size_text(result.bytes), tr("one file, opset {n}", n=result.opset)),
        }
        for name, (figure, note) in shown.items():
            self._figures[name].setText(figure)
            self._notes[name].setText(note)
        self._file.setText(str(result.model))
        self._others.setText(tr("Beside it: {names}", names=", ".join(_beside(result))))
        self._samples.setText(" ".join(map(_words_of, result.samples)))
        self._samples.setVisible(bool(result.samples))
        self._big.setText(big_picture_words(result))
        self._big.setVisible(bool(self._big.text()))
        self._folder = result.model.parent
        self._checked.hide()
        self.show()

    def show_check(self, found: Verification) -> None:
        """Say what checking the export again found; of another one than is shown, nothing."""
        if found.folder != self._folder:
            return
        if found.is_whole:
            self._icon.show_icon("shield", "good")
            self._verdict.setText(tr("Verified: the file answers like the trained model"))
        else:
            self._icon.show_icon("warning", "bad")
            self._verdict.setText(tr("Changed since it was exported"))
        self._checked.setText(check_words(found))
        restyle(self._checked, role="small" if found.is_whole else "fault")
        self._checked.show()

    def figures(self) -> dict[str, str]:
        """Return the figures by name, as they are shown."""
        return {name: label.text() for name, label in self._figures.items()}

    def notes(self) -> dict[str, str]:
        """Return what stands below each figure."""
        return {name: label.text() for name, label in self._notes.items()}

    def samples(self) -> str:
        """Return what is said of the programs that were run."""
        return self._samples.text()

    def big_pictures(self) -> str:
        """Return what is said of big pictures; empty where they cost little."""
        return self._big.text()

    def check_text(self) -> str:
        """Return what checking again found; empty before it was done."""
        return "" if self._checked.isHidden() else self._checked.text()


def big_picture_words(result: ExportResult) -> str:
    """Return what pictures of a telephone cost, where making them small takes longer than the answer; else nothing."""
    if result.large_ms <= result.latency.median_ms:
        return ""
    words = "Big pictures: making one of 12 megapixels small takes {time} ms before it is answered."
    if result.float_model is not None:
        way = tr("If that is too slow, your program can do it and give the result to {file}.", file=FLOAT_MODEL_FILE)
    else:
        way = tr("If that is too slow, export {file} too: your program makes them small for it.", file=FLOAT_MODEL_FILE)
    return f"{tr(words, time=f'{result.large_ms:.0f}')} {way}"


def _slow(latency: Latency) -> tuple[str, str]:
    """Return a time that is rarely exceeded, and by how many of the runs."""
    per_cent, found = latency.tail
    size = f"{latency.width}\u00a0x\u00a0{latency.height}"
    if per_cent < 100:
        return f"{found:.1f} ms", tr("{n} % of the runs, with a picture of {size}", n=per_cent, size=size)
    return f"{found:.1f} ms", tr("the slowest run, with a picture of {size}", size=size)


def _words_of(run: SampleRun) -> str:
    file = next((sample.file for sample in SAMPLES if sample.name == run.name), run.name)
    if run.agrees is None:
        return tr("{file} was not run: {reason}", file=file, reason=tr(run.why_not))
    if run.agrees:
        return tr("{file} was run by itself and answers the same.", file=file)
    return tr("{file} was run by itself and answers otherwise: do not rely on it.", file=file)


def _beside(result: ExportResult) -> list[str]:
    """Return what lies beside the model: files, and folders as one each."""
    first = [LABELS_FILE, SCRIPT_FILE, *([result.float_model.name] if result.float_model else [])]  # earlier records
    names = [name for name in (*(result.files or first), RECORD_FILE) if name != MODEL_FILE]
    return list(dict.fromkeys(f"{name.partition('/')[0]}/" if "/" in name else name for name in names))
