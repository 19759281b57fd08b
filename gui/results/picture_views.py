"""The views of the results page that show pictures: the cells of the matrix, mistakes with reasons, what a run changes.

Owns their thumbnails and what has been explained. The page says which run and evaluation they are about, and when a
view is to be filled; each is built when it is first asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.class_looks import class_keys
from gui.kit.i18n import tr
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.results import evaluations
from gui.results.changes_view import GROUPS, ChangesView
from gui.results.evaluations import Pictures
from gui.results.explain_view import ExplainView
from gui.results.fixable_grid import FixableGrid
from gui.results.matrix_view import MatrixView
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.errors import RunError
from visionft.evaluation.comparison import Comparison, compare_runs
from visionft.evaluation.explanation import Asked, Explanation
from visionft.evaluation.stored import Predicted, StoredEvaluation
from visionft.events import OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.queries import class_rows
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split

_Key = tuple[str, int, int, str | None]  # run, its best epoch, picture, class that was asked for
MOST_EXPLAINED = 24  # at once: a picture takes a second or two without a GPU


def explain(
    run_dir: Path, asked: Sequence[Asked], images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop
) -> Sequence[Explanation]:
    """Find out, in a task, where a run looks in pictures, and test that."""
    load_libraries(on_event)
    from visionft.evaluation.explain import explain_images

    return explain_images(run_dir, asked, task=images.task, images=images, on_event=on_event, should_stop=should_stop)


class PictureViews(QObject):
    """Matrix, pictures and changes of one run."""

    run_failed = Signal()  # explaining it did: its folder may be gone, or its weights

    def __init__(
        self,
        state: AppState,
        session: ProjectSession | None,
        *,
        page: str,
        split: "Callable[[], Split]",
        parent: QObject,
    ) -> None:
        """Args: `page` is the page's name, `split` tells which split it shows."""
        super().__init__(parent)
        self._state, self._session, self._page, self._split = state, session, page, split
        self._thumbnails = ThumbnailStore(self)
        self._pictures = Pictures(None)
        self._run: RunSummary | None = None
        self._runs: list[RunSummary] = []
        self._evaluation: StoredEvaluation | None = None
        self._counted: StoredEvaluation | None = None  # what the matrix shows
        self._cell: tuple[int, int] | None = None
        self._order = evaluations.MISTAKES
        self._predicted: dict[int, Predicted] = {}
        self._comparison: Comparison | None = None
        self._explanations: dict[_Key, Explanation] = {}
        self._preferred = ""
        self._grids: list[FixableGrid] = []  # of the views that were built
        self._is_explaining = False

    # -- building -----------------------------------------------------------------------------------------------

    @cached_property
    def matrix(self) -> MatrixView:
        """The confusion matrix with the pictures of a cell."""
        view = MatrixView(self._thumbnails)
        view.cell_chosen.connect(self._on_cell_chosen)
        self._follow(view.grid, self._open_cell)
        return view

    @cached_property
    def explain(self) -> ExplainView:
        """Pictures by how sure the run was, and why."""
        view = ExplainView(self._thumbnails, evaluations.ORDERS)
        view.order_changed.connect(self._on_order_changed)
        view.explain_wanted.connect(self.ask)
        view.target_changed.connect(self._show_chosen)
        view.strip.selection_changed.connect(self._show_chosen)
        self._follow(view.grid, self._open_ordered)
        return view

    @cached_property
    def changes(self) -> ChangesView:
        """What another run had right or wrong."""
        view = ChangesView(self._thumbnails)
        view.other_changed.connect(self._on_other_changed)
        view.step_wanted.connect(self._state.step_requested)
        self._follow(view.grid, self._open_changes)
        return view

    def _follow(self, grid: FixableGrid, open_all: Callable[[], None]) -> None:
        self._grids.append(grid)
        grid.open_wanted.connect(open_all)
        grid.strip.selection_changed.connect(lambda: self._show_label(grid))
        grid.strip.key_pressed.connect(lambda key: self.relabel_by_key(grid, key))
        grid.label_box.label_chosen.connect(lambda name: self.relabel(grid, name))

    def chosen_ids(self) -> tuple[int, ...]:
        """Return the selected pictures of the view that is seen, if it shows pictures."""
        seen = next((grid for grid in self._grids if grid.isVisible()), None)
        return seen.strip.selection.selected_ids() if seen is not None else ()

    def close(self) -> None:
        """Stop decoding and wait for what has begun."""
        self._thumbnails.close()
        if "explain" in vars(self):  # it was built
            self.explain.heat.close_pool()

    # -- showing ------------------------------------------------------------------------------------------------

    def read_pictures(self) -> None:
        """Take the project's pictures and labels as they are now."""
        self._pictures = Pictures(self._session.snapshot() if self._session is not None else None)

    def take_run(
        self,
        run: RunSummary | None,
        evaluation: StoredEvaluation | None,
        *,
        chosen: Sequence[RunSummary],
        runs: Sequence[RunSummary],
    ) -> None:
        """Take a run with its evaluation; of several `chosen` ones the second is what it is compared with."""
        self._run, self._evaluation, self._runs = run, evaluation, list(runs)
        self._preferred = chosen[1].name if len(chosen) > 1 else ""
        self._predicted = {each.image_id: each for each in evaluation.predictions} if evaluation else {}

    def show_matrix(self) -> None:
        """Fill the matrix, and the pictures of the pressed cell."""
        evaluation = self._evaluation
        if evaluation is not None and evaluation is not self._counted:
            self._counted = evaluation
            if evaluation.is_multilabel:
                self.matrix.show_several(evaluation.class_names, evaluation.confusion)
            else:
                self.matrix.show_counts(evaluation.class_names, evaluation.confusion, evaluation.worst_pair())
        self._show_cell()

    def why_not_explain(self) -> str:
        """Return why the chosen pictures cannot be explained; empty when they can."""
        if self._run is None or not self._run.has_weights:
            return tr("The weights of this run were deleted.")
        if self._is_explaining:
            return tr("Pictures are being explained already.")
        return "" if self.explain.strip.chosen() else tr("Choose a picture first.")

    def relabelled(self) -> int:
        """Return how many pictures of the evaluation have another label by now."""
        return self._pictures.relabelled(self._predicted.values())

    def _items(self, predictions: Sequence[Predicted]) -> list[Tile]:
        return evaluations.predicted_items(predictions, self._pictures)

    @Slot(int, int)
    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        self._cell = (true_index, predicted_index)
        self._show_cell()

    def _cell_predictions(self) -> Sequence[Predicted]:
        evaluation, cell = self._evaluation, self._cell
        if evaluation is None or cell is None or max(cell) >= len(evaluation.class_names):
            return ()
        return evaluation.cell(*cell)

    def _show_cell(self) -> None:
        self.matrix.show_pictures(self._items(self._cell_predictions()))
        self._show_label(self.matrix.grid)

    @Slot(str)
    def _on_order_changed(self, order: str) -> None:
        self._order = order
        self.show_ordered()

    def show_ordered(self) -> None:
        """Fill the pictures in their order, and the reasons for the chosen one."""
        shown = evaluations.ordered(self._evaluation, self._order) if self._evaluation else []
        self.explain.strip.show_tiles(self._items(shown))
        self.explain.grid.show_openable(bool(shown))
        self._show_label(self.explain.grid)
        self._show_chosen()

    @Slot()
    def _show_chosen(self) -> None:
        item = next(iter(self.explain.strip.chosen()), None)
        found = self._explanations.get(self._key(item.image_id)) if item and self._run else None
        self.explain.show_picture(item, found)
        self.explain.show_possible(self.why_not_explain())

    # -- changes ------------------------------------------------------------------------------------------------

    def show_changes(self) -> None:
        """Fill what the run changes, beside the one that was chosen with it or last."""
        run = self._run
        others = [(each.name, each.title) for each in self._runs if run and each.name != run.name]
        self.changes.offer(others, to=run.title if run else "", preferred=self._preferred)
        self._show_changes()

    @Slot(str)
    def _on_other_changed(self, _name: str) -> None:
        self._show_changes()

    def _show_changes(self) -> None:
        run, other = self._run, next((each for each in self._runs if each.name == self.changes.other()), None)
        self._comparison = None
        if run is None or other is None:
            words = "Train a second run. This then shows which pictures it fixed, and which it newly broke."
            self.changes.show_problem("Nothing to compare yet", words)
            return
        try:
            self._comparison = found = compare_runs(other, run, self._split())
        except RunError as error:
            self.changes.show_problem(error.message, error.hint, error.next_step)
            return
        groups = {name: getattr(found, name) for name in GROUPS}
        items = {name: evaluations.changed_items(group, self._pictures) for name, group in groups.items()}
        counts = {name: len(group) for name, group in groups.items()}
        facts = tr(
            "{shared} pictures in common, {right} right in both; {left} left out: seen by one run only, or relabelled.",
            shared=f"{found.shared:,}",
            right=f"{found.both_right:,}",
            left=f"{found.left_out:,}",
        )
        self.changes.show_changes(items, counts, found.verdict, facts)
        self._show_label(self.changes.grid)

    # -- acting -------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Explain the chosen pictures in a task; those that are explained already are not asked again."""
        run, session = self._run, self._session
        if run is None or session is None or self._is_explaining:
            return
        asked = [
            Asked(image_id=item.image_id, path=item.path, class_name=self._target(item.image_id))
            for item in self.explain.strip.chosen()[:MOST_EXPLAINED]
        ]
        if asked:
            # What is explained is kept with it: the user may look elsewhere meanwhile.
            keys = {each.image_id: self._key(each.image_id) for each in asked}
            many = tr("Explaining {count} pictures", count=len(asked))
            title = many if len(asked) > 1 else tr("Explaining a picture")
            work = partial(explain, run.path, asked, session.snapshot())
            task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
            self._is_explaining = True
            self._state.tasks.run(
                task,
                owner=self,
                on_done=lambda found: self.take_explanations(found, keys),
                on_end=lambda outcome: self._on_explain_ended(has_failed=outcome.failure is not None),
            )
            self._show_chosen()

    def _on_explain_ended(self, *, has_failed: bool) -> None:
        self._is_explaining = False
        self._show_chosen()
        if has_failed:
            self.run_failed.emit()

    def _target(self, image_id: int) -> str | None:
        """Return the class to explain of a picture; None for what the run says."""
        predicted = self._predicted.get(image_id)
        if predicted is None or not self.explain.explains_true_class():
            return None
        return next(iter(predicted.true_classes), None)

    def _key(self, image_id: int) -> _Key:
        run = self._run
        epoch = run.best.epoch if run is not None and run.best is not None else 0
        return (run.name if run else "", epoch, image_id, self._target(image_id))

    def take_explanations(self, found: Sequence[Explanation], keys: Mapping[int, _Key] | None = None) -> None:
        """Show what a task explained; `keys` say of which run and class each picture was asked."""
        for each in found:
            self._explanations[(keys or {}).get(each.image_id) or self._key(each.image_id)] = each
        self._show_chosen()

    # -- labels -------------------------------------------------------------------------------------------------

    def _show_label(self, grid: FixableGrid) -> None:
        """Show in a grid's box what its chosen pictures are now."""
        labels = {self._pictures.labels(item.image_id) for item in grid.strip.chosen()}
        grid.label_box.show_classes(self._pictures.class_names)
        if len(labels) != 1:
            grid.label_box.show_label(None, words=tr("Several labels") if labels else "")
        elif len(label := next(iter(labels))) == 1:
            grid.label_box.show_label(label[0])
        else:
            grid.label_box.show_label(None, words=evaluations.joined(label) or tr("No label"))

    def relabel_by_key(self, grid: FixableGrid, key: str) -> None:
        """Give the chosen pictures the class of a key."""
        session = self._session
        taken = self._state.actions.letters_in_use()
        name = class_keys(class_rows(session.project), taken).get(key) if session is not None else None
        if name is not None:
            self.relabel(grid, name)

    def relabel(self, grid: FixableGrid, name: str) -> None:
        """Give the chosen pictures a class, and go on to the next; of several labels take off one that all have."""
        session, ids = self._session, tuple(item.image_id for item in grid.strip.chosen())
        if session is None or not ids:
            return
        is_taken_off = session.project.task == "multi" and all(name in self._pictures.labels(each) for each in ids)
        change = UnlabelImages(ids, name) if is_taken_off else LabelImages(ids, name)
        if not session.apply(change):
            self._show_label(grid)
        elif len(ids) == 1:
            grid.strip.selection.step(1)
        else:
            self._state.say(tr(change.title), tone="good", command="edit.undo")

    def _open_cell(self) -> None:
        if self._cell is not None:
            self._open(self.matrix.grid, [each.image_id for each in self._cell_predictions()], self.matrix.cell_text())

    def _open_ordered(self) -> None:
        self._open(self.explain.grid, [item.image_id for item in self.explain.strip.tiles()], tr(self._order))

    def _open_changes(self) -> None:
        name = self.changes.group()
        if self._comparison is not None:
            ids = [each.image_id for each in getattr(self._comparison, name)]
            self._open(self.changes.grid, ids, tr(GROUPS[name]))

    def _open(self, grid: FixableGrid, image_ids: Sequence[int], title: str) -> None:
        self._state.pictures_requested.emit(tuple(image_ids), title, grid.strip.selection.current_id())
