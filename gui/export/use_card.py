"""What an export for a target holds, and how its file is used without VisionFT."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QPlainTextEdit

from gui.kit import theme
from gui.kit.parts import Card, CopyButton, IconLabel, clear, column, row, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import ExportResult
from visionft.export.model_card import CARD_FILE
from visionft.export.options import ExportOptions, Target
from visionft.export.sample_programs import SAMPLES

_MODEL = Message("Takes images of any size: cropping, resizing and normalising are inside.")
_CARD = Message("The model card: classes, accuracy, limits and licences.")
_VERIFIED = Message("Kept only if it classifies up to 24 images of all shapes as the trained model does.")


class UseCard(Card):
    """The files of an export before there is one; then the commands to start its program."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self._samples = {sample.name: sample for sample in SAMPLES}
        self._heading = text("", "heading", wrap=True)
        self._files = column(spacing=theme.MEDIUM)
        self.file, self.note = text("", "strong", wrap=True), text("", "muted", wrap=True)
        self._needs = text("", "muted", wrap=True)
        self.start = _commands()
        self.start.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.start.setAccessibleName(tr("Commands to start it"))
        self.copy_button = CopyButton("Copy", self.start.toPlainText, role="quiet")
        self._use = (widget_of(row(self._needs, self.copy_button, grows=0)), self.start)
        self.add(self._heading, self._files, self.file, self.note, *self._use)

    def show_files(self, target: Target, options: ExportOptions) -> None:
        """Show the files that an export will have."""
        self._begin(tr("What you get"), target.notes())
        lines: list[tuple[str, str, str]] = [("file", MODEL_FILE, tr(_MODEL))]
        for artefact in options.rows:
            if not artefact.is_available:
                continue
            icon = "folder-open" if artefact.file.endswith("/") else "file"
            name = artefact.file.rstrip("/")
            words = " ".join(tr(each) for each in (artefact.about, artefact.check) if each)
            lines.append((icon, name or tr(artefact.title), words))
        if target.sample in self._samples:
            program = self._samples[target.sample]
            lines.append(("file", program.file, tr("The program to start with ({language}).", language=program.title)))
        lines += [("file", CARD_FILE, tr(_CARD)), ("shield", tr("Verified"), tr(_VERIFIED))]
        for icon_name, name, words in lines:
            both = column(verbatim(name, "strong"), verbatim(words, "muted", wrap=True), spacing=theme.HAIR)
            sign = IconLabel(icon_name, size=20, tone="good" if icon_name == "shield" else "accent")
            self._files.addLayout(row(sign, both, spacing=theme.MEDIUM, grows=1))
        self.file.hide()
        for widget in self._use:
            widget.hide()

    def show_use(self, target: Target, found: ExportResult) -> None:
        """Show how a finished export is used, with the file that suits the target."""
        model = target.file(found.variants)
        self._begin(tr("Use it without VisionFT"), target.notes(found.files))
        self.file.setText(tr("{target}: use {file}", target=tr(target.title), file=model))
        self.file.setVisible(bool(found.variants))
        if sample := self._samples.get(target.sample):
            self._needs.setText(f"{tr(sample.needs)} {tr('In the folder of the export:')}")
            self.start.setPlainText(sample.start(model, found.files))
            _fit(self.start)
        for widget in self._use:
            widget.setVisible(sample is not None)

    def _begin(self, heading: str, notes: Sequence[str]) -> None:
        clear(self._files)
        self._heading.setText(heading)
        self.note.setText("\n".join(map(tr, notes)))
        self.note.setVisible(bool(notes))


def _commands() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setReadOnly(True)
    view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(theme.scaled(12))
    view.setFont(font)
    return view


def _fit(view: QPlainTextEdit) -> None:
    """Give the view the height of its lines and of the bar below them: a line may be longer than the view is wide."""
    lines = len(view.toPlainText().splitlines())
    bar = view.horizontalScrollBar().sizeHint().height()
    view.setFixedHeight(lines * view.fontMetrics().lineSpacing() + 3 * theme.SMALL + bar)
