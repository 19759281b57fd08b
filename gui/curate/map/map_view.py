"""The map of images on the Curate page: the grid shows the images caught by its lasso."""

from functools import cached_property, partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.map.map_panel import MapControls, MapPanel
from gui.curate.map.map_reader import BY_CLASS, MAX_POINTS, MapData, read_map_data
from gui.curate.view import EmptyContent, View, ViewContent
from gui.jobs import Failure, Job, Lane
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.analysis.image_map import Method, draw_map
from visionft.core.jobs import JobContext, load_libraries
from visionft.core.messages import Message
from visionft.data.types import Snapshot
from visionft.features.feature_store import current_kind, load_features

_SETTLE_MS = 200  # after the last move of the map the grid shows the visible images


def draw(project_dir: Path, images: Snapshot, method: Method, *, again: bool, job: JobContext) -> None:
    """Compute the map, or place new images on it, in a job."""
    if current_kind(project_dir, images.image_reading) is None or load_features(project_dir, images).missing:
        load_libraries(job)  # slow; only needed to compute features: a map of known features appears at once
    draw_map(project_dir, images, method=method, again=again, job=job)


class MapView(View):
    """Images at positions by their appearance."""

    name = "map"
    title = Message("Map")
    icon = "map"
    panel_place = "beside"
    panel_share = 0.55

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = self.usual_commands()
        self._method: Method = "tsne"
        self._by = BY_CLASS  # the attribute for the colours
        self._read: MapData | None = None
        self._is_dirty = True
        self._job: Job[Any] | None = None
        self._drawing: Method | None = None
        self._has_placed, self._unplaceable = False, 0  # images without a position after a drawing are not tried again
        self.failure: Failure | None = None
        self._refused: set[Method] = set()  # methods not started automatically again
        self._reader = BackgroundReader(read_map_data, self._on_read, parent=self)
        curation.scan.ended.connect(self._dirty)
        self._settled = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settled.timeout.connect(self._on_settled)

    @cached_property
    def panel(self) -> MapPanel:
        panel = MapPanel(lambda ids: map(self.tile, self.rows(ids)))
        panel.canvas.caught_changed.connect(self._on_caught)
        panel.canvas.view_changed.connect(self._settled.start)
        images_requested = self.curation.state.images_requested
        panel.canvas.opened.connect(lambda each: images_requested.emit((each,), tr(self.title), each))
        self.curation.selection.current_changed.connect(panel.canvas.show_current)
        return panel

    @cached_property
    def controls(self) -> MapControls:
        controls = MapControls(on_again=partial(self.draw, again=True), on_place=self.draw)
        controls.methods.chosen.connect(lambda name: self._choose("pca" if name == "pca" else "tsne", self._by))
        controls.colouring_chosen.connect(lambda name: self._choose(self._method, name))
        controls.tools.chosen.connect(self.panel.canvas.set_tool)
        return controls

    def build_controls(self) -> QWidget | None:
        return self.controls

    def build_panel(self) -> QWidget | None:
        return self.panel

    def close(self) -> None:
        self._reader.close()
        if "panel" in vars(self):
            self.panel.thumbnails.close()

    def follow(self, effects: object) -> None:
        """Mark the map as outdated; it is read again on the next display."""
        self._is_dirty = True

    def _dirty(self) -> None:
        self._is_dirty = True
        self.changed.emit()

    def fill(self) -> None:
        if self._is_dirty and self.curation.project is not None:
            self._is_dirty = False
            self._reader.ask(self.curation.project, self._method, self._by)

    def _on_read(self, read: MapData) -> None:
        self._read = read
        self.controls.show_colourings(read.colourings)
        if self._has_placed:
            self._has_placed, self._unplaceable = False, read.without
        new = read.without - self._unplaceable if read.map is not None and self._job is None else 0
        self.controls.show_without(max(0, new))
        if read.map is not None:
            self.panel.show_map(read)
        self._begin_by_itself(read)
        self.changed.emit()

    def _begin_by_itself(self, read: MapData) -> None:
        """Compute a missing map: principal axes at once, then t-SNE; only where features already exist."""
        if not read.has_features or self._job is not None:
            return
        wanted = read.method if read.map is not None else "pca"
        if (read.map is None or read.map.method != wanted) and wanted not in self._refused:
            self.draw(wanted)

    def draw(self, method: Method | None = None, *, again: bool = False) -> None:
        """Compute the map, or place new images on it."""
        session, chosen = self.curation.session, method or self._method
        if session is None or self._job is not None:
            return
        self.failure, self._drawing = None, chosen
        work = partial(draw, session.path, session.snapshot(), chosen, again=again)
        self._job = self.curation.state.jobs.run(
            Job(title=tr("Drawing the map"), work=work, lane=Lane.COMPUTE, page="curate"),
            owner=self,
            on_failed=self._on_failed,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def stop(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = None if failure.is_cancelled else failure

    def _on_ended(self, job) -> None:
        if self._drawing is not None and (job.was_stopped or job.failure is not None):
            self._refused.add(self._drawing)
        else:
            self._has_placed = True
        self._job = self._drawing = None
        self._dirty()

    def sentence(self) -> str:
        words = tr("Similar images lie close together. Draw around some to see them.")
        read = self._read
        if read is None or read.map is None:
            return words
        if self._drawing == "tsne" and read.map.method == "pca":
            return tr("t-SNE is running; until then the principal axes are shown.")
        if read.map.is_outgrown:
            return tr("Most of these images were added after the map was drawn: draw it again.")
        if read.map.is_plain and read.map.method == "tsne":
            return tr("There are too few different images for neighbourhoods: these are their principal axes.")
        if read.map.is_sampled:
            drawn = f"{read.map.fitted:,}"
            sampled = tr("Drawn from a sample of {drawn} images; the others lie among those like them.", drawn=drawn)
            words = f"{words} {sampled}"
        if len(read.map) > MAX_POINTS:
            shown = tr("{shown} of {count} images are shown.", shown=f"{MAX_POINTS:,}", count=f"{len(read.map):,}")
            words = f"{words} {shown}"
        if self._unplaceable:
            left = tr(
                "{count} image has no place: it has no usable features.",
                "{count} images have no place: they have no usable features.",
                count=self._unplaceable,
            )
            return f"{words} {left}"
        return words

    def empty(self) -> EmptyContent | None:
        """Return the reason why there is no map: no features yet, it is being computed, or it failed."""
        read = self._read
        if read is not None and read.map is not None:
            return None
        if self.failure is not None:
            act = partial(self.draw, self._method)
            return EmptyContent(
                title=tr(self.failure.message),
                words=tr(self.failure.hint),
                icon="error",
                button=tr("Draw the map"),
                act=act,
            )
        if self._job is not None or read is None:
            words = tr("Embeddings are computed once for each image; then the map takes seconds.")
            return EmptyContent(
                title=tr("The map is being drawn"), words=words, icon="map", button=tr("Stop"), act=self.stop
            )
        words = tr("Similar images lie close together. Embeddings are computed first, once.")
        return EmptyContent(title=tr("No map yet"), words=words, icon="map", button=tr("Draw the map"), act=self._first)

    def _first(self) -> None:
        self._refused.clear()
        self.draw("pca")

    def shown(self) -> ViewContent:
        """Return the lassoed images, or all visible images without a lasso."""
        canvas, now = self.panel.canvas, self.curation.now
        ids = canvas.caught_ids() or canvas.visible_ids()
        return ViewContent(tuple(each for each in ids if each in now))

    def reason(self, image_id: int) -> str:
        read = self._read
        if read is None or read.map is None or read.by == BY_CLASS:
            return ""
        groups = read.groups[read.map.image_ids == image_id]
        return f"{read.colourings.get(read.by, '')}: {read.entries[groups[0]].words}" if len(groups) else ""

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

    def _choose(self, method: Method, by: str) -> None:
        self._method, self._by = method, by
        self._refused.discard(method)
        self._dirty()
