"""The try page: drop pictures on an exported file and see what it says, exactly as it will where it is deployed."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.kit import dialogs, drops, theme
from gui.kit.drop_zone import DropZone
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, ElidedLabel, choice_box, row
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import PictureModel, Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.workers import Work
from gui.page import Page
from gui.predict import predicting
from gui.predict.answer_card import AnswerCard, answers_view, several, speed
from gui.predict.camera_panel import CameraPanel
from gui.predict.predicting import Answers, exported_models
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import NextStep, VisionFTError
from visionft.export.answers import CsvResult, write_csv
from visionft.export.predictor import Prediction

MODEL_PATTERN = "Exported model (model.onnx *.onnx)"
ORDERS = ("As given", "Least sure first", "By class")
T = TypeVar("T")
_EMPTY, _DROP, _ANSWERS, _CAMERA = range(4)


class TryPage(Page):
    """Choose a model; bring pictures, a folder or a camera; read the answers."""

    name = "try"
    title = "Try"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=16777215)
        self._is_classifying = False
        self.setAcceptDrops(True)
        self.subtitle.setText(tr("The exported file answers, in ONNX Runtime"))
        self.answers: tuple[Prediction, ...] = ()
        self._result: Answers | None = None
        self._places: dict[str, int] = {}
        self.thumbnails = ThumbnailStore(self)
        self.grid = PictureGrid(self.thumbnails, PictureModel(self._load_tiles, self), side_px=152)
        self.view = ImageView(self.thumbnails)
        self.answer_card = AnswerCard()
        self.camera = CameraPanel()
        self.feed = predicting.CameraFeed(self)
        self._make_controls()
        self._lay_out()
        self._connect()
        self._show_enabled()

    # -- building -----------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.model_box = choice_box("Exported model", least=18)
        self.model_box.setToolTip(tr("The exported file that answers"))
        self.browse_button = Button("Other file", "file", on_click=self.browse_model)
        self.files_button = Button("Pictures", "pictures", on_click=self._choose_files)
        self.folder_button = Button("Folder", "folder-open", on_click=self._choose_folder)
        self.folder_button.setToolTip(tr("Classify all pictures of a folder and look at the answers"))
        self.to_csv_button = Button("Folder to CSV", "export", on_click=self.choose_folder_to_csv)
        self.paste_button = Button("Paste", "copy", on_click=self.paste)
        self.camera_button = Button("Camera", "camera", on_click=self.toggle_camera)
        self.csv_button = Button("Save CSV", "export", on_click=self._save_csv)
        self.csv_button.setToolTip(tr("Write these answers into a table"))
        self.order_box = choice_box("Order of the answers", map(tr, ORDERS))
        self.drop_zone = DropZone("Drop pictures here", "", "Choose pictures")
        self.empty = EmptyState(
            "try",
            "No exported model yet",
            "Export a training run; then the file can be tried here on any picture. Or open a model.onnx you have.",
            "To Export",
        )

    @Slot()
    def _show_keys(self) -> None:
        key = self.state.actions.shown_keys("try.paste")
        paste = tr("{key} pastes a picture from the clipboard.", key=key) if key else ""
        self.drop_zone.show_words(f"{tr('Or a folder of them.')} {paste}".strip())

    def _lay_out(self) -> None:
        for widget in (self.model_box, self.browse_button):
            self.action_row.addWidget(widget)
        ways = (self.files_button, self.folder_button, self.paste_button, self.camera_button)
        self._stack = QStackedWidget()
        for widget in (self.empty, self.drop_zone, self._answers_view(), self.camera):
            self._stack.addWidget(widget)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.setSpacing(theme.MEDIUM)
        self.body.addLayout(row(*ways, None, self.to_csv_button))
        self.body.addWidget(self._stack, 1)

    def _answers_view(self) -> QWidget:
        self._tally = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        head = row(self._tally, self.order_box, self.csv_button)
        head.setStretch(0, 1)
        return answers_view(head, self.grid, self.view, self.answer_card)

    def _connect(self) -> None:
        actions = self.state.actions
        actions.attach(self.browse_button, "try.open", tr("Open a model.onnx that lies elsewhere"))
        words = tr("Classify all pictures of a folder into a table, however many there are")
        actions.attach(self.to_csv_button, "try.csv", words)
        actions.attach(self.paste_button, "try.paste", tr("Classify the picture on the clipboard"))
        actions.attach(self.camera_button, "try.camera", tr("Classify what the camera sees, as it sees it"))
        actions.changed.connect(self._show_keys)
        self._show_keys()
        self.drop_zone.choose_button.clicked.connect(lambda _checked=False: self._choose_files())
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("export"))
        self.grid.current_changed.connect(self._on_current_changed)
        self.order_box.activated.connect(lambda _place: self._show_ids())
        self.model_box.currentIndexChanged.connect(self._on_model_changed)
        self.camera.closed.connect(self.stop_camera)
        self.camera.camera_changed.connect(self._on_camera_changed)
        self.feed.seen.connect(self.camera.show_frame)
        self.feed.ended.connect(self._on_camera_ended)
        if self.session is not None:
            self.session.exports_changed.connect(self._on_content_changed)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Offer the exports of the project."""
        self.offer_models(exported_models(self.session.path) if self.session is not None else [])

    def offer_models(self, models: list[Path]) -> None:
        """Offer these files, keeping those that were opened by hand and the chosen one."""
        chosen = self.model()
        own = [self.model_box.itemData(index) for index in range(self.model_box.count())]
        extra = [path for path in own if path not in models and path.is_file()]
        self.model_box.clear()
        for path in [*models, *extra]:
            self.model_box.addItem(path.parent.name or path.name, path)
            self.model_box.setItemData(self.model_box.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        self.model_box.setPlaceholderText(tr("No exported model yet"))
        index = self.model_box.findData(chosen) if chosen is not None else -1
        self.model_box.setCurrentIndex(max(index, 0) if self.model_box.count() else -1)
        self._show_view()
        self._show_enabled()

    def _show_view(self) -> None:
        has_model = self.model_box.count() > 0
        otherwise = _ANSWERS if self.answers else _DROP if has_model else _EMPTY
        is_filming = self.feed.is_running or self.camera.has_failed()
        self._stack.setCurrentIndex(_CAMERA if is_filming else otherwise)

    def model(self) -> Path | None:
        """Return the chosen file."""
        return self.model_box.currentData()

    def _show_enabled(self) -> None:
        for button in (self.files_button, self.folder_button, self.drop_zone.choose_button):
            button.setEnabled(not self.why_not_classify())
        self.camera_button.setText(tr("Stop camera" if self.feed.is_running else "Camera"))
        self.model_box.setEnabled(self.model_box.count() > 0)
        self.csv_button.setEnabled(bool(self.answers))
        self.state.actions.refresh()

    def why_no_model(self) -> str:
        """Return why there is nothing that could answer; empty when there is."""
        return "" if self.model() is not None else tr("Export a run first, or open a model.onnx with Other file.")

    def why_not_classify(self) -> str:
        """Return why nothing can be classified now; empty when it can."""
        busy = tr("Pictures are being classified already.") if self._is_classifying else ""
        return self.why_no_model() or busy

    def _load_tiles(self, image_ids: Sequence[int]) -> list[Tile]:
        return [self._tile(image_id) for image_id in image_ids if image_id <= len(self.answers)]

    def _tile(self, image_id: int) -> Tile:
        answer = self.answers[image_id - 1]
        names = () if answer.error else (answer.class_name,) if answer.classes is None else answer.classes
        return Tile(
            image_id=image_id,
            path=answer.path,
            title=", ".join(names) or tr("no label"),
            tone="" if names else "muted",
            swatches=tuple(self._places.get(name, 0) for name in names),
            aside=tr("unreadable") if answer.error else f"{answer.probability:.0%}",
        )

    @Slot(int)
    def _on_current_changed(self, image_id: int) -> None:
        answer = self.answers[image_id - 1] if 0 < image_id <= len(self.answers) else None
        self.view.show_picture(answer.path if answer else None, neighbours=[])
        self.answer_card.show_answer(answer, answer.path.name if answer else "", self._facts_of(answer))

    def _facts_of(self, answer: Prediction | None) -> list[str]:
        result = self._result
        if answer is None or answer.error or result is None:
            return []
        facts = [*several(answer), speed(answer, result.provider)]
        facts.append(tr("{time} ms each with reading.", time=f"{result.milliseconds_each:.0f}"))
        if result.temperature is not None:
            value = f"{result.temperature:.2f}"
            facts.append(tr("Probabilities are calibrated on validation (temperature {value}).", value=value))
        return facts + ([tr("Stopped before the end.")] if result.was_stopped else [])

    # -- classifying --------------------------------------------------------------------------------------------

    def classify(self, sources: list[Path]) -> None:
        """Classify pictures, or all pictures of folders, in a task."""
        model = self.model()
        if model is None:
            hint = "Export a run first, or open a model.onnx with Other file."
            self.state.say("There is no exported model to try.", hint, next_step=NextStep("export"))
        elif sources and self._is_classifying:
            words = tr("Wait for its end, or stop it, before the next ones.")
            self.state.say(tr("Pictures are being classified already."), words)
        elif sources:
            self.stop_camera()
            work = partial(predicting.predict, model, sources, device=self.state.settings.device)
            self._run(tr("Classifying pictures"), work, self.show_answers)

    def _run(self, title: str, work: Work[T], on_done: Callable[[T], object]) -> None:
        """Classify in a task."""
        has_gpu = self.state.settings.device != "cpu"
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self.name, device=has_gpu)
        self._set_classifying(True)
        self.state.tasks.run(task, owner=self, on_done=on_done, on_end=lambda _outcome: self._set_classifying(False))

    def paste(self) -> None:
        """Classify the picture, or the files, on the clipboard."""
        data = QGuiApplication.clipboard().mimeData()
        files = drops.local_paths(data)
        image = QGuiApplication.clipboard().image()
        if not files and not image.isNull():
            files = predicting.keep_pasted(image)
        if not files:
            hint = "Copy a picture, or picture files, then paste again."
            self.state.say("There is no picture on the clipboard.", hint)
        self.classify(files)

    def _set_classifying(self, is_classifying: bool) -> None:
        self._is_classifying = is_classifying
        self._show_enabled()

    def show_answers(self, result: Answers) -> None:
        """Show what the model said."""
        self.answers, self._result = result.answers, result
        self._places = {name: index for index, name in enumerate(result.class_names)}
        self._tally.setText(result.tally())
        self._show_view()
        self._show_ids()
        self._show_enabled()

    def _show_ids(self) -> None:
        places = list(range(len(self.answers)))
        if self.order_box.currentIndex() == 1:
            places.sort(key=lambda index: self.answers[index].probability)
        elif self.order_box.currentIndex() == 2:
            places.sort(key=lambda index: (self.answers[index].class_name, -self.answers[index].probability))
        self.grid.pictures.set_ids(())  # numbers of earlier answers mean nothing now
        self.grid.pictures.set_ids(tuple(index + 1 for index in places))

    # -- camera -------------------------------------------------------------------------------------------------

    def toggle_camera(self) -> None:
        """Switch the camera on or off."""
        if self.feed.is_running:
            self.stop_camera()
        else:
            self.start_camera(self.camera.chosen_camera())

    def start_camera(self, source: int | Path) -> None:
        """Classify what a camera (or a video file) shows."""
        model = self.model()
        if model is None or self.feed.is_running:
            return
        self.camera.show_starting()
        self.feed.start(model, source, device=self.state.settings.device)
        self._show_view()
        self._show_enabled()

    def stop_camera(self) -> None:
        """Switch the camera off and go back to what was shown before."""
        self.camera.show_stopped()
        self.feed.stop()
        if not self.feed.is_running:
            self._show_view()

    @Slot(int)
    def _on_camera_changed(self, _number: int) -> None:
        if self.feed.is_running:
            self.feed.close()
        self.start_camera(self.camera.chosen_camera())

    @Slot(str, str)
    def _on_camera_ended(self, message: str, hint: str) -> None:
        if message:
            self.camera.show_failure(message, hint)
        self._show_view()
        self._show_enabled()

    @Slot(int)
    def _on_model_changed(self, _place: int) -> None:
        self._show_enabled()
        if self.feed.is_running:
            self.feed.close()
            self.start_camera(self.camera.chosen_camera())

    # -- choosing -----------------------------------------------------------------------------------------------

    def browse_model(self) -> None:
        """Let the user choose an exported file."""
        chosen = dialogs.ask_files(self, tr("Open an exported model"), MODEL_PATTERN, self.state.path)
        if chosen:
            self.take_model(chosen[0])

    def take_model(self, path: Path) -> None:
        """Offer an exported file that lies anywhere, and choose it."""
        if self.model_box.findData(path) < 0:
            self.model_box.addItem(path.parent.name or path.name, path)
        self.model_box.setCurrentIndex(self.model_box.findData(path))
        self._show_view()
        self._show_enabled()

    def _choose_files(self) -> None:
        pattern = f"{tr('Pictures')} ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
        self.classify(dialogs.ask_files(self, tr("Choose pictures to classify"), pattern))

    def _choose_folder(self) -> None:
        folder = dialogs.ask_folder(self, tr("Choose a folder of pictures to classify"))
        self.classify([folder] if folder else [])

    def choose_folder_to_csv(self) -> None:
        """Let the user choose a folder and a table, and classify the one into the other in a task."""
        model = self.model() if not self._is_classifying else None
        folder = dialogs.ask_folder(self, tr("Choose a folder of pictures to classify")) if model else None
        if folder is None or model is None:
            return
        proposed = folder.parent / f"{folder.name} predictions.csv"
        target = dialogs.ask_save_file(self, tr("Save the answers"), "CSV (*.csv)", proposed)
        if target is not None:
            work = partial(predicting.predict_to_csv, model, folder, target, device=self.state.settings.device)
            self._run(tr("Classifying {name}", name=folder.name), work, self._show_csv_result)

    def _save_csv(self) -> None:
        target = dialogs.ask_save_file(self, tr("Save the answers"), "CSV (*.csv)", Path.home() / "predictions.csv")
        if target is None:
            return
        try:
            write_csv(target, self.answers)
        except VisionFTError as error:
            self.state.report(error)
        else:
            told = tr("{count} answers written to {path}.", count=f"{len(self.answers):,}", path=target)
            self.state.say(told, tone="good")

    def _show_csv_result(self, result: CsvResult) -> None:
        told = tr("{count} answers written to {path}.", count=f"{result.pictures:,}", path=result.path)
        self.state.say(told, predicting.csv_facts(result), tone="warn" if result.stopped else "good")

    # -- drops --------------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files while nothing is classified."""
        if event.mimeData().hasUrls() and not self._is_classifying:
            self.drop_zone.set_active(True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event) -> None:
        """Put the light out."""
        self.drop_zone.set_active(False)
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Classify what was dropped; an exported file becomes the one that answers."""
        self.drop_zone.set_active(False)
        event.acceptProposedAction()
        paths = drops.local_paths(event.mimeData())
        models = [path for path in paths if path.suffix.lower() == ".onnx"]
        if models:
            self.take_model(models[0])
        self.classify([path for path in paths if path not in models])

    def hideEvent(self, event) -> None:
        """Switch the camera off: nobody is filmed unseen."""
        self.stop_camera()
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for what is being decoded or filmed; called before the page goes."""
        self.feed.close()
        self.thumbnails.close()
        self.view.close_pool()
