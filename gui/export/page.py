"""The export page: choose a run and options, write one ONNX file, and see that it was compared with PyTorch."""

import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLineEdit, QStackedWidget, QWidget

from gui.export.code_card import CodeCard
from gui.export.parity_card import ParityCard
from gui.export.variants_card import VariantsCard
from gui.kit import dialogs, theme
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconLabel, column, restyle, row, scrolling, text, verbatim
from gui.kit.run_rows import best_run, kept_words, run_rows
from gui.kit.run_table import RunTable
from gui.kit.side_by_side import SideBySide
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.errors import NextStep
from visionft.events import OnEvent, ShouldStop
from visionft.export.bundle.project_facts import facts_of
from visionft.export.bundle.samples import SAMPLES
from visionft.export.bundle.verifying import Verification, verify_export
from visionft.export.options import OPSETS, ExportOptions, help_of, label_of
from visionft.export.parity import ExportResult, read_export
from visionft.export.precision.variants import Precision
from visionft.libraries import load_libraries
from visionft.project.store import Project
from visionft.training.runs.run_folder import RunSummary, list_runs

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

EXPORTS_FOLDER = "exports"
PRECISION_WORDS: dict[Precision, str] = {"fp16": "Smaller: fp16", "int8": "Small and fast on processors: int8"}
PROMISES = (
    ("file", "One file", "Cropping, resizing and normalising are inside. It takes pictures of any size, as RGB bytes."),
    ("shield", "Verified", "Up to 200 pictures go through PyTorch and through the file, which is kept only if equal."),
    ("gauge", "Measured", "Its speed on this machine, one picture at a time, and its size."),
    ("copy", "Ready to use", "Programs in Python, JavaScript, C# and C++ run it anywhere, and a page in the browser."),
)  # fmt: skip


