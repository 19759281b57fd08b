"""A new project: its name, its folder, its labelling task, as a form and as a dialog; the default folders."""

from pathlib import Path

import platformdirs
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QLineEdit, QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.fold import Fold
from gui.kit.parts import Button, column, row, text
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from visionft.core.files import expand_home
from visionft.core.messages import Message
from visionft.data.types import Task


def projects_folder() -> Path:
    return platformdirs.user_documents_path() / "VisionFT"


class ProjectForm(QWidget):
    """Name, place and task of a new project; a brief form shows place and task on request."""

    changed = Signal()

    def __init__(self, *, is_brief: bool = False) -> None:
        super().__init__()
        self.name_edit, self.folder_edit = QLineEdit(), QLineEdit()
        self.name_edit.setPlaceholderText(tr("For example: Surface defects"))
        self.name_edit.setAccessibleName(tr("Project name"))
        self.folder_edit.setAccessibleName(tr("Folder the project is kept in"))
        self._single = ActionTile("One class per image", "Each image is exactly one thing.", checkable=True)
        self._multi = ActionTile("Several classes per image", "Each image may show any number.", checkable=True)
        tasks = QButtonGroup(self)
        for tile in (self._single, self._multi):
            tile.setMinimumHeight(theme.scaled(64))
            tasks.addButton(tile)
        self._fault, self._place = text(role="fault", wrap=True), text(role="small", wrap=True)
        browse = Button("Browse", "folder-open", on_click=self._browse)
        place = (text("Kept in", "caption"), row(self.folder_edit, browse, grows=0))
        tiles = (column if is_brief else row)(self._single, self._multi, spacing=theme.MEDIUM)
        labels = (text("How images are labelled", "caption"), tiles)
        name = (text("Name", "caption"), self.name_edit)
        if is_brief:
            self.setLayout(column(*name, self._place, self._fault, Fold("More", *place, *labels)))
        else:
            gap = theme.SMALL
            self.setLayout(column(*name, gap, *place, self._place, self._fault, gap, *labels))
        for field in (self.name_edit, self.folder_edit):
            field.textChanged.connect(self._check)

    def propose(self, folder: Path, name: str) -> None:
        self.folder_edit.setText(str(folder))
        self.name_edit.setText(name)
        self._check()

    def choose_task(self, task: Task) -> None:
        (self._multi if task == "multi" else self._single).setChecked(True)

    @property
    def path(self) -> Path:
        return expand_home(self.folder_edit.text().strip()) / self.name_edit.text().strip()

    @property
    def task(self) -> Task:
        return "multi" if self._multi.isChecked() else "single"

    def fault(self) -> str:
        """Return the reason why no project can be created with this name and place; empty for none."""
        name = self.name_edit.text().strip()
        if not name:
            return tr("Enter a name for the project.")
        if any(sign in name for sign in '/\\:*?"<>|'):
            return tr('A name cannot hold any of / \\ : * ? " < > |')
        exists = self.path.exists()
        return tr("The folder already has an entry with this name. Choose another name.") if exists else ""

    def _browse(self) -> None:
        chosen = dialogs.ask_folder(self, Message("Keep the project in"), Path(self.folder_edit.text()))
        if chosen is not None:
            self.folder_edit.setText(str(chosen))

    def _check(self) -> None:
        fault = self.fault()
        is_named = bool(self.name_edit.text().strip())
        self._fault.setText(fault)
        self._fault.setVisible(is_named and bool(fault))
        self._place.setText("" if fault else tr("Creates the folder {path}", path=self.path))
        self.changed.emit()


class NewProjectDialog(Dialog):
    """Asks for name, place and task; `Create` is enabled once the place is valid for a project."""

    def __init__(self, parent: QWidget | None, *, folder: Path, name: str = "") -> None:
        about = Message("A project keeps labels, splits and training runs. Your images are never altered.")
        super().__init__(parent, Message("New project"), about, width=560)
        self.form = ProjectForm()
        self.create_button = Button("Create", role="primary")
        self.lay_out(self.form, accept=self.create_button, spacing=theme.MEDIUM)
        self.form.changed.connect(self._check)
        self.form.choose_task("single")
        self.form.propose(folder, name)
        self.form.name_edit.setFocus()

    def _check(self) -> None:
        fault = self.form.fault()
        self.create_button.setEnabled(not fault)
        self.create_button.setToolTip(fault)


def free_path(folder: Path, name: str) -> Path:
    """Return `folder/name`, with a number appended when that exists."""
    candidates = [folder / name, *(folder / f"{name} {number}" for number in range(2, 1000))]
    return next(path for path in candidates if not path.exists())
