"""The map of pictures on the Curate page: what its lasso catches is what the grid shows."""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.map.panel import MapControls, MapPanel, method_of
from gui.curate.map.reading import BY_CLASS, Ask, MapRead, MapReader
from gui.curate.view import Command, Empty, Shown, View
from gui.kit.i18n import tr
from gui.kit.workers import Failure, WorkerPool
from gui.tasks import Lane, Task, TaskHandle
from visionft.curation.map.picture_map import Method, draw_map
from visionft.events import OnEvent, ShouldStop
from visionft.features.feature_store import current_kind, load_features
from visionft.libraries import load_libraries

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

_SETTLE_MS = 200  # after the last move of the map: then the grid shows what is in view


def draw(
    project_dir: Path, images: "Snapshot", method: Method, *, again: bool, on_event: OnEvent, should_stop: ShouldStop
) -> None:
    """Draw the map, or place on it what is new, in a task."""
    if current_kind(project_dir) is None or load_features(project_dir, images).missing:
        load_libraries(on_event)  # only who has pictures looked at waits for them: a map of what is known comes at once
    draw_map(project_dir, images, method=method, again=again, on_event=on_event, should_stop=should_stop)


class MapView(View):
    """Where pictures lie by what they look like."""

    name, title, icon = "map", "Map", "map"
    panel_place = "beside"
    panel_share = 0.55

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = {
            "curate.remove": Command(self.acting.remove, self.why_no_picture, icon="trash", words=tr("Take out")),
            "curate.tag": Command(self.acting.ask_tag, self.why_no_picture, icon="pin", words=tr("Tag")),
            "curate.open": Command(self._open_on_label, icon="label", needs_picture=False),
        }
        self._ask = Ask("tsne", BY_CLASS)
        self._read: MapRead | None = None
        self._times = 0
        self._is_dirty = True
        self._handle: TaskHandle | None = None
        self._drawing: Method | None = None
        self._has_placed, self._unplaceable = False, 0  # pictures of which a drawing made nothing are not offered again
        self.failure: Failure | None = None
        self._refused: set[Method] = set()  # methods that are not begun by themselves again
        self._reading = WorkerPool(MapReader(), threads=1, answers_age=True, parent=self)
        self._reading.done.connect(self._on_read)
        curation.looking.ended.connect(self._dirty)
        self._settled = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settled.timeout.connect(self._on_settled)

    # -- widgets ------------------------------------------------------------------------------------------------

    @cached_property
    def panel(self) -> MapPanel:
        """The map."""
        panel = MapPanel(lambda ids: map(self.tile, self.rows(ids)))
        panel.canvas.caught_changed.connect(self._on_caught)
        panel.canvas.view_changed.connect(self._settled.start)
        panel.canvas.opened.connect(self._on_opened)
        self.curation.selection.current_changed.connect(panel.canvas.show_current)
        return panel

    @cached_property
    def controls(self) -> MapControls:
        """What stands above the map."""
        controls = MapControls(on_again=partial(self.draw, again=True), on_place=self.draw)
        controls.method_chosen.connect(self._on_method_chosen)
        controls.way_chosen.connect(self._on_way_chosen)
        controls.tool_chosen.connect(self.panel.canvas.set_tool)
        return controls

    def build_controls(self) -> QWidget | None:
        """Return the line above."""
        return self.controls

    def build_panel(self) -> QWidget | None:
        """Return the map."""
        return self.panel

    def close(self) -> None:
        """Wait for what is being read and decoded."""
        self._reading.close()
        if "panel" in vars(self):
            self.panel.thumbnails.close()

    # -- reading ------------------------------------------------------------------------------------------------

    def follow(self, effects: object) -> None:
        """Read anew when next looked at."""
        self._is_dirty = True

    def _dirty(self) -> None:
        self._is_dirty = True
        self.changed.emit()

    def fill(self) -> None:
        """Read the map beside the window where something has changed."""
        if self._is_dirty and self.curation.project is not None:
            self._is_dirty = False
            self._times += 1
            self._reading.request([(self.curation.project, self._ask, self._times)])

    def _on_read(self, key: tuple[object, Ask, int], read: MapRead | None) -> None:
        if read is None or key[2] != self._times:  # an older one began before the last change
            return
        self._read = read
        self.controls.show_ways(read.ways)
        if self._has_placed:
            self._has_placed, self._unplaceable = False, read.without
        new = read.without - self._unplaceable if read.map is not None and self._handle is None else 0
        self.controls.show_without(max(0, new))
        if read.map is not None:
            self.panel.show_map(read)
        self._begin_by_itself(read)
        self.changed.emit()

    def _begin_by_itself(self, read: MapRead) -> None:
        """Draw what is missing: principal axes at once, then the neighbours; only where features are there already."""
        if not read.has_features or self._handle is not None:
            return
        wanted = read.ask.method if read.map is not None else "pca"
        if (read.map is None or read.map.method != wanted) and wanted not in self._refused:
            self.draw(wanted)

    # -- drawing ------------------------------------------------------------------------------------------------

    def draw(self, method: Method | None = None, *, again: bool = False) -> None:
        """Draw the map, or place on it what is new."""
        session, chosen = self.curation.session, method or self._ask.method
        if session is None or self._handle is not None:
            return
        self.failure, self._drawing = None, chosen
        work = partial(draw, session.path, session.snapshot(), chosen, again=again)
        self._handle = self.curation.state.tasks.run(
            Task(title=tr("Drawing the map"), work=work, lane=Lane.COMPUTE, page="curate"),
            owner=self,
            on_done=lambda _none: None,
            on_failed=self._on_failed,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Ask the drawing to end."""
        if self._handle is not None:
            self._handle.stop()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = None if failure.is_stop else failure

    def _on_ended(self, outcome) -> None:
        if self._drawing is not None and (outcome.was_stopped or outcome.failure is not None):
            self._refused.add(self._drawing)
        else:
            self._has_placed = True
        self._handle = self._drawing = None
        self._dirty()

    # -- answers ------------------------------------------------------------------------------------------------

    def sentence(self) -> str:
        """Say what the map is, and of how many pictures."""
        words = tr("Pictures that look alike lie near each other. Draw around some to see them.")
        read = self._read
        if read is None or read.map is None:
            return words
        if self._drawing == "tsne" and read.map.method == "pca":
            return tr("Who is near whom is being worked out; until then this shows how the pictures differ most.")
        if read.map.is_outgrown:
            return tr("Most of these pictures came after the map was drawn: draw it anew to see them better.")
        if read.map.is_plain and read.map.method == "tsne":
            return tr("There are too few different pictures for neighbourhoods: these are their principal axes.")
        if self._unplaceable:
            left = tr(
                "{count} pictures have no place: a network makes nothing of them.", count=f"{self._unplaceable:,}"
            )
            return f"{words} {left}"
        return words

    def empty(self) -> Empty | None:
        """Return why there is no map: nothing looked at the pictures yet, or it is being drawn, or it failed."""
        read = self._read
        if read is not None and read.map is not None:
            return None
        if self.failure is not None:
            act = partial(self.draw, self._ask.method)
            return Empty(
                title=tr(self.failure.message),
                words=tr(self.failure.hint),
                icon="error",
                button=tr("Draw the map"),
                act=act,
            )
        if self._handle is not None or read is None:
            words = tr("A network looks at each picture once; then the map is here in seconds.")
            return Empty(title=tr("The map is being drawn"), words=words, icon="map", button=tr("Stop"), act=self.stop)
        words = tr("Pictures that look alike lie near each other. A network has to look at them first, once.")
        return Empty(title=tr("No map yet"), words=words, icon="map", button=tr("Draw the map"), act=self._first)

    def _first(self) -> None:
        self._refused.clear()
        self.draw("pca")

    def shown(self) -> Shown:
        """Return what was caught; where nothing was, what is in view."""
        canvas, now = self.panel.canvas, self.curation.now
        ids = canvas.caught_ids() or canvas.visible_ids()
        return Shown(tuple(each for each in ids if each in now))

    def reason(self, image_id: int) -> str:
        """Say to which group the map counts a picture."""
        read = self._read
        if read is None or read.map is None or read.ask.by == BY_CLASS:
            return ""
        places = (read.map.image_ids == image_id).nonzero()[0]
        return f"{read.ways.get(read.ask.by, '')}: {read.entries[read.groups[places[0]]].words}" if len(places) else ""

    # -- acting -------------------------------------------------------------------------------------------------

    def _on_caught(self) -> None:
        self._settled.stop()
        self.changed.emit()
        if self.panel.canvas.caught_ids():
            self.curation.selection.select_all()  # so that one key labels all of them
        else:
            self.curation.selection.set_current(0)

    def _on_settled(self) -> None:
        if not self.panel.canvas.caught_ids():
            self.changed.emit()

    def _on_opened(self, image_id: int) -> None:
        self.acting.open_on_label((image_id,), tr(self.title))

    def _on_method_chosen(self, name: str) -> None:
        self._ask = Ask(method_of(name), self._ask.by)
        self._refused.discard(self._ask.method)
        self._dirty()

    def _on_way_chosen(self, name: str) -> None:
        self._ask = Ask(self._ask.method, name)
        self._dirty()

    def _open_on_label(self) -> None:
        self.acting.open_on_label(self.shown().ids, tr(self.title))
