"""Images similar to some and dissimilar to others: examples in a line above, the most similar images in the grid.

The ranking runs in the background (`RankReader`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog, QSizePolicy, QWidget

from gui.curate.curation import Curation
from gui.curate.view import Command, EmptyContent, View, ViewContent, plain_tile
from gui.jobs import Failure, Job, Lane
from gui.kit import theme
from gui.kit.grid_geometry import GAP
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Tile
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, IconButton, column, row, text, widget_of
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.state import ChosenImages
from visionft.analysis.similar import RankedImage, Ranking, examples_from_files, query_images, ranking_of
from visionft.core.errors import VisionFTError
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Snapshot
from visionft.features.feature_store import current_kind, load_features
from visionft.project.queries import ImageRow
from visionft.project.store import ProjectStore

compute_features = lazy_function("visionft.analysis.similar:compute_features")
_SIDE_PX = 76
RESULT_COUNT = 200  # images in the grid
Picked = int | Path  # an image of the project, or a file


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples and counter-examples of a search; no image is both."""

    like: tuple[Picked, ...] = ()
    unlike: tuple[Picked, ...] = ()

    def with_more(self, more: Iterable[Picked], *, is_like: bool) -> "Examples":
        """Add examples or counter-examples; an image that was in the other list is moved."""
        new = tuple(dict.fromkeys(more))
        rest = self.without(*new)
        return Examples((*rest.like, *new), rest.unlike) if is_like else Examples(rest.like, (*rest.unlike, *new))

    def without(self, *gone: object) -> "Examples":
        """Remove examples and counter-examples."""
        like, unlike = (tuple(picked for picked in side if picked not in gone) for side in (self.like, self.unlike))
        return Examples(like, unlike)


@dataclass(frozen=True)
class RankResult:
    """The result of a search: the most similar images, best first, by id."""

    found: Mapping[int, RankedImage] = field(default_factory=dict[int, RankedImage])
    unseen: tuple[Path, ...] = ()  # files whose features have to be computed first
    has_features: bool = True  # whether any image of the project has features
    refusal: str = ""  # the reason why no search is possible; otherwise empty


class RankReader:
    """Ranks images; the features are read once, and again after images were added."""

    def __init__(self) -> None:
        self._cached: tuple[tuple[Path, int, str], Ranking, Snapshot] | None = None

    def __call__(self, project: ProjectStore, examples: Examples, newest: int) -> RankResult:
        """Rank images, in any thread; `newest` is the highest image id of the project."""
        try:
            return self._rank(project, examples, newest)
        except VisionFTError as error:
            return RankResult(refusal=error.message)

    def _rank(self, project: ProjectStore, examples: Examples, newest: int) -> RankResult:
        kind = current_kind(project.path, project.image_reading)
        sides = (examples.like, examples.unlike)
        files = tuple(picked for side in sides for picked in side if isinstance(picked, Path))
        if kind is None:
            return RankResult(has_features=False, unseen=files)
        key = (project.path, newest, kind.folder_name)
        if self._cached is None or self._cached[0] != key:
            images = project.snapshot()
            self._cached = (key, ranking_of(project.path, load_features(project.path, images)), images)
        _, ranking, images = self._cached
        unseen = tuple(image.path for image in load_features(project.path, query_images(images, files)).missing)
        missing = {image.image_id for image in ranking.features.missing}
        if unseen or not len(ranking.features) or missing.intersection(examples.like):
            self._cached = None  # more results follow once features are computed
            return RankResult(unseen=unseen, has_features=bool(unseen))
        like, unlike = (
            [ranking.example(picked) for picked in side if isinstance(picked, int)]
            + examples_from_files(
                project.path, images, ranking.features, [picked for picked in side if isinstance(picked, Path)]
            )
            for side in sides
        )
        return RankResult({image.image_id: image for image in ranking.rank(like, unlike, count=RESULT_COUNT)})


