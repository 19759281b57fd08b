"""What the Try page runs: an exported file over pictures, over a folder into a CSV file, and over a camera."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from gui.kit.i18n import tr
from gui.kit.workers import Failure, Job, Work
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.export.predictor import Prediction
from visionft.project.queries import image_rows, images_in_project

if TYPE_CHECKING:
    from gui.session import ProjectSession
    from visionft.export.answers import CsvResult
    from visionft.export.index.memory_index import Remembered
    from visionft.export.parity import Border
    from visionft.project.labelling import TakenIn
    from visionft.project.store import Project

FRAMES_PER_S = 15
_PASTED_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All pictures of one go. `provider` is what really ran the file; times include reading the pictures.

    `pictures` are the labelled ones behind the answers, by their number; none where the file holds none.
    """

    answers: tuple[Prediction, ...]
    class_names: tuple[str, ...]
    provider: str
    milliseconds_each: float
    temperature: float | None = None
    border: "Border | None" = None
    was_stopped: bool = False
    pictures: "Mapping[int, Remembered]" = field(default_factory=dict)

    def tally(self) -> str:
        """Return how many pictures are unlike those of training, and how often each class was answered."""
        unlike = Counter(_said(each) for each in self.answers if each.is_unlike)
        counts = Counter(_said(each) for each in self.answers if not each.is_unlike)
        parts = ", ".join(f"{name} {count:,}" for name, count in (*unlike.items(), *counts.most_common()))
        return tr("{count} pictures: {classes}", count=f"{len(self.answers):,}", classes=parts)


def _said(answer: Prediction) -> str:
    if answer.error:
        return tr("unreadable")
    return tr("unlike your pictures") if answer.is_unlike else answer.class_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of the camera and what the file says of it."""

    image: QImage
    answer: Prediction
    provider: str
    frames_per_s: float


def keep_pasted(image: QImage) -> list[Path]:
    """Write a picture without a file, pasted or of the camera, where the one decoder can read it.

    Only the latest ones are kept; one that is put into a project is copied there. Empty when it cannot be written.
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
    project: "Project", class_name: str, paths: Sequence[Path], *, on_event: OnEvent, should_stop: ShouldStop
) -> "TakenIn":
    """Put pictures into a project under a class, in a task that takes a moment: pasted ones are copied into it."""
    from visionft.project.labelling import take_in

    on_event(Progress(stage="Labelling", done=0, total=0))
    return take_in(project, class_name, paths, copy=any(path.parent == _pasted_folder() for path in paths))


def predict(
    model: Path, sources: Sequence[Path], *, device: str, on_event: OnEvent, should_stop: ShouldStop
) -> Answers:
    """Classify pictures (or all pictures of folders) in ONNX Runtime, in a task."""
    on_event(Progress(stage="Opening the model", done=0, total=0))
    from visionft.export.predictor import Predictor, expand_folders

    predictor, paths = Predictor(model, device=device), expand_folders(sources)
    answers: list[Prediction] = []
    began = time.perf_counter()
    for prediction in predictor.predict(paths):
        answers.append(prediction)
        on_event(Progress(stage="Classifying", done=len(answers), total=len(paths)))
        if should_stop():
            break
    elapsed_ms = (time.perf_counter() - began) * 1000
    return Answers(
        answers=tuple(answers),
        class_names=predictor.class_names,
        provider=predictor.provider,
        milliseconds_each=elapsed_ms / max(1, len(answers)),
        temperature=predictor.temperature,
        border=predictor.border,
        was_stopped=len(answers) < len(paths),
        pictures=predictor.index.pictures if predictor.index is not None else {},
    )


def places_in(session: "ProjectSession | None") -> "Callable[[Mapping[int, Remembered]], dict[int, Path]]":
    """Return what tells where a project has pictures of an index: those with the same number and content."""

    def find(pictures: "Mapping[int, Remembered]") -> dict[int, Path]:
        if session is None:
            return {}
        known = images_in_project(session.project, pictures)
        same = tuple(key for key, each in known.items() if each.sha256 == pictures[key].sha256)
        return {row.image_id: row.path for row in image_rows(session.project, same)}

    return find


def predict_to_csv(
    model: Path, folder: Path, target: Path, *, device: str, on_event: OnEvent, should_stop: ShouldStop
) -> "CsvResult":
    """Classify all pictures of a folder into a CSV file, in a task."""
    on_event(Progress(stage="Opening the model", done=0, total=0))
    from visionft.export.answers import classify_to_csv
    from visionft.export.predictor import Predictor, expand_folders

    predictor, paths = Predictor(model, device=device), expand_folders([folder])
    return classify_to_csv(predictor, paths, target, on_event=on_event, should_stop=should_stop)


def csv_facts(result: "CsvResult") -> str:
    """Return what to say of a table that was written."""
    facts = [tr("{time} ms each with reading", time=f"{result.milliseconds_each:.0f}")]
    facts += [tr("{count} could not be read", count=result.unreadable)] if result.unreadable else []
    facts += [tr("stopped before the end")] if result.stopped else []
    return "; ".join(facts) + "."


class CameraFeed(QObject):
    """A camera under an exported file, beside the window. Only the newest picture is kept for a window that lags."""

    seen = Signal(object)  # Frame
    ended = Signal(str, str)  # message and hint of a failure; empty when it was stopped

    _arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._newest: Frame | None = None
        self._outcome = ("", "")
        self._arrived.connect(self._on_arrived)

    @property
    def is_running(self) -> bool:
        """Whether the camera is on."""
        return self._job is not None

    def start(self, model: Path, source: int | Path, *, device: str = "auto") -> None:
        """Switch the camera on."""
        if self._job is not None:
            return
        self._outcome, self._newest = ("", ""), None
        self._job = Job(self._work(model, source, device), parent=self)
        self._job.failed.connect(self._on_failed)
        self._job.finished.connect(self._on_finished)
        self._job.start()

    def stop(self) -> None:
        """Switch the camera off; `ended` comes when it is."""
        if self._job is not None:
            self._job.request_stop()

    def close(self) -> None:
        """Switch the camera off and wait for that; called before the page goes."""
        if self._job is not None:
            self._job.request_stop()
            self._job.wait()
            self._on_finished()

    def _work(self, model: Path, source: int | Path, device: str) -> Work[None]:
        def work(*, on_event: OnEvent, should_stop: ShouldStop) -> None:
            from visionft.data.camera import camera_pictures
            from visionft.export.predictor import Predictor

            predictor = Predictor(model, device=device)
            last = time.perf_counter()
            for pixels in camera_pictures(source):
                if should_stop():
                    break
                answer = predictor.predict_pixels(pixels)
                time.sleep(max(0.0, last + 1 / FRAMES_PER_S - time.perf_counter()))
                now = time.perf_counter()
                height, width, _ = pixels.shape
                image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
                self._newest = Frame(
                    image=image, answer=answer, provider=predictor.provider, frames_per_s=1 / max(1e-6, now - last)
                )
                last = now
                self._arrived.emit()

        return work

    @Slot()
    def _on_arrived(self) -> None:
        frame, self._newest = self._newest, None
        if frame is not None and self._job is not None and not self._job.is_stopping:
            self.seen.emit(frame)

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        self._outcome = (failure.message, failure.hint)

    @Slot()
    def _on_finished(self) -> None:
        if self._job is None:
            return  # `close` was quicker than the signal
        self._job.deleteLater()
        self._job = None
        self.ended.emit(*self._outcome)
