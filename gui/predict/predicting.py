"""The work of the Try page: an exported model on images and folders, and corrections that go into the open project."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from gui.jobs import Job, Lane
from gui.kit import dialogs
from gui.kit.class_looks import class_colours
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.core.messages import listed
from visionft.export.predictor import Prediction
from visionft.project.labelling import LabellingReport
from visionft.project.queries import class_rows, image_rows, read_project_images

if TYPE_CHECKING:
    from visionft.export.predictor import IndexEntry
    from visionft.project.store import ProjectStore


_PASTED_KEPT = 200
_MAX_CLASSES = 12  # named in a summary


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionBatch:
    """The predictions of one batch, in the order of its images.

    Attributes:
        images: The labelled evidence images by number; none where the file holds none.
    """

    predictions: tuple[Prediction, ...]
    class_names: tuple[str, ...]
    provider: str
    was_stopped: bool = False
    images: "Mapping[int, IndexEntry]" = field(default_factory=dict)

    def tally(self) -> str:
        """Return the number of out-of-distribution images, and the number of predictions of each class."""
        unlike = sum(each.is_unlike for each in self.predictions)
        counts = Counter(
            tr("could not be decoded") if each.error else each.class_name
            for each in self.predictions
            if not each.is_unlike
        )
        rows = [*[(tr("out of distribution"), unlike)] * bool(unlike), *counts.most_common()]
        parts = listed([f"{name} {count:,}" for name, count in rows], _MAX_CLASSES)
        return tr("{count} image: {classes}", "{count} images: {classes}", count=len(self.predictions), classes=parts)


def keep_pasted(image: QImage) -> list[Path]:
    """Write a pasted or captured image to a file, for the common decoder.

    Only the latest ones are kept; an image added to a project is copied there. Empty when it cannot be written.
    """
    folder = _pasted_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = sorted(folder.glob("pasted *.png"), key=lambda path: path.stat().st_mtime_ns)
        for path in earlier[: max(0, len(earlier) + 1 - _PASTED_KEPT)]:
            path.unlink(missing_ok=True)
    except OSError:
        return []
    numbers = [int(path.stem.split()[-1]) for path in earlier if path.stem.split()[-1].isdigit()]
    target = folder / f"pasted {max(numbers, default=0) + 1}.png"
    return [target] if image.save(str(target)) else []


def _pasted_folder() -> Path:
    return platformdirs.user_cache_path("visionft", appauthor=False) / "pasted"


def put_into_project(
    project: "ProjectStore", class_name: str, paths: Sequence[Path], *, job: JobContext
) -> LabellingReport:
    """Import images into a project under a class, in a short job: pasted ones are copied into it."""
    from visionft.project.labelling import import_and_label

    job.report(Progress(stage="Labelling", done=0, total=0))
    return import_and_label(project, class_name, paths, copy=any(path.parent == _pasted_folder() for path in paths))


def predict(model: Path, sources: Sequence[Path], *, device: str, job: JobContext) -> PredictionBatch:
    """Classify images (or all images of folders) in ONNX Runtime, in a job."""
    job.report(Progress(stage="Opening the model", done=0, total=0))
    from visionft.export.predictor import Predictor, expand_folders

    predictor = Predictor(model, device=device)
    paths = expand_folders(sources)
    predictions: list[Prediction] = []
    for prediction in predictor.predict(paths):
        predictions.append(prediction)
        job.report(Progress(stage="Classifying", done=len(predictions), total=len(paths)))
        if job.is_cancelled:
            break
    return PredictionBatch(
        predictions=tuple(predictions),
        class_names=predictor.class_names,
        provider=predictor.provider,
        was_stopped=len(predictions) < len(paths),
        images=predictor.index.images if predictor.index is not None else {},
    )


def indexed_files(session: ProjectSession | None, images: "Mapping[int, IndexEntry]") -> dict[int, Path]:
    """Return the files in the open project of the images of an index: matched by id and content."""
    if session is None:
        return {}
    known = read_project_images(session.project, images)
    same = tuple(key for key, each in known.items() if each.sha256 == images[key].sha256)
    return {row.image_id: row.path for row in image_rows(session.project, same)}


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
            self._state.show_message(self.why_not())
            return
        known = {each.casefold(): each for each, _ in self.classes()}
        class_name = known.get(name.casefold(), name)
        if not paths or (class_name not in known.values() and not self._may_add(class_name)):
            return
        work = partial(put_into_project, self._session.project, class_name, tuple(paths))
        title = tr("Labelling “{name}”", name=class_name)
        job = Job(title=title, work=work, lane=Lane.DISK, page="try", writes=True)
        self._state.jobs.run(job, owner=self, on_done=lambda report: self._on_labelled(class_name, report))

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
        self._state.show_message(words, hint, tone="good", command="edit.undo")