class ExampleStrip(QWidget):
    """Examples and counter-examples as small images in two columns; a click removes one."""

    def __init__(self, *, on_remove: Callable[[Picked], object]) -> None:
        super().__init__()
        self._on_remove = on_remove
        self.thumbnails = ThumbnailStore(self)
        self._counterexample_thumbnails = ThumbnailStore(self)
        self.like = self._grid(self.thumbnails, Message("Examples"))
        self.unlike = self._grid(self._counterexample_thumbnails, Message("Counter-examples"))
        self._picked: dict[int, Picked] = {}  # by tile id: the image id, or a negative number for a file
        self._no_unlike_text = text("Press - on an image below that does not match.", "small", wrap=True)
        left = column(text("Like these (+)", "strong"), self.like, spacing=theme.TIGHT)
        right = column(
            text("Not like these (-)", "strong"), self._no_unlike_text, self.unlike, None, spacing=theme.TIGHT
        )
        layout = row(left, right, spacing=theme.LARGE)
        layout.setStretch(0, 1)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _grid(self, thumbnails: ThumbnailStore, name: str) -> ImageGrid:
        grid = ImageGrid(thumbnails, name=name, lines=0, side_px=_SIDE_PX, selectable=False)
        grid.setProperty("role", "cards")  # on the background of the page, without a frame
        grid.setFixedHeight(theme.scaled(_SIDE_PX) + 2 * GAP)
        grid.setToolTip(tr("Click to remove"))
        grid.opened.connect(lambda tile_id: self._on_remove(self._picked[tile_id]))
        return grid

    def show_examples(self, examples: Examples, tiles: Mapping[int, Tile]) -> None:
        self._picked.clear()
        for grid, side in ((self.like, examples.like), (self.unlike, examples.unlike)):
            grid.show_tiles([self._tile(each, tiles) for each in side if not isinstance(each, int) or each in tiles])
        self._no_unlike_text.setVisible(not examples.unlike)
        self.unlike.setVisible(bool(examples.unlike))

    def _tile(self, picked: Picked, tiles: Mapping[int, Tile]) -> Tile:
        tile_id = picked if isinstance(picked, int) else -1 - len(self._picked)
        self._picked[tile_id] = picked
        if isinstance(picked, Path):
            return Tile(image_id=tile_id, path=picked, title=picked.name)
        return replace(tiles[picked], mark="")

    def close_workers(self) -> None:
        self.thumbnails.close()
        self._counterexample_thumbnails.close()


