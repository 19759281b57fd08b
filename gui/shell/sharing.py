"""Share the open project among people: the settings with a live forecast in a dialog, then the shares as a task."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLineEdit, QWidget

from gui.home.new_project import free_path
from gui.kit import dialogs, theme
from gui.kit.banner import Banner
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import import_name, lazy_function
from gui.kit.parts import Button, column, number_box, row, text
from gui.kit.translation import language, tr
from gui.kit.workers import BackgroundReader
from gui.next_steps import way_of
from gui.state import AppState
from gui.tasks import Failure, Lane, Task
from models.messages import Message, sentences
from visionft.amounts import size_text
from visionft.errors import NextStep, VisionFTError
from visionft.files import from_home

if TYPE_CHECKING:
    from visionft.project.merging.sharing import SharedProject
    from visionft.project.store import Project

_SHARE = "visionft.project.merging.sharing:share_project"
share_project = lazy_function(_SHARE, uses_torch=False)
_BACK = Message("When the folders come back: File, Merge another copy.")
_LEFT_OUT = Message(
    "{count} image is left out, because its file cannot be read: {path}",
    "{count} images are left out, because their files cannot be read, such as {path}",
)


def forecast_shares(project: "Project", target: Path, options: dict[str, Any]) -> "SharedProject | Failure":
    """Return the forecast of sharing, or the reason why it is impossible; thread-safe."""
    try:
        return import_name(_SHARE)(project, target, **options, is_preview=True)
    except VisionFTError as error:
        return Failure(message=error.message, hint=error.hint, next_step=error.next_step)


class ShareDialog(Dialog):
    """Asks for people, common images and a new folder; it can be accepted while the forecast finds no fault."""

    def __init__(self, parent: QWidget, project: "Project") -> None:
        about = Message("Each person gets a project with some of the images, and a sheet that says what to do.")
        super().__init__(parent, Message("Share among people"), sentences(about, _BACK), width=640)
        self._project = project
        self.step: NextStep | None = None  # to be taken in place of sharing
        self._name = tr("{project} shares", project=project.path.name)
        self.people_box = number_box("People", 2, 100)
        self.common_box = number_box("Images for everyone", 0, 100, unit=" %")
        self.again_box = QCheckBox(tr("Labelled images too, for a second opinion"))
        self.copy_box = QCheckBox(tr("Copy the images along, for other computers"))
        self.folder_edit = QLineEdit(str(free_path(project.path.parent, self._name)))
        self.folder_edit.setAccessibleName(tr("New folder"))
        self.forecast = text(wrap=True)
        self.fault = Banner()
        self.fault.close_button.hide()
        self.share_button = Button("Share", role="primary")
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.LARGE)
        grid.setVerticalSpacing(theme.SMALL)
        grid.setColumnStretch(2, 1)
        why = text("They show how far the labels agree.", "muted", wrap=True)
        fields = (text("People"), self.people_box), (text("Images for everyone"), self.common_box, why)
        for line, parts in enumerate(fields):
            for place, part in enumerate(parts):
                grid.addWidget(part, line, place)
        folder = row(self.folder_edit, Button("Browse", "folder-open", on_click=self._browse), grows=0)
        boxes = column(self.again_box, self.copy_box)
        self.lay_out(
            grid,
            boxes,
            column(text("New folder"), folder),
            self.forecast,
            self.fault,
            None,
            accept=self.share_button,
            spacing=theme.MEDIUM,
        )
        self.common_box.setValue(10)
        for changed in (
            self.people_box.valueChanged,
            self.common_box.valueChanged,
            self.again_box.toggled,
            self.copy_box.toggled,
            self.folder_edit.textChanged,
        ):
            changed.connect(self._ask)
        self._reader = BackgroundReader(forecast_shares, self._show, parent=self)
        self.finished.connect(self._reader.close)
        self._ask()

    @property
    def target(self) -> Path:
        return self._project.path.parent / from_home(self.folder_edit.text().strip())

    @property
    def options(self) -> dict[str, Any]:
        """The choices as arguments of `share_project`."""
        return {
            "people": self.people_box.value(),
            "overlap": self.common_box.value() / 100,
            "again": self.again_box.isChecked(),
            "copy_images": self.copy_box.isChecked(),
        }

    def _browse(self) -> None:
        parent = dialogs.ask_folder(self, tr("Make the new folder in"), self.target.parent)
        if parent is not None:
            self.folder_edit.setText(str(free_path(parent, self._name)))

    @Slot()
    def _ask(self) -> None:
        self.share_button.setEnabled(False)
        self._reader.ask(self._project, self.target, self.options)

    def _show(self, found: "SharedProject | Failure") -> None:
        self.share_button.setEnabled(not isinstance(found, Failure))
        self.forecast.setVisible(not isinstance(found, Failure))
        if isinstance(found, Failure):
            way = way_of(found.next_step, self._leave_for)
            self.fault.show_message(found.message, found.hint, tone="bad", way=way)
            return
        self.forecast.setText(_forecast_words(found))
        if found.missing:
            words = tr(_LEFT_OUT, count=len(found.missing), path=found.missing[0])
            self.fault.show_message(words, tone="warn", way=way_of(NextStep("relink"), self._leave_for))
        else:
            self.fault.hide()

    def _leave_for(self, step: NextStep) -> None:
        self.step = step
        self.reject()


def _forecast_words(found: "SharedProject") -> str:
    counts = [each.images for each in found.shares]
    words = [tr("Each person gets {count} image.", "Each person gets {count} images.", count=counts[0])]
    if min(counts) < max(counts):
        words = [tr("Each person gets {least} or {most} images.", least=f"{min(counts):,}", most=f"{max(counts):,}")]
    if found.common:
        common = Message("{count} of them goes to everyone.", "{count} of them go to everyone.")
        words.append(tr(common, count=found.common))
    if found.bytes:
        words.append(tr("The copies need {size}.", size=size_text(found.bytes)))
    return " ".join(words)


def share_copies(state: AppState, parent: QWidget) -> None:
    """Ask how to share the project, and write the shares in the background."""
    session = state.session
    assert session is not None  # the command needs an open project
    dialog = ShareDialog(parent, session.project)
    if not dialog.ask():
        if dialog.step is not None:
            state.step_requested.emit(dialog.step)
    else:
        work = partial(share_project, session.project, dialog.target, **dialog.options, language=language())
        title = tr("Sharing {project}", project=session.path.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page="project", makes_files=True, tells_result=True)
        state.tasks.run(task, owner=session, on_done=partial(_report, state))


def _report(state: AppState, found: "SharedProject") -> None:
    folder = found.shares[0].path.parent
    left_out = tr(_LEFT_OUT, count=len(found.missing), path=found.missing[0]) if found.missing else ""
    words = tr("The shares of {count} people are in {folder}.", count=len(found.shares), folder=folder)
    state.say(words, f"{left_out} {tr(_BACK)}".strip(), tone="warn" if left_out else "good", folder=folder)
