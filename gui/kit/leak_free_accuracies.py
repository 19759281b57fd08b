"""The accuracy of runs without leaked images (near-duplicates of their training images): read in the background."""

from PySide6.QtCore import QObject, Signal

from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from models.messages import Message
from visionft.curation.check import FOLDER
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.leaks.leak_check import Leaks
from visionft.curation.leaks.leak_free_accuracy import LeakFreeAccuracy, current_leak_free_accuracies
from visionft.evaluation.stored import evaluation_file
from visionft.files import list_folder
from visionft.project.edits.verdicts import counted_groupings, verdicts_of
from visionft.project.store import Project
from visionft.training.runs.run_folder import RUNS_FOLDER

SPLITS = ("test", "val")


class LeakFreeAccuracies(QObject):
    """Leak-free accuracies of all evaluated runs of a project; read again only when evaluations or the leaks change."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.found: tuple[LeakFreeAccuracy, ...] = ()
        self._seen: object = None
        self._reader = BackgroundReader(current_leak_free_accuracies, self._on_read, parent=self)

    def of(self, run: str, split: str) -> LeakFreeAccuracy | None:
        """Return a run's accuracies on a split; None if unknown, or if no image leaks."""
        return next((each for each in self.found if (each.run, each.split) == (run, split) and each.leaked), None)

    @property
    def newest(self) -> LeakFreeAccuracy | None:
        """Those of the newest evaluated run, on test if available; None if none of its images leak."""
        run = self.found[0].run if self.found else ""
        return next((each for each in self.found if each.run == run and each.leaked), None)

    def ask(self, project: Project) -> None:
        """Read the current values if they may differ from the known ones."""
        files = [project.path / FOLDER / f"{Leaks.name}.json"]
        folders = list_folder(project.path / RUNS_FOLDER)
        files += [folder / evaluation_file(split) for folder in folders for split in SPLITS]
        times = {file: file.stat().st_mtime_ns for file in files if file.exists()}
        seen = times, counted_groupings(project), verdicts_of(project, Duplicates.name)
        if seen != self._seen:
            self._seen = seen
            self._reader.ask(project)

    def _on_read(self, found: tuple[LeakFreeAccuracy, ...]) -> None:
        if found != self.found:
            self.found = found
            self.changed.emit()

    def close(self) -> None:
        self._reader.close()


def leak_free_words(each: LeakFreeAccuracy) -> str:
    """Return a run's accuracy with and without the leaked images, in a sentence."""
    if each.without is None or each.without_interval is None:
        words = Message(
            "{run} was trained on images related to all {split} images: its accuracy on new ones is unknown."
        )
        return tr(words, run=each.title, split=tr(each.split))
    low, high = each.without_interval
    words = Message(
        "{run} is right in {all} of the {split} images, but in {without} ({low} to "
        "{high}) without the one that it knew from training.",
        "{run} is right in {all} of the {split} images, but in {without} ({low} to {high}) without the {count} "
        "that it knew from training.",
    )
    return tr(
        words,
        count=f"{each.leaked:,}",
        run=each.title,
        all=f"{each.accuracy:.1%}",
        split=tr(each.split),
        without=f"{each.without:.1%}",
        low=f"{low:.0%}",
        high=f"{high:.0%}",
    )


def inflation_words(each: LeakFreeAccuracy) -> str:
    """Return the increase of a run's accuracy by leaks, in percentage points."""
    if each.inflation is None or each.inflation_interval is None:
        return tr("unknown: none is left")
    low, high = (f"{100 * value:.1f}" for value in each.inflation_interval)
    points = tr("{points} points ({low} to {high})", points=f"{100 * each.inflation:.1f}", low=low, high=high)
    return points if each.is_inflated else tr("{points}: within chance", points=points)
