"""Actions on a finished export: read its card, verify it again, measure its speed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.export.card_view import CardDialog, card_of
from gui.export.measured_cards import SpeedCard
from gui.export.parity_card import ParityCard
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.state import AppState
from gui.tasks import Lane, Priority, Task
from visionft.export.bundle.verifying import Verification
from visionft.export.export_result import ExportResult

if TYPE_CHECKING:
    from visionft.export.bundle.benching import Benchmark

verify_export = lazy_function("visionft.export.bundle.verifying:verify_export", uses_torch=False)
bench_model = lazy_function("visionft.export.bundle.benching:bench_model", uses_torch=False)

T = TypeVar("T")
_Work = Literal["verify", "measure"]


class ExportFollowUp(QObject):
    """Runs the actions on the displayed export; slow ones are tasks of the Export page."""

    changed = Signal()  # the possible actions changed

    def __init__(self, state: AppState, card: ParityCard, speed_card: SpeedCard, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._card, self._speed_card = card, speed_card
        self._export: ExportResult | None = None
        self._running: set[_Work] = set()
        self._benches: dict[str, Benchmark] = {}  # by the hash of the model
        speed_card.measure_button.clicked.connect(self.measure)

    @property
    def folder(self) -> Path | None:
        return self._export.model.parent if self._export is not None else None

    def follow(self, export: ExportResult | None) -> None:
        self._export = export
        bench = self._benches.get(export.sha256) if export is not None else None
        self._speed_card.hide()
        if bench is not None:
            self._speed_card.show_bench(bench)
        self.changed.emit()

    def why_not(self) -> str:
        """Return the reason why nothing can be done with an export; empty where one is shown."""
        return "" if self._export is not None else tr("Export the run first.")

    def open_folder(self) -> None:
        if self.folder is not None:
            show_folder(self.folder)

    def why_no_card(self) -> str:
        has_card = self.folder is not None and card_of(self.folder) is not None
        return self.why_not() or ("" if has_card else tr("This export has no model card. Export it again to get one."))

    def show_card(self) -> None:
        if self.folder is not None and (path := card_of(self.folder)) is not None:
            dialog = CardDialog(self._window.window(), path)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

    def why_not_verify(self) -> str:
        return self.why_not() or (tr("It is being verified already.") if "verify" in self._running else "")

    def verify(self) -> None:
        """Verify the files and predictions against those recorded at export.

        The result is dropped if the export was replaced meanwhile: then it may be of files of both.
        """
        export = self._export
        if export is None or self.why_not_verify():
            return

        def show(found: Verification) -> None:
            now = self._export
            if now is not None and (now.sha256, now.latency) == (export.sha256, export.latency):  # differ by export
                self._card.show_verification(found)

        work = partial(verify_export, export.model.parent)
        self._run("verify", Task(title=tr("Verifying an export"), work=work, lane=Lane.DISK, page="export"), show)

    def why_not_measure(self) -> str:
        return self.why_not() or (tr("It is being measured already.") if "measure" in self._running else "")

    def measure(self) -> None:
        export = self._export
        if export is None or self.why_not_measure():
            return

        def show(found: "Benchmark") -> None:
            if found.speeds:
                self._benches[export.sha256] = found
            if self._export is not None and self._export.sha256 == export.sha256:
                self._speed_card.show_bench(found)

        work = partial(bench_model, export.model.parent, side=self._speed_card.side(), batches=(1,))
        title = tr("Measuring an export")
        has_gpu = self._state.settings.device != "cpu"
        task = Task(
            title=title, work=work, lane=Lane.COMPUTE, page="export", device=has_gpu, priority=Priority.MEASUREMENT
        )
        self._speed_card.show_bench(self._benches.get(export.sha256))
        self._run("measure", task, show)

    def _run(self, name: _Work, task: Task[T], on_done: Callable[[T], object]) -> None:
        def end(task: Task[T]) -> None:
            self._running.discard(name)
            self._show_running()
            if name == "measure" and task.result is None:
                self.follow(self._export)  # no new result: the previous one, if any, is shown again

        self._running.add(name)
        self._show_running()
        self._state.tasks.run(task, owner=self, on_done=on_done, on_end=end)

    def _show_running(self) -> None:
        self._speed_card.show_busy("measure" in self._running)
        self.changed.emit()
