"""The export page: choose a run, write one ONNX file, and see that it was compared with PyTorch."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLineEdit, QStackedWidget, QVBoxLayout

from gui import dialogs, theme, work
from gui.pages.page import Page, scrolling
from gui.state import AppState, JobOutcome
from gui.widgets.empty_state import EmptyState
from gui.widgets.parity_card import Parity, ParityCard
from gui.widgets.parts import Button, Card, column, row, text
from gui.widgets.run_rows import run_row
from gui.widgets.run_table import RunTable
from visionft.training.runs import RunSummary, list_runs

EXPORTS_FOLDER = "exports"


class ExportPage(Page):
    """One file out, verified."""

    name = "export"
    title = "Export"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, scrolls=False)
        self.subtitle.setText("One self-contained ONNX file that answers like the trained model")
        self._runs: dict[str, RunSummary] = {}
        self.table = RunTable()
        self.folder_edit = QLineEdit()
        self.folder_edit.setAccessibleName("Folder to export into")
        self.export_button = Button("Export", "export", role="primary", on_click=self.export)
        self.parity_card = ParityCard()
        self.empty = EmptyState("train", "", "", "Train a model")
        self.empty.button.clicked.connect(lambda _checked=False: self._go_on())
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(scrolling(self._content()))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)
        self.action_row.addWidget(self.export_button)
        self.table.selection_changed.connect(self._on_selection_changed)
        self.parity_card.folder_chosen.connect(self._on_folder_chosen)
        state.runs_changed.connect(self._on_content_changed)
        state.job_started.connect(self._on_job_started)
        state.job_ended.connect(self._on_job_ended)

    def _content(self) -> QVBoxLayout:
        runs, target = Card(), Card()
        runs.body.addWidget(text("Run", "heading"))
        runs.body.addWidget(text("The weights of its best epoch are exported.", "muted"))
        runs.body.addWidget(self.table)
        self.table.setMinimumHeight(theme.scaled(200))
        browse = Button("Browse", "folder-open", on_click=self._browse)
        target.body.addWidget(text("Into", "heading"))
        place = row(self.folder_edit, browse)
        target.body.addLayout(place)
        target.body.addWidget(
            text(
                "Holds model.onnx, labels.txt and export.json. Resizing, cropping and normalising are inside the file: "
                "it takes pictures of any size as plain RGB bytes.",
                "small",
                wrap=True,
            )
        )
        body = column(self.parity_card, runs, target, None, spacing=theme.LARGE)
        body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        return body

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the runs of the project."""
        path = self.state.path
        runs = [run for run in list_runs(path) if run.best is not None] if path else []
        self._runs = {run.name: run for run in runs}
        self._stack.setCurrentIndex(1 if runs else 0)
        if not path:
            self.empty.show_words("No project open", "Open a project to export one of its training runs.", "To Project")
        else:
            self.empty.show_words(
                "Nothing to export yet", "A finished training run becomes one ONNX file here.", "Train a model"
            )
        self.table.set_rows([run_row(run) for run in runs])
        self._show_enabled()

    def _show_enabled(self) -> None:
        self.export_button.setEnabled(bool(self.table.selected()) and self.state.job_info is None)
        self.export_button.setVisible(bool(self._runs))

    @Slot(list)
    def _on_selection_changed(self, names: list[str]) -> None:
        if names and self.state.path is not None:
            self.folder_edit.setText(str(self.state.path / EXPORTS_FOLDER / names[0]))
        self._show_enabled()

    def _go_on(self) -> None:
        self.state.page_requested.emit("train" if self.state.project is not None else "project")

    def _browse(self) -> None:
        chosen = dialogs.ask_folder(self, "Export into", self.state.path)
        if chosen is not None:
            self.folder_edit.setText(str(chosen))

    # -- exporting ----------------------------------------------------------------------------------------------

    def export(self) -> None:
        """Export the chosen run in a job."""
        names, snapshot = self.table.selected(), self.state.snapshot()
        target = self.folder_edit.text().strip()
        if not names or snapshot is None:
            return
        if not target:
            self.state.message_raised.emit("Choose a folder to export into.", "", "warn", "")
            return
        self.parity_card.hide()
        run = self._runs[names[0]]
        exported = work.export_model(run.path, snapshot, Path(target).expanduser())
        self.state.start_job("export", f"Exporting {run.name}", exported, page=self.name)

    @Slot(object)
    def _on_job_started(self, _info: object) -> None:
        self._show_enabled()

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        self._show_enabled()
        if outcome.info.kind == "export" and outcome.result is not None:
            self.parity_card.show_parity(_parity(outcome.result))

    @Slot(Path)
    def _on_folder_chosen(self, folder: Path) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _parity(result: Any) -> Parity:
    return Parity(
        model=Path(result.model),
        bytes=result.bytes,
        images=result.parity.images,
        max_abs_diff=result.parity.max_abs_diff,
        top1_agreement=result.parity.top1_agreement,
    )
