"""What is exported and where to: name, place and the choices of `ExportOptions`. Knows Qt and plain data only."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLayout, QLineEdit, QWidget

from gui.kit import dialogs, theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, text, verbatim
from visionft.export.options import OPSETS, ExportOptions, help_of, label_of
from visionft.export.precision.variants import Precision
from visionft.files import from_home

PRECISION_WORDS: dict[Precision, str] = {"fp16": "Smaller: fp16", "int8": "Small and fast on processors: int8"}


class OptionsCard(Card):
    """A form; what it says of the target is the page's business (`show_note`)."""

    target_changed = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self.name_edit, self.place_edit = QLineEdit(), QLineEdit()
        self.opset_box = QComboBox()
        for opset, title in OPSETS.items():
            self.opset_box.addItem(tr(title), opset)
        self.float_box = _box(label_of("float_input"), help_of("float_input"))
        self.timm_box = _box(label_of("huggingface"), help_of("huggingface"))
        self.precision_boxes: dict[Precision, QCheckBox] = {
            precision: _box(words, help_of("precisions")) for precision, words in PRECISION_WORDS.items()
        }
        self.browse_button = Button("Browse", "folder-open", on_click=self._browse)
        self._note = text("", "small", wrap=True)
        self.body.addWidget(text("Options", "heading"))
        self.body.addLayout(self._fields())
        self.body.addWidget(self._note)
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        for edit in (self.name_edit, self.place_edit):
            edit.textChanged.connect(lambda _words: self.target_changed.emit())

    def _fields(self) -> QGridLayout:
        place = row(self.place_edit, self.browse_button)
        place.setStretch(0, 1)
        boxes = column(*self.precision_boxes.values(), self.float_box, self.timm_box, spacing=theme.SMALL)
        fields = QGridLayout()
        fields.setHorizontalSpacing(theme.LARGE)
        fields.setVerticalSpacing(theme.MEDIUM)
        lines = (("Name", self.name_edit), ("Place", place), (label_of("opset"), self.opset_box), ("", boxes))
        for line, (caption, field) in enumerate(lines):
            _add_line(fields, line, tr(caption), field)
        fields.setColumnStretch(1, 1)
        return fields

    def options(self) -> ExportOptions:
        """Return the options as they are chosen."""
        return ExportOptions(
            float_input=self.float_box.isChecked(),
            opset=self.opset_box.currentData(),
            precisions=tuple(precision for precision, box in self.precision_boxes.items() if box.isChecked()),
            huggingface=self.timm_box.isChecked(),
        )

    def target(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return from_home(place) / name if name and place else None

    def propose(self, place: Path, name: str) -> None:
        """Put a target into the form."""
        self.place_edit.setText(str(place))
        self.name_edit.setText(name)

    def show_note(self, words: str) -> None:
        """Say what exporting there means."""
        self._note.setText(words)

    def note(self) -> str:
        """Return what is said of the target."""
        return self._note.text()

    def _browse(self) -> None:
        start = from_home(self.place_edit.text()) if self.place_edit.text() else None
        chosen = dialogs.ask_folder(self, tr("Export into"), start)
        if chosen is not None:
            self.place_edit.setText(str(chosen))


def _box(label: str, words: str) -> QCheckBox:
    box = QCheckBox(tr(label))
    box.setToolTip(tr(words))
    return box


def _add_line(fields: QGridLayout, line: int, caption: str, field: QWidget | QLayout) -> None:
    fields.addWidget(verbatim(caption, "strong"), line, 0)
    if isinstance(field, QWidget):
        field.setAccessibleName(caption)
        fields.addWidget(field, line, 1)
    else:
        fields.addLayout(field, line, 1)
