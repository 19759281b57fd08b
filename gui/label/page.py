"""The label page: a grid and a viewer over all pictures, the class list, and labelling by keys.

Above the pictures stand two lines, what can be done and what is shown; all else stands below them. Every key press is
one durable transaction before the screen shows it; undo brings anything back.
"""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Slot
from PySide6.QtWidgets import QCheckBox, QSplitter, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.certificates import certificate_words
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, IconButton, column, pill, restyle, row
from gui.kit.picture_grid import PictureGrid
from gui.kit.thumbnails import ThumbnailStore
from gui.label.bulk import BulkLabelling
from gui.label.cell import Cell
from gui.label.class_actions import ClassActions
from gui.label.class_panel import ClassPanel
from gui.label.filter_bar import FilterBar
from gui.label.images import class_entries
from gui.label.key_hint import key_hint
from gui.label.keys import LabelKeys
from gui.label.labeller import Labeller
from gui.label.picture_menu import picture_menu
from gui.label.picture_viewer import PictureViewer
from gui.label.progress_card import ProgressCard
from gui.label.session import LabelSession
from gui.label.size_control import SizeControl
from gui.label.suggestion_bar import SuggestionBar
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState, ChosenPictures
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AddClass

COUNT_PAUSE_MS = 150
_UNBOUNDED = 16777215


