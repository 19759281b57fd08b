"""The try page: drop pictures on an exported file and see what it says, exactly as it will where it is deployed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QStackedWidget

from gui.kit import dialogs, drops, theme
from gui.kit.drop_zone import DropZone
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, restyle, row, text
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.workers import Work
from gui.page import Page
from gui.predict import predicting
from gui.predict.answers_panel import AnswersPanel
from gui.predict.camera_panel import CameraPanel
from gui.predict.correcting import Corrections
from gui.predict.model_choice import ModelChoice, exported_models
from gui.predict.predicting import Answers
from gui.session import ProjectSession
from gui.state import AppState, ChosenPictures
from gui.tasks import Lane, Task
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import NextStep, VisionFTError
from visionft.export.answers import CsvResult, write_csv
from visionft.export.predictor import Prediction

MODEL_PATTERN = "Exported model (model.onnx *.onnx)"
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
        self.thumbnails = ThumbnailStore(self)
        self.panel = AnswersPanel(self.thumbnails, predicting.places_in(session))
        self.grid = self.panel.grid
        self.corrections = Corrections(state, session, self)
        self.camera = CameraPanel()
        self.feed = predicting.CameraFeed(self)
        self._taken: list[Path] = []  # by the camera
        self._make_controls()
        self._lay_out()
        self._connect()
        self._show_enabled()

    @property
    def answers(self) -> tuple[Prediction, ...]:
        """Return what the model said of the pictures that were tried last."""
        return self.panel.answers

    # -- building -----------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.choice = ModelChoice()
        self._difference = text("", "small", wrap=True)
        self.browse_button = Button("Other file", "file", on_click=self.browse_model)
        self.files_button = Button("Pictures", "pictures", on_click=self._choose_files)
        self.folder_button = Button("Folder", "folder-open", on_click=self._choose_folder)
        self.to_csv_button = Button("Folder to CSV", "export", on_click=self.choose_folder_to_csv)
        self.paste_button = Button("Paste", "copy", on_click=self.paste)
        self.camera_button = Button("Camera", "camera", on_click=self.toggle_camera)
        self.drop_zone = DropZone("Drop pictures here", "", "Choose pictures")
        self._choosers = {
            self.files_button: "",
            self.drop_zone.choose_button: "",
            self.folder_button: "Classify all pictures of a folder and look at the answers",
        }
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
        for widget in (self.choice, self.browse_button):
            self.action_row.addWidget(widget)
        ways = (self.files_button, self.folder_button, self.paste_button, self.camera_button)
        self._stack = QStackedWidget()
        for widget in (self.empty, self.drop_zone, self.panel, self.camera):
            self._stack.addWidget(widget)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.setSpacing(theme.MEDIUM)
        self.body.addWidget(self._difference)
        self.body.addLayout(row(*ways, None, self.to_csv_button))
        self.body.addWidget(self._stack, 1)

    def _connect(self) -> None:
        actions = self.state.actions
        actions.attach(self.browse_button, "try.open", tr("Open a model.onnx that lies elsewhere"))
        words = tr("Classify all pictures of a folder into a table, however many there are")
        actions.attach(self.to_csv_button, "try.csv", words)
        actions.attach(self.paste_button, "try.paste", tr("Classify the picture on the clipboard"))
        actions.attach(self.camera_button, "try.camera", tr("Classify what the camera sees, as it sees it"))
        actions.attach(
            self.camera.take_button, "try.take", tr("Keep what the camera sees now, to look at it and to label it")
        )
        actions.changed.connect(self._show_keys)
        self._show_keys()
        self.drop_zone.choose_button.clicked.connect(lambda _checked=False: self._choose_files())
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("export"))
        self.panel.csv_button.clicked.connect(lambda _checked=False: self._save_csv())
        self.panel.class_named.connect(self._on_class_named)
        self.corrections.changed.connect(self._show_corrections)
        self.choice.changed.connect(self._on_model_changed)
        self.choice.chosen.connect(self._ask_again)
        self.camera.closed.connect(self.stop_camera)
        self.camera.picture_wanted.connect(self.take_picture)
        self.camera.camera_changed.connect(self._on_camera_changed)
        self.feed.seen.connect(self.camera.show_frame)
        self.feed.ended.connect(self._on_camera_ended)
        if self.session is not None:
            self.session.exports_changed.connect(self.take_model)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Offer the exports of the project."""
        self.offer_models(exported_models(self.session.path) if self.session is not None else [])
        self._show_corrections()

    def offer_models(self, models: list[Path]) -> None:
        """Offer these files, keeping those that were opened by hand and the chosen one."""
        self.choice.offer(models)
        self._show_view()
        self._show_enabled()

    def _show_view(self) -> None:
        has_model = self.choice.has_models()
        otherwise = _ANSWERS if self.answers else _DROP if has_model else _EMPTY
        is_filming = self.feed.is_running or self.camera.has_failed()
        view = _CAMERA if is_filming else otherwise
        self._stack.setCurrentIndex(view)
        self.files_button.setVisible(view != _DROP)  # the invitation has the same button
        restyle(self.files_button, role="primary" if view == _ANSWERS else "")

    def model(self) -> Path | None:
        """Return the chosen file."""
        return self.choice.model()

    def difference(self) -> str:
        """Return what tells the file that answers from the others of its export."""
        return self._difference.text()

    def _show_enabled(self) -> None:
        why_not = self.why_not_classify()
        for button, words in self._choosers.items():
            button.setEnabled(not why_not)
            button.setToolTip("\n".join(filter(None, (tr(words), why_not))))
        self.camera_button.setText(tr("Stop camera" if self.feed.is_running else "Camera"))
        self.state.actions.refresh()

    def why_no_model(self) -> str:
        """Return why there is nothing that could answer; empty when there is."""
        return "" if self.model() is not None else tr("Export a run first, or open a model.onnx with Other file.")

    def why_not_classify(self) -> str:
        """Return why nothing can be classified now; empty when it can."""
        busy = tr("Pictures are being classified already.") if self._is_classifying else ""
        return self.why_no_model() or busy

    @Slot()
    def _show_corrections(self) -> None:
        why_not = self.corrections.why_not()
        note = why_not or self.corrections.note_on(self.panel.class_names())
        self.panel.offer(self.corrections.classes(), why_not, note)
        self.panel.show_said(self.corrections.standing())

    @Slot(str)
    def _on_class_named(self, name: str) -> None:
        self.corrections.correct([answer.path for answer in self.panel.chosen()], name)

    # -- classifying --------------------------------------------------------------------------------------------

    def classify(self, sources: list[Path]) -> None:
        """Classify pictures, or all pictures of folders, in a task."""
        if (model := self.model()) is None:
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
        self.panel.show_answers(result)
        self._show_corrections()
        self._show_view()
        self._show_enabled()

    # -- camera -------------------------------------------------------------------------------------------------

    def toggle_camera(self) -> None:
        """Switch the camera on or off."""
        if self.feed.is_running:
            self.stop_camera()
        else:
            self.start_camera(self.camera.chosen_camera())

    def start_camera(self, source: int | Path) -> None:
        """Classify what a camera (or a video file) shows."""
        if (model := self.model()) is None or self.feed.is_running:
            return
        self._taken = []
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

    def why_not_take(self) -> str:
        """Return why no picture can be taken now; empty when one can."""
        return "" if self.feed.is_running else tr("Switch the camera on first.")

    def chosen_pictures(self) -> ChosenPictures:
        """Return the files of the selected answers."""
        return ChosenPictures(paths=tuple(answer.path for answer in self.panel.chosen()))

    def take_picture(self) -> None:
        """Keep what the camera shows now; when it stops, what was taken is classified and can be labelled."""
        image = self.camera.view.image()
        kept = [] if image.isNull() else predicting.keep_pasted(image)
        if not (kept or image.isNull()):
            self.state.say("The picture could not be kept.", "Is the disk full?", tone="bad")
        self._taken += kept
        self.camera.show_taken(len(self._taken))

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
        taken, self._taken = self._taken, []
        if taken:
            self.classify(taken)

    @Slot()
    def _on_model_changed(self) -> None:
        words = self.choice.words()
        self._difference.setText(words)
        self._difference.setVisible(bool(words))
        self._show_enabled()
        if self.feed.is_running:
            self.feed.close()
            self.start_camera(self.camera.chosen_camera())

    @Slot()
    def _ask_again(self) -> None:
        """Let the model that was chosen answer for the pictures that are shown: those answers were another's."""
        if self.answers and not (self._is_classifying or self.feed.is_running):
            self.classify([answer.path for answer in self.answers])

    # -- choosing -----------------------------------------------------------------------------------------------

    def browse_model(self) -> None:
        """Let the user choose an exported file."""
        chosen = dialogs.ask_files(self, tr("Open an exported model"), MODEL_PATTERN, self.state.path)
        if chosen:
            self.take_model(chosen[0])

    def take_model(self, path: Path) -> None:
        """Offer an exported file that lies anywhere, and choose it."""
        self.choice.take(path)
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
            self.state.say(tr("{count} answers written to {path}.", count=len(self.answers), path=target), tone="good")

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
        self._taken = []
        self.feed.close()
        self.thumbnails.close()
        self.panel.close_workers()
