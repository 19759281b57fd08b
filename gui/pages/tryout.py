"""The try page: drop pictures on an exported file and see what it says, exactly as it will where it is deployed."""

from pathlib import Path

import platformdirs
from PySide6.QtCore import Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QComboBox, QSplitter, QStackedWidget, QWidget

from gui import dialogs, theme, work
from gui.pages.page import Page
from gui.predictions import Answers, PictureAnswer, exported_models, write_csv
from gui.state import AppState, JobOutcome
from gui.thumbnails import ThumbnailStore
from gui.widgets.empty_state import EmptyState
from gui.widgets.image_grid import Cell, ImageGrid
from gui.widgets.image_view import ImageView
from gui.widgets.parts import Button, Card, ElidedLabel, column, text
from gui.widgets.probability_bars import ProbabilityBars
from gui.widgets.welcome import DropZone
from visionft.errors import VisionFTError
from visionft.images.decode import IMAGE_SUFFIXES

MODEL_PATTERN = "Exported model (model.onnx *.onnx)"


class TryPage(Page):
    """Choose a model, bring pictures, read the answers."""

    name = "try"
    title = "Try"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, scrolls=False, max_width=16777215)
        self.setAcceptDrops(True)
        self.subtitle.setText("The exported file answers, in ONNX Runtime")
        self.answers: tuple[PictureAnswer, ...] = ()
        self._places: dict[str, int] = {}
        self.model_box = QComboBox()
        self.model_box.setMinimumContentsLength(18)
        self.model_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.model_box.setAccessibleName("Exported model")
        self.browse_button = Button("Other file", "file", on_click=self.browse_model)
        self.files_button = Button("Pictures", "pictures", on_click=self._choose_files)
        self.folder_button = Button("Folder", "folder-open", on_click=self._choose_folder)
        self.csv_button = Button("Save CSV", "export", on_click=self._save_csv)
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(self._load_cells, self.thumbnails)
        self.view = ImageView(self.thumbnails)
        self.bars = ProbabilityBars()
        self.drop_zone = DropZone(
            "Drop pictures here", "Or a folder of them. Ctrl+V pastes a picture from the clipboard.", "Choose pictures"
        )
        self._lay_out()
        self._connect()
        self._show_enabled()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.model_box, self.browse_button, self.files_button, self.folder_button, self.csv_button):
            self.action_row.addWidget(widget)
        self._name = ElidedLabel("", "heading")
        self._facts = text("", "small", wrap=True)
        answer = Card()
        for item in (self._name, self.bars, self._facts):
            answer.body.addWidget(item)
        right = QWidget()
        right_layout = column(self.view, answer, spacing=theme.LARGE)
        right_layout.setStretch(0, 1)
        right.setLayout(right_layout)
        right.setMinimumWidth(theme.scaled(300))
        split = QSplitter()
        split.addWidget(self.grid)
        split.addWidget(right)
        split.setHandleWidth(theme.LARGE)
        split.setChildrenCollapsible(False)
        split.setSizes([600, 440])
        self.empty = EmptyState(
            "try",
            "No exported model yet",
            "Export a training run; then the file can be tried here on any picture. Or open a model.onnx you have.",
            "To Export",
        )
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("export"))
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.drop_zone)
        self._stack.addWidget(split)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        self.drop_zone.choose_button.clicked.connect(lambda _checked=False: self._choose_files())
        self.grid.current_changed.connect(self._on_current_changed)
        self.model_box.currentIndexChanged.connect(lambda _place: self._show_enabled())
        self.state.job_started.connect(self._on_job_started)
        self.state.job_ended.connect(self._on_job_ended)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Offer the exports of the project."""
        path = self.state.path
        self.offer_models(exported_models(path) if path else [])

    def offer_models(self, models: list[Path]) -> None:
        """Offer these files, keeping those that were opened by hand and the chosen one."""
        chosen = self.model()
        own = [self.model_box.itemData(place) for place in range(self.model_box.count())]
        extra = [path for path in own if path not in models and path.is_file()]
        self.model_box.clear()
        for path in [*models, *extra]:
            self.model_box.addItem(path.parent.name or path.name, path)
            self.model_box.setItemData(self.model_box.count() - 1, str(path), 3)
        self.model_box.setPlaceholderText("No exported model yet")
        place = self.model_box.findData(chosen) if chosen is not None else -1
        self.model_box.setCurrentIndex(max(place, 0) if self.model_box.count() else -1)
        self._show_view()
        self._show_enabled()

    def _show_view(self) -> None:
        has_model = self.model_box.count() > 0
        self._stack.setCurrentIndex(2 if self.answers else 1 if has_model else 0)

    def model(self) -> Path | None:
        """Return the chosen file."""
        return self.model_box.currentData()

    def _show_enabled(self) -> None:
        is_ready = self.model() is not None and self.state.job_info is None
        for button in (self.files_button, self.folder_button, self.drop_zone.choose_button):
            button.setEnabled(is_ready)
        self.model_box.setEnabled(self.model_box.count() > 0)
        self.csv_button.setEnabled(bool(self.answers))

    def _load_cells(self, image_ids) -> list[Cell]:
        return [self._cell(image_id) for image_id in image_ids if image_id <= len(self.answers)]

    def _cell(self, image_id: int) -> Cell:
        answer = self.answers[image_id - 1]
        if answer.error:
            return Cell(image_id=image_id, path=answer.path, labels=(), split="unreadable")
        name, share = answer.top[0]
        labels = ((name, self._places.get(name, 0)),)
        return Cell(image_id=image_id, path=answer.path, labels=labels, split=f"{share:.0%}")

    @Slot(int)
    def _on_current_changed(self, image_id: int) -> None:
        answer = self.answers[image_id - 1] if 0 < image_id <= len(self.answers) else None
        self.view.show_picture(answer.path if answer else None, neighbours=[])
        self.bars.show_bars(answer.top if answer else ())
        self._name.setText((answer.error and f"Cannot be read: {answer.error}") or answer.path.name if answer else "")

    # -- classifying --------------------------------------------------------------------------------------------

    def classify(self, sources: list[Path]) -> None:
        """Classify pictures, or all pictures of folders, in a job."""
        model = self.model()
        if model is None:
            self.state.message_raised.emit(
                "There is no exported model to try.",
                "Export a run first, or open a model.onnx with Other file.",
                "warn",
                "",
            )
        elif sources:
            self.state.start_job("predict", "Classifying pictures", work.predict(model, sources), page=self.name)

    def paste(self) -> None:
        """Classify the picture, or the files, on the clipboard."""
        data = QGuiApplication.clipboard().mimeData()
        files = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        image = QGuiApplication.clipboard().image()
        if not files and not image.isNull():
            folder = platformdirs.user_cache_path("visionft", appauthor=False) / "pasted"
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"pasted {len(list(folder.iterdir())) + 1}.png"
            files = [target] if image.save(str(target)) else []
        self.classify(files)

    @Slot(object)
    def _on_job_started(self, _info: object) -> None:
        self._show_enabled()

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        if outcome.info.kind == "predict" and isinstance(outcome.result, Answers):
            self.show_answers(outcome.result)
        if outcome.info.kind == "export":
            self.mark_stale()
        self._show_enabled()

    def show_answers(self, result: Answers) -> None:
        """Show what the model said."""
        self.answers = result.answers
        self._places = {name: place for place, name in enumerate(result.class_names)}
        self._facts.setText(
            f"{len(result.answers):,} pictures, {result.milliseconds_each:.0f} ms each with reading, "
            f"on {result.provider.removesuffix('ExecutionProvider')}"
            + ("; stopped before the end" if result.was_stopped else "")
        )
        self._show_view()
        self.grid.set_ids(())
        self.grid.set_ids(tuple(range(1, len(result.answers) + 1)))
        self._show_enabled()

    # -- choosing -----------------------------------------------------------------------------------------------

    def browse_model(self) -> None:
        """Let the user choose an exported file."""
        chosen = dialogs.ask_files(self, "Open an exported model", MODEL_PATTERN, self.state.path)
        if chosen:
            self.take_model(chosen[0])

    def take_model(self, path: Path) -> None:
        """Offer an exported file that lies anywhere, and choose it."""
        place = self.model_box.findData(path)
        if place < 0:
            self.model_box.addItem(path.parent.name or path.name, path)
            place = self.model_box.count() - 1
        self.model_box.setCurrentIndex(place)
        self._show_view()
        self._show_enabled()

    def _choose_files(self) -> None:
        pattern = f"Pictures ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
        self.classify(dialogs.ask_files(self, "Choose pictures to classify", pattern))

    def _choose_folder(self) -> None:
        folder = dialogs.ask_folder(self, "Choose a folder of pictures to classify")
        self.classify([folder] if folder else [])

    def _save_csv(self) -> None:
        target = dialogs.ask_save_file(self, "Save the answers", "CSV (*.csv)", Path.home() / "predictions.csv")
        if target is None:
            return
        try:
            write_csv(target, self.answers)
        except VisionFTError as error:
            self.state.report(error)
        else:
            self.state.message_raised.emit(f"{len(self.answers):,} answers written to {target}.", "", "good", "")

    # -- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files while nothing runs."""
        if event.mimeData().hasUrls() and self.state.job_info is None:
            self.drop_zone.set_active(True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event) -> None:
        """Put the light out."""
        self.drop_zone.set_active(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Classify what was dropped."""
        self.drop_zone.set_active(False)
        event.acceptProposedAction()
        self.classify([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    def close_workers(self) -> None:
        """Wait for what is being decoded; called before the window goes."""
        self.thumbnails.close()
        self.view.close_pool()
