"""The dialogs of the project menu: the history, the removed images, the label export."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtWidgets import QAbstractItemView, QButtonGroup, QCheckBox, QGridLayout, QHeaderView, QWidget

from gui.home.new_project import free_path
from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, ElidedLabel, row, text
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.project.db.journal import Step
from visionft.project.formats.registry import FORMATS
from visionft.project.queries import ImageRow

_BEGINNING = 0  # before the first known step
FOLDERS, CSV, JSONL = "folders", "csv", "jsonl"
_FIRST = (CSV, JSONL, FOLDERS)  # the most frequent formats


class HistoryDialog(Dialog):
    """All known steps; the selection starts at the current state, undone steps are above it."""

    def __init__(self, parent: QWidget, steps: Sequence[Step]) -> None:
        about = Message(
            "The project goes to its state after the marked change. Nothing is lost: until you change something else "
            "you can go forward again."
        )
        super().__init__(parent, Message("History"), about, width=620, height=480)
        self._now = next((step.step_id for step in steps if not step.is_undone), _BEGINNING)
        self._ids = [*(step.step_id for step in steps), _BEGINNING]
        columns = (Message("What changed"), Message("When"), Message("State"))
        self.table = ValueTable(columns, name="Changes, newest first", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.horizontalHeader().setStretchLastSection(False)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows = []
        for step in steps:
            state = tr("now") if step.step_id == self._now else tr("undone") if step.is_undone else ""
            rows.append((tr(step.title), f"{datetime.fromtimestamp(step.at / 1000):%Y-%m-%d %H:%M}", state))
        rows.append((tr("Before all of these"), "", "" if self._now else tr("now")))
        cells = [[(words, words) for words in row] for row in rows]
        self.table.show_rows(cells, marked=[self._ids.index(self._now)])
        self.go_button = Button("Go to this point", role="primary")
        self.effect = text("", "small", wrap=True)
        self.lay_out(self.table, self.effect, accept=self.go_button)
        self.table.itemSelectionChanged.connect(self._show_effect)
        self.table.itemActivated.connect(lambda _item: self.go_button.click())
        self.table.selectRow(self._ids.index(self._now))

    def chosen(self) -> int:
        """Return the step to become the newest; 0 for none."""
        rows = self.table.selectionModel().selectedRows()
        return self._ids[rows[0].row()] if rows else self._now

    def _show_effect(self) -> None:
        far = self._ids.index(self.chosen()) - self._ids.index(self._now)
        self.go_button.setEnabled(far != 0)
        words = tr("The project is at this point.")
        if far:
            words = tr("Changes that are undone: {count}.", count=far) if far > 0 else ""
            words = words or tr("Changes that are done again: {count}.", count=-far)
        self.effect.setText(words)


class RemovedDialog(Dialog):
    """A table of the removed images; `chosen` are those to restore once it is accepted."""

    def __init__(self, parent: QWidget, images: Sequence[ImageRow]) -> None:
        about = Message(
            "They come back with the labels, tags and notes they had. All are marked; mark fewer to restore those."
        )
        super().__init__(parent, Message("Removed images"), about, width=680, height=460)
        self._images = list(images)
        columns = (Message("Image"), Message("Labels"), Message("Folder"))
        self.table = ValueTable(columns, name="Removed images", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        rows = [(printable(e.path.name), ", ".join(e.labels), printable(str(e.path.parent))) for e in images]
        self.table.show_rows([[(word, word) for word in words] for words in rows])
        self.table.selectAll()
        self.restore_button = Button("Restore", role="primary")
        self.lay_out(self.table, accept=self.restore_button)
        self.table.itemSelectionChanged.connect(self._show_count)
        self._show_count()

    def chosen(self) -> tuple[int, ...]:
        places = sorted({item.row() for item in self.table.selectedItems()})
        return tuple(self._images[place].image_id for place in places)

    def _show_count(self) -> None:
        count = len(self.chosen())
        self.restore_button.setEnabled(count > 0)
        self.restore_button.setText(tr("Restore {count}", count=f"{count:,}"))


class LabelExportDialog(Dialog):
    """Asks for a format, then a target; it can be accepted once both are known."""

    def __init__(self, parent: QWidget, *, name: str, folder: Path) -> None:
        """Args: `name` is the project's; `folder` is the start folder of the file dialogs."""
        super().__init__(parent, Message("Export labels"), Message("The images stay where they are."), width=860)
        self._name, self._folder = name, folder
        self.target: Path | None = None
        names = dict.fromkeys((*_FIRST, *(each.name for each in FORMATS.values() if each.is_export)))
        self.tiles = {kind: ActionTile(FORMATS[kind].title, FORMATS[kind].words, checkable=True) for kind in names}
        group = QButtonGroup(self)
        grid = QGridLayout()
        grid.setSpacing(theme.MEDIUM)
        for number, tile in enumerate(self.tiles.values()):
            tile.setMinimumHeight(theme.scaled(98))
            group.addButton(tile)
            grid.addWidget(tile, *divmod(number, 3))
            tile.toggled.connect(self._forget_target)
        self.spreadsheet_box = QCheckBox(tr("Make cells that look like formulas harmless"))
        self._place = ElidedLabel("", "small")
        self.place_button = Button("Choose the place", "folder-open", on_click=self.choose_place)
        self.export_button = Button("Export", role="primary")
        place = row(self.place_button, self._place, spacing=theme.MEDIUM, grows=1)
        self.lay_out(grid, self.spreadsheet_box, theme.SMALL, place, accept=self.export_button)
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
        wanted = FORMATS[self.export_format]
        if not wanted.is_file:
            parent = dialogs.ask_folder(self, tr("Make the new folder in"), self._folder)
            target = free_path(parent, self._name) if parent is not None else None
        else:
            suffix = wanted.suffixes[0]
            start = self._folder / f"{self._name}{suffix}"
            target = dialogs.ask_save_file(self, tr("Export labels"), f"{tr(wanted.title)} (*{suffix})", start)
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
