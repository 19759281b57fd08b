"""The accuracy of runs without leaked images (near-duplicates of their training images): read in the background."""

from PySide6.QtCore import QObject, Signal

from gui.kit.workers import BackgroundReader
from visionft.analysis.check import CURATION_FOLDER
from visionft.analysis.duplicates import Duplicates
from visionft.analysis.leaks import LeakFreeAccuracy, Leaks, current_leak_free_accuracies
from visionft.core.files import list_folder
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.store import ProjectStore
from visionft.training.evaluation.stored import evaluation_file
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

    def ask(self, project: ProjectStore) -> None:
        """Read the current values if they may differ from the known ones."""
        files = [project.path / CURATION_FOLDER / f"{Leaks.name}.json"]
        folders = list_folder(project.path / RUNS_FOLDER)
        files += [folder / evaluation_file(split) for folder in folders for split in SPLITS]
        times = {file: file.stat().st_mtime_ns for file in files if file.exists()}
        seen = times, verdicts_of(project, Duplicates.name)
        if seen != self._seen:
            self._seen = seen
            self._reader.ask(project)

    def _on_read(self, found: tuple[LeakFreeAccuracy, ...]) -> None:
        if found != self.found:
            self.found = found
            self.changed.emit()

    def close(self) -> None:
        self._reader.close()
