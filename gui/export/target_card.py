"""The decision of an export: where it will run; name, place and single options on request. Plain data only."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QComboBox, QGridLayout, QLineEdit

from gui.kit import dialogs, theme
from gui.kit.fold import Fold
from gui.kit.parts import Button, Card, column, row, text, verbatim
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from models.messages import Message
from visionft.export.exporters import EXPORTERS
from visionft.export.options import OPSETS, ExportOptions, help_of, label_of
from visionft.export.precision.variants import Precision
from visionft.export.targets import TARGETS, Target
from visionft.files import from_home

PRECISION_TITLES: Final[dict[Precision, str]] = {
    "fp16": Message("fp16 variant: half the size"),
    "int8": Message("int8 variant: a quarter of the size"),
}
_ICONS = {
    "desktop": "computer", "server": "server", "web": "globe", "phone": "phone", "edge": "chip", "python": "layers",
}  # fmt: skip


class TargetCard(Card):
    """One tile a target, which sets the options below it; the page sets its `note` about the effect of exporting."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self.name_edit, self.place_edit = QLineEdit(), QLineEdit()
        self.opset_box = QComboBox()
        for opset, title in OPSETS.items():
            self.opset_box.addItem(tr(title), opset)
        self.float_box = _box(label_of("float_input"), help_of("float_input"))
        self.mirror_box = _box(label_of("mirror"), help_of("mirror"))
        self.phone_box = _box(label_of("phone"), help_of("phone"))
        self.distil_box = _box(label_of("distil"), help_of("distil"))
        self.pytorch_box = _box(label_of("pytorch"), help_of("pytorch"))
        self.timm_box = _box(label_of("huggingface"), help_of("huggingface"))
        self.precision_boxes: dict[Precision, QCheckBox] = {
            precision: _box(words, help_of("precisions")) for precision, words in PRECISION_TITLES.items()
        }
        self.exporter_boxes = {name: _box(each.title, help_of("exporters")) for name, each in EXPORTERS.items()}
        self.browse_button = Button("Browse", "folder-open", on_click=self._browse)
        self.note = text("", "small", wrap=True)
        self.tiles: dict[str, ActionTile] = {}
        self._group, self._is_decided = QButtonGroup(self), False
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
        self.add(text("Where will it run?", "heading"), tiles, self.distil_box, self.more, self.note)
        for edit in (self.name_edit, self.place_edit):
            edit.textChanged.connect(lambda _words: self.changed.emit())
        boxes = (self.float_box, self.mirror_box, self.phone_box, self.pytorch_box, self.timm_box, self.distil_box)
        for box in (*boxes, *self.precision_boxes.values(), *self.exporter_boxes.values()):
            box.clicked.connect(lambda _checked: self.changed.emit())
        self.opset_box.activated.connect(lambda _place: self.changed.emit())
        next(iter(self.tiles.values())).setChecked(True)

    def _form(self) -> QGridLayout:
        files = (self.float_box, self.phone_box, self.pytorch_box, self.timm_box)
        optional = (self.mirror_box, *self.precision_boxes.values(), *files)
        boxes = column(*optional, *self.exporter_boxes.values(), spacing=theme.SMALL)
        place = row(self.place_edit, self.browse_button, grows=0)
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
        self.name_edit.setAccessibleName(tr("Name"))
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        self.opset_box.setAccessibleName(tr(label_of("opset")))
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
        return ExportOptions(
            float_input=self.float_box.isChecked(),
            mirror=self.mirror_box.isChecked(),
            opset=self.opset_box.currentData(),
            precisions=tuple(precision for precision, box in self.precision_boxes.items() if box.isChecked()),
            pytorch=self.pytorch_box.isChecked(),
            huggingface=self.timm_box.isChecked(),
            triton=self.target().options.triton,
            web_runtime=self.target().options.web_runtime,
            phone=self.phone_box.isChecked(),
            distil=self.distil_box.isChecked() and self.target().may_distil,
            exporters=tuple(name for name, box in self.exporter_boxes.items() if box.isChecked()),
        )

    def folder(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return from_home(place) / name if name and place else None

    def propose(self, place: Path, name: str) -> None:
        self.place_edit.setText(str(place))
        self.name_edit.setText(name)

    def _take_options(self, target: Target) -> None:
        """Set the options of a target; averaging and other formats are the user's alone."""
        options = target.options
        self.opset_box.setCurrentIndex(self.opset_box.findData(options.opset))
        self.float_box.setChecked(options.float_input)
        self.pytorch_box.setChecked(options.pytorch)
        self.timm_box.setChecked(options.huggingface)
        self.phone_box.setChecked(options.phone)
        self.distil_box.setVisible(target.may_distil)
        for precision, box in self.precision_boxes.items():
            box.setChecked(precision in options.precisions)
        self.changed.emit()

    def _browse(self) -> None:
        start = from_home(self.place_edit.text()) if self.place_edit.text() else None
        if (chosen := dialogs.ask_folder(self, tr("Export into"), start)) is not None:
            self.place_edit.setText(str(chosen))


def _box(label: str, words: str) -> QCheckBox:
    box = QCheckBox(tr(label))
    box.setToolTip(tr(words))
    return box
