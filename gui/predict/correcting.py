"""“Wrong, it is ...”: imports tried images into the open project under their corrected class."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.class_looks import class_colours
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.predict import predicting
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.project.labelling import LabellingReport
from visionft.project.queries import class_rows, image_rows


class Corrections(QObject):
    """The user's corrections of predictions, and their current state in the project: undo reverts them."""

    changed = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._session, self._window = state, session, window
        self._made: dict[Path, tuple[int, str]] = {}  # file: its image in the project, and the corrected class
        if session is not None:
            session.content_changed.connect(self.changed)

    def classes(self) -> tuple[tuple[str, ClassColour], ...]:
        """Return the project's classes with their colours; none without a project."""
        return () if self._session is None else tuple(class_colours(class_rows(self._session.project, {})).items())

    def why_not(self) -> str:
        if self._session is None:
            return tr("Open a project first: corrected images are added to it.")
        return tr("This project can only be read.") if self._session.project.is_read_only else ""

    def note_on(self, class_names: Sequence[str]) -> str:
        """Return a note where the model's classes are not the project's; empty when they are."""
        known = {name for name, _ in self.classes()}
        foreign = [name for name in class_names if name not in known]
        if self.why_not() or not foreign:
            return self.why_not()
        return tr("This model is from another project: the open one has no class “{name}”.", name=foreign[0])

    def correct(self, paths: Sequence[Path], name: str) -> None:
        """Import images into the project under a class; one missing there needs a confirmation."""
        if self._session is None or self.why_not():
            self._state.say(self.why_not())
            return
        known = {each.casefold(): each for each, _ in self.classes()}
        class_name = known.get(name.casefold(), name)
        if not paths or (class_name not in known.values() and not self._may_add(class_name)):
            return
        work = partial(predicting.put_into_project, self._session.project, class_name, tuple(paths))
        title = tr("Labelling “{name}”", name=class_name)
        task = Task(title=title, work=work, lane=Lane.DISK, page="try", writes=True)
        self._state.tasks.run(task, owner=self, on_done=lambda report: self._on_labelled(class_name, report))

    def current(self) -> dict[Path, str]:
        """Return the corrected class of each image, as far as it is in the project with this label now."""
        if self._session is None or not self._made:
            return {}
        rows = image_rows(self._session.project, tuple(image_id for image_id, _ in self._made.values()))
        labels = {row.image_id: row.labels for row in rows}
        return {path: name for path, (image_id, name) in self._made.items() if name in labels.get(image_id, ())}

    def _may_add(self, class_name: str) -> bool:
        question = tr("The project has no class with this name. The model can predict it only after another run.")
        return dialogs.ask_yes(
            self._window, tr("Add the class “{name}”?", name=class_name), question, yes=tr("Add class"), no=tr("Cancel")
        )

    def _on_labelled(self, class_name: str, report: LabellingReport) -> None:
        self._made |= {path: (image_id, class_name) for path, image_id in report.image_ids.items()}
        self.changed.emit()
        words = tr(
            "{count} image is in the project as “{name}”.",
            "{count} images are in the project as “{name}”.",
            count=len(report.image_ids),
            name=class_name,
        )
        hint = tr("The next run trains on it.") if report.split == "train" else ""
        self._state.say(words, hint, tone="good", command="edit.undo")
