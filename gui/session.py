"""Everything that depends on the open project: made when it opens, dropped when it closes.

The pages about a project are built anew for each session (`gui.shell.window`), so what they show and remember goes with
it, and nothing needs to be reset by hand.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from gui.runner import Runner
from gui.splitting import Splitter
from gui.tasks import Tasks
from visionft.errors import VisionFTError
from visionft.project.store import Project

if TYPE_CHECKING:
    from visionft.data.types import Snapshot
    from visionft.project.db.journal import Effects
    from visionft.project.edits.changes import Change
    from visionft.training.probing import Probe

T = TypeVar("T")


class ProjectSession(QObject):
    """The open project with its runs, as long as it is open."""

    content_changed = Signal(object)  # pictures, labels, classes or splits: Effects, or None when all may have changed
    runs_changed = Signal()
    exports_changed = Signal(object)  # Path of the file that was exported
    refused = Signal(object)  # VisionFTError: a change that could not be made

    def __init__(self, project: Project, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project = project
        self.tasks = tasks
        self._snapshot: Snapshot | None = None
        self._probed: tuple[Snapshot | None, tuple[Probe, ...]] = (None, ())
        self.runner = Runner(self.path, self.snapshot, tasks, parent=self)
        self.splitter = Splitter(project, tasks, parent=self)
        self.runner.run_ended.connect(self._on_run_ended)
        self.runner.run_evaluated.connect(self._on_run_ended)
        tasks.written.connect(self._on_written)

    @property
    def path(self) -> Path:
        """Return the project's folder."""
        return self.project.path

    def snapshot(self) -> "Snapshot":
        """Return the project's pictures, labels and splits as they are now (kept until they change)."""
        if self._snapshot is None:
            self._snapshot = self.project.snapshot()
        return self._snapshot

    @property
    def probes(self) -> "tuple[Probe, ...]":
        """Return what backbones are worth on the pictures as they are now; empty where none was tried on them."""
        looked_at, probes = self._probed
        return probes if looked_at is self.snapshot() else ()

    def keep_probes(self, snapshot: "Snapshot", probes: "tuple[Probe, ...]") -> None:
        """Keep what was measured on `snapshot`, if anything was, as long as pictures and labels stay so."""
        if probes:
            self._probed = (snapshot, probes)

    def apply(self, change: "Change") -> bool:
        """Make a change durable, then tell the screens what it altered; on failure say why."""
        return self._mutate(lambda: self.project.apply(change))

    def run(self, act: "Callable[[], T]") -> "T | None":
        """Do what changes the project by itself, and let all screens look again; None where it failed, with a word."""
        try:
            result = act()
        except VisionFTError as error:
            self.refused.emit(error)
            return None
        self._on_written()
        return result

    def undo(self) -> bool:
        """Take the last change back."""
        return self._mutate(self.project.undo)

    def redo(self) -> bool:
        """Make the change last taken back again."""
        return self._mutate(self.project.redo)

    def go_to(self, step_id: int) -> bool:
        """Undo or redo to a point of the history."""
        return self._mutate(lambda: self.project.go_to(step_id))

    def close(self) -> None:
        """Let the project go. Its tasks have ended and its pages are gone by now."""
        self.project.close()
        self.deleteLater()

    def _mutate(self, act: "Callable[[], Effects | None]") -> bool:
        try:
            effects = act()
        except VisionFTError as error:
            self.refused.emit(error)
            return False
        if effects:
            self._snapshot = None
            self.content_changed.emit(effects)
        return True

    @Slot()
    def _on_written(self) -> None:
        self._snapshot = None
        self.content_changed.emit(None)

    @Slot()
    def _on_run_ended(self) -> None:
        self.runs_changed.emit()
