"""The image views of the results page: mistakes with explanations, the classes, two models side by side.

Owns their thumbnails and the explanations. The page sets their run and evaluation, and requests each refill;
a view is built on first use.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

from PySide6.QtCore import QObject, QSignalBlocker, Signal, Slot

from gui.image_edits import ImageEdits
from gui.jobs import Job, Lane
from gui.kit.class_looks import class_keys
from gui.kit.lazy_function import lazy_function
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.results import evaluations
from gui.results.classes_view import ClassesView
from gui.results.evaluations import Images
from gui.results.prediction_views import GROUPS, ComparisonView, CorrectableGrid, ExplainView
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.errors import RunError
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.queries import class_rows
from visionft.training.evaluation.comparison import PredictionChange, compare_models
from visionft.training.evaluation.explanation import Explanation, ExplanationRequest
from visionft.training.evaluation.stored import StoredEvaluation, StoredPrediction
from visionft.training.runs.run_folder import StoredRun

_Key = tuple[str, int, int, str | None]  # run, its best epoch, image, requested class
MAX_EXPLAINED_IMAGES = 24  # per job; one image takes a second or two without a GPU

explain_images = lazy_function("visionft.training.evaluation.explain:explain_images")


class ImageViews(QObject):
    """Images and classes of one run, and its comparison with another."""

    read = Signal()  # the project's images
    run_failed = Signal()  # an explanation failed: the run's folder may be gone, or its weights

    def __init__(
        self, state: AppState, session: ProjectSession | None, *, split: Callable[[], Split], parent: QObject
    ) -> None:
        """Args: `split` returns the displayed split."""
        super().__init__(parent)
        self._state, self._session, self._split = state, session, split
        self._thumbnails = ThumbnailStore(self)
        self._images = Images(None)
        self._edits = ImageEdits(state, session, self)
        self._edits.announce_min_images = 2

        def read(session: ProjectSession) -> Images:
            return Images(session.snapshot())

        self._reader = BackgroundReader(read, self._take_images, parent=self)
        self._run: StoredRun | None = None
        self._runs: list[StoredRun] = []
        self._evaluation: StoredEvaluation | None = None
        self._counted: StoredEvaluation | None = None  # the content of the classes
        self._ordered: StoredEvaluation | None = None  # the content of the images
        self._cell: tuple[int, int] | None = None
        self._predicted: dict[int, StoredPrediction] = {}
        self._changed: Mapping[str, Sequence[PredictionChange]] = {}  # by group
        self._explanations: dict[_Key, Explanation] = {}
        self._preferred = ""
        self._grids: list[CorrectableGrid] = []  # of the built views
        self._is_explaining = False

    @cached_property
    def classes(self) -> ClassesView:
        view = ClassesView(self._thumbnails)
        view.table.cell_chosen.connect(self._on_cell_chosen)
        self._follow(view.grid, lambda: [each.image_id for each in self._cell_predictions()], view.cell_text)
        return view

    @cached_property
    def explain(self) -> ExplainView:
        view = ExplainView(self._thumbnails, evaluations.ORDERS)
        view.order_box.currentIndexChanged.connect(lambda _place: self.show_ordered())
        view.explain_button.clicked.connect(lambda _checked=False: self.explain_selected())
        view.target_box.currentIndexChanged.connect(lambda _place: self._show_chosen())
        view.strip.selection_changed.connect(self._show_chosen)
        self._follow(view.grid, lambda: [item.image_id for item in view.strip.tiles()], lambda: tr(view.order()))
        return view

    @cached_property
    def comparison(self) -> ComparisonView:
        view = ComparisonView(self._thumbnails)
        view.chosen.connect(self._show_comparison)
        view.step_wanted.connect(self._state.step_requested)
        self._follow(
            view.grid,
            lambda: [each.image_id for each in self._changed.get(view.group(), ())],
            lambda: tr(GROUPS[view.group()]),
        )
        return view

    def _follow(self, grid: CorrectableGrid, ids: Callable[[], Sequence[int]], title: Callable[[], str]) -> None:
        """Handle a grid; `ids` and `title` return the images to open on the Label page and their title."""
        self._grids.append(grid)
        grid.open_button.clicked.connect(
            lambda _checked=False: self._state.images_requested.emit(
                tuple(ids()), title(), grid.strip.selection.current_id()
            )
        )
        grid.strip.selection_changed.connect(lambda: self._show_label(grid))
        grid.strip.key_pressed.connect(lambda key: self.relabel_by_key(grid, key))
        grid.label_box.label_chosen.connect(lambda name: self.relabel(grid, name))

    def chosen_ids(self) -> tuple[int, ...]:
        """Return the selected images of the visible view, if it shows images."""
        seen = next((grid for grid in self._grids if grid.isVisible()), None)
        return seen.strip.selection.selected_ids() if seen is not None else ()

    def close(self) -> None:
        self._thumbnails.close()
        self._reader.close()
        if "explain" in vars(self):  # it was built
            self.explain.heat.close_reader()

    def read_images(self) -> bool:
        """Read the project's images with current labels; return whether they are ready, else emit `read` later."""
        return self._session is None or self._reader.ask(self._session)

    def _take_images(self, images: Images) -> None:
        self._images = images
        self.read.emit()

    def take_run(
        self,
        run: StoredRun | None,
        evaluation: StoredEvaluation | None,
        *,
        chosen: Sequence[StoredRun],
        runs: Sequence[StoredRun],
    ) -> None:
        """Take a run with its evaluation; the second of several `chosen` runs is the comparison run."""
        self._run = run
        self._evaluation = evaluation
        self._runs = list(runs)
        self._preferred = chosen[1].name if len(chosen) > 1 else ""
        self._predicted = {each.image_id: each for each in evaluation.predictions} if evaluation else {}

    def show_classes(self) -> None:
        if self._evaluation is not None and self._evaluation is not self._counted:
            self._counted = self._evaluation
            self.classes.show_evaluation(self._evaluation)
        self._show_cell()

    def why_not_explain(self) -> str:
        if self._run is None or not self._run.has_weights:
            return tr("The weights of this run were deleted.")
        if self._is_explaining:
            return tr("Images are being explained already.")
        return "" if self.explain.strip.chosen() else tr("Choose an image first.")

    def relabelled(self) -> int:
        """Return the number of images of the evaluation with another label now."""
        return self._images.relabelled(self._predicted.values())

    @Slot(int, int)
    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        self._cell = (true_index, predicted_index)
        self._show_cell()

    def _cell_predictions(self) -> Sequence[StoredPrediction]:
        evaluation, cell = self._evaluation, self._cell
        if evaluation is None or cell is None or max(cell) >= len(evaluation.class_names):
            return ()
        return evaluation.cell(*cell)

    def _show_cell(self) -> None:
        shown = evaluations.predicted_items(self._cell_predictions(), self._images)
        self.classes.strip.show_tiles(shown)
        self.classes.grid.show_openable(bool(shown))
        self._show_label(self.classes.grid)

    def show_ordered(self) -> None:
        """Fill the images in their order, and the explanation of the selected one; correct ones without a mistake."""
        if self._evaluation is not None and self._evaluation is not self._ordered:
            self._ordered = self._evaluation
            with QSignalBlocker(self.explain.order_box):
                self.explain.order_box.setCurrentIndex(0 if self._evaluation.mistakes() else 1)
        shown = evaluations.ordered(self._evaluation, self.explain.order()) if self._evaluation else []
        self.explain.strip.show_tiles(evaluations.predicted_items(shown, self._images))
        self.explain.grid.show_openable(bool(shown))
        self._show_label(self.explain.grid)
        self._show_chosen()

    @Slot()
    def _show_chosen(self) -> None:
        item = next(iter(self.explain.strip.chosen()), None)
        found = self._explanations.get(self._key(item.image_id)) if item and self._run else None
        self.explain.show_image(item, found)
        self.explain.show_possible(self.why_not_explain())

    def show_comparison(self) -> None:
        """Compare the run with the other selected run, or the last one."""
        run = self._run
        own = [each for each in self._runs if run and each.name != run.name]
        models = [(each.name, each.title) for each in own]
        self.comparison.offer(models, to=run.title if run else "", preferred=self._preferred)
        self._show_comparison()

    @Slot()
    def _show_comparison(self) -> None:
        run = self._run
        name = self.comparison.other()
        other = next((each for each in self._runs if each.name == name), None)
        self._changed = {}
        if run is None or other is None:
            words = Message("Train a second run to compare it with this one.")
            self.comparison.show_problem(Message("Nothing to compare yet"), words)
            return
        try:
            found = compare_models(other, run, self._split())
        except RunError as error:
            self.comparison.show_problem(error.message, error.hint, error.next_step)
            return
        self._changed = {name: getattr(found, name) for name in GROUPS}
        items = {name: evaluations.changed_items(group, self._images) for name, group in self._changed.items()}
        counts = {name: len(group) for name, group in self._changed.items()}
        facts = tr(
            "{shared} images in common, both right on {right}; {left} left out: evaluated by one model only, or "
            "relabelled.",
            shared=f"{found.shared:,}",
            right=f"{found.both_right:,}",
            left=f"{found.left_out:,}",
        )
        words = Message("{right} of {count} right")
        right = (found.both_right + len(found.broken), found.both_right + len(found.fixed))
        shares = [tr(words, right=f"{each:,}", count=f"{found.shared:,}") for each in right]
        self.comparison.show_groups(items, counts, found.verdict, facts, shares=shares)
        self._show_label(self.comparison.grid)

    def explain_selected(self) -> None:
        run, session = self._run, self._session
        if run is None or session is None or self._is_explaining:
            return
        requests = [
            ExplanationRequest(image_id=item.image_id, path=item.path, class_name=self._target(item.image_id))
            for item in self.explain.strip.chosen()[:MAX_EXPLAINED_IMAGES]
        ]
        if not requests:
            return
        # The explanations carry their key: the user may select another run meanwhile.
        keys = {each.image_id: self._key(each.image_id) for each in requests}
        title = tr("Explaining {count} image", "Explaining {count} images", count=len(requests))
        images = session.snapshot()

        def on_end(job: Job[object]) -> None:
            self._is_explaining = False
            self._show_chosen()
            if job.failure is not None:
                self.run_failed.emit()

        work = partial(explain_images, run.path, requests, task=images.task, images=images)
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)
        self._is_explaining = True
        self._state.jobs.run(job, owner=self, on_done=lambda found: self.take_explanations(found, keys), on_end=on_end)
        self._show_chosen()

    def _target(self, image_id: int) -> str | None:
        """Return the class to explain for an image; None for the predicted one."""
        predicted = self._predicted.get(image_id)
        if predicted is None or not self.explain.explains_true_class():
            return None
        return next(iter(predicted.true_classes), None)

    def _key(self, image_id: int) -> _Key:
        run = self._run
        epoch = run.best.epoch if run is not None and run.best is not None else 0
        return (run.name if run else "", epoch, image_id, self._target(image_id))

    def take_explanations(self, found: Sequence[Explanation], keys: Mapping[int, _Key] | None = None) -> None:
        """Store the explanations of a job and show them; `keys` hold the run and class requested for each image."""
        for each in found:
            self._explanations[(keys or {}).get(each.image_id) or self._key(each.image_id)] = each
        self._show_chosen()

    def _show_label(self, grid: CorrectableGrid) -> None:
        labels = {self._images.labels(item.image_id) for item in grid.strip.chosen()}
        grid.label_box.show_classes(self._images.class_names)
        if len(labels) != 1:
            grid.label_box.show_label(None, words=tr("Several labels") if labels else "")
        elif len(label := next(iter(labels))) == 1:
            grid.label_box.show_label(label[0])
        else:
            grid.label_box.show_label(None, words=evaluations.joined(label) or tr("No label"))

    def relabel_by_key(self, grid: CorrectableGrid, key: str) -> None:
        session = self._session
        taken = self._state.actions.letters_in_use()
        name = class_keys(class_rows(session.project, {}), taken).get(key) if session is not None else None
        if name is not None:
            self.relabel(grid, name)

    def relabel(self, grid: CorrectableGrid, name: str) -> None:
        """Label the selected images, and move on; with several labels, remove a class common to all of them."""
        ids = tuple(item.image_id for item in grid.strip.chosen())
        was_changed = self._edits.relabel(ids, name)
        if was_changed and len(ids) == 1:
            grid.strip.selection.step(1)
        elif not was_changed:
            self._show_label(grid)
