"""Pictures like some and unlike others: examples in a line above, what is most like them in the grid."""

import logging
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QWidget

from gui.curate.curation import Curation
from gui.curate.similar.panel import ExampleStrip
from gui.curate.similar.reading import Examples, Ranked, RankReader
from gui.curate.view import Command, Empty, Shown, View, plain_tile
from gui.kit.i18n import tr
from gui.kit.parts import Button, IconButton, row
from gui.kit.picture_model import Tile
from gui.kit.workers import Failure, WorkerPool
from gui.state import ChosenPictures
from gui.tasks import Lane, Task, TaskHandle
from visionft.events import OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.project.queries import ImageRow

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

logger = logging.getLogger(__name__)


def look_at(
    project_dir: Path, images: "Snapshot", files: Sequence[Path], *, on_event: OnEvent, should_stop: ShouldStop
) -> None:
    """Have a network look at the project's pictures that it has not seen, and at files, in a task."""
    load_libraries(on_event)
    from visionft.curation.similar import examples_from_files
    from visionft.features.embedding import embedded

    features = embedded(project_dir, images, on_event=on_event, should_stop=should_stop)
    examples_from_files(project_dir, images, features, files, on_event=on_event, should_stop=should_stop)


class SimilarView(View):
    """What looks most like examples, and least like counter-examples."""

    name, title, icon = "similar", "Similar", "search"
    panel_place = "above"

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = {
            "curate.like": Command(partial(self.add, is_like=True), self.why_no_picture, icon="plus", words=tr("Like")),
            "curate.unlike": Command(
                partial(self.add, is_like=False), self.why_not_unlike, icon="minus", words=tr("Not like")
            ),
            "curate.above": Command(
                self.select_above, self.why_no_picture, icon="chevron-up", words=tr("Select all above")
            ),
            "curate.remove": Command(self.acting.remove, self.why_no_picture, icon="trash", words=tr("Take out")),
            "curate.tag": Command(self.acting.ask_tag, self.why_no_picture, icon="pin", words=tr("Tag")),
            "curate.open": Command(self._open_on_label, icon="label", needs_picture=False),
        }
        self.examples = Examples()
        self._ranked: Ranked | None = None
        self._asked: tuple[object, ...] = ()
        self._times = 0
        self._handle: TaskHandle | None = None
        self.failure: Failure | None = None
        self._reading = WorkerPool(RankReader(), threads=1, answers_age=True, parent=self)
        self._reading.done.connect(self._on_ranked)
        curation.looking.ended.connect(self._ask_anew)

    # -- widgets ------------------------------------------------------------------------------------------------

    @cached_property
    def strip(self) -> ExampleStrip:
        """The examples."""
        strip = ExampleStrip()
        strip.removed.connect(self._on_removed)
        return strip

    def build_panel(self) -> QWidget | None:
        """Return the line of examples."""
        return self.strip

    def build_controls(self) -> QWidget | None:
        """Return what takes a picture from anywhere, and what clears the examples."""
        box = QWidget()
        button = Button("Look for a picture from a file", "folder-open", on_click=self.ask_file)
        clear = IconButton("close", "Forget all examples", on_click=self.clear)
        box.setLayout(row(button, clear, None))
        return box

    def close(self) -> None:
        """Wait for what is being read and decoded."""
        self._reading.close()
        if "strip" in vars(self):
            self.strip.close_workers()

    # -- examples -----------------------------------------------------------------------------------------------

    def take_pictures(self, chosen: ChosenPictures) -> None:
        """Look for what is like pictures that were chosen elsewhere."""
        self._take(Examples(like=(*chosen.image_ids, *chosen.paths)))

    def add(self, *, is_like: bool) -> None:
        """Take what is selected as examples, or as counter-examples, and go on to what comes after."""
        self._take(self.examples.with_more(self.curation.chosen(), is_like=is_like))

    def select_above(self) -> None:
        """Select everything up to the current picture, so that one key labels all of it."""
        self.curation.selection.select_places(range(self.curation.selection.place + 1))

    def clear(self) -> None:
        """Forget all examples."""
        self._take(Examples())

    def why_not_unlike(self) -> str:
        """Return why nothing can be told apart yet."""
        return self.why_no_picture() or ("" if self.examples.like else tr("Choose an example first."))

    def ask_file(self) -> None:
        """Ask for a picture from anywhere."""
        kinds = f"{tr('Pictures')} (*.jpg *.jpeg *.png *.webp *.bmp *.tif *.tiff *.gif)"
        name, _ = QFileDialog.getOpenFileName(self.curation.window, tr("Look for a picture from a file"), "", kinds)
        if name:
            self._take(self.examples.with_more((Path(name),), is_like=True))

    def _on_removed(self, example: object) -> None:
        self._take(self.examples.without(example))

    def _take(self, examples: Examples) -> None:
        self.examples, self.failure = examples, None
        self.changed.emit()

    # -- ranking ------------------------------------------------------------------------------------------------

    def _ask_anew(self) -> None:
        self._asked = ()
        self.changed.emit()

    def fill(self) -> None:
        """Rank beside the window where examples or pictures are others than before."""
        project, now = self.curation.project, self.curation.now
        examples = (*self.examples.like, *self.examples.unlike)
        if gone := [each for each in examples if isinstance(each, int) and each not in now]:
            self.examples = self.examples.without_all(gone)
        asked = (self.examples, max(now, default=0))
        if project is None or asked == self._asked:
            return
        self._asked = asked
        self._times += 1
        self._show_examples()
        if self.examples.like:
            self._reading.request([(project, self.examples, asked[1], self._times)])
        else:
            self._ranked = None

    def _on_ranked(self, key: tuple[object, Examples, int, int], ranked: Ranked | None) -> None:
        if ranked is None or key[3] != self._times:
            return
        self._ranked = ranked
        if ranked.unseen and self._handle is None and self.failure is None:
            self._look(ranked.unseen)
        self.changed.emit()
        self.curation.selection.set_current(0)

    def _look(self, files: Sequence[Path]) -> None:
        """Have the network look at what it has not seen."""
        session = self.curation.session
        if session is None or self._handle is not None:
            return
        self.failure = None
        work = partial(look_at, session.path, session.snapshot(), tuple(files))
        self._handle = self.curation.state.tasks.run(
            Task(title=tr("Looking at the pictures"), work=work, lane=Lane.COMPUTE, page="curate", device=True),
            owner=self,
            on_done=lambda _none: None,
            on_failed=self._on_failed,
            on_end=lambda _outcome: self._on_looked(),
        )
        self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = failure

    def _on_looked(self) -> None:
        self._handle = None
        self._ask_anew()

    def _show_examples(self) -> None:
        ids = [each for each in (*self.examples.like, *self.examples.unlike) if isinstance(each, int)]
        rows = {each.image_id: self.tile(each) for each in self.rows(ids)}
        self.strip.show_examples(self.examples, rows)

    # -- answers ------------------------------------------------------------------------------------------------

    def sentence(self) -> str:
        """Say what is looked for."""
        if not self.examples.like:
            return tr("What looks like a picture, best first. F3 on any page looks for what is selected there.")
        return tr("Best first. + takes a picture as an example, - as one that is not meant: both sharpen the search.")

    def empty(self) -> Empty | None:
        """Return why there is nothing: no example, no features, or it failed."""
        if not self.examples.like:
            words = tr("Select a picture on any page and press F3, or take one from a file.")
            button = tr("Look for a picture from a file")
            return Empty(
                title=tr("Nothing to look for yet"), words=words, icon="search", button=button, act=self.ask_file
            )
        if self._handle is not None:
            words = tr("A network looks at each picture once; after that, looking for one takes no time.")
            return Empty(
                title=tr("Looking at the pictures"),
                words=words,
                icon="search",
                button=tr("Stop"),
                act=self._handle.stop,
            )
        if self.failure is not None:
            act = partial(self._look, self._ranked.unseen if self._ranked is not None else ())
            return Empty(
                title=tr(self.failure.message),
                words=tr(self.failure.hint),
                icon="error",
                button=tr("Try again"),
                act=act,
                keeps_controls=True,
            )
        ranked = self._ranked
        if ranked is not None and not ranked.has_features:
            words = tr("A network looks at each picture once; after that, looking for one takes no time.")
            title, button = tr("The pictures have not been looked at by a network yet."), tr("Look at the pictures")
            return Empty(title=title, words=words, icon="search", button=button, act=partial(self._look, ranked.unseen))
        if ranked is not None and ranked.refusal:
            return Empty(title=tr(ranked.refusal), words="", icon="info", keeps_controls=True)
        return None

    def shown(self) -> Shown:
        """Return what is most like the examples, best first."""
        now = self.curation.now
        return Shown(tuple(each for each in (self._ranked.found if self._ranked else {}) if each in now))

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with how alike it is."""
        alike = self._ranked.found.get(row.image_id) if self._ranked is not None else None
        if alike is None:
            return plain_tile(row, self.curation)
        mark = tr("nearly the same") if alike.is_double else ""
        return plain_tile(row, self.curation, detail=f"{alike.score:.2f}", mark=mark)

    def reason(self, image_id: int) -> str:
        """Say how alike it is."""
        alike = self._ranked.found.get(image_id) if self._ranked is not None else None
        if alike is None:
            return ""
        words = tr("It looks nearly the same as an example.") if alike.is_double else ""
        return f"{tr('Likeness {score}.', score=f'{alike.score:.2f}')} {words}".rstrip()

    def _open_on_label(self) -> None:
        self.acting.open_on_label(self.shown().ids, tr(self.title))
