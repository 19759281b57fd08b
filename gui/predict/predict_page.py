"""The Try page: drop images on an exported model and see its predictions, the same as in deployment."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QStackedWidget

from gui.jobs import Job, Lane, Work
from gui.kit import dialogs, drops, theme
from gui.kit.drops import DropZone
from gui.kit.empty_state import EmptyState
from gui.kit.parts import Button, restyle, row
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.page import Page
from gui.predict import predicting
from gui.predict.model_choice import ModelChoice, exported_models
from gui.predict.predicting import Corrections, PredictionBatch
from gui.predict.predictions_panel import PredictionsPanel
from gui.session import ProjectSession
from gui.state import AppState, ChosenImages
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.export.prediction_table import write_csv
from visionft.export.predictor import Prediction

MODEL_PATTERN = "Exported model (model.onnx *.onnx)"
T = TypeVar("T")
_EMPTY, _DROP, _PREDICTIONS = range(3)


class TryPage(Page):
    """Choose a model; add images or a folder; read the predictions."""

    name = "try"
    title = Message("Try")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=16777215)
        self._is_classifying = False
        self.setAcceptDrops(True)
        self.subtitle.setText(tr("The exported file"))
        self.thumbnails = ThumbnailStore(self)
        self.panel = PredictionsPanel(self.thumbnails, partial(predicting.indexed_files, session))
        self.grid = self.panel.grid
        self.corrections = Corrections(state, session, self)
        self._lay_out()
        self._connect()
        self._show_enabled()

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        return self.panel.predictions

    def _lay_out(self) -> None:
        self.choice = ModelChoice()
        self.browse_button = Button("Other file", "file", on_click=self.browse_model)
        self.files_button = Button("Images", "pictures", on_click=self._choose_files)
        self.folder_button = Button("Folder", "folder-open", on_click=self._choose_folder)
        self.paste_button = Button("Paste", "copy", on_click=self.paste)
        self.drop_zone = DropZone("Drop images here", "", "Choose images")
        self._choosers = {
            self.files_button: "",
            self.drop_zone.choose_button: "",
            self.folder_button: Message("Classify all images of a folder and show the predictions"),
        }
        self.empty = EmptyState(
            "try",
            "No exported model yet",
            "Export a training run to try it here on any image, or open an existing model.onnx.",
            "To Export",
        )
        for widget in (self.choice, self.browse_button):
            self.action_row.addWidget(widget)
        ways = (self.files_button, self.folder_button, self.paste_button)
        self._stack = QStackedWidget()
        for widget in (self.empty, self.drop_zone, self.panel):
            self._stack.addWidget(widget)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.setSpacing(theme.MEDIUM)
        self.body.addLayout(row(*ways, None))
        self.body.addWidget(self._stack, 1)

    def _connect(self) -> None:
        actions = self.state.actions
        actions.attach(self.browse_button, "try.open", tr("Open a model.onnx from another folder"))
        actions.attach(self.paste_button, "try.paste", tr("Classify the image on the clipboard"))
        actions.changed.connect(self._show_keys)
        self._show_keys()
        self.drop_zone.choose_button.clicked.connect(self._choose_files)
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("export"))
        self.panel.csv_button.clicked.connect(self._save_csv)
        self.panel.picker.class_named.connect(self._correct)
        self.corrections.changed.connect(self._show_corrections)
        self.choice.changed.connect(self._show_enabled)
        self.choice.chosen.connect(self._ask_again)
        if self.session is not None:
            self.session.exports_changed.connect(self.take_model)

    @Slot()
    def _show_keys(self) -> None:
        key = self.state.actions.shown_keys("try.paste")
        paste = tr("{key} pastes an image from the clipboard.", key=key) if key else ""
        self.drop_zone.show_words(f"{tr('Or a folder of images.')} {paste}".strip())

    def refresh(self) -> None:
        self.offer_models(exported_models(self.session.path) if self.session is not None else [])
        self._show_corrections()

    def offer_models(self, models: list[Path]) -> None:
        self.choice.offer(models)
        self._show_view()

    def _show_view(self) -> None:
        view = _PREDICTIONS if self.predictions else _DROP if self.model() is not None else _EMPTY
        self._stack.setCurrentIndex(view)
        self.files_button.setVisible(view != _DROP)  # the invitation has the same button
        restyle(self.files_button, role="primary" if view == _PREDICTIONS else "")
        self._show_enabled()

    def model(self) -> Path | None:
        return self.choice.model()

    def _show_enabled(self) -> None:
        why_not = self.why_not_classify()
        for button, words in self._choosers.items():
            button.setEnabled(not why_not)
            button.setToolTip("\n".join(filter(None, (tr(words), why_not))))
        self.state.actions.refresh()

    def why_no_model(self) -> str:
        return "" if self.model() is not None else tr("Export a run first, or open a model.onnx with Other file.")

    def why_not_classify(self) -> str:
        busy = tr("Images are being classified already.") if self._is_classifying else ""
        return self.why_no_model() or busy

    @Slot()
    def _show_corrections(self) -> None:
        why_not = self.corrections.why_not()
        note = why_not or self.corrections.note_on(self.panel.class_names())
        self.panel.offer(self.corrections.classes(), why_not, note)
        self.panel.show_corrections(self.corrections.current())

    @Slot(str)
    def _correct(self, name: str) -> None:
        self.grid.setFocus()
        self.corrections.correct([each.path for each in self.panel.chosen()], name)

    def classify(self, sources: list[Path]) -> None:
        if (model := self.model()) is None:
            hint = Message("Export a run first, or open a model.onnx with Other file.")
            self.state.show_message(Message("There is no exported model to try."), hint, next_step=NextStep("export"))
        elif sources and self._is_classifying:
            words = tr("Wait until it ends, or cancel it.")
            self.state.show_message(tr("Images are being classified already."), words)
        elif sources:
            work = partial(predicting.predict, model, sources, device=self.state.settings.device)
            self._run(tr("Classifying images"), work, self.show_predictions)

    def _run(self, title: str, work: Work[T], on_done: Callable[[T], object]) -> None:
        has_gpu = self.state.settings.device != "cpu"
        job = Job(title=title, work=work, lane=Lane.PREDICTION, page=self.name, device=has_gpu)

        def end(_outcome: object) -> None:
            self._is_classifying = False
            self._show_enabled()

        self._is_classifying = True
        self._show_enabled()
        self.state.jobs.run(job, owner=self, on_done=on_done, on_end=end)

    def paste(self) -> None:
        data = QGuiApplication.clipboard().mimeData()
        files = drops.local_paths(data)
        image = QGuiApplication.clipboard().image()
        if not files and not image.isNull():
            files = predicting.keep_pasted(image)
        if not files:
            hint = Message("Copy an image, or image files, then paste again.")
            self.state.show_message(Message("There is no image on the clipboard."), hint)
        self.classify(files)

    def show_predictions(self, result: PredictionBatch) -> None:
        self.panel.show_predictions(result)
        self._show_corrections()
        self._show_view()

    def chosen_images(self) -> ChosenImages:
        return ChosenImages(paths=tuple(prediction.path for prediction in self.panel.chosen()))

    @Slot()
    def _ask_again(self) -> None:
        """Classify the displayed images again with the newly selected model."""
        if self.predictions and not self._is_classifying:
            self.classify([prediction.path for prediction in self.predictions])

    def browse_model(self) -> None:
        chosen = dialogs.ask_files(self, tr("Open an exported model"), MODEL_PATTERN, self.state.path)
        if chosen:
            self.take_model(chosen[0])

    def take_model(self, path: Path) -> None:
        self.choice.take(path)
        self._show_view()

    def _choose_files(self) -> None:
        pattern = f"{tr('Images')} ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
        self.classify(dialogs.ask_files(self, tr("Choose images to classify"), pattern))

    def _choose_folder(self) -> None:
        folder = dialogs.ask_folder(self, tr("Choose a folder of images to classify"))
        self.classify([folder] if folder else [])

    def _save_csv(self) -> None:
        target = dialogs.ask_save_file(self, tr("Save the predictions"), "CSV (*.csv)", Path.home() / "predictions.csv")
        if target is None:
            return
        try:
            write_csv(target, self.predictions)
        except VisionFTError as error:
            self.state.report(error)
        else:
            self.state.show_message(_written_text(len(self.predictions), target), tone="good")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and not self._is_classifying:
            self.drop_zone.set_active(True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event) -> None:
        self.drop_zone.set_active(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Classify dropped images; a dropped exported file becomes the selected model."""
        self.drop_zone.set_active(False)
        event.acceptProposedAction()
        paths = drops.local_paths(event.mimeData())
        models = [path for path in paths if path.suffix.lower() == ".onnx"]
        if models:
            self.take_model(models[0])
        self.classify([path for path in paths if path not in models])

    def close_workers(self) -> None:
        self.thumbnails.close()
        self.panel.close_workers()


def _written_text(count: int, path: Path) -> str:
    return tr("{count} prediction written to {path}.", "{count} predictions written to {path}.", count=count, path=path)
