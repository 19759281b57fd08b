"""Pretrained weights in the window: list, download, import, remove."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QWidget

from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.state import AppState
from gui.tasks import Lane, Task, Work
from models.catalog import BACKBONES, get_backbone
from models.weights.records import WeightsState, remove_weights, weights_states
from visionft.core.errors import Action, NextStep, VisionFTError
from visionft.core.messages import Message

if TYPE_CHECKING:
    from models.weights.importing import ImportResult

fetch = lazy_function("models.weights.fetching:fetch")
import_weights = lazy_function("models.weights.importing:import_weights")

PAGE = "settings"
_LOCATIONS = {
    "bundled": Message("Ships with VisionFT"),
    "folder": Message("In the weights folder"),
    "hub cache": Message("In the hub's cache"),
    "hub": Message("To be fetched"),
    "nowhere": Message("Missing"),
}


class WeightsDialog(Dialog):
    """All backbones and the place of their weights; on accept, the chosen action for the selected one."""

    def __init__(self, parent: QWidget, states: Sequence[WeightsState]) -> None:
        super().__init__(parent, Message("Pretrained weights"), width=720, height=480)
        self.step: NextStep | None = None
        self._states = list(states)
        columns = (Message("Backbone"), Message("Weights"), Message("Size"), Message("Licence"))
        self.table = ValueTable(columns, name="Pretrained weights", is_sortable=False, is_of_texts=True)
        rows = [(each.backbone, tr(_LOCATIONS[each.location]), tr(each.size_text), tr(each.licence)) for each in states]
        self.table.show_rows([[(word, word) for word in words] for words in rows])
        self.fetch_button = Button("Fetch", "import", on_click=lambda: self._choose("fetch_weights"))
        self.remove_button = Button("Remove", "trash", on_click=lambda: self._choose("remove_weights"))
        self.import_button = Button("Import a file", "file", on_click=lambda: self._choose("import_weights"))
        aside = (self.fetch_button, self.remove_button, self.import_button)
        self.lay_out(self.table, aside=aside, spacing=theme.MEDIUM)
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

    def _choose(self, action: Action) -> None:
        marked = self._marked()
        self.step = NextStep(action, backbone=marked.backbone if marked is not None else "")
        self.accept()


class WeightsActions:
    """Runs the actions on weights; each is a task, or a question and a quick change."""

    def __init__(self, state: AppState, parent: QWidget) -> None:
        self._state, self._parent = state, parent

    def take(self, step: NextStep) -> None:
        """Run a next step about weights; other steps are ignored."""
        match step.action:
            case "list_weights":
                self.show()
            case "fetch_weights":
                self.fetch(step.backbone)
            case "remove_weights":
                self.remove(step.backbone)
            case "import_weights":
                self.import_file(step.path, step.backbone)

    def show(self) -> None:
        dialog = WeightsDialog(self._parent, weights_states())
        dialog.ask()
        if dialog.step is not None:
            self.take(dialog.step)

    def fetch(self, name: str) -> None:
        title = tr("Fetching the weights of {backbone}", backbone=name)
        self._run(title, partial(fetch, get_backbone(name)), lambda path: self._tell_present([name] if path else []))

    def _run(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE, outlives_project=True, makes_files=True)
        self._state.tasks.run(task, owner=self._parent, on_done=on_done)

    def _tell_present(self, names: Iterable[str]) -> None:
        for name in names:
            self._state.say(tr("The weights of {backbone} are on this computer now.", backbone=name), tone="good")

    def import_file(self, path: Path | None, name: str) -> None:
        """Copy a weights file into the weights folder; where it fits several backbones, ask for the right one."""
        if path is not None and name:
            choices = list(dict.fromkeys((*BACKBONES, name)))
            title = tr("What is this file for?")
            chosen = dialogs.ask_choice(self._parent, title, path.name, choices, name)
            if chosen is None:
                return
            name = chosen
        if path is None:
            pattern = "Weights (*.safetensors *.pth *.pt *.bin *.ckpt)"
            path = next(iter(dialogs.ask_files(self._parent, tr("Import a weights file"), pattern)), None)
        if path is None:
            return

        def tell(result: "ImportResult") -> None:
            self._tell_present(each.backbone for each in result.imported)

        work = partial(import_weights, path, backbone=name or None)
        self._run(tr("Importing {name}", name=path.name), work, tell)

    def remove(self, name: str) -> None:
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
