"""The decision of an export: where it will run; name, place and single options on request. Plain data only."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QComboBox, QGridLayout, QLineEdit

from gui.kit import dialogs, theme
from gui.kit.fold import Fold
from gui.kit.parts import Button, Card, column, row, text, verbatim
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from visionft.core.files import from_home
from visionft.export.options import ARTEFACTS, OPSETS, TARGETS, ExportOptions, Target, option_metadata

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
        self.opset_box = QComboBox()
        for opset, title in OPSETS.items():
            self.opset_box.addItem(tr(title), opset)
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
        self.opset_box.activated.connect(lambda _place: self.changed.emit())
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
        for line, caption in enumerate((tr("Name"), tr("Place"), tr(option_metadata("opset")["label"]))):
            fields.addWidget(verbatim(caption, "strong"), line, 0)
        fields.addWidget(self.name_edit, 0, 1)
        fields.addLayout(place, 1, 1)
        fields.addWidget(self.opset_box, 2, 1)
        fields.addLayout(boxes, 3, 1)
        fields.setColumnStretch(1, 1)
        self.name_edit.setAccessibleName(tr("Name"))
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        self.opset_box.setAccessibleName(tr(option_metadata("opset")["label"]))
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
            opset=self.opset_box.currentData(),
        )

    def folder(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return from_home(place) / name if name and place else None

    def propose(self, place: Path, name: str) -> None:
        self.place_edit.setText(str(place))
        self.name_edit.setText(name)

    def _take_options(self, target: Target) -> None:
        """Set the options of a target; what no target has, such as fp16, stays as the user left it."""
        self.opset_box.setCurrentIndex(self.opset_box.findData(target.opset))
        for artefact in ARTEFACTS.values():
            if artefact.targets:
                self.boxes[artefact.name].setChecked(target.name in artefact.targets)
        self.changed.emit()

    def _browse(self) -> None:
        start = from_home(self.place_edit.text()) if self.place_edit.text() else None
        if (chosen := dialogs.ask_folder(self, tr("Export into"), start)) is not None:
            self.place_edit.setText(str(chosen))


def _box(label: str, words: str) -> QCheckBox:
    box = QCheckBox(tr(label))
    box.setToolTip(tr(words))
    return box
