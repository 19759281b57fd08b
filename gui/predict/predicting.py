"""The work of the Try page: an exported model on images and folders."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from PySide6.QtGui import QImage

from gui.kit.translation import tr
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.core.messages import listed
from visionft.export.predictor import Prediction
from visionft.project.queries import image_rows, images_in_project

if TYPE_CHECKING:
    from gui.session import ProjectSession
    from visionft.export.predictor import IndexEntry
    from visionft.project.labelling import LabellingReport
    from visionft.project.store import Project

_PASTED_KEPT = 200
_MOST_CLASSES = 12  # of a summary


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
        parts = listed([f"{name} {count:,}" for name, count in rows], _MOST_CLASSES)
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
    project: "Project", class_name: str, paths: Sequence[Path], *, job: JobContext
) -> "LabellingReport":
    """Import images into a project under a class, in a short task: pasted ones are copied into it."""
    from visionft.project.labelling import take_in

    job.report(Progress(stage="Labelling", done=0, total=0))
    return take_in(project, class_name, paths, copy=any(path.parent == _pasted_folder() for path in paths))


def predict(model: Path, sources: Sequence[Path], *, device: str, job: JobContext) -> PredictionBatch:
    """Classify images (or all images of folders) in ONNX Runtime, in a task."""
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


def places_in(session: "ProjectSession | None") -> "Callable[[Mapping[int, IndexEntry]], dict[int, Path]]":
    """Return a function to find an index's images in a project, by the same number and content."""

    def find(images: "Mapping[int, IndexEntry]") -> dict[int, Path]:
        if session is None:
            return {}
        known = images_in_project(session.project, images)
        same = tuple(key for key, each in known.items() if each.sha256 == images[key].sha256)
        return {row.image_id: row.path for row in image_rows(session.project, same)}

    return find
