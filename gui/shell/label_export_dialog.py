"""The dialog of a label export: format and target."""

from pathlib import Path

from PySide6.QtWidgets import QButtonGroup, QCheckBox, QGridLayout, QWidget

from gui.home.new_project import free_path
from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, ElidedLabel, row, text
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from models.messages import Message
from visionft.project.formats.registry import FORMATS

FOLDERS, CSV, JSONL = "folders", "csv", "jsonl"
_FIRST = (CSV, JSONL, FOLDERS)  # the most frequent formats


class LabelExportDialog(Dialog):
    """Asks for a format, then a target; it can be accepted once both are known."""

    def __init__(self, parent: QWidget, *, name: str, folder: Path) -> None:
        """Args: `name` is the project's; `folder` is the start folder of the file dialogs."""
        super().__init__(parent, Message("Export labels"), width=860)
        self._name, self._folder = name, folder
        self.target: Path | None = None
        names = dict.fromkeys((*_FIRST, *(each.name for each in FORMATS.values() if each.is_export)))
        self.tiles = {kind: ActionTile(FORMATS[kind].title, FORMATS[kind].words, checkable=True) for kind in names}
        group, grid = QButtonGroup(self), QGridLayout()
        grid.setSpacing(theme.MEDIUM)
        for number, tile in enumerate(self.tiles.values()):
            tile.setMinimumHeight(theme.scaled(98))
            group.addButton(tile)
            grid.addWidget(tile, *divmod(number, 3))
            tile.toggled.connect(self._forget_target)
        self.spreadsheet_box = QCheckBox(tr("Make cells that look like formulas harmless"))
        self._place = ElidedLabel("", "small")
        self.place_button = Button("Choose the place", "folder-open", on_click=self.choose_place)
        self.export_button = Button("Export", role="primary", on_click=self.accept)
        self.export_button.setDefault(True)
        place = row(self.place_button, self._place, spacing=theme.MEDIUM, grows=1)
        buttons = row(None, Button("Cancel", on_click=self.reject), self.export_button)
        lead = (text("Export labels", "title"), text("The images stay where they are.", "muted", wrap=True))
        self.lay_out(*lead, theme.SMALL, grid, self.spreadsheet_box, theme.SMALL, place, theme.SMALL, buttons)
        self.tiles[CSV].setChecked(True)
        self._forget_target()

    @property
    def export_format(self) -> str:
        return next(kind for kind, tile in self.tiles.items() if tile.isChecked())

    @property
    def for_spreadsheets(self) -> bool:
        """Whether to make cells harmless that look like formulas."""
        return self.export_format == CSV and self.spreadsheet_box.isChecked()

    def choose_place(self) -> None:
        """Ask for the file to write, or for the parent of the new folder."""
        wanted = FORMATS[self.export_format]
        if not wanted.is_file:
            parent = dialogs.ask_folder(self, tr("Make the new folder in"), self._folder)
            target = free_path(parent, self._name) if parent is not None else None
        else:
            suffix = wanted.suffixes[0]
            start = self._folder / f"{self._name}{suffix}"
            target = dialogs.ask_save_file(self, tr("Export labels"), f"{wanted.title} (*{suffix})", start)
        if target is not None:
            self._show_target(target)

    def _forget_target(self, _is_on: bool = True) -> None:
        self.spreadsheet_box.setVisible(self.tiles[CSV].isChecked())
        self._show_target(None)

    def _show_target(self, target: Path | None) -> None:
        self.target = target
        self._place.setText(str(target) if target is not None else tr("No place chosen yet"))
        self.export_button.setEnabled(target is not None)
        self.export_button.setToolTip("" if target is not None else tr("Choose the place first."))
