"""Where the chosen view is shown: its controls, its panel, the one grid, a picture large, why it is there, what to do.

It asks the view and holds its widgets; it knows nothing of what the view is about.
"""

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSplitter, QStackedWidget, QWidget

from gui.curate.curation import Curation
from gui.curate.picture_line import PictureLine
from gui.curate.view import Empty, View
from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.image_view import ImageView
from gui.kit.label_box import LabelBox
from gui.kit.parts import Button, column
from gui.kit.picture_grid import PictureGrid
from gui.kit.thumbnails import ThumbnailStore

_PLACES = {"above": Qt.Orientation.Vertical, "beside": Qt.Orientation.Horizontal, "instead": Qt.Orientation.Vertical}
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}  # while a picture is shown large
_HELD = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


class Stage(QWidget):
    """Everything below the sentence of a view."""

    class_chosen = Signal(str)  # in the box, for what is selected

    def __init__(self, curation: Curation) -> None:
        super().__init__()
        self._curation = curation
        self._view: View | None = None
        self._built: dict[str, tuple[QWidget | None, QWidget | None, list[Button]]] = {}
        self._left: dict[str, int] = {}  # the picture that was current in a view
        self.thumbnails = ThumbnailStore(self)
        self.grid = PictureGrid(self.thumbnails, selection=curation.selection, lines=2)
        self.viewer = ImageView(self.thumbnails)
        self.panels = QStackedWidget()
        self.label_box = LabelBox()
        self.line = PictureLine(self.label_box)
        self.empty = EmptyState("info", "", "")
        self._empty: Empty | None = None
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._controls_box, self._controls = QWidget(), column()
        self._controls_box.setLayout(self._controls)
        self._buttons = Flow()
        self._pictures = QStackedWidget()
        self._pictures.addWidget(self.grid)
        self._pictures.addWidget(self.viewer)
        self._foot = QWidget()
        self._foot.setLayout(column(self.line, self._buttons, spacing=theme.SMALL))
        self._split = QSplitter()
        self._split.addWidget(self.panels)
        self._split.addWidget(self._pictures)
        self._split.setHandleWidth(theme.LARGE)
        self._split.setChildrenCollapsible(False)
        for part in range(2):
            self._split.setStretchFactor(part, 1)
        self._modes = QStackedWidget()
        self._modes.addWidget(self._split)
        self._modes.addWidget(self.empty)
        layout = column(spacing=theme.SMALL)
        layout.addWidget(self._controls_box)
        layout.addWidget(self._modes, 1)
        layout.addWidget(self._foot)
        self.setLayout(layout)

    def _connect(self) -> None:
        selection = self._curation.selection
        selection.current_changed.connect(self._show_current)
        selection.selection_changed.connect(self._show_label)
        self.grid.opened.connect(self._open)
        self.viewer.installEventFilter(self)
        self.label_box.label_chosen.connect(self.class_chosen)
        self.empty.button.clicked.connect(lambda _checked=False: self._act_on_empty())

    # -- showing ------------------------------------------------------------------------------------------------

    def show_view(self, view: View) -> None:
        """Show a view as it is now."""
        is_other, self._view = view is not self._view, view
        self._curation.give_tiles = view.tiles
        controls, panel, buttons = self._built_of(view)
        self._empty = view.empty()
        shown = view.shown() if self._empty is None else None
        if is_other:
            self._arrange(controls, panel, buttons, view)
        self._show_empty(self._empty)
        self.grid.pictures.set_ids(*((shown.ids, shown.sections) if shown is not None else ((), ())))
        if is_other:
            self._return_to(self._left.get(view.name, 0))
        has_pictures = shown is not None and bool(shown.ids)
        self._foot.setVisible(has_pictures or bool(buttons and panel is not None and self._empty is None))
        self.line.setVisible(has_pictures)
        self._show_current()
        self._show_label()

    def leave(self, view: View | None) -> None:
        """Remember where a view was left."""
        if view is not None:
            self._left[view.name] = self._curation.selection.current_id()
        self._show_large(False)

    def _return_to(self, image_id: int) -> None:
        ids = self.grid.pictures.ids
        self._curation.selection.set_current(ids.index(image_id) if image_id in ids else 0)

    def _built_of(self, view: View) -> tuple[QWidget | None, QWidget | None, list[Button]]:
        """Return a view's controls, panel and buttons, which are made when they are first seen."""
        if view.name not in self._built:
            controls, panel = view.build_controls(), view.build_panel()
            if controls is not None:
                self._controls.addWidget(controls)
            if panel is not None:
                self.panels.addWidget(panel)
            self._built[view.name] = (controls, panel, [self._button(view, name) for name in _buttons_of(view)])
            self._curation.state.actions.refresh()  # the buttons show what holds now, before pictures come
        return self._built[view.name]

    def _button(self, view: View, name: str) -> Button:
        actions, command = self._curation.state.actions, view.commands[name]
        button = Button("", command.icon, on_click=lambda: actions.run(name))
        button.setText((command.words or actions.title(name)).replace("&", "&&"))
        button.set_icon_name(command.icon)
        actions.attach(button, name)
        self._buttons.addWidget(button)
        return button

    def _arrange(self, controls: QWidget | None, panel: QWidget | None, buttons: list[Button], view: View) -> None:
        """Show the widgets of a view, and hide those of all others."""
        for its_controls, _, its_buttons in self._built.values():
            for widget in (*([its_controls] if its_controls is not None else []), *its_buttons):
                widget.setVisible(widget is controls or widget in buttons)
        self.panels.setVisible(panel is not None)
        self._pictures.setVisible(panel is None or view.panel_place != "instead")
        if panel is not None:
            self.panels.setCurrentWidget(panel)
            self._split.setOrientation(_PLACES[view.panel_place])
            if view.panel_share:
                share = round(1000 * view.panel_share)
                self._split.setSizes([share, 1000 - share])  # Qt fits them to the room there is
        self.label_box.setVisible(view.gives_classes)

    def _show_empty(self, empty: Empty | None) -> None:
        self._modes.setCurrentIndex(0 if empty is None else 1)
        self._controls_box.setVisible(empty is None or empty.keeps_controls)
        if empty is not None:
            self.empty.show_icon(empty.icon)
            self.empty.show_words(empty.title, empty.words, empty.button)

    def _act_on_empty(self) -> None:
        if self._empty is not None and self._empty.act is not None:
            self._empty.act()

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        """Say why the current picture is here; show it large where pictures are shown so."""
        selection, view = self._curation.selection, self._view
        if view is None:
            return
        current = selection.current_id()
        tile = self.grid.tile(current) if current else None
        place = tr("{place} of {count}", place=f"{selection.place + 1:,}", count=f"{len(selection.ids):,}")
        self.line.show_picture(tile, view.reason(current) if tile is not None else "", place=place if tile else "")
        if self.is_viewing:
            near = [self.grid.tile(selection.id_at(selection.place + step)) for step in (1, 2, -1)]
            self.viewer.show_picture(tile.path if tile else None, neighbours=[each.path for each in near if each])
            if tile is None:
                self._show_large(False)

    @Slot()
    def _show_label(self) -> None:
        """Show in the box what the selected pictures are now."""
        now, chosen = self._curation.now, self._curation.chosen()[:500]
        labels = {now[image_id].labels for image_id in chosen if image_id in now}
        self.label_box.show_classes([each.name for each in self._curation.classes])
        if len(labels) == 1 and len(label := next(iter(labels))) <= 1:
            self.label_box.show_label(label[0] if label else None, words=tr("No label"))
        else:
            several = ", ".join(next(iter(labels))) if len(labels) == 1 else tr("Several labels")
            self.label_box.show_label(None, words=several if labels else "")

    # -- one picture, large -------------------------------------------------------------------------------------

    @property
    def is_viewing(self) -> bool:
        """Whether a picture is shown large."""
        return self._pictures.currentWidget() is self.viewer

    def toggle_viewer(self) -> None:
        """Show the current picture large, or all of them again."""
        self._show_large(not self.is_viewing)

    @Slot(int)
    def _open(self, image_id: int) -> None:
        if self._view is None or not self._view.open_picture(image_id):
            self._show_large(True)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the keys of a viewer move on, and go back to all pictures."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and not event.modifiers() & _HELD:
            step = _STEPS.get(Qt.Key(event.key()))
            if step is not None:
                self._curation.selection.step(step)
            elif event.key() == Qt.Key.Key_Escape:
                self._show_large(False)
            if step is not None or event.key() == Qt.Key.Key_Escape:
                return True
        return super().eventFilter(watched, event)

    def _show_large(self, is_on: bool) -> None:
        is_on = is_on and bool(self._curation.selection.current_id())
        if is_on == self.is_viewing:
            return
        shown = self.viewer if is_on else self.grid
        self._pictures.setCurrentWidget(shown)
        self._show_current()
        shown.setFocus()

    def close(self) -> bool:
        """Wait for pictures that are being decoded."""
        self.thumbnails.close()
        self.viewer.close_pool()
        return super().close()


def _buttons_of(view: View) -> list[str]:
    return [name for name, command in view.commands.items() if command.is_button]