def export_model(
    run_dir: Path,
    images: "Snapshot",
    out_dir: Path,
    *,
    options: ExportOptions,
    project: Project,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> ExportResult | None:
    """Export a run, in a task, to one ONNX file and compare it with PyTorch."""
    load_libraries(on_event)
    from visionft.export.exporter import export_run

    return export_run(
        run_dir,
        images,
        out_dir,
        options=options,
        facts=facts_of(project),
        on_event=on_event,
        should_stop=should_stop,
    )


def check_export(folder: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Verification:
    """Check an export again, in a task."""
    return verify_export(folder, on_event=on_event, should_stop=should_stop)


class ExportPage(Page):
    """One file out, verified."""

    name = "export"
    title = "Export"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self._exporting: TaskHandle | None = None
        self.subtitle.setText(tr("One self-contained ONNX file that answers like the trained model"))
        self._runs: dict[str, RunSummary] = {}
        self.table = RunTable()
        self.name_edit, self.place_edit = QLineEdit(), QLineEdit()
        self.opset_box = QComboBox()
        for opset, title in OPSETS.items():
            self.opset_box.addItem(tr(title), opset)
        self.float_box = QCheckBox(tr(label_of("float_input")))
        self.float_box.setToolTip(tr(help_of("float_input")))
        self.timm_box = QCheckBox(tr(label_of("huggingface")))
        self.timm_box.setToolTip(tr(help_of("huggingface")))
        self.precision_boxes: dict[Precision, QCheckBox] = {
            precision: QCheckBox(tr(words)) for precision, words in PRECISION_WORDS.items()
        }
        for box in self.precision_boxes.values():
            box.setToolTip(tr(help_of("precisions")))
        self._note = text("", "small", wrap=True)
        self.export_button = Button("Export", "export", role="primary", on_click=self.export)
        self.try_button = Button("Try it", "try", role="primary", on_click=self.try_it)
        self._kept = text("", "muted", wrap=True)
        state.actions.attach(self.export_button, "run.export", tr("Make one file of the chosen run"))
        self.parity_card, self.variants_card = ParityCard(), VariantsCard()
        self.promises = self._promises()
        self.code_card = CodeCard(SAMPLES)
        self.empty = EmptyState("train", "", "", "Train a model")
        self.empty.button.clicked.connect(lambda _checked=False: self._go_on())
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        found = (self.promises, self.parity_card, self.variants_card, self.code_card)
        columns = ((self._runs_card(), self._options_card()), found)
        body = column(SideBySide(*columns, least_px=860), None)
        body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        self._stack.addWidget(scrolling(body))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)
        self.action_row.addWidget(self.export_button)
        self.action_row.addWidget(self.try_button)
        self._connect()

    def _connect(self) -> None:
        self.table.selection_changed.connect(self._on_selection_changed)
        for edit in (self.name_edit, self.place_edit):
            edit.textChanged.connect(lambda _words: self._show_target())
        self.parity_card.folder_chosen.connect(self._on_folder_chosen)
        self.parity_card.check_asked.connect(self._on_check_asked)
        if self.session is not None:
            self.session.runs_changed.connect(self._on_content_changed)

    # -- building -----------------------------------------------------------------------------------------------

    def _runs_card(self) -> Card:
        runs = Card(margin=theme.HUGE)
        runs.body.addWidget(text("Training run", "heading"))
        runs.body.addWidget(self.table)
        runs.body.addWidget(self._kept)
        return runs

    def _options_card(self) -> Card:
        options = Card(margin=theme.HUGE, spacing=theme.MEDIUM)
        browse = Button("Browse", "folder-open", on_click=self._browse)
        place = row(self.place_edit, browse)
        place.setStretch(0, 1)
        fields = QGridLayout()
        fields.setHorizontalSpacing(theme.LARGE)
        fields.setVerticalSpacing(theme.MEDIUM)
        for line, (caption, field) in enumerate(
            (
                ("Name", self.name_edit),
                ("Place", place),
                (label_of("opset"), self.opset_box),
                ("", column(*self.precision_boxes.values(), self.float_box, self.timm_box, spacing=theme.SMALL)),
            )
        ):
            fields.addWidget(verbatim(tr(caption), "strong"), line, 0)
            if isinstance(field, QWidget):
                field.setAccessibleName(tr(caption))
                fields.addWidget(field, line, 1)
            else:
                fields.addLayout(field, line, 1)
        self.place_edit.setAccessibleName(tr("Folder to export into"))
        fields.setColumnStretch(1, 1)
        options.body.addWidget(text("Options", "heading"))
        options.body.addLayout(fields)
        options.body.addWidget(self._note)
        return options

    def _promises(self) -> Card:
        card = Card(margin=theme.HUGE, spacing=theme.LARGE)
        card.body.addWidget(text("What you get", "heading"))
        for icon_name, title, words in PROMISES:
            line = row(
                IconLabel(icon_name, size=22, tone="accent"),
                column(verbatim(tr(title), "strong"), verbatim(tr(words), "muted", wrap=True), spacing=theme.HAIR),
                spacing=theme.LARGE,
            )
            line.setStretch(1, 1)
            card.body.addLayout(line)
        return card

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the runs of the project."""
        known = list_runs(self.session.path) if self.session is not None else []
        rows = [row for row, run in zip(run_rows(known), known, strict=True) if run.best is not None]
        self._runs = {run.name: run for run in known if run.best is not None}
        self._stack.setCurrentIndex(1 if self._runs else 0)
        if self.session is None:
            self.empty.show_words("No project open", "Open a project to export one of its training runs.", "To Project")
        else:
            words = "A training run becomes one file here, checked against the network it came from."
            self.empty.show_words("Nothing to export yet", words, "Train a model")
        best = best_run(list(self._runs.values()))
        self.table.set_rows(rows, preferred=best.name if best is not None else max(self._runs, default=""))
        self.table.setFixedHeight(min(self.table.height_of_rows(), theme.scaled(300)))
        self._show_target()

    def run(self) -> RunSummary | None:
        """Return the chosen run."""
        names = self.table.selected()
        return self._runs.get(names[0]) if names else None

    def target(self) -> Path | None:
        """Return the folder to export into; None while name or place is empty."""
        name, place = self.name_edit.text().strip(), self.place_edit.text().strip()
        return Path(place).expanduser() / name if name and place else None

    def _show_target(self) -> None:
        """Show what lies at the target already, and whether the run can be exported there."""
        run, target = self.run(), self.target()
        found = read_export(target) if target else None
        has_file = target is not None and (target / "model.onnx").is_file()
        if run is not None and not run.has_weights:
            note = tr("The weights of this run were deleted, so it cannot be exported any more.")
        elif target is None:
            note = tr("Give it a name and a place.")
        elif has_file:
            note = tr("Exporting again replaces the file that is there.")
        else:
            note = tr("A folder of this name is made.")
        self._note.setText(note)
        self._kept.setText(kept_words(run) if run is not None else "")
        self.parity_card.hide()
        self.variants_card.show_variants(found.variants if found is not None else ())
        if found is not None:
            self.parity_card.show_result(found, when=_when(found.model))
        self._show_found(has_export=found is not None)

    def _show_found(self, *, has_export: bool) -> None:
        """Make the next step the primary button: to export, or to try what was exported."""
        self.promises.setVisible(not has_export)
        self.try_button.setVisible(has_export)
        self.export_button.setText(tr("Export again") if has_export else tr("Export"))
        restyle(self.export_button, role="" if has_export else "primary")
        self.export_button.set_icon_name("refresh" if has_export else "export")
        self._show_enabled()

    def _show_enabled(self) -> None:
        self.export_button.setVisible(bool(self._runs))
        self.state.actions.refresh()

    def try_it(self) -> None:
        """Show the page on which the exported file answers."""
        self.state.page_requested.emit("try")

    def why_not_export(self) -> str:
        """Return why the chosen run cannot be exported; empty when it can."""
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        if not run.has_weights:
            return tr("The weights of this run were deleted, so it cannot be exported any more.")
        if self.target() is None:
            return tr("Give it a name and a place.")
        return tr("It is being exported already.") if self._exporting is not None else ""

    @Slot(list)
    def _on_selection_changed(self, _names: list[str]) -> None:
        run = self.run()
        if run is not None and self.session is not None:
            self.place_edit.setText(str(self.session.path / EXPORTS_FOLDER))
            self.name_edit.setText(run.name)
        self._show_target()

    def take_step(self, step: NextStep) -> None:
        """Choose the run that is to be exported."""
        if step.run in self._runs:
            self.table.select([step.run])

    def _go_on(self) -> None:
        self.state.page_requested.emit("train" if self.session is not None else "project")

    def _browse(self) -> None:
        chosen = dialogs.ask_folder(self, "Export into", self.state.path)
        if chosen is not None:
            self.place_edit.setText(str(chosen))

    # -- exporting ----------------------------------------------------------------------------------------------

    def export(self) -> None:
        """Export the chosen run in a task."""
        run, target, session = self.run(), self.target(), self.session
        if run is None or target is None or session is None or self.why_not_export():
            return
        work = partial(
            export_model,
            run.path,
            session.snapshot(),
            target,
            options=self.options(),
            project=session.project,
        )
        title = tr("Exporting {run}", run=run.title)
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self.name, device=True)
        self._exporting = self.state.tasks.run(
            task, owner=self, on_done=self._on_exported, on_end=self._on_export_ended
        )
        self._show_enabled()

    def options(self) -> ExportOptions:
        """Return the options as they are chosen."""
        return ExportOptions(
            float_input=self.float_box.isChecked(),
            opset=self.opset_box.currentData(),
            precisions=tuple(precision for precision, box in self.precision_boxes.items() if box.isChecked()),
            huggingface=self.timm_box.isChecked(),
        )

    def _on_exported(self, result: ExportResult | None) -> None:
        if result is not None:
            self._show_target()
            self.parity_card.show_result(result)
            self.variants_card.show_variants(result.variants)
            self._show_found(has_export=True)

    def _on_export_ended(self, outcome: Outcome[ExportResult | None]) -> None:
        self._exporting = None
        self._show_enabled()
        if outcome.result is None:
            self.mark_stale()  # the run's folder may be gone, or its weights
        elif self.session is not None:
            self.session.exports_changed.emit(outcome.result.model)

    @Slot(Path)
    def _on_check_asked(self, folder: Path) -> None:
        """Check the export that is shown, in a task."""
        self.parity_card.check_button.setEnabled(False)
        task = Task(title=tr("Checking an export"), work=partial(check_export, folder), lane=Lane.DISK, page=self.name)
        self.state.tasks.run(task, owner=self, on_done=self.parity_card.show_check, on_end=self._on_check_ended)

    def _on_check_ended(self, _outcome: Outcome[Verification]) -> None:
        self.parity_card.check_button.setEnabled(True)

    @Slot(Path)
    def _on_folder_chosen(self, folder: Path) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _when(model: Path) -> str:
    made = datetime.datetime.fromtimestamp(model.stat().st_mtime)
    return f"{made:%Y-%m-%d %H:%M}"
