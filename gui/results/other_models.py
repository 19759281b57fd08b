"""Models of other projects and exported files, compared with a run: one is chosen, and evaluated in the background."""

from collections import Counter
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.data.types import Split
from visionft.errors import VisionFTError
from visionft.export.external_models import ExternalModel, is_current, list_external, model_sources

evaluate_external = lazy_function("visionft.export.external_models:evaluate_external")


class OtherModels(QObject):
    """The models from outside that were evaluated in the open project."""

    ended = Signal(str)  # an evaluation: the name of its model, empty where it failed

    def __init__(self, state: AppState, session: ProjectSession | None, *, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session = state, session
        self.evaluating = ""  # the title of the model; empty while there is none

    def models(self) -> list[ExternalModel]:
        return list_external(self._session.path) if self._session is not None else []

    def choose(self, parent: QWidget, split: Split) -> None:
        """Let the user choose a folder, and one of its models, and evaluate that on a split."""
        folder = dialogs.ask_folder(parent, tr("Choose a project, a run or the folder of an exported model"))
        if folder is None:
            return
        try:
            found = model_sources(folder)
        except VisionFTError as error:
            self._state.report(error)
            return
        count = Counter(found.values())
        titles = {title if count[title] == 1 else f"{title} · {path.name}": path for path, title in found.items()}
        chosen = next(iter(titles))
        if len(titles) > 1:
            chosen = dialogs.ask_choice(parent, tr("Compare with another model"), tr("Model"), list(titles))
        if chosen is not None:
            self.evaluate(titles[chosen], chosen, split)

    def update(self, name: str, split: Split) -> None:
        """Evaluate a model again if it was not on the current images and labels; a run's name is none of theirs."""
        model = next((each for each in self.models() if each.name == name), None)
        if model is None or self._session is None or is_current(model, self._session.snapshot(), split):
            return
        if model.source.exists():
            self.evaluate(model.source, model.title, split)
        else:
            self._state.say(tr("{path} is gone, so it is not evaluated again.", path=str(model.source)))

    def evaluate(self, source: Path, title: str, split: Split) -> None:
        if self._session is None or self.evaluating:
            return
        work = partial(evaluate_external, self._session.path, source, self._session.images, split)
        task = Task(title=tr("Evaluating {run}", run=title), work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)

        def on_end(task: Task[ExternalModel]) -> None:
            self.evaluating = ""
            self.ended.emit(task.result.name if task.result is not None else "")

        self.evaluating = title
        self._state.tasks.run(task, owner=self, on_end=on_end)
