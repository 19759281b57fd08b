"""Actions on a finished export: open its folder or its model card, verify it again."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from gui.export.parity_card import ParityCard
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.export.export_result import ExportResult
from visionft.export.model_card import CARD_FILE
from visionft.export.verifying import Verification

verify_export = lazy_function("visionft.export.verifying:verify_export", uses_torch=False)


def card_of(folder: Path) -> Path | None:
    """Return the card of an export; None where there is none."""
    path = folder / CARD_FILE
    return path if path.is_file() and not path.is_symlink() else None  # a link may lead to a program


class ExportFollowUp(QObject):
    """Runs the actions on the displayed export; the verification is a task of the Export page."""

    changed = Signal()  # the possible actions changed

    def __init__(self, state: AppState, card: ParityCard, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._card = state, card
        self._export: ExportResult | None = None
        self._is_verifying = False

    @property
    def folder(self) -> Path | None:
        return self._export.model.parent if self._export is not None else None

    def follow(self, export: ExportResult | None) -> None:
        self._export = export
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
        """Open the card with the system's program for Markdown, else the folder that holds it."""
        if self.folder is None or (path := card_of(self.folder)) is None:
            return
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
            show_folder(path.parent)

    def why_not_verify(self) -> str:
        return self.why_not() or (tr("It is being verified already.") if self._is_verifying else "")

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

        def end(_task: Task[Verification]) -> None:
            self._is_verifying = False
            self.changed.emit()

        self._is_verifying = True
        self.changed.emit()
        work = partial(verify_export, export.model.parent)
        task = Task(title=tr("Verifying an export"), work=work, lane=Lane.DISK, page="export")
        self._state.tasks.run(task, owner=self, on_done=show, on_end=end)
