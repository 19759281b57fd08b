"""What runs are worth without the pictures whose partners they learned: read beside the window, and in words."""

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from visionft.curation.check import FOLDER
from visionft.curation.duplicates.check import Duplicates
from visionft.curation.leaks.check import Leaks
from visionft.curation.leaks.honest_accuracy import HonestAccuracy, honest_accuracies_now
from visionft.errors import VisionFTError
from visionft.evaluation.stored import evaluation_file
from visionft.files import list_folder
from visionft.project.edits.grouping_changes import counted_groupings
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.store import Project
from visionft.training.runs.run_folder import RUNS_FOLDER

SPLITS = ("test", "val")


@dataclass(frozen=True, eq=False)
class _Asked:
    """A wish to read a project; each is one of its own."""

    project: Project


def _read(asked: _Asked) -> tuple[HonestAccuracy, ...]:
    """Read a project's runs; safe in any thread. Nothing where it was closed meanwhile."""
    try:
        return honest_accuracies_now(asked.project)
    except (VisionFTError, OSError):
        return ()


class HonestAccuracies(QObject):
    """Of all evaluated runs of a project; read anew only when evaluations, or what counts as a leak, are others."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.found: tuple[HonestAccuracy, ...] = ()
        self._seen: object = None
        self._pool = WorkerPool(_read, threads=1, answers_age=True, parent=self)
        self._pool.done.connect(self._on_read)

    def of(self, run: str, split: str) -> HonestAccuracy | None:
        """Return a run's on a split; None where it is not known, or no picture leaks."""
        return next((each for each in self.found if (each.run, each.split) == (run, split) and each.leaked), None)

    @property
    def newest(self) -> HonestAccuracy | None:
        """The newest evaluated run's, on test where it was; None where it knew none of the pictures."""
        run = self.found[0].run if self.found else ""
        return next((each for each in self.found if each.run == run and each.leaked), None)

    def ask(self, project: Project) -> None:
        """Read what there is now, where that may differ from what is known."""
        seen = _what_it_rests_on(project)
        if seen != self._seen:
            self._seen = seen
            self._pool.request([_Asked(project)])

    @Slot(object, object)
    def _on_read(self, _asked: _Asked, found: tuple[HonestAccuracy, ...]) -> None:
        if found != self.found:
            self.found = found
            self.changed.emit()

    def close(self) -> None:
        """Wait for what is being read."""
        self._pool.close()


def _what_it_rests_on(project: Project) -> object:
    files = [project.path / FOLDER / f"{Leaks.name}.json"]
    files += [folder / evaluation_file(split) for folder in list_folder(project.path / RUNS_FOLDER) for split in SPLITS]
    times = {file: file.stat().st_mtime_ns for file in files if file.exists()}
    return times, counted_groupings(project), verdicts_of(project, Duplicates.name)


def honest_words(each: HonestAccuracy) -> str:
    """Return what a run is worth without the pictures that it knew."""
    if each.without is None or each.without_interval is None:
        words = "{run} was trained on partners of all {split} pictures: what it is worth on new ones is not known."
        return tr(words, run=each.title, split=tr(each.split))
    low, high = each.without_interval
    words = (
        "{run} is right in {all} of the {split} pictures, but in {without} ({low} to {high}) without the {count} "
        "that it knew from training."
    )
    return tr(
        words, count=f"{each.leaked:,}", run=each.title, all=f"{each.accuracy:.1%}", split=tr(each.split),
        without=f"{each.without:.1%}", low=f"{low:.0%}", high=f"{high:.0%}",
    )  # fmt: skip


def flattery_words(each: HonestAccuracy) -> str:
    """Return by how much leaks make a run look better, in points of accuracy."""
    if each.flattered is None or each.flattered_interval is None:
        return tr("unknown: none is left")
    low, high = (f"{100 * value:.1f}" for value in each.flattered_interval)
    points = tr("{points} points ({low} to {high})", points=f"{100 * each.flattered:.1f}", low=low, high=high)
    return points if each.is_flattered else tr("{points}: within chance", points=points)