class LabelPage(Page):
    """Pictures on the left, classes on the right."""

    name = "label"
    title = "Label"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=_UNBOUNDED, is_compact=True)
        self.labels = LabelSession(state, session, page=self.name, parent=self)
        self.thumbnails = ThumbnailStore(self)
        self.filters = FilterBar()
        self.size_control = SizeControl(state.settings.thumbnail_px)
        self.size_slider = self.size_control.slider
        self.grid = PictureGrid(
            self.thumbnails, selection=self.labels.selection, side_px=self.size_slider.value(), lines=0, overlaid=True,
            draggable=True,
        )  # fmt: skip
        self.viewer = PictureViewer(self.thumbnails)
        self.panel, self.progress = ClassPanel(), ProgressCard()
        self.class_actions = ClassActions(self.labels, self.panel, self)
        self.labeller = Labeller(self.labels, self)
        self.bulk = BulkLabelling(self.labels, self.thumbnails, self, side_px=self.size_slider.value())
        self.suggestion_bar = SuggestionBar()
        self.suggest_button = Button("Suggest labels", "sample", on_click=self._offer_sources)
        self.suggest_button.setToolTip(tr("Have a class suggested for each picture without one"))
        self.undo_button, self.redo_button = IconButton("undo", "Undo"), IconButton("redo", "Redo")
        self.advance_box = QCheckBox(tr("Go on after labelling"))
        self.advance_box.setChecked(state.settings.auto_advance)
        self.advance_box.setToolTip(tr("After a picture gets its class, the next one becomes current"))
        self.saved = pill("Saved", "good")
        self.way_button = Button("Train", role="primary", on_click=self._go_on)
        self.empty = EmptyState("pictures", "", "")
        self._lay_out()
        self._counting = QTimer(self, singleShot=True, interval=COUNT_PAUSE_MS)
        self._counting.timeout.connect(self.labels.count)
        self._shown_hint = key_hint(self.state.actions)
        self._connect()
        self._attach()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.saved, self.undo_button, self.redo_button, self.suggest_button, self.way_button):
            self.action_row.addWidget(widget)
        self._selection = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._modes = QStackedWidget()
        self._modes.addWidget(self.grid)
        for view in (self.viewer, *self.bulk.views):
            self._modes.addWidget(view)
        left, foot = QWidget(), row(self._selection, self.advance_box, self.size_control)
        foot.setStretch(0, 1)
        left_layout = column(self._modes, self.suggestion_bar, foot)
        left_layout.setStretch(0, 1)
        left.setLayout(left_layout)
        split = QSplitter()
        split.addWidget(left)
        side, side_lines = QWidget(), column(self.panel, self.progress, spacing=theme.SMALL)
        side_lines.setStretch(0, 1)
        side.setLayout(side_lines)
        split.addWidget(side)
        split.setStretchFactor(0, 1)
        split.setHandleWidth(theme.LARGE)
        split.setChildrenCollapsible(False)
        side.setMinimumWidth(theme.scaled(220))
        split.setSizes([1000, theme.scaled(230)])
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        whole, lines = QWidget(), column(self.filters, split, spacing=theme.SMALL)
        lines.setStretch(1, 1)
        whole.setLayout(lines)
        self._stack.addWidget(whole)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.SMALL)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        session, labels = self.session, self.labels
        self.focus_target = self.grid
        keys = LabelKeys(labels, self.labeller.assign, self)
        self.grid.installEventFilter(keys)
        self.viewer.view.installEventFilter(keys)
        labels.classes_changed.connect(self._show_classes)
        labels.shown_changed.connect(self._show_pictures)
        labels.viewing_changed.connect(self._show_mode)
        self.bulk.changed.connect(self._show_mode)
        labels.selection.current_changed.connect(self._show_current)
        labels.selection.selection_changed.connect(self._show_chosen)
        labels.suggesting.changed.connect(self.show_suggestions)
        labels.suggesting.reasons_found.connect(self._on_reasons_found)
        self.grid.setMouseTracking(True)
        self.grid.entered.connect(lambda index: labels.suggesting.ask_reasons(labels.selection.id_at(index.row())))
        self.grid.opened.connect(lambda _image_id: labels.view(True))
        self.grid.menu_wanted.connect(self._offer_menu)
        self.viewer.closed.connect(lambda: labels.view(False))
        self.viewer.step_wanted.connect(labels.selection.step)
        self.viewer.accept_wanted.connect(self.labeller.accept)
        self.viewer.candidates.class_chosen.connect(self.labeller.assign)
        self.viewer.evidence.chosen.connect(self._show_picture)
        self.filters.changed.connect(self.show_all)
        self.suggestion_bar.accept_wanted.connect(lambda: self.state.actions.run("label.accept_many"))
        self.suggestion_bar.hide_wanted.connect(labels.suggesting.hide)
        self.suggestion_bar.rows_wanted.connect(lambda: self.state.actions.run("label.rows"))
        self.size_slider.valueChanged.connect(self._on_size_changed)
        self.panel.filter_wanted.connect(lambda name: self.bulk.assign(name) or self.filters.show_only_class(name))
        self.panel.class_chosen.connect(lambda name: self.bulk.assign(name) or self.labeller.assign(name))
        self.panel.classes_named.connect(self._on_classes_named)
        self.panel.naming_left.connect(lambda: self.focus_target and self.focus_target.setFocus())
        self.undo_button.clicked.connect(lambda _checked=False: session is not None and session.undo())
        self.redo_button.clicked.connect(lambda _checked=False: session is not None and session.redo())
        self.advance_box.toggled.connect(lambda is_on: self.state.change_settings(auto_advance=is_on))
        self.state.settings_changed.connect(self._show_settings)
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("project"))

    def _attach(self) -> None:
        """Let the buttons and hints follow their commands."""
        actions, viewer = self.state.actions, self.viewer
        actions.attach(self.undo_button, "edit.undo")
        actions.attach(self.redo_button, "edit.redo")
        actions.attach(viewer.back_button, "viewer.close")
        actions.attach(viewer.previous_button, "label.previous")
        actions.attach(viewer.next_button, "label.next")
        actions.attach(viewer.fit_button, "viewer.fit")
        words = tr("One pixel of the picture is one pixel of the screen")
        actions.attach(viewer.real_button, "viewer.real_pixels", words)

    def _show_keys(self) -> None:
        """Show the keys that are in force, where they changed."""
        if self.labels.keys != self.labels.keys_now():
            self.labels.read()
        hint = key_hint(self.state.actions)
        if hint != self._shown_hint:
            self._shown_hint = hint
            self._show_chosen()
            self._show_bar()
            self._show_current()

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read classes and pictures anew."""
        labels = self.labels
        labels.read()
        has_pictures = labels.summary is not None and labels.summary.images > 0
        self._stack.setCurrentIndex(1 if has_pictures else 0)
        if labels.project is None:
            self.empty.show_words("No project open", "Open a project to label its pictures.", "To Project")
        else:
            self.empty.show_words(
                "No pictures yet", "Import pictures first; then give each one its class here.", "Import"
            )
        if has_pictures:
            labels.suggesting.begin()
            labels.find()
        self._show_saved()

    @Slot()
    def _show_classes(self) -> None:
        self.filters.show_classes(self.labels.colours)
        self.filters.show_tags(list(self.labels.tags))
        self._show_bar()
        self._show_chosen()
        self._show_subtitle()

    def _show_bar(self) -> None:
        suggesting = self.labels.suggesting
        now, bar, proven = suggesting.standing(), self.suggestion_bar, self.labels.certificate
        bar.show_counts(suggesting.words(now.count), now.count, expected=now.expected)
        bar.show_certificate(certificate_words(proven) if proven is not None else "")
        bar.show_wanted(is_wanted=self.bulk.view is None)
        names = [row.name for row in self.labels.classes if row.name in now.classes]
        self.filters.show_predictions(names, has_queue=suggesting.has_features)

    def show_only(self, image_ids: tuple[int, ...], title: str, *, current: int = 0) -> None:
        """Show just these pictures, in this order, from `current` on, until the user asks for others."""
        self.filters.show_only(title)
        self.bulk.close()
        self.labels.view(False)
        self.labels.show_only(image_ids)
        if current in self.grid.pictures.ids:
            self.grid.selection.set_current(self.grid.pictures.ids.index(current))

    def chosen_pictures(self) -> ChosenPictures:
        """Return the selected pictures."""
        return ChosenPictures(self.labels.selection.selected_ids())

    def show_all(self) -> None:
        """Show again what the filters let through."""
        self.labels.show_query(self.filters.query())

    @Slot()
    def _show_pictures(self) -> None:
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
        parts = [tr("{count} pictures", count=f"{summary.images:,}")]
        parts.append(tr("{count} without a label", count=f"{rest:,}") if rest else tr("all labelled"))
        if self.labels.is_narrow:
            parts.append(tr("{count} shown", count=f"{self.grid.count():,}"))
        self.subtitle.setText(", ".join(parts))
        self.progress.show_progress(self.labels.curve, summary.labelled)
        self.filters.show_unlabelled(rest)
        self.way_button.setText(tr("Train") if self._can_train() else tr("Next without a label"))

    @Slot()
    def _show_chosen(self) -> None:
        chosen = self.labels.selection.selected_ids() if self.bulk.view is None else ()
        labels, cells = self.labels, self._cells(chosen[:500])
        shown = labels.query.class_name if labels.only is None else ""
        self.panel.show_entries(class_entries(labels.classes, cells, keys=labels.keys, shown=shown))
        count = len(chosen)
        several = "{count} selected: a key labels them all, and so does dragging them onto a class"
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
        self.labels.suggesting.ask_reasons(selection.current_id())
        neighbours = self._cells([selection.id_at(selection.place + step) for step in (1, 2, -1)])
        self.viewer.show_cell(
            cell, index=selection.place, count=self.grid.count(), neighbours=neighbours, keys=self.labels.keys
        )

    def _cells(self, image_ids: Sequence[int]) -> list[Cell]:
        return [tile for tile in self.labels.pictures.tiles(image_ids) if isinstance(tile, Cell)]

    def _show_saved(self) -> None:
        project = self.labels.project
        is_read_only = project is not None and project.is_read_only
        self.saved.setText(tr("Read only" if is_read_only else "Saved"))
        restyle(self.saved, tone="warn" if is_read_only else "good")
        self.saved.setToolTip(tr("Every change is on disk before the screen shows it"))

    def _can_train(self) -> bool:
        return self.labels.summary is not None and sum(map(bool, self.labels.summary.classes.values())) > 1

    def _go_on(self) -> None:
        """Take the next step: label what is missing until there is something to train on."""
        self.state.page_requested.emit("train") if self._can_train() else self.labeller.step_unlabelled(1)

    @Slot(QPoint)
    def _offer_menu(self, place: QPoint) -> None:
        menu = picture_menu(self.labels, self.labeller, self)
        menu.exec(place)
        menu.deleteLater()

    def _offer_sources(self) -> None:
        menu = self.labels.suggesting.menu(self)
        menu.exec(self.suggest_button.mapToGlobal(QPoint(0, self.suggest_button.height())))
        menu.deleteLater()

    @Slot()
    def _show_mode(self) -> None:
        """Show the picture that is viewed, many at once, or the grid, and let it take the keys."""
        bulk, is_viewing = self.bulk.view, self.labels.is_viewing
        self._modes.setCurrentWidget(bulk or (self.viewer if is_viewing else self.grid))
        self.filters.setVisible(bulk is None)
        self.advance_box.setVisible(bulk is None)
        self.size_control.setVisible(bulk is None or self.bulk.has_sizes)
        self._show_chosen()
        self._show_bar()
        self._show_current()
        self.focus_target = self.bulk.focus or (self.viewer.view if is_viewing else self.grid)
        self.focus_target.setFocus()

    # -- slots --------------------------------------------------------------------------------------------------

    @Slot()
    @Slot(object)
    def _on_content_changed(self, effects: object = None) -> None:
        self.labels.suggesting.follow(effects)
        self.bulk.follow(effects)
        if not (isinstance(effects, Effects) and not effects.has_new_images):
            self.labels.forget_names()
        if not (isinstance(effects, Effects) and _is_small(effects) and self.isVisible()):
            self.mark_stale()
            return
        self.labels.pictures.invalidate(effects.image_ids)
        self._show_chosen()
        self._show_current()
        self._show_saved()
        self._counting.start()

    @Slot(int)
    def _on_size_changed(self, pixels: int) -> None:
        self.grid.set_side(pixels)
        self.bulk.set_side(pixels)
        self.state.change_settings(thumbnail_px=pixels)

    @Slot()
    def _show_settings(self) -> None:
        self.advance_box.setChecked(self.state.settings.auto_advance)
        self._show_keys()

    @Slot(list)
    def _on_classes_named(self, names: list[str]) -> None:
        """Add classes, and nothing else: who names them goes on naming."""
        if all(self.labels.apply(AddClass(name)) for name in names):
            self.panel.search_edit.clear()

    @Slot()
    def show_suggestions(self) -> None:
        """Show other suggestions than before."""
        self.labels.pictures.invalidate()
        self._show_bar()
        self._show_chosen()
        self._show_current()

    @Slot(int)
    def _on_reasons_found(self, image_id: int) -> None:
        """Show the pictures that are the reason for a suggestion: large ones in the viewer, names in the tooltip."""
        self.labels.pictures.invalidate((image_id,))
        if self.labels.is_viewing and image_id == self.labels.selection.current_id():
            self.viewer.evidence.show_tiles(self.labels.reason_tiles(image_id))

    @Slot(int)
    def _show_picture(self, image_id: int) -> None:
        """Make a picture current, where it is among those that are shown."""
        if image_id in self.labels.pictures.ids:
            self.labels.selection.set_current(self.labels.pictures.ids.index(image_id))

    def hideEvent(self, event) -> None:
        """Stop decoding pictures nobody sees."""
        self.thumbnails.prefetch(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for what is being decoded; called before the page goes."""
        self.bulk.auditing.keep_said()
        self.thumbnails.close()
        self.viewer.close_workers()
        self.labels.close()


def _is_small(effects: Effects) -> bool:
    """Say whether a change leaves the pictures of the grid and the classes as they are."""
    return all(target.split(".")[0] in ("label", "conflict") or target == "image.review" for target in effects.targets)
