"""The label page: a grid and a viewer over all pictures, the class list, and labelling by keys.

Every key press is one durable transaction before the screen shows it; undo brings anything back.
"""

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QCheckBox, QInputDialog, QSplitter, QStackedWidget, QWidget

from gui import keymap, theme
from gui.labelling import cells, class_entries, class_keys, find_ids
from gui.pages.label_keys import LabelKeys
from gui.pages.page import Page
from gui.state import AppState
from gui.thumbnails import ThumbnailStore
from gui.widgets.class_panel import ClassPanel
from gui.widgets.empty_state import EmptyState
from gui.widgets.filter_bar import FilterBar, Wanted
from gui.widgets.image_grid import Cell, ImageGrid
from gui.widgets.parts import Button, ElidedLabel, IconButton, column, pill, restyle, row, text
from gui.widgets.picture_viewer import PictureViewer
from visionft.project.browsing import ClassRow
from visionft.project.browsing import class_rows as read_classes
from visionft.project.changes import AddClass, Change, LabelImages, RemoveImages, UnlabelImages
from visionft.project.class_changes import DeleteClass, MergeClasses, OrderClasses, RenameClass, SetShortcut
from visionft.project.journal import Effects
from visionft.project.reading import ProjectSummary

COUNT_PAUSE_MS = 150
_UNBOUNDED = 16777215


