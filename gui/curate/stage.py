"""The area of the active view: its controls, its panel, the grid, the large image, the reason line, and the buttons.

It asks the view and holds its widgets; it does not know the view's subject.
"""

from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.view import EmptyContent, View, ViewContent
from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.label_box import LabelBox
from gui.kit.parts import Button, ElidedLabel, column, row, stacked, text, widget_of
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr

_PLACES = {"above": Qt.Orientation.Vertical, "beside": Qt.Orientation.Horizontal, "instead": Qt.Orientation.Vertical}
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}  # while the large image is shown
_MODIFIERS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


class ImageLine(QWidget):
    """The name of the current image, its label, and the reason why it is shown, in full.

    Its height is constant, so that changing the image moves no other widget.
    """

    def __init__(self, label_box: QWidget) -> None:
        """Args: `label_box` is placed after the name: it shows and changes the label."""
        super().__init__()
        self._name = ElidedLabel("", "strong")
        self._facts = text(role="small")
        self._reason = ElidedLabel("", "muted", mode=Qt.TextElideMode.ElideRight)
        line = row(self._name, self._facts, label_box, spacing=theme.LARGE, grows=0)
        self.setLayout(column(line, self._reason, spacing=theme.HAIR))

    def show_image(self, tile: Tile | None, reason: str, *, place: str) -> None:
        """Show the description of an image; `place` is its position, such as 3 of 60."""
        self._name.setText(tile.path.name if tile is not None else "")
        self._facts.setText(place)
        self._reason.setText(reason)

    def words(self) -> tuple[str, str]:
        return self._name.text(), self._reason.text()


