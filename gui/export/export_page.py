"""The export page: choose a model and where it will run, write one ONNX file, see its comparison with PyTorch."""

import datetime
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QStackedWidget

from gui.export.result_cards import ParityCard, VariantsCard, card_of
from gui.export.target_cards import TargetCard, UseCard
from gui.jobs import Job, Lane
from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, Card, column, restyle, scrolling, text
from gui.kit.run_table import RunTable, best_run, quality_words
from gui.kit.side_by_side import SideBySide
from gui.kit.translation import tr
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.errors import NextStep
from visionft.core.events import Event, Notice, ResultStored
from visionft.core.jobs import JobContext, load_libraries
from visionft.core.messages import Message
from visionft.export.contents import MODEL_FILE
from visionft.export.export_result import ExportResult, read_export
from visionft.export.options import TARGETS, ExportOptions, is_made_with
from visionft.export.record import facts_of
from visionft.export.verifying import Verification
from visionft.project.store import ProjectStore
from visionft.training.evaluation.unseen import unseen_evaluation
from visionft.training.runs.run_folder import StoredRun, list_runs

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

EXPORTS_FOLDER = "exports"
verify_export = lazy_function("visionft.export.verifying:verify_export", uses_torch=False)


def export_model(
    run_dir: Path, images: "Snapshot", out_dir: Path, *, options: ExportOptions, project: ProjectStore, job: JobContext
) -> ExportResult | None:
    """Export a run with the facts about the project, in a job."""
    load_libraries(job)
    from visionft.export.exporter import export_run

    return export_run(run_dir, images, out_dir, options=options, facts=facts_of(project), job=job)