class LabelPage(Page):
    """Pictures on the left, classes on the right."""

    name = "label"
    title = "Label"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, scrolls=False, max_width=_UNBOUNDED)
        self._classes: tuple[ClassRow, ...] = ()
        self._places: dict[str, int] = {}
        self.keys: dict[str, str] = {}
        self._summary: ProjectSummary | None = None
        self._only: tuple[int, ...] | None = None
        self.thumbnails = ThumbnailStore(self)
        self.filters = FilterBar(thumbnail_px=state.settings.thumbnail_px)
        self.grid = ImageGrid(self._load_cells, self.thumbnails)
        self.grid.set_side(state.settings.thumbnail_px)
        self.viewer = PictureViewer(self.thumbnails)
        self.panel = ClassPanel()
        self.undo_button = IconButton("undo", "Undo", shortcut="Ctrl+Z")
        self.redo_button = IconButton("redo", "Redo", shortcut="Ctrl+Shift+Z")
        self.advance_box = QCheckBox("Go on after labelling")
        self.advance_box.setChecked(state.settings.auto_advance)
        self.advance_box.setToolTip("After a picture gets its class, the next one becomes current")
        self.saved = pill("Saved", "good")
        self.empty = EmptyState("pictures", "", "")
        self._lay_out()
        self._counting = QTimer(self, singleShot=True, interval=COUNT_PAUSE_MS)
        self._counting.timeout.connect(self._count_again)
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.advance_box, self.undo_button, self.redo_button, self.saved):
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
        left_layout = column(self.filters, self._only_bar, self._modes, self._selection)
        left_layout.setStretch(2, 1)
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
        self.setFocusProxy(self.grid)
        keys = LabelKeys(self)
        self.grid.installEventFilter(keys)
        self.viewer.view.installEventFilter(keys)
        self.grid.current_changed.connect(self._on_current_changed)
        self.grid.selection_changed.connect(self._on_selection_changed)
        self.grid.activated.connect(lambda _image_id: self.open_viewer())
        self.viewer.closed.connect(self.close_viewer)
        self.viewer.step_wanted.connect(self.step)
        self.filters.changed.connect(self.show_all)
        self.state.project_changed.connect(self.show_all)
        self.filters.size_changed.connect(self._on_size_changed)
        self.panel.class_chosen.connect(self.assign)
        self.panel.class_named.connect(self._on_class_named)
        self.panel.rename_wanted.connect(self._on_rename_wanted)
        self.panel.merge_wanted.connect(lambda name, into: self._apply(MergeClasses((name,), into)))
        self.panel.delete_wanted.connect(lambda name: self._apply(DeleteClass(name)))
        self.panel.key_wanted.connect(self._on_key_wanted)
        self.panel.reordered.connect(lambda names: self._apply(OrderClasses(tuple(names))))
        self.undo_button.clicked.connect(lambda _checked=False: self.state.undo())
        self.redo_button.clicked.connect(lambda _checked=False: self.state.redo())
        self.advance_box.toggled.connect(lambda is_on: self.state.change_settings(auto_advance=is_on))
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit("project"))

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read classes and pictures anew."""
        project = self.state.project
        self._summary = project.summary() if project is not None else None
        has_pictures = self._summary is not None and self._summary.images > 0
        self._stack.setCurrentIndex(1 if has_pictures else 0)
        if project is None:
            self.empty.show_words("No project open", "Open a project to label its pictures.", "To Project")
        else:
            self.empty.show_words(
                "No pictures yet", "Import pictures first; then give each one its class here.", "Import"
            )
        self._read_classes()
        if has_pictures:
            self._show_pictures()
        self._show_history()

    def _read_classes(self) -> None:
        project = self.state.project
        self._classes = read_classes(project) if project is not None else ()
        self._places = {row.name: place for place, row in enumerate(self._classes)}
        self.keys = class_keys(self._classes)
        self.filters.show_classes([row.name for row in self._classes])
        self._show_chosen()

    def show_only(self, image_ids: tuple[int, ...], title: str) -> None:
        """Show just these pictures, in this order, until the user asks for others."""
        self._only = image_ids
        self._only_text.setText(title)
        self._only_bar.show()
        self.close_viewer()
        self._show_pictures()

    def show_all(self) -> None:
        """Show again what the filters let through."""
        self._only = None
        self._only_bar.hide()
        self._show_pictures()

    @Slot()
    def _show_pictures(self) -> None:
        project, wanted = self.state.project, self.filters.wanted()
        if project is None:
            return
        if self._only is not None:
            present = set(find_ids(project, Wanted(), None))
            self.grid.set_ids(tuple(image_id for image_id in self._only if image_id in present))
            self._show_subtitle()
            self._show_current()
            return
        snapshot = self.state.snapshot() if wanted.order.startswith("By") else None
        self.grid.set_ids(find_ids(project, wanted, snapshot))
        self._show_subtitle()
        self._show_current()

    def _show_subtitle(self) -> None:
        if self._summary is None:
            self.subtitle.setText("")
            return
        summary = self._summary
        rest = summary.images - summary.labelled
        is_narrow = self.filters.wanted().narrows or self._only is not None
        shown = f", {self.grid.count():,} shown" if is_narrow else ""
        left = f"{rest:,} without a label" if rest else "all labelled"
        self.subtitle.setText(f"{summary.images:,} pictures, {left}{shown}")

    def _show_chosen(self) -> None:
        chosen = [cell for image_id in self.grid.selected_ids()[:500] if (cell := self.grid.cell(image_id))]
        self.panel.show_entries(class_entries(self._classes, chosen))
        count = len(self.grid.selected_ids())
        self._selection.setText(
            f"{count:,} selected: a key or a click on a class labels them all" if count > 1 else
            "1-9 label, 0 clears, A and D move, Ctrl+D next without label, Enter opens, Del removes, ? all keys"
        )  # fmt: skip

    def _show_current(self) -> None:
        if not self.is_viewing:
            return
        place = self.grid.current_place()
        cell = self._cell_at(place)
        near = [self._cell_at(place + step) for step in (1, 2, -1)]
        neighbours = [each for each in near if each is not None]
        self.viewer.show_cell(cell, place=place, count=self.grid.count(), neighbours=neighbours)

    def _cell_at(self, place: int) -> Cell | None:
        image_id = self.grid.id_at(place)
        return self.grid.cell(image_id) if image_id else None

    def _show_history(self) -> None:
        project = self.state.project
        for button, word, title in (
            (self.undo_button, "Undo", project.undo_title if project else None),
            (self.redo_button, "Redo", project.redo_title if project else None),
        ):
            button.setEnabled(title is not None)
            keys = "Ctrl+Z" if word == "Undo" else "Ctrl+Shift+Z"
            button.setToolTip(f"{word}: {title} ({keys})" if title else f"Nothing to {word.lower()}")
        is_read_only = project is not None and project.is_read_only
        self.saved.setText("Read only" if is_read_only else "Saved")
        restyle(self.saved, tone="warn" if is_read_only else "good")
        self.saved.setToolTip("Every change is on disk before the screen shows it")

    # -- labelling ----------------------------------------------------------------------------------------------

    @Slot(str)
    def assign(self, class_name: str) -> None:
        """Give the chosen pictures a class; in a multi-label project take it off when all have it."""
        project, chosen = self.state.project, self.grid.selected_ids()
        if project is None or not chosen:
            return
        held = [cell for image_id in chosen if (cell := self.grid.cell(image_id))]
        has_all = all(any(name == class_name for name, _ in cell.labels) for cell in held)
        if project.task == "multi" and has_all:
            self._apply(UnlabelImages(chosen, class_name))
        elif self._apply(LabelImages(chosen, class_name)) or has_all:
            self._go_on(len(chosen), is_multi=project.task == "multi")

    def clear_labels(self) -> None:
        """Take all classes off the chosen pictures."""
        if chosen := self.grid.selected_ids():
            self._apply(UnlabelImages(chosen))

    def remove(self) -> None:
        """Take the chosen pictures out of the project; undo brings them back."""
        if chosen := self.grid.selected_ids():
            self._apply(RemoveImages(chosen))

    def step(self, step: int) -> None:
        """Make the next (1) or previous (-1) picture current."""
        self.grid.set_current(self.grid.current_place() + step)

    def step_unlabelled(self, step: int) -> None:
        """Make the next or previous picture without a label current."""
        place = self.grid.find_place(self.grid.current_place(), step, lambda cell: not cell.labels)
        if place >= 0:
            self.grid.set_current(place)

    def _go_on(self, count: int, *, is_multi: bool) -> None:
        if count == 1 and not is_multi and self.advance_box.isChecked():
            self.step(1)

    def _apply(self, change: Change) -> bool:
        return self.state.apply(change)

    @property
    def is_viewing(self) -> bool:
        """Whether one picture is shown large."""
        return self._modes.currentWidget() is self.viewer

    # -- viewer -------------------------------------------------------------------------------------------------

    def open_viewer(self) -> None:
        """Show the current picture large."""
        if self.grid.current_id():
            self._modes.setCurrentWidget(self.viewer)
            self._show_current()
            self.setFocusProxy(self.viewer.view)
            self.viewer.view.setFocus()

    def close_viewer(self) -> None:
        """Go back to the grid."""
        self._modes.setCurrentWidget(self.grid)
        self.setFocusProxy(self.grid)
        self.grid.setFocus()

    # -- slots --------------------------------------------------------------------------------------------------

    def _load_cells(self, image_ids) -> list[Cell]:
        project = self.state.project
        return list(cells(project, image_ids, self._places)) if project is not None else []

    @Slot()
    @Slot(object)
    def _on_content_changed(self, effects: object = None) -> None:
        is_small = isinstance(effects, Effects) and all(target.split(".")[0] == "label" for target in effects.targets)
        if not (is_small and isinstance(effects, Effects) and self.isVisible()):
            self.mark_stale()
            return
        self.grid.invalidate(effects.image_ids)
        self._show_chosen()
        self._show_current()
        self._show_history()
        self._counting.start()

    @Slot()
    def _count_again(self) -> None:
        if self.state.project is not None:
            self._summary = self.state.project.summary()
        self._read_classes()
        self._show_subtitle()

    @Slot(int)
    def _on_current_changed(self, _image_id: int) -> None:
        self._show_current()

    @Slot()
    def _on_selection_changed(self) -> None:
        self._show_chosen()

    @Slot(int)
    def _on_size_changed(self, pixels: int) -> None:
        self.grid.set_side(pixels)
        self.state.change_settings(thumbnail_px=pixels)

    @Slot(str)
    def _on_class_named(self, name: str) -> None:
        known = next((row.name for row in self._classes if row.name.casefold() == name.casefold()), None)
        if known is None and not self._apply(AddClass(name)):
            return
        self.assign(known or name)
        self.grid.setFocus()

    @Slot(str)
    def _on_rename_wanted(self, name: str) -> None:
        new_name, is_accepted = QInputDialog.getText(self, "Rename class", f"New name of “{name}”", text=name)
        if is_accepted and new_name.strip() and new_name.strip() != name:
            self._apply(RenameClass(name, new_name.strip()))

    @Slot(str)
    def _on_key_wanted(self, name: str) -> None:
        key, is_accepted = QInputDialog.getText(self, "Set key", f"One letter or digit for “{name}”; empty for none")
        if not is_accepted:
            return
        taken = keymap.letters_in_use(self.state.settings.shortcuts).get(key.strip().casefold())
        if taken is not None:
            message = f"“{key}” is taken by “{taken}”."
            self.state.message_raised.emit(message, "Choose another key, or change that one in Settings.", "warn", "")
            return
        self._apply(SetShortcut(name, key.strip() or None))

    def hideEvent(self, event) -> None:
        """Stop decoding pictures nobody sees."""
        self.thumbnails.want(())
        super().hideEvent(event)

    def close_workers(self) -> None:
        """Wait for what is being decoded; called before the window goes."""
        self.thumbnails.close()
        self.viewer.view.close_pool()