class ViewBody(QWidget):
    """Everything below the sentence of a view."""

    class_chosen = Signal(str)  # in the box, for the selection

    def __init__(self, curation: Curation) -> None:
        super().__init__()
        self._curation = curation
        self._view: View | None = None
        self._built: dict[str, tuple[QWidget | None, QWidget | None, list[Button]]] = {}
        self._left: dict[str, int] = {}  # the last current image of a view
        self._empty: EmptyContent | None = None
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(self.thumbnails, selection=curation.selection, lines=2)
        self.grid.opened.connect(lambda _image_id: self._show_large(True))
        self.viewer = ImageView(self.thumbnails)
        self.viewer.installEventFilter(self)
        self.panels = stacked()
        self.label_box = LabelBox()
        self.label_box.label_chosen.connect(self.class_chosen)
        self.line = ImageLine(self.label_box)
        self.empty = EmptyState("info", "", "")
        self.empty.button.clicked.connect(lambda _checked=False: self._act_on_empty())
        curation.selection.current_changed.connect(self._show_current)
        curation.selection.selection_changed.connect(self._show_label)
        self._lay_out()

    def _lay_out(self) -> None:
        self._controls = column()
        self._controls_box = widget_of(self._controls)
        self._buttons = Flow()
        self._images = stacked(self.grid, self.viewer)
        self._foot = widget_of(column(self.line, self._buttons))
        self._split = divided(self.panels, self._images)
        self._split.setHandleWidth(theme.LARGE)
        self._modes = stacked(self._split, self.empty)
        self.setLayout(column(self._controls_box, self._modes, self._foot, grows=1))

    def show_view(self, view: View) -> None:
        is_other, self._view = view is not self._view, view
        self._curation.load_tiles = view.tiles
        if view.name not in self._built:
            self._build(view)
        controls, panel, buttons = self._built[view.name]
        self._empty = empty = view.empty()
        shown = view.shown() if empty is None else ViewContent()
        if is_other:
            self._arrange(controls, panel, buttons, view)
        self._modes.setCurrentIndex(0 if empty is None else 1)
        self._controls_box.setVisible(empty is None or empty.keeps_controls)
        if empty is not None:
            self.empty.show_icon(empty.icon)
            self.empty.show_words(empty.title, empty.words, empty.button)
        self.grid.images.set_ids(shown.ids, shown.sections)
        if is_other:
            ids = self.grid.images.ids
            current = self._left.get(view.name, 0)
            self._curation.selection.set_current(ids.index(current) if current in ids else 0)
        self._foot.setVisible(bool(shown.ids) or bool(buttons and panel is not None and empty is None))
        self.line.setVisible(bool(shown.ids))
        self._show_current()
        self._show_label()

    def leave(self, view: View | None) -> None:
        if view is not None:
            self._left[view.name] = self._curation.selection.current_id()
        self._show_large(False)

    def _build(self, view: View) -> None:
        """Build a view's controls, panel and buttons."""
        actions = self._curation.state.actions
        buttons = list[Button]()
        controls, panel = view.build_controls(), view.build_panel()
        if controls is not None:
            self._controls.addWidget(controls)
        if panel is not None:
            self.panels.addWidget(panel)
        for name, command in view.commands.items():
            if command.is_button:
                button = Button("", command.icon, on_click=partial(actions.run, name))
                button.setText((command.words or actions.title(name)).replace("&", "&&"))
                button.set_icon_name(command.icon)  # with a gap to the text
                actions.attach(button, name)
                self._buttons.addWidget(button)
                buttons.append(button)
        self._built[view.name] = (controls, panel, buttons)
        actions.refresh()  # update the buttons before the images load

    def _arrange(self, controls: QWidget | None, panel: QWidget | None, buttons: list[Button], view: View) -> None:
        """Show the widgets of a view, and hide the widgets of other views."""
        for its_controls, _, its_buttons in self._built.values():
            for widget in (*([its_controls] if its_controls is not None else []), *its_buttons):
                widget.setVisible(widget is controls or widget in buttons)
        self.panels.setVisible(panel is not None)
        self._images.setVisible(panel is None or view.panel_place != "instead")
        if panel is not None:
            self.panels.setCurrentWidget(panel)
            self._split.setOrientation(_PLACES[view.panel_place])
            if view.panel_share:
                share = round(1000 * view.panel_share)
                self._split.setSizes([share, 1000 - share])  # Qt scales them to the available space
        self.label_box.setVisible(view.gives_classes)

    def _act_on_empty(self) -> None:
        if self._empty is not None and self._empty.act is not None:
            self._empty.act()

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        """Show the reason of the current image, and the large image where that is active."""
        selection, view = self._curation.selection, self._view
        if view is None:
            return
        current = selection.current_id()
        tile = self.grid.tile(current) if current else None
        place = tr("{place} of {count}", place=f"{selection.place + 1:,}", count=f"{len(selection.ids):,}")
        self.line.show_image(tile, view.reason(current) if tile is not None else "", place=place if tile else "")
        if self.is_viewing:
            near = [self.grid.tile(selection.id_at(selection.place + step)) for step in (1, 2, -1)]
            self.viewer.show_image(tile.path if tile else None, neighbours=[each.path for each in near if each])
            if tile is None:
                self._show_large(False)

    @Slot()
    def _show_label(self) -> None:
        """Show the label of the selected images in the box."""
        now = self._curation.now
        chosen = self._curation.chosen()[:500]
        labels = {now[image_id].labels for image_id in chosen if image_id in now}
        self.label_box.show_classes([each.name for each in self._curation.classes])
        if len(labels) == 1 and len(label := next(iter(labels))) <= 1:
            self.label_box.show_label(label[0] if label else None, words=tr("No label"))
        else:
            several = ", ".join(next(iter(labels))) if len(labels) == 1 else tr("Several labels")
            self.label_box.show_label(None, words=several if labels else "")

    @property
    def is_viewing(self) -> bool:
        return self._images.currentWidget() is self.viewer

    def toggle_viewer(self) -> None:
        self._show_large(not self.is_viewing)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Handle the keys of the viewer: next, previous, and back to the grid."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and not event.modifiers() & _MODIFIERS:
            step = _STEPS.get(Qt.Key(event.key()))
            if step is not None:
                self._curation.selection.step(step)
                return True
            if event.key() == Qt.Key.Key_Escape:
                self._show_large(False)
                return True
        return super().eventFilter(watched, event)

    def _show_large(self, is_on: bool) -> None:
        is_on = is_on and bool(self._curation.selection.current_id())
        if is_on == self.is_viewing:
            return
        shown = self.viewer if is_on else self.grid
        self._images.setCurrentWidget(shown)
        self._show_current()
        shown.setFocus()

    def close(self) -> bool:
        self.thumbnails.close()
        self.viewer.close_reader()
        return super().close()
