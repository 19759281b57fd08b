"""The label page: a grid and a viewer over all images, the class list, and labelling by keys.

Above the images are two lines, the commands and the filters; everything else is below them. Every key press is one
durable transaction before the screen shows it; undo reverts any of them. Its way to the disk: `ImageKeys.eventFilter`
finds the class of the key, `Labeller.assign` takes the selection, `ImageEdits.relabel` makes the change `LabelImages`
and `ImageEdits.apply` its message, `ProjectSession.run` tells the screens of the effects, `Project.apply` journals and
backs up, `LabelImages.write` writes the rows, and `Database.transaction` commits.
"""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Slot
from PySide6.QtWidgets import QMenu, QSlider

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.image_grid import ImageGrid
from gui.kit.parts import (
    Button,
    ElidedLabel,
    IconLabel,
    column,
    pill,
    row,
    stacked,
    widget_of,
)
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.label.bulk_accept import BulkAccept
from gui.label.class_panel import ClassPanel
from gui.label.filter_bar import FilterBar, SuggestionBar
from gui.label.image_search import Cell
from gui.label.image_viewer import ImageViewer
from gui.label.label_session import LabelSession
from gui.label.labeller import ClassActions, Labeller, image_menu, key_hint, label_keys
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState, ChosenImages
from visionft.core.messages import Message
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AddClass

_MAX_MARKED_IMAGES = 500  # selected images whose classes are marked in the class list


