"""The form of an export: name, place and `ExportOptions`. Depends on Qt and plain data only."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit

from gui.kit import dialogs, theme
from gui.kit.parts import Button, Card, column, row, text, verbatim
from gui.kit.translation import tr
from models.messages import Message
from visionft.export.exporters import EXPORTERS
from visionft.export.options import OPSETS, ExportOptions, help_of, label_of
from visionft.export.precision.variants import Precision
from visionft.files import from_home

PRECISION_TITLES: dict[Precision, str] = {
    "fp16": Message("fp16 variant: half the size"),
    "int8": Message("int8 variant: a quarter of the size"),
}


class OptionsCard(Card):
    """A form; the page sets its `note` about the effect of exporting to the target."""

    target_changed = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self.name_edit, self.place_edit = QLineEdit(), QLineEdit()
        self.opset_box = QComboBox()
        for opset, title in OPSETS.items():
            self.opset_box.addItem(tr(title), opset)
        self.float_box = _box(label_of("float_input"), help_of("float_input"))
        self.mirror_box = _box(label_of("mirror"), help_of("mirror"))
        self.timm_box = _box(label_of("huggingface"), help_of("huggingface"))
        self.precision_boxes: dict[Precision, QCheckBox] = {
            precision: _box(words, help_of("precisions")) for precision, words in PRECISION_TITLES.items()
        }
        self.exporter_boxes = {name: _box(each.title, help_of("exporters")) for name, each in EXPORTERS.items()}
        self.browse_button = Button("Browse", "folder-open", on_click=self._browse)
        self.note = text("", "small", wrap=True)
        self.body.addWidget(text("Options", "heading"))
        place = row(self.place_edit, self.browse_button, grows=0)
        optional = (self.mirror_box, *self.precision_boxes.values(), self.float_box, self.timm_box)
        boxes = column(*optional, *self.exporter_boxes.values(), spacing=theme.SMALL)
        fields = QGridLayout()
        fields.setHorizontalSpacing(theme.LARGE)
        fields.setVerticalSpacing(theme.MEDIUM)
        for line, caption in enumerate((tr("Name"), tr("Place"), tr(label_of("opset")))):
            fields.addWidget(verbatim(caption, "strong"), line, 0)
        fields.addWidget(self.name_edit, 0, 1)
        fields.addLayout(place, 1, 1)
        fields.addWidget(self.opset_box, 2, 1)
        fields.addLayout(boxes, 3, 1)
        fields.setColumnStretch(1, 1)
        self.body.addLayout(fields)
        self.body.addWidget(self.note)
        self.name_edit.setAccessibleName(tr("Name"))
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        self.opset_box.setAccessibleName(tr(label_of("opset")))
        for edit in (self.name_edit, self.place_edit):
            edit.textChanged.connect(lambda _words: self.target_changed.emit())

    def options(self) -> ExportOptions:
        return ExportOptions(
            float_input=self.float_box.isChecked(),
            mirror=self.mirror_box.isChecked(),
            opset=self.opset_box.currentData(),
            precisions=tuple(precision for precision, box in self.precision_boxes.items() if box.isChecked()),
            huggingface=self.timm_box.isChecked(),
            exporters=tuple(name for name, box in self.exporter_boxes.items() if box.isChecked()),
        )

    def target(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return from_home(place) / name if name and place else None

    def propose(self, place: Path, name: str) -> None:
        self.place_edit.setText(str(place))
        self.name_edit.setText(name)

    def _browse(self) -> None:
        start = from_home(self.place_edit.text()) if self.place_edit.text() else None
        if (chosen := dialogs.ask_folder(self, tr("Export into"), start)) is not None:
            self.place_edit.setText(str(chosen))


def _box(label: str, words: str) -> QCheckBox:
    box = QCheckBox(tr(label))
    box.setToolTip(tr(words))
    return box
