"""What labels are exported as, and where to. Knows Qt and plain data only."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QButtonGroup, QCheckBox, QDialog, QGridLayout, QWidget

from gui.home.new_project import free_path
from gui.kit import dialogs, theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.tiles import ActionTile
from visionft.project.formats.registry import FORMATS

FOLDERS, CSV, JSONL = "folders", "csv", "jsonl"
_COLUMNS = 3
_FIRST = (CSV, JSONL, FOLDERS)  # what is asked for most
_OFFERED = (*_FIRST, *(each.name for each in FORMATS.values() if each.is_export and each.name not in _FIRST))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExportWish:
    """What the user decided."""

    export_format: str
    target: Path
    for_spreadsheets: bool


class LabelExportDialog(QDialog):
    """Asks for a format, then a place; `wish` is there once both are known."""

    def __init__(self, parent: QWidget, *, name: str, folder: Path) -> None:
        """Args: `name` is the project's; `folder` is where the places begin that are offered."""
        super().__init__(parent)
        self.setWindowTitle(tr("Export labels"))
        self.setMinimumWidth(theme.scaled(860))
        self._name, self._folder, self._target = name, folder, None
        self.tiles = {kind: self._tile(kind) for kind in _OFFERED}
        group, grid = QButtonGroup(self), QGridLayout()
        grid.setSpacing(theme.MEDIUM)
        for number, tile in enumerate(self.tiles.values()):
            group.addButton(tile)
            grid.addWidget(tile, *divmod(number, _COLUMNS))
            tile.toggled.connect(self._forget_target)
        self.spreadsheet_box = QCheckBox(tr("Make cells that look like formulas harmless"))
        self._place = ElidedLabel("", "small")
        self.place_button = Button("Choose the place", "folder-open", on_click=self.choose_place)
        self.export_button = Button("Export", role="primary", on_click=self.accept)
        self.export_button.setDefault(True)
        place = row(self.place_button, self._place, spacing=theme.MEDIUM)
        place.setStretch(1, 1)
        layout = column(
            text("Export labels", "title"),
            text("The pictures stay where they are.", "muted", wrap=True),
            theme.SMALL,
            grid,
            self.spreadsheet_box,
            theme.SMALL,
            place,
            theme.SMALL,
            row(None, Button("Cancel", on_click=self.reject), self.export_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.tiles[CSV].setChecked(True)
        self._forget_target()

    def wish(self) -> LabelExportWish:
        """Return what the user decided, once the dialog is accepted."""
        assert self._target is not None
        return LabelExportWish(
            export_format=self._format(),
            target=self._target,
            for_spreadsheets=self._format() == CSV and self.spreadsheet_box.isChecked(),
        )

    def choose_place(self) -> None:
        """Ask for a file to write, or for the folder in which a new one is made."""
        wanted = FORMATS[self._format()]
        if not wanted.is_file:
            parent = dialogs.ask_folder(self, tr("Make the new folder in"), self._folder)
            target = free_path(parent, self._name) if parent is not None else None
        else:
            suffix = wanted.suffixes[0]
            start = self._folder / f"{self._name}{suffix}"
            target = dialogs.ask_save_file(self, tr("Export labels"), f"{wanted.title} (*{suffix})", start)
        if target is not None:
            self._show_target(target)

    def _tile(self, kind: str) -> ActionTile:
        tile = ActionTile(FORMATS[kind].title, FORMATS[kind].words, checkable=True)
        tile.setMinimumHeight(theme.scaled(98))
        return tile

    def _format(self) -> str:
        return next(kind for kind, tile in self.tiles.items() if tile.isChecked())

    def _forget_target(self, _is_on: bool = True) -> None:
        self.spreadsheet_box.setVisible(self.tiles[CSV].isChecked())
        self._show_target(None)

    def _show_target(self, target: Path | None) -> None:
        self._target = target
        self._place.setText(str(target) if target is not None else tr("No place chosen yet"))
        self.export_button.setEnabled(target is not None)
        self.export_button.setToolTip("" if target is not None else tr("Choose the place first."))