class ExportPage(Page):
    name = "export"
    title = Message("Export")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self._exporting: Job[Any] | None = None
        self._export: ExportResult | None = None  # the displayed one
        self._offered: set[Path] = set()  # the models that can be tried already, of the present export
        self.subtitle.setText(tr("One self-contained ONNX file that predicts like the trained model"))
        self._runs: dict[str, StoredRun] = {}
        self.table = RunTable()
        self._kept = text("", "muted", wrap=True)
        self.export_button = Button("Export", "export", role="primary", on_click=self.export)
        self.try_button = Button("Try it", "try", role="primary", on_click=lambda: state.page_requested.emit("try"))
        self.target_card, self.use_card = TargetCard(), UseCard()
        self.parity_card, self.variants_card = ParityCard(), VariantsCard()
        self.empty = EmptyState("train", "", "", "Train a model")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        runs = Card(margin=theme.HUGE)
        for widget in (text("Model", "heading"), self.table, self._kept):
            runs.body.addWidget(widget)
        found = (self.parity_card, self.use_card, self.variants_card)
        body = column(SideBySide((runs, self.target_card), found, least_px=860), None)
        body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._area = scrolling(body)
        self._stack.addWidget(self._area)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)
        self.action_row.addWidget(self.export_button)
        self.action_row.addWidget(self.try_button)

    def _connect(self) -> None:
        leads_to = "train" if self.session is not None else "project"
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit(leads_to))
        self.table.selection_changed.connect(self._on_selection_changed)
        self.target_card.changed.connect(self._show_target)
        self.state.actions.attach(self.export_button, "run.export", tr("Export the selected run to one file"))
        card = self.parity_card
        for button, act in (
            (card.folder_button, self._open_folder),
            (card.card_button, self._show_card),
            (card.check_button, self._verify),
        ):
            button.clicked.connect(lambda _checked=False, act=act: act())
        if self.session is not None:
            self.session.runs_changed.connect(self._on_content_changed)

    def refresh(self) -> None:
        known = list_runs(self.session.path) if self.session is not None else []
        colours = {run.name: index for index, run in enumerate(known)}
        self._runs = {run.name: run for run in known if run.best is not None}
        self._stack.setCurrentIndex(1 if self._runs else 0)
        if self.session is None:
            self.empty.show_words("No project open", "Open a project to export one of its training runs.", "To Project")
        else:
            words = Message("Export a training run to one file, verified against the trained network.")
            self.empty.show_words("Nothing to export yet", words, "Train a model")
        best = best_run(list(self._runs.values()))
        preferred = best.name if best is not None else max(self._runs, default="")
        self.table.set_runs(list(self._runs.values()), colours=colours, preferred=preferred)
        self.table.setFixedHeight(min(self.table.height_of_rows(), theme.scaled(300)))
        self._show_target()

    def run(self) -> StoredRun | None:
        names = self.table.selected()
        return self._runs.get(names[0]) if names else None

    def _show_target(self) -> None:
        """Show any export already at the folder, and whether the run can be exported there."""
        run, folder = self.run(), self.target_card.folder()
        found = read_export(folder) if folder else None
        effect = Message("Goes into the folder {name}.")
        if folder is not None and (folder / MODEL_FILE).is_file():
            effect = Message("Exporting again replaces the files in the folder {name}.")
        name = folder.name if folder is not None else ""
        self.target_card.note.setText(self.why_not_export() or tr(effect, name=name))
        self._kept.setText(quality_words(run, unseen_evaluation(run)) if run is not None else "")
        made = datetime.datetime.fromtimestamp(found.model.stat().st_mtime) if found is not None else None
        self._show_found(found, when=f"{made:%Y-%m-%d %H:%M}" if made is not None else "")

    def _show_found(self, found: ExportResult | None, *, when: str = "") -> None:
        """Show an export, if any, and make the next step the primary button: to export, or to try it.

        An export without a file that the target needs leaves the next step an export, unless it is being made.
        """
        has_export = found is not None
        target = self.target_card.target()
        options = self.target_card.options()
        is_done = found is not None and is_made_with(found, options)
        self.parity_card.setVisible(has_export)
        if found is not None:
            self.parity_card.show_result(found, when=when)
        if found is not None and is_done:
            self.use_card.show_use(target, found)
        else:
            self.use_card.show_files(target, options)
        self.variants_card.show_variants(found.variants if found is not None else ())
        self._export = found
        self.try_button.setVisible(has_export)
        self.export_button.setText(tr("Export again") if has_export else tr("Export"))
        can_try = is_done or (has_export and self._exporting is not None)
        for button, is_next in ((self.export_button, not can_try), (self.try_button, can_try)):
            restyle(button, role="primary" if is_next else "")
        self.export_button.set_icon_name("refresh" if has_export else "export")
        self.try_button.set_icon_name("try")
        self._show_enabled()

    def _show_enabled(self) -> None:
        self.export_button.setVisible(bool(self._runs))
        self.state.actions.refresh()

    def why_not_export(self) -> str:
        run = self.run()
        if run is None:
            return tr("Select a training run first.")
        if not run.has_weights:
            return tr("The weights of this run were deleted, so it cannot be exported.")
        if self.target_card.folder() is None:
            return tr("Enter a name and a folder.")
        return tr("It is being exported already.") if self._exporting is not None else ""

    @Slot(list)
    def _on_selection_changed(self, _names: list[str]) -> None:
        run = self.run()
        if run is not None and self.session is not None:
            folder = self.session.path / EXPORTS_FOLDER
            name = _folder_name(run, folder, self._runs.values())
            self.target_card.propose(folder, name)
            if (found := read_export(folder / name)) is not None and (target := TARGETS.get(found.target)) is not None:
                self.target_card.suggest(target)
        self._show_target()

    def take_step(self, step: NextStep) -> None:
        if step.run in self._runs:
            self.table.select([step.run])

    def export(self) -> None:
        run = self.run()
        folder = self.target_card.folder()
        session = self.session
        if run is None or folder is None or session is None or self.why_not_export():
            return
        inputs = (run.path, session.snapshot(), folder)
        options = self.target_card.options()
        work = partial(export_model, *inputs, options=options, project=session.project)
        title = tr("Exporting {run}", run=run.title)
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=self.name, device=True, makes_files=True)
        jobs = self.state.jobs
        self._exporting = jobs.run(job, owner=self, on_event=self._on_event, on_end=self._on_export_ended)
        self._show_enabled()

    def _on_event(self, event: Event) -> None:
        """Show an export whose model is finished, while further files are made."""
        if isinstance(event, Notice) and event.level == "info":
            self.state.show_message(event.message, tone="good")
        if isinstance(event, ResultStored) and self.session is not None:
            model = Path(event.name)
            if model.parent == self.target_card.folder():
                self._show_target()
            if model not in self._offered:
                self._offered.add(model)
                self.session.exports_changed.emit(model)

    def _on_export_ended(self, job: Job[ExportResult | None]) -> None:
        self._exporting = None
        self._offered.clear()
        self._show_enabled()
        result = job.result
        if result is None:
            self.mark_stale()  # the run's folder may be gone, or its weights
            return
        self._show_target()
        if result.model.parent == self.target_card.folder():
            self._show_found(result)
            QTimer.singleShot(0, self, lambda: self._area.ensureWidgetVisible(self.parity_card, 0, theme.HUGE))
        else:  # another run, or another place, was selected meanwhile
            self.state.show_message(tr("Exported to {path}.", path=result.model.parent), tone="good")
        if self.session is not None:
            self.session.exports_changed.emit(result.model)

    def _open_folder(self) -> None:
        if self._export is not None:
            show_folder(self._export.model.parent)

    def _show_card(self) -> None:
        """Open the model card with the system's program for Markdown, else the folder that holds it."""
        path = card_of(self._export.model.parent) if self._export is not None else None
        if path is not None and not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
            show_folder(path.parent)

    def _verify(self) -> None:
        """Verify the files and predictions of the export against those recorded in it.

        The result is dropped if the export was replaced meanwhile: then it may be of files of both.
        """
        export = self._export
        if export is None:
            return

        def show(found: Verification) -> None:
            now = self._export
            if now is not None and (now.sha256, now.latency) == (export.sha256, export.latency):  # differ by export
                self.parity_card.show_verification(found)

        self.parity_card.check_button.setEnabled(False)
        work = partial(verify_export, export.model.parent)
        job = Job(title=tr("Verifying an export"), work=work, lane=Lane.DISK, page=self.name)
        end = partial(self.parity_card.check_button.setEnabled, True)
        self.state.jobs.run(job, owner=self, on_done=show, on_end=lambda _job: end())


def _folder_name(run: StoredRun, exports: Path, runs: Iterable[StoredRun]) -> str:
    """Return the name of the folder for a run's export: its title, unless an earlier export has the run's own name."""
    title = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "-", run.title).strip(" .")
    is_unique = sum(each.title == run.title for each in runs) == 1
    return title if title and is_unique and not (exports / run.name).exists() else run.name
