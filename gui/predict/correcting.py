"""“Wrong, it is ...”: puts pictures that were tried into the open project, under what a person says that they show."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.class_looks import class_colours
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour
from gui.predict import predicting
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.project.labelling import TakenIn
from visionft.project.queries import class_rows, image_rows


class Corrections(QObject):
    """What a person said of the pictures, and what of that is in the project now: undo takes it back."""

    changed = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, window: QWidget) -> None:
        """Args: `window` is what a question stands over; its tasks are the Try page's."""
        super().__init__(window)
        self._state, self._session, self._window = state, session, window
        self._said: dict[Path, tuple[int, str]] = {}  # file: its picture in the project, and the class that was said
        if session is not None:
            session.content_changed.connect(self._on_content_changed)

    def classes(self) -> tuple[tuple[str, ClassColour], ...]:
        """Return the project's classes with their colours; none without a project."""
        return () if self._session is None else tuple(class_colours(class_rows(self._session.project)).items())

    def why_not(self) -> str:
        """Return why nothing can be put into a project; empty when it can."""
        if self._session is None:
            return tr("Open a project first: that is where pictures go with their right class.")
        return tr("This project can only be read.") if self._session.project.is_read_only else ""

    def note_on(self, answered: Sequence[str]) -> str:
        """Return what to know of an exported file that answers in these classes; empty when they are the project's."""
        known = {name for name, _ in self.classes()}
        foreign = [name for name in answered if name not in known]
        if self.why_not() or not foreign:
            return self.why_not()
        words = (
            "This file is not of this project, which has no “{name}”. What you say goes under the project's classes."
        )
        return tr(words, name=foreign[0])

    def correct(self, paths: Sequence[Path], said: str) -> None:
        """Put pictures into the project as `said`; a class that it lacks is asked about."""
        known = {name.casefold(): name for name, _ in self.classes()}
        class_name = known.get(said.casefold(), said)
        if self._session is None or self.why_not():
            self._state.say(self.why_not())
        elif paths and (said.casefold() in known or self._may_add(class_name)):
            work = partial(predicting.put_into_project, self._session.project, class_name, tuple(paths))
            title = tr("Labelling “{name}”", name=class_name)
            task = Task(title=title, work=work, lane=Lane.DISK, page="try", writes=True)
            self._state.tasks.run(task, owner=self, on_done=lambda taken: self._on_taken(class_name, taken))

    def standing(self) -> dict[Path, str]:
        """Return the class of each picture that is in the project as it was said here."""
        if self._session is None or not self._said:
            return {}
        rows = image_rows(self._session.project, tuple(image_id for image_id, _ in self._said.values()))
        labels = {row.image_id: row.labels for row in rows}
        return {path: name for path, (image_id, name) in self._said.items() if name in labels.get(image_id, ())}

    def _may_add(self, class_name: str) -> bool:
        question = tr("The project has no class of this name. The model can answer it only after another run.")
        return dialogs.ask_yes(
            self._window, tr("Add the class “{name}”?", name=class_name), question, yes=tr("Add class"), no=tr("Cancel")
        )

    def _on_taken(self, class_name: str, taken: TakenIn) -> None:
        self._said |= {path: (image_id, class_name) for path, image_id in taken.image_ids.items()}
        self.changed.emit()
        if len(taken.image_ids) == 1:
            words = tr("{file} is in the project as “{name}”.", file=next(iter(taken.image_ids)).name, name=class_name)
        else:
            count = f"{len(taken.image_ids):,}"
            words = tr("{count} pictures are in the project as “{name}”.", count=count, name=class_name)
        hint = tr("The next run learns from this.") if taken.split == "train" else ""
        self._state.say(words, hint, tone="good", command="edit.undo")

    @Slot(object)
    def _on_content_changed(self, _effects: object) -> None:
        self.changed.emit()
