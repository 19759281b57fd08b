"""The dialog for a new project: its name, its folder, its labelling task; the default folders."""

from pathlib import Path

import platformdirs
from PySide6.QtWidgets import QButtonGroup, QLineEdit, QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, row, text
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from models.messages import Message
from visionft.data.types import Task
from visionft.files import from_home


def projects_folder() -> Path:
    return platformdirs.user_documents_path() / "VisionFT"


def public_folder() -> Path:
    """Return the folder of public data sets, shared by all projects."""
    return projects_folder() / "Public sets"


class NewProjectDialog(Dialog):
    """Asks for name, place and task; `Create` is enabled once the place is valid for a project."""

    def __init__(self, parent: QWidget | None, *, folder: Path, name: str = "", task: str = "single") -> None:
        super().__init__(parent, "New project", width=560)
        self.name_edit = QLineEdit(name)
        self.name_edit.setPlaceholderText(tr("For example: Surface defects"))
        self.name_edit.setAccessibleName(tr("Project name"))
        self.folder_edit = QLineEdit(str(folder))
        self.folder_edit.setAccessibleName(tr("Folder the project is kept in"))
        self._single = ActionTile("One class per image", "Each image is exactly one thing.", checkable=True)
        self._multi = ActionTile("Several classes per image", "Each image may show any number.", checkable=True)
        tasks = QButtonGroup(self)
        for tile in (self._single, self._multi):
            tile.setMinimumHeight(theme.scaled(64))
            tasks.addButton(tile)
        (self._multi if task == "multi" else self._single).setChecked(True)
        self._fault = text(role="fault", wrap=True)
        self._place = text(role="small", wrap=True)
        self.create_button = Button("Create", role="primary", on_click=self.accept)
        self.create_button.setDefault(True)
        browse = Button("Browse", "folder-open", on_click=self._browse)
        about = Message("A project keeps labels, splits and training runs. Your images are never altered.")
        self.lay_out(
            text("New project", "title"), text(about, "muted", wrap=True), theme.SMALL,
            text("Name", "caption"), self.name_edit, theme.SMALL,
            text("Kept in", "caption"), row(self.folder_edit, browse), self._place, self._fault, theme.SMALL,
            text("How images are labelled", "caption"), row(self._single, self._multi, spacing=theme.MEDIUM),
            theme.LARGE,
            row(None, Button("Cancel", on_click=self.reject), self.create_button),
        )  # fmt: skip
        for field in (self.name_edit, self.folder_edit):
            field.textChanged.connect(self._check)
        self._check()
        self.name_edit.setFocus()

    @property
    def path(self) -> Path:
        return from_home(self.folder_edit.text().strip()) / self.name_edit.text().strip()

    @property
    def task(self) -> Task:
        return "multi" if self._multi.isChecked() else "single"

    def _browse(self) -> None:
        chosen = dialogs.ask_folder(self, Message("Keep the project in"), Path(self.folder_edit.text()))
        if chosen is not None:
            self.folder_edit.setText(str(chosen))

    def _check(self) -> None:
        name, path, fault = self.name_edit.text().strip(), self.path, ""
        if any(sign in name for sign in '/\\:*?"<>|'):
            fault = tr('A name cannot hold any of / \\ : * ? " < > |')
        elif name and path.exists():
            fault = tr("There is something of this name in that folder already. Choose another name.")
        self._fault.setText(fault)
        self._fault.setVisible(bool(fault))
        self._place.setText(tr("Creates the folder {path}", path=path) if name and not fault else "")
        self.create_button.setEnabled(bool(name) and not fault)


def free_path(folder: Path, name: str) -> Path:
    """Return `folder/name`, with a number appended when that exists."""
    candidates = [folder / name, *(folder / f"{name} {number}" for number in range(2, 1000))]
    return next(path for path in candidates if not path.exists())
