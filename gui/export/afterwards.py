"""What is done with an export once it is there: reading its card, checking it again, measuring its speed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from gui.export import exporting
from gui.export.card_dialog import CardDialog, card_of
from gui.export.parity_card import ParityCard
from gui.export.speed_card import SpeedCard
from gui.kit.i18n import tr
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.export.bundle.verifying import Verification
from visionft.export.parity import ExportResult

if TYPE_CHECKING:
    from visionft.export.bundle.benching import Bench

PAGE = "export"
T = TypeVar("T")


class Afterwards(QObject):
    """Does it with the export that is shown; what takes long is a task of the Export page."""

    changed = Signal()  # what can be done now

    def __init__(self, state: AppState, card: ParityCard, speed_card: SpeedCard, window: QWidget) -> None:
        """Args: `window` is the page whose window a dialog stands over."""
        super().__init__(window)
        self._state, self._window = state, window
        self._card, self._speed_card = card, speed_card
        self._export: ExportResult | None = None
        self._running: set[Literal["check", "measure"]] = set()
        self._benches: dict[str, Bench] = {}  # by the hash of the model: another export there is another model
        speed_card.measure_asked.connect(self._measure)

    @property
    def folder(self) -> Path | None:
        """Return the folder of the export that is shown; None where none is."""
        return self._export.model.parent if self._export is not None else None

    def follow(self, export: ExportResult | None) -> None:
        """Be about another export; None for none."""
        self._export = export
        bench = self._benches.get(export.sha256) if export is not None else None
        self._speed_card.hide()
        if bench is not None:
            self._speed_card.show_bench(bench)
        self.changed.emit()

    def why_not(self) -> str:
        """Return why nothing can be done with an export; empty where one is shown."""
        return "" if self._export is not None else tr("Export the run first.")

    def open_folder(self) -> None:
        """Show the files where the system does."""
        if self.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder)))

    # -- card ---------------------------------------------------------------------------------------------------

    def why_no_card(self) -> str:
        """Return why there is no card to show; empty where there is one."""
        has_card = self.folder is not None and card_of(self.folder) is not None
        missing = "" if has_card else tr("No model card lies beside this export. Export it again to get one.")
        return self.why_not() or missing

    def show_card(self) -> None:
        """Show the model card."""
        if self.folder is not None and (path := card_of(self.folder)) is not None:
            dialog = CardDialog(self._window.window(), path)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

    # -- checking again -----------------------------------------------------------------------------------------

    def why_not_check(self) -> str:
        """Return why nothing can be checked now; empty where it can."""
        return self.why_not() or (tr("It is being checked already.") if "check" in self._running else "")

    def check(self) -> None:
        """Compare files and answers with those at export."""
        export = self._export
        if export is not None and not self.why_not_check():
            work = partial(exporting.check_export, export.model.parent)
            task = Task(title=tr("Checking an export"), work=work, lane=Lane.DISK, page=PAGE)
            self._run("check", task, lambda found: self._on_checked(export, found))

    def _on_checked(self, export: ExportResult, found: Verification) -> None:
        """Show what a check found, unless the export was replaced meanwhile: then it may have read both."""
        now = self._export
        if now is not None and (now.sha256, now.latency) == (export.sha256, export.latency):  # measured anew each time
            self._card.show_check(found)

    # -- speed --------------------------------------------------------------------------------------------------

    def why_not_measure(self) -> str:
        """Return why its speed cannot be measured now; empty where it can."""
        return self.why_not() or (tr("It is being measured already.") if "measure" in self._running else "")

    def measure(self) -> None:
        """Measure with pictures of the size that is chosen."""
        self._measure(self._speed_card.side())

    def _measure(self, side: int) -> None:
        export = self._export
        if export is None or self.why_not_measure():
            return
        work = partial(exporting.measure_speed, export.model.parent, side)
        title, has_gpu = tr("Measuring an export"), self._state.settings.device != "cpu"
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=PAGE, device=has_gpu, gives_way=True)
        self._speed_card.show_bench(self._benches.get(export.sha256))
        self._run("measure", task, lambda found: self._on_measured(export.sha256, found))

    def _on_measured(self, sha256: str, found: "Bench") -> None:
        if found.speeds:
            self._benches[sha256] = found
        if self._export is not None and self._export.sha256 == sha256:
            self._speed_card.show_bench(found)

    # -- what runs ----------------------------------------------------------------------------------------------

    def _run(self, name: Literal["check", "measure"], task: Task[T], on_done: Callable[[T], object]) -> None:
        self._running.add(name)
        self._show_running()
        self._state.tasks.run(task, owner=self, on_done=on_done, on_end=lambda outcome: self._on_end(name, outcome))

    def _on_end(self, name: Literal["check", "measure"], outcome: Outcome[Any]) -> None:
        self._running.discard(name)
        self._show_running()
        if name == "measure" and outcome.result is None:
            self.follow(self._export)  # nothing came of it: what was measured before, if anything, is shown again

    def _show_running(self) -> None:
        self._speed_card.show_busy("measure" in self._running)
        self.changed.emit()