class LabelPage(Page):
    """Images on the left, classes on the right."""

    name = "label"
    title = Message("Label")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=16777215, is_compact=True)
        self.labels = LabelSession(state, session, page=self.name, parent=self)
        self.thumbnails = ThumbnailStore(self)
        self.filters = FilterBar()
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(64, 320)  # logical pixels
        self.size_slider.setValue(state.settings.thumbnail_px)
        self.grid = ImageGrid(
            self.thumbnails,
            selection=self.labels.selection,
            side_px=self.size_slider.value(),
            lines=0,
            overlaid=True,
            draggable=True,
        )
        self.viewer = ImageViewer(self.thumbnails)
        self.panel = ClassPanel()
        self.class_actions = ClassActions(self.labels, self.panel, self)
        self.labeller = Labeller(self.labels, self)
        self.bulk = BulkAccept(self.labels, self.thumbnails, self, side_px=self.size_slider.value())
        self.suggestion_bar = SuggestionBar()
        self.suggest_button = Button("Suggest labels", "sample", on_click=self._offer_sources)
        self.suggest_button.setToolTip(tr("Suggest a class for each unlabelled image"))
        self.read_only = pill("Read only", "warn")
        self.read_only.hide()
        self.way_button = Button("Train", role="primary", on_click=self._on_way_clicked)
        self.empty = EmptyState("pictures", "", "")
        self._lay_out()
        self._counting = QTimer(self, singleShot=True, interval=150)
        self._counting.timeout.connect(self.labels.count)
        self._shown_hint = key_hint(self.state.actions)
        self._connect()

    def _lay_out(self) -> None:
        self.action_row.addWidget(self.read_only)
        self.add_history_buttons()
        self.action_row.addWidget(self.suggest_button)
        self.action_row.addWidget(self.way_button)
        self.size_slider.setFixedWidth(theme.scaled(96))
        self.size_slider.setAccessibleName(tr("Size of the images"))
        self.size_slider.setToolTip(tr("Size of the images"))
        self.size_slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.size_control = widget_of(row(IconLabel("grid", size=15, tone="muted"), self.size_slider))
        self._selection = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._modes = stacked(self.grid, self.viewer, *self.bulk.views)
        foot = row(self._selection, self.size_control, grows=0)
        side = widget_of(column(self.panel, grows=0))
        side.setMinimumWidth(theme.scaled(220))
        split = divided(widget_of(column(self._modes, self.suggestion_bar, foot, grows=0)), side)
        split.setStretchFactor(1, 0)
        split.setHandleWidth(theme.LARGE)
        split.setSizes([1000, theme.scaled(230)])
        self._stack = stacked(self.empty, widget_of(column(self.filters, split, grows=1)))
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.SMALL)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        labels = self.labels
        self.focus_target = self.grid
        keys = label_keys(labels, self.labeller.assign, self)
        self.grid.installEventFilter(keys)
        self.viewer.view.installEventFilter(keys)
        labels.classes_changed.connect(self._show_classes)
        labels.shown_changed.connect(self._show_images)
        labels.all_read.connect(self._show_read)
        labels.viewing_changed.connect(self._show_mode)
        self.bulk.changed.connect(self._on_bulk_changed)
        labels.selection.current_changed.connect(self._show_current)
        labels.selection.selection_changed.connect(self._show_chosen)
        labels.suggesting.changed.connect(self._show_suggestions)
        labels.suggesting.reasons_found.connect(self._on_reasons_found)
        self.grid.setMouseTracking(True)
        self.grid.entered.connect(lambda index: labels.suggesting.request_reasons(labels.selection.id_at(index.row())))
        self.grid.opened.connect(lambda _image_id: labels.view(True))
        self.grid.menu_wanted.connect(lambda place: self._run_menu(image_menu(labels, self.labeller, self), place))
        self.viewer.closed.connect(lambda: labels.view(False))
        self.viewer.step_wanted.connect(labels.selection.step)
        self.viewer.accept_button.clicked.connect(self.labeller.accept)
        self.viewer.candidates.class_chosen.connect(self.labeller.assign)
        self.viewer.evidence.grid.opened.connect(self._show_image)
        self.filters.changed.connect(self.show_all)
        self.suggestion_bar.accept_button.clicked.connect(lambda: self.state.actions.run("label.accept_many"))
        self.suggestion_bar.hide_button.clicked.connect(labels.suggesting.hide)
        self.size_slider.valueChanged.connect(self._on_size_changed)
        self.panel.filter_wanted.connect(lambda name: self.bulk.assign(name) or self.filters.show_only_class(name))
        self.panel.class_chosen.connect(lambda name: self.bulk.assign(name) or self.labeller.assign(name))
        self.panel.classes_named.connect(self._on_classes_named)
        self.panel.naming_left.connect(lambda: self.focus_target and self.focus_target.setFocus())
        self.state.settings_changed.connect(self._show_settings)
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("project"))
        actions, viewer = self.state.actions, self.viewer
        actions.attach(viewer.back_button, "viewer.close")
        actions.attach(viewer.previous_button, "label.previous")
        actions.attach(viewer.next_button, "label.next")
        actions.attach(viewer.fit_button, "viewer.fit")
        words = tr("One pixel of the image is one pixel of the screen")
        actions.attach(viewer.real_button, "viewer.real_pixels", words)

    @Slot()
    def _show_settings(self) -> None:
        """Update the displayed keys after a change."""
        if self.labels.keys != self.labels.keys_now():
            self.labels.read()
        hint = key_hint(self.state.actions)
        if hint != self._shown_hint:
            self._shown_hint = hint
            self._show_chosen()
            self._show_bar()
            self._show_current()

    def refresh(self) -> None:
        self.read_only.setVisible(self.labels.project is not None and self.labels.project.is_read_only)
        self.labels.read_all()

    @Slot()
    def _show_read(self) -> None:
        labels = self.labels
        has_images = labels.summary is not None and labels.summary.images > 0
        self._stack.setCurrentIndex(1 if has_images else 0)
        if labels.project is None:
            self.empty.show_words("No project open", "Open a project to label its images.", "To Project")
        else:
            self.empty.show_words("No images yet", "Import images first; then give each one its class here.", "Import")
        if has_images:
            labels.suggesting.begin()

    @Slot()
    def _show_classes(self) -> None:
        self.filters.show_classes(self.labels.colours)
        self.filters.show_tags(list(self.labels.tags))
        self._show_bar()
        self._show_chosen()
        self._show_subtitle()

    def _show_bar(self) -> None:
        suggesting = self.labels.suggesting
        now = suggesting.current()
        bar = self.suggestion_bar
        expected = None if now.classes & self.labels.guessed else now.expected_accuracy
        bar.show_counts(suggesting.source_text(len(now)), len(now), expected=expected)
        bar.show_wanted(is_wanted=self.bulk.view is None)
        names = [row.name for row in self.labels.classes if row.name in now.classes]
        self.filters.show_predictions(names, has_queue=suggesting.has_features)

    def show_only(self, image_ids: tuple[int, ...], title: str, *, current: int = 0) -> None:
        """Show exactly these images, in this order, from `current` on, until the user changes the filter."""
        self.filters.show_only(title)
        self.bulk.close()
        self.labels.view(False)
        self.labels.show_only(image_ids, current=current)

    def chosen_images(self) -> ChosenImages:
        return ChosenImages(self.labels.selection.selected_ids())

    def show_all(self) -> None:
        self.labels.show_query(self.filters.query())

    @Slot()
    def _show_images(self) -> None:
        if self.labels.only is None:
            self.filters.show_only("")
        self._show_subtitle()
        self._show_chosen()
        self._show_current()

    def _show_subtitle(self) -> None:
        summary = self.labels.summary
        if summary is None:
            self.subtitle.setText("")
            return
        rest = summary.images - summary.labelled
        parts = [tr("{count} image", "{count} images", count=summary.images)]
        parts += [] if rest else [tr("all labelled")]  # the filter counts the others
        if self.labels.is_narrow:
            parts.append(tr("{count} shown", count=f"{self.grid.count():,}"))
        self.subtitle.setText(", ".join(parts))
        self.filters.show_unlabelled(rest)
        self.way_button.setText(tr("Train") if self._can_train() else tr("Next without a label"))

    @Slot()
    def _show_chosen(self) -> None:
        selection, is_grid = self.labels.selection, self.bulk.view is None
        chosen = selection.selected_ids(_MAX_MARKED_IMAGES) if is_grid else ()
        labels = self.labels
        cells = self._cells(chosen)
        shown = labels.query.class_name if labels.only is None else ""
        common = frozenset.intersection(*(frozenset(cell.labels) for cell in cells)) if cells else frozenset[str]()
        self.panel.show_classes(labels.classes, labels.colours, keys=labels.keys, common=common, shown=shown)
        count = selection.selected_count() if is_grid else 0
        several = Message("{count} selected: a key labels them all, and so does dragging them onto a class")
        has_suggestions = bool(labels.suggesting.found)
        hint = key_hint(self.state.actions, has_suggestions=has_suggestions) if self.bulk.view is None else ""
        self._selection.setText(tr(several, count=f"{count:,}") if count > 1 else hint)

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        if not self.labels.is_viewing or self.bulk.view is not None:
            return
        selection = self.labels.selection
        self.viewer.accept_key = self.state.actions.shown_keys("label.accept")
        cell = next(iter(self._cells([selection.current_id()])), None)
        self.labels.suggesting.request_reasons(selection.current_id())
        neighbours = self._cells([selection.id_at(selection.place + step) for step in (1, 2, -1)])
        self.viewer.show_cell(
            cell, index=selection.place, count=self.grid.count(), neighbours=neighbours, keys=self.labels.keys
        )

    def _cells(self, image_ids: Sequence[int]) -> list[Cell]:
        return [tile for tile in self.labels.images.tiles(image_ids) if isinstance(tile, Cell)]

    def _can_train(self) -> bool:
        return self.labels.summary is not None and sum(map(bool, self.labels.summary.classes.values())) > 1

    def _on_way_clicked(self) -> None:
        """Take the next step: label images until training is possible."""
        self.state.page_requested.emit("train") if self._can_train() else self.labeller.step_unlabelled(1)

    def _offer_sources(self) -> None:
        place = self.suggest_button.mapToGlobal(QPoint(0, self.suggest_button.height()))
        self._run_menu(self.labels.suggesting.menu(self), place)

    def _run_menu(self, menu: QMenu, place: QPoint) -> None:
        menu.exec(place)
        menu.deleteLater()

    @Slot()
    def _show_mode(self) -> None:
        """Show the viewer, a bulk view or the grid, and give it the focus."""
        bulk, is_viewing = self.bulk.view, self.labels.is_viewing
        self._modes.setCurrentWidget(bulk or (self.viewer if is_viewing else self.grid))
        self.filters.setVisible(bulk is None)
        self.size_control.setVisible(bulk is None or self.bulk.has_sizes)
        self._show_chosen()
        self._show_bar()
        self._show_current()
        self.focus_target = self.bulk.focus or (self.viewer.view if is_viewing else self.grid)
        self.focus_target.setFocus()

    @Slot()
    def _on_bulk_changed(self) -> None:
        if self.bulk.view is None:
            self.labeller.leave_labelled()
        self._show_mode()

    @Slot()
    @Slot(object)
    def _on_content_changed(self, effects: object = None) -> None:
        self.labels.suggesting.follow(effects)
        if not isinstance(effects, Effects) or effects.has_new_images:
            self.labels.forget_names()
        # A small change leaves the images of the grid and the classes unchanged.
        is_small = isinstance(effects, Effects) and all(
            target.split(".")[0] in ("label", "conflict") or target == "image.review" for target in effects.targets
        )
        if not isinstance(effects, Effects) or not is_small or not self.isVisible():
            self.mark_stale()
            return
        self.labels.images.invalidate(effects.image_ids)
        self._show_chosen()
        self._show_current()
        self._counting.start()

    @Slot(int)
    def _on_size_changed(self, pixels: int) -> None:
        self.grid.set_side(pixels)
        self.bulk.sample_view.set_side(pixels)
        self.state.change_settings(thumbnail_px=pixels)

    @Slot(list)
    def _on_classes_named(self, names: list[str]) -> None:
        """Add classes without labelling; the field for names keeps the focus."""
        if all(self.labels.apply(AddClass(name)) for name in names):
            self.panel.search_edit.clear()

    @Slot()
    def _show_suggestions(self) -> None:
        self.labels.images.invalidate()
        self._show_bar()
        self._show_chosen()
        self._show_current()

    @Slot(int)
    def _on_reasons_found(self, image_id: int) -> None:
        """Show the evidence for a suggestion: large images in the viewer, names in the tooltip."""
        self.labels.images.invalidate((image_id,))
        if self.labels.is_viewing and image_id == self.labels.selection.current_id():
            self.viewer.show_evidence(self.labels.reason_tiles(image_id))

    @Slot(int)
    def _show_image(self, image_id: int) -> None:
        """Make an image current, if it is among those shown."""
        if image_id in self.labels.images.ids:
            self.labels.selection.set_current(self.labels.images.ids.index(image_id))

    def hideEvent(self, event) -> None:
        self.thumbnails.prefetch(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for the images being decoded; called before the page is deleted."""
        self.bulk.keep_answers()
        self.thumbnails.close()
        self.viewer.close_workers()
        self.labeller.close()
        self.labels.close()
