"""The decision of an export, where the model will run, and what the export for it holds. Plain data only."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QGridLayout, QLineEdit, QPlainTextEdit

from gui.kit import dialogs, theme
from gui.kit.fold import Fold
from gui.kit.parts import Button, Card, CopyButton, IconLabel, clear, column, row, text, verbatim, widget_of
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from visionft.core.files import expand_home
from visionft.core.messages import Message
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import ExportResult
from visionft.export.model_card import CARD_FILE
from visionft.export.options import ARTEFACTS, TARGETS, ExportOptions, Target
from visionft.export.sample_programs import SAMPLES

_ICONS = {
    "desktop": "computer",
    "server": "server",
    "web": "globe",
    "phone": "phone",
    "python": "layers",
}


class TargetCard(Card):
    """One tile a target, which sets the options below it; the page sets its `note` about the effect of exporting."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self.name_edit, self.place_edit = QLineEdit(), QLineEdit()
        self.boxes = {row.name: _box(row.title, row.about) for row in ARTEFACTS.values()}  # by the name of the artefact
        self.browse_button = Button("Browse", "folder-open", on_click=self._browse)
        self.note = text("", "small", wrap=True)
        self.tiles: dict[str, ActionTile] = {}
        self._group = QButtonGroup(self)
        self._is_decided = False
        self._group.buttonClicked.connect(self._on_decided)
        tiles = QGridLayout()
        tiles.setSpacing(theme.SMALL)
        for place, target in enumerate(TARGETS.values()):
            tile = self.tiles[target.name] = ActionTile(target.title, target.about, _ICONS[target.name], checkable=True)
            self._group.addButton(tile)
            tiles.addWidget(tile, place // 2, place % 2)
            tile.toggled.connect(lambda is_on, target=target: self._take_options(target) if is_on else None)
        for place in range(2):
            tiles.setColumnStretch(place, 1)
        self.more = Fold("More", self._form())
        self.add(text("Where will it run?", "heading"), tiles, self.more, self.note)
        for edit in (self.name_edit, self.place_edit):
            edit.textChanged.connect(lambda _words: self.changed.emit())
        for box in self.boxes.values():
            box.clicked.connect(lambda _checked: self.changed.emit())
        next(iter(self.tiles.values())).setChecked(True)

    def _form(self) -> QGridLayout:
        boxes = column(*self.boxes.values(), spacing=theme.SMALL)
        for artefact in ARTEFACTS.values():
            if not artefact.is_available:  # an export says why it is left out
                self.boxes[artefact.name].hide()
        place = row(self.place_edit, self.browse_button, grows=0)
        fields = QGridLayout()
        fields.setHorizontalSpacing(theme.LARGE)
        fields.setVerticalSpacing(theme.MEDIUM)
        for line, caption in enumerate((tr("Name"), tr("Place"))):
            fields.addWidget(verbatim(caption, "strong"), line, 0)
        fields.addWidget(self.name_edit, 0, 1)
        fields.addLayout(place, 1, 1)
        fields.addLayout(boxes, 2, 1)
        fields.setColumnStretch(1, 1)
        self.name_edit.setAccessibleName(tr("Name"))
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        return fields

    def target(self) -> Target:
        return next(TARGETS[name] for name, tile in self.tiles.items() if tile.isChecked())

    def suggest(self, target: Target) -> None:
        """Choose a target, unless the user has chosen one."""
        if not self._is_decided:
            self.tiles[target.name].setChecked(True)

    def _on_decided(self) -> None:
        self._is_decided = True

    def options(self) -> ExportOptions:
        target = self.target()
        return ExportOptions(
            target=target.name,
            artefacts=tuple(name for name, box in self.boxes.items() if box.isChecked()),
            opset=target.opset,
        )

    def folder(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return expand_home(place) / name if name and place else None

    def propose(self, place: Path, name: str) -> None:
        self.place_edit.setText(str(place))
        self.name_edit.setText(name)

    def _take_options(self, target: Target) -> None:
        """Set the options of a target; what no target has, such as fp16, stays as the user left it."""
        for artefact in ARTEFACTS.values():
            if artefact.targets:
                self.boxes[artefact.name].setChecked(target.name in artefact.targets)
        self.changed.emit()

    def _browse(self) -> None:
        start = expand_home(self.place_edit.text()) if self.place_edit.text() else None
        if (chosen := dialogs.ask_folder(self, tr("Export into"), start)) is not None:
            self.place_edit.setText(str(chosen))


def _box(label: str, words: str) -> QCheckBox:
    box = QCheckBox(tr(label))
    box.setToolTip(tr(words))
    return box


_MODEL = Message("Takes images of any size: cropping, resizing and normalising are inside.")
_CARD = Message("The model card: classes, accuracy, limits and licences.")
_VERIFIED_NOTE = Message("Kept only if it classifies up to 24 images of all shapes as the trained model does.")


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
        lines += [("file", CARD_FILE, tr(_CARD)), ("shield", tr("Verified"), tr(_VERIFIED_NOTE))]
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
