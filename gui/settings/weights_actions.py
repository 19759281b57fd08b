"""Pretrained weights from the window: what is here, fetching, importing, removing."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QWidget

from gui.kit import dialogs, theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.kit.value_table import ValueTable
from gui.state import AppState
from gui.tasks import Lane, Task
from models.catalog import BACKBONES, get_backbone
from visionft.errors import NextStep, VisionFTError
from visionft.events import OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.weights import WeightsState, remove_weights, weights_states

if TYPE_CHECKING:
    from visionft.weights import ImportResult

PAGE = "settings"
PATTERN = "Weights (*.safetensors *.pth *.pt *.bin *.ckpt)"
_LOCATIONS = {
    "bundled": "Ships with VisionFT",
    "folder": "In the weights folder",
    "hub cache": "In the hub's cache",
    "hub": "To be fetched",
    "nowhere": "Missing",
}


class WeightsDialog(QDialog):
    """All backbones and where their weights are; what is to be done with the marked one, when it is accepted."""

    def __init__(self, parent: QWidget, states: Sequence[WeightsState]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Pretrained weights"))
        self.setMinimumSize(theme.scaled(720), theme.scaled(480))
        self.step: NextStep | None = None
        self._states = list(states)
        self.table = ValueTable(
            ("Backbone", "Weights", "Size", "Licence"), name="Pretrained weights", is_sortable=False, is_of_texts=True
        )
        self.table.show_rows(
            [
                [(word, word) for word in (each.backbone, tr(_LOCATIONS[each.location]), each.size_text, each.licence)]
                for each in states
            ]
        )
        self.fetch_button = Button("Fetch", "import", on_click=lambda: self._choose(NextStep("fetch_weights")))
        self.remove_button = Button("Remove", "trash", on_click=lambda: self._choose(NextStep("remove_weights")))
        self.import_button = Button("Import a file", "file", on_click=lambda: self._choose(NextStep("import_weights")))
        close = Button("Close", on_click=self.reject)
        layout = column(
            text("Pretrained weights", "title"),
            self.table,
            row(self.fetch_button, self.remove_button, self.import_button, None, close),
            spacing=theme.MEDIUM,
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.table.itemSelectionChanged.connect(self._show_possible)
        self._show_possible()

    def _marked(self) -> WeightsState | None:
        rows = {item.row() for item in self.table.selectedItems()}
        return self._states[min(rows)] if rows else None

    def _show_possible(self) -> None:
        marked = self._marked()
        self.fetch_button.setEnabled(marked is not None and marked.location == "hub")
        is_ours = marked is not None and (marked.location == "folder" or marked.partial_bytes > 0)
        self.remove_button.setEnabled(is_ours)

    def _choose(self, step: NextStep) -> None:
        marked = self._marked()
        self.step = step if marked is None else NextStep(step.action, backbone=marked.backbone)
        self.accept()


class WeightsActions:
    """Does what the steps about weights ask for; each is a task, or a question and a moment."""

    def __init__(self, state: AppState, parent: QWidget) -> None:
        self._state, self._parent = state, parent

    def take(self, step: NextStep) -> None:
        """Take a step about weights; any other is none of its business."""
        match step.action:
            case "list_weights":
                self.show()
            case "fetch_weights":
                self.fetch(step.backbone)
            case "remove_weights":
                self.remove(step.backbone)
            case "import_weights":
                self.import_file(step.path, step.backbone)
            case _:
                pass

    def show(self) -> None:
        """Show all weights and do what the user chooses."""
        dialog = WeightsDialog(self._parent, weights_states())
        dialog.exec()
        step = dialog.step
        dialog.deleteLater()
        if step is not None:
            self.take(step)

    def fetch(self, name: str) -> None:
        """Download the weights of a backbone."""
        title = tr("Fetching the weights of {backbone}", backbone=name)
        task = Task(title=title, work=partial(fetch, name), lane=Lane.DISK, page=PAGE, outlives_project=True)

        def tell(path: Path | None) -> None:
            if path is not None:
                self._state.say(tr("The weights of {backbone} are on this computer now.", backbone=name), tone="good")

        self._state.tasks.run(task, owner=self._parent, on_done=tell)

    def import_file(self, path: Path | None, name: str) -> None:
        """Copy a weights file into the weights folder; where it fits several backbones, ask for which it is."""
        if path is not None and name:
            chosen = dialogs.ask_choice(
                self._parent, tr("What is this file for?"), path.name, list(dict.fromkeys((*BACKBONES, name))), name
            )
            if chosen is None:
                return
            name = chosen
        if path is None:
            path = next(iter(dialogs.ask_files(self._parent, tr("Import a weights file"), PATTERN)), None)
        if path is None:
            return
        title = tr("Importing {name}", name=path.name)
        work = partial(import_file, path, name)
        task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE, outlives_project=True)

        def tell(result: "ImportResult") -> None:
            for each in result.imported:
                words = tr("The weights of {backbone} are on this computer now.", backbone=each.backbone)
                self._state.say(words, tone="good")

        self._state.tasks.run(task, owner=self._parent, on_done=tell)

    def remove(self, name: str) -> None:
        """Delete the weights of a backbone, after asking."""
        title = tr("Remove the weights of {backbone}?", backbone=name)
        if not dialogs.ask_yes(self._parent, title, tr("They can be fetched or imported again."), yes=tr("Remove")):
            return
        try:
            remove_weights(get_backbone(name))
        except VisionFTError as error:
            self._state.report(error)
        else:
            words = tr("The weights of {backbone} were removed.", backbone=name)
            self._state.say(words, tone="good", next_step=NextStep("fetch_weights", backbone=name))


def fetch(name: str, *, on_event: OnEvent, should_stop: ShouldStop) -> Path | None:
    """Download the weights of a backbone, in a task; None when stopped."""
    load_libraries(on_event)
    from visionft.weights import fetch as fetch_weights

    return fetch_weights(get_backbone(name), on_event=on_event, should_stop=should_stop)


def import_file(path: Path, name: str, *, on_event: OnEvent, should_stop: ShouldStop) -> "ImportResult":
    """Copy a weights file into the weights folder, in a task; `name` is the backbone, empty where the file tells."""
    load_libraries(on_event)
    from visionft.weights import import_weights

    return import_weights(path, backbone=name or None, on_event=on_event, should_stop=should_stop)
