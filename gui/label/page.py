"""The label page: a grid and a viewer over all pictures, the class list, and labelling by keys.

Every key press is one durable transaction before the screen shows it; undo brings anything back.
"""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Slot
from PySide6.QtWidgets import QCheckBox, QSplitter, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, IconButton, column, pill, restyle, row, text
from gui.kit.picture_grid import PictureGrid
from gui.kit.thumbnails import ThumbnailStore
from gui.label.cell import Cell
from gui.label.class_actions import ClassActions
from gui.label.class_panel import ClassPanel
from gui.label.filter_bar import FilterBar
from gui.label.images import class_entries
from gui.label.keys import LabelKeys
from gui.label.labeller import Labeller
from gui.label.picture_viewer import PictureViewer
from gui.label.session import LabelSession
from gui.label.suggestion_bar import SURE, SuggestionBar
from gui.page import Page
from gui.session import ProjectSession
from gui.state import AppState
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AddClass

COUNT_PAUSE_MS = 150
_UNBOUNDED = 16777215


class LabelPage(Page):
    """Pictures on the left, classes on the right."""

    name = "label"
    title = "Label"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False, max_width=_UNBOUNDED)
        self.labels = LabelSession(state, session, page=self.name, parent=self)
        self.thumbnails = ThumbnailStore(self)
        self.filters = FilterBar(thumbnail_px=state.settings.thumbnail_px)
        self.grid = PictureGrid(self.thumbnails, selection=self.labels.selection, side_px=state.settings.thumbnail_px)
        self.viewer = PictureViewer(self.thumbnails)
        self.panel = ClassPanel()
        self.class_actions = ClassActions(self.labels, self.panel, self)
        self.labeller = Labeller(self.labels, self)
        self.suggestion_bar = SuggestionBar()
        self.suggest_button = Button("Suggest labels", "sample", on_click=self._offer_runs)
        self.suggest_button.setToolTip(tr("Let a trained model suggest a class for each picture without one"))
        self.undo_button, self.redo_button = IconButton("undo", "Undo"), IconButton("redo", "Redo")
        self.advance_box = QCheckBox(tr("Go on after labelling"))
        self.advance_box.setChecked(state.settings.auto_advance)
        self.advance_box.setToolTip(tr("After a picture gets its class, the next one becomes current"))
        self.saved = pill("Saved", "good")
        self.empty = EmptyState("pictures", "", "")
        self._lay_out()
        self._counting = QTimer(self, singleShot=True, interval=COUNT_PAUSE_MS)
        self._counting.timeout.connect(self.labels.read)
        self._shown_hint = self._hint()
        self._connect()
        self._attach()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.suggest_button, self.advance_box, self.undo_button, self.redo_button, self.saved):
            self.action_row.addWidget(widget)
        self._selection = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._modes = QStackedWidget()
        self._modes.addWidget(self.grid)
        self._modes.addWidget(self.viewer)
        left = QWidget()
        self._only_text = text("", "strong")
        self._only_bar = QWidget()
        self._only_bar.setLayout(
            row(self._only_text, Button("Show all pictures", "close", on_click=self.show_all), None)
        )
        self._only_bar.hide()
        left_layout = column(self.filters, self._only_bar, self.suggestion_bar, self._modes, self._selection)
        left_layout.setStretch(3, 1)
        left.setLayout(left_layout)
        split = QSplitter()
        split.addWidget(left)
        split.addWidget(self.panel)
        split.setStretchFactor(0, 1)
        split.setHandleWidth(theme.LARGE)
        split.setChildrenCollapsible(False)
        self.panel.setMinimumWidth(theme.scaled(250))
        split.setSizes([1000, theme.scaled(250)])
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(split)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        session, labels = self.session, self.labels
        self.focus_target = self.grid
        keys = LabelKeys(labels, self.labeller.assign, self)
        self.grid.installEventFilter(keys)
        self.viewer.view.installEventFilter(keys)
        labels.classes_changed.connect(self._show_classes)
        labels.shown_changed.connect(self._show_pictures)
        labels.viewing_changed.connect(self._show_viewer)
        labels.selection.current_changed.connect(self._show_current)
        labels.selection.selection_changed.connect(self._show_chosen)
        labels.suggesting.changed.connect(self._on_suggestions_changed)
        self.grid.opened.connect(lambda _image_id: labels.view(True))
        self.viewer.closed.connect(lambda: labels.view(False))
        self.viewer.step_wanted.connect(labels.selection.step)
        self.viewer.accept_wanted.connect(self.labeller.accept)
        self.viewer.candidates.class_chosen.connect(self.labeller.assign)
        self.filters.changed.connect(self.show_all)
        self.suggestion_bar.accept_wanted.connect(self.labeller.accept_sure)
        self.suggestion_bar.hide_wanted.connect(labels.suggesting.hide)
        self.filters.size_changed.connect(self._on_size_changed)
        self.panel.class_chosen.connect(self.labeller.assign)
        self.panel.class_named.connect(self._on_class_named)
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
        actions.changed.connect(self._show_keys)

    @Slot()
    def _show_keys(self) -> None:
        """Show the keys that are in force, where they changed."""
        hint = self._hint()
        if hint != self._shown_hint:
            self._shown_hint = hint
            self._show_chosen()
            self._show_suggestions()
            self._show_current()

    def _hint(self) -> str:
        """Return the line of the most used keys; a command without a key is left out."""
        key = self.state.actions.shown_keys
        parts = [tr("1-9 label")]
        if clear := key("label.clear"):
            parts.append(tr("{key} clears", key=clear))
        if (back := key("label.previous")) and (forth := key("label.next")):
            parts.append(tr("{back} and {forth} move", back=back, forth=forth))
        if unlabelled := key("label.next_unlabelled"):
            parts.append(tr("{key} next without label", key=unlabelled))
        if opens := key("label.accept"):
            parts.append(tr("{key} opens", key=opens))
        if remove := key("label.remove"):
            parts.append(tr("{key} removes", key=remove))
        if sheet := key("help.shortcuts"):
            parts.append(tr("{key} all keys", key=sheet))
        return ", ".join(parts)

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
            labels.find()
        self._show_saved()

    @Slot()
    def _show_classes(self) -> None:
        self.filters.show_classes([row.name for row in self.labels.classes])
        self.filters.show_tags(list(self.labels.tags))
        self._show_suggestions()
        self._show_chosen()
        self._show_subtitle()

    def _show_suggestions(self) -> None:
        suggesting = self.labels.suggesting
        found = suggesting.open_ones().values()
        sure = sum(each.confidence >= SURE for each in found)
        key = self.state.actions.shown_keys("label.accept")
        self.suggestion_bar.show_counts(suggesting.run_name, len(found), sure, accept_key=key)
        suggested = {name for each in found for name in each.classes}
        self.filters.show_predictions([row.name for row in self.labels.classes if row.name in suggested])

    def show_only(self, image_ids: tuple[int, ...], title: str, *, current: int = 0) -> None:
        """Show just these pictures, in this order, from `current` on, until the user asks for others."""
        self._only_text.setText(title)
        self.labels.view(False)
        self.labels.show_only(image_ids)
        if current in self.grid.pictures.ids:
            self.grid.selection.set_current(self.grid.pictures.ids.index(current))

    def show_all(self) -> None:
        """Show again what the filters let through."""
        self.labels.show_query(self.filters.query())

    @Slot()
    def _show_pictures(self) -> None:
        self._only_bar.setVisible(self.labels.only is not None)
        self._show_subtitle()
        self._show_current()

    def _show_subtitle(self) -> None:
        summary = self.labels.summary
        if summary is None:
            self.subtitle.setText("")
            return
        rest = summary.images - summary.labelled
        shown = f", {self.grid.count():,} shown" if self.labels.is_narrow else ""
        left = f"{rest:,} without a label" if rest else "all labelled"
        self.subtitle.setText(f"{summary.images:,} pictures, {left}{shown}")

    @Slot()
    def _show_chosen(self) -> None:
        chosen = self.labels.selection.selected_ids()
        self.panel.show_entries(class_entries(self.labels.classes, self._cells(chosen[:500])))
        count = len(chosen)
        several = "{count} selected: a key or a click on a class labels them all"
        self._selection.setText(tr(several, count=f"{count:,}") if count > 1 else self._hint())

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        if not self.labels.is_viewing:
            return
        selection = self.labels.selection
        self.viewer.accept_key = self.state.actions.shown_keys("label.accept")
        cell = next(iter(self._cells([selection.current_id()])), None)
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

    def _offer_runs(self) -> None:
        menu = self.labels.suggesting.menu(self)
        menu.exec(self.suggest_button.mapToGlobal(QPoint(0, self.suggest_button.height())))
        menu.deleteLater()

    @Slot()
    def _show_viewer(self) -> None:
        """Show the picture that is viewed, or the grid, and let it take the keys."""
        self._modes.setCurrentWidget(self.viewer if self.labels.is_viewing else self.grid)
        self._show_current()
        self.focus_target = self.viewer.view if self.labels.is_viewing else self.grid
        self.focus_target.setFocus()

    # -- slots --------------------------------------------------------------------------------------------------

    @Slot()
    @Slot(object)
    def _on_content_changed(self, effects: object = None) -> None:
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
        self.state.change_settings(thumbnail_px=pixels)

    @Slot()
    def _show_settings(self) -> None:
        self.advance_box.setChecked(self.state.settings.auto_advance)

    @Slot(str)
    def _on_class_named(self, name: str) -> None:
        known = self.labels.known_name(name)
        if known is None and not self.labels.apply(AddClass(name)):
            return
        self.labeller.assign(known or name)
        self.grid.setFocus()

    @Slot()
    def _on_suggestions_changed(self) -> None:
        self.labels.pictures.invalidate()
        self._show_suggestions()
        self._show_current()

    def hideEvent(self, event) -> None:
        """Stop decoding pictures nobody sees."""
        self.thumbnails.prefetch(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for what is being decoded; called before the page goes."""
        self.thumbnails.close()
        self.viewer.view.close_pool()
        self.labels.close()


def _is_small(effects: Effects) -> bool:
    """Say whether a change leaves the pictures of the grid and the classes as they are."""
    return all(target.split(".")[0] in ("label", "conflict") or target == "image.review" for target in effects.targets)