class SimilarView(View):
    """The images most similar to examples, and least similar to counter-examples."""

    name = "similar"
    title = Message("Similar")
    icon = "search"
    panel_place = "above"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = {
            "curate.like": Command(partial(self.add, is_like=True), icon="plus", words=tr("Like")),
            "curate.unlike": Command(
                partial(self.add, is_like=False), self.why_not_unlike, icon="minus", words=tr("Not like")
            ),
            "curate.above": Command(self.select_above, icon="chevron-up", words=tr("Select all above")),
            **self.usual_commands(),
        }
        self.examples = Examples()
        self._ranked: RankResult | None = None
        self._requested: tuple[object, ...] = ()
        self._job: Job[Any] | None = None
        self.failure: Failure | None = None
        self._reader = BackgroundReader(RankReader(), self._on_ranked, parent=self)
        curation.scan.ended.connect(self._rank_again)

    @cached_property
    def strip(self) -> ExampleStrip:
        return ExampleStrip(on_remove=lambda example: self._set_examples(self.examples.without(example)))

    def build_panel(self) -> QWidget | None:
        return self.strip

    def build_controls(self) -> QWidget | None:
        button = Button("Open an image file", "folder-open", on_click=self.ask_file)
        return widget_of(row(button, IconButton("close", "Clear all examples", on_click=self.clear), None))

    def close(self) -> None:
        self._reader.close()
        if "strip" in vars(self):
            self.strip.close_workers()

    def take_images(self, chosen: ChosenImages) -> None:
        self._set_examples(Examples(like=(*chosen.image_ids, *chosen.paths)))

    def add(self, *, is_like: bool) -> None:
        """Add the selected images as examples, or as counter-examples, and go on to the next image."""
        self._set_examples(self.examples.with_more(self.curation.chosen(), is_like=is_like))

    def select_above(self) -> None:
        """Select all images up to the current one, to label them with one key."""
        self.curation.selection.select_places(range(self.curation.selection.place + 1))

    def clear(self) -> None:
        self._set_examples(Examples())

    def why_not_unlike(self) -> str:
        return "" if self.examples.like else tr("Choose an example first.")

    def ask_file(self) -> None:
        kinds = f"{tr('Images')} ({' '.join(f'*{suffix}' for suffix in sorted(IMAGE_SUFFIXES))})"
        name, _ = QFileDialog.getOpenFileName(self.curation.window, tr("Open an image file"), "", kinds)
        if name:
            self._set_examples(self.examples.with_more((Path(name),), is_like=True))

    def _set_examples(self, examples: Examples) -> None:
        self.examples, self.failure = examples, None
        self.changed.emit()

    def _rank_again(self) -> None:
        self._requested = ()
        self.changed.emit()

    def fill(self) -> None:
        """Rank in the background when examples or images have changed."""
        project, now = self.curation.project, self.curation.now
        examples = (*self.examples.like, *self.examples.unlike)
        self.examples = self.examples.without(*(each for each in examples if isinstance(each, int) and each not in now))
        newest = max(now, default=0)
        if project is None or (self.examples, newest) == self._requested:
            return
        self._requested = (self.examples, newest)
        rows = self.rows([each for each in (*self.examples.like, *self.examples.unlike) if isinstance(each, int)])
        self.strip.show_examples(self.examples, {each.image_id: self.tile(each) for each in rows})
        if self.examples.like:
            self._reader.ask(project, self.examples, newest)
        else:
            self._ranked = None

    def _on_ranked(self, ranked: RankResult) -> None:
        self._ranked = ranked
        if ranked.unseen and self._job is None and self.failure is None:
            self._compute_features(ranked.unseen)
        self.changed.emit()
        self.curation.selection.set_current(0)

    def _compute_features(self, files: Sequence[Path]) -> None:
        session = self.curation.session
        if session is None or self._job is not None:
            return
        self.failure = None
        work = partial(compute_features, session.path, session.snapshot_getter, tuple(files))
        self._job = self.curation.state.jobs.run(
            Job(title=tr("Looking at the images"), work=work, lane=Lane.COMPUTE, page="curate", device=True),
            owner=self,
            on_failed=self._on_failed,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = failure

    def _on_ended(self, _job: object) -> None:
        self._job = None
        self._rank_again()

    def sentence(self) -> str:
        if not self.examples.like:
            return tr("Images similar to an example, best first. F3 on any page searches for the selected images.")
        return tr("Best first. + adds an image as an example, - as a counter-example: both refine the search.")

    def empty(self) -> EmptyContent | None:
        """Return the reason why the view is empty: no example, no features, or an error."""
        if not self.examples.like:
            words = tr("Select an image on any page and press F3, or open a file.")
            button = tr("Open an image file")
            return EmptyContent(
                title=tr("No example yet"), words=words, icon="search", button=button, act=self.ask_file
            )
        if self._job is not None:
            words = tr("Embeddings are computed once for each image; then a search takes no time.")
            return EmptyContent(
                title=tr("Looking at the images"), words=words, icon="search", button=tr("Stop"), act=self._job.stop
            )
        if self.failure is not None:
            act = partial(self._compute_features, self._ranked.unseen if self._ranked is not None else ())
            return EmptyContent(
                title=tr(self.failure.message),
                words=tr(self.failure.hint),
                icon="error",
                button=tr("Try again"),
                act=act,
                keeps_controls=True,
            )
        ranked = self._ranked
        if ranked is not None and not ranked.has_features:
            words = tr("Embeddings are computed once for each image; then a search takes no time.")
            act = partial(self._compute_features, ranked.unseen)
            title, button = tr("There are no embeddings yet"), tr("Compute embeddings")
            return EmptyContent(title=title, words=words, icon="search", button=button, act=act)
        if ranked is not None and ranked.refusal:
            return EmptyContent(title=tr(ranked.refusal), words="", icon="info", keeps_controls=True)
        return None

    def shown(self) -> ViewContent:
        now = self.curation.now
        return ViewContent(tuple(each for each in (self._ranked.found if self._ranked else {}) if each in now))

    def tile(self, row: ImageRow) -> Tile:
        ranked_image = self._ranked.found.get(row.image_id) if self._ranked is not None else None
        if ranked_image is None:
            return plain_tile(row, self.curation)
        mark = tr("near-duplicate") if ranked_image.is_duplicate else ""
        return plain_tile(row, self.curation, detail=f"{ranked_image.score:.2f}", mark=mark)

    def reason(self, image_id: int) -> str:
        ranked_image = self._ranked.found.get(image_id) if self._ranked is not None else None
        if ranked_image is None:
            return ""
        words = tr("It is nearly identical to an example.") if ranked_image.is_duplicate else ""
        return f"{tr('Similarity {score}.', score=f'{ranked_image.score:.2f}')} {words}".rstrip()
