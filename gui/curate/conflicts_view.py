"""The view of label conflicts: the labels of both sides side by side, decided with one key."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.view import Command, EmptyContent, View, ViewContent, plain_tile
from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, Card, ElidedLabel, clear, column, key, row
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.project.edits.changes import DecideConflicts
from visionft.project.queries import ImageFilter, ImageRow, LabelSide, find_images, sides_of

_MAX_IMAGES = 1_000_000  # images
_MAX_BUTTON_LETTERS = 30  # of the class names
_SIDES = ("curate.first_label", "curate.second_label")  # the commands of the first two sides
ConflictCard = tuple[LabelSide, str, ClassColour]  # side, key, colour


class ConflictPanel(QWidget):
    """The current image over one card for each side."""

    chosen = Signal(tuple)  # class names

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self.viewer = ImageView(self.thumbnails)
        self.buttons: list[Button] = []
        self._cards = row(spacing=theme.MEDIUM)
        self.setLayout(column(self.viewer, self._cards, spacing=theme.MEDIUM, grows=0))
        self.setMinimumWidth(theme.scaled(480))

    def show_conflict(self, tile: Tile | None, cards: Sequence[ConflictCard]) -> None:
        """Show an image with a card for each side of its conflict."""
        self.viewer.show_image(tile.path if tile is not None else None)
        clear(self._cards)
        self.buttons = []
        for side, shortcut, colour in cards:
            shown = ", ".join(side.classes)
            button = Button("", on_click=partial(self.chosen.emit, side.classes))
            short = shown if len(shown) <= _MAX_BUTTON_LETTERS else f"{shown[:_MAX_BUTTON_LETTERS]}…"
            button.setText(short.replace("&", "&&"))
            button.setIcon(swatch(theme.class_colour(colour).name()))
            button.setToolTip(shown)
            self.buttons.append(button)
            card = Card(margin=theme.SMALL)
            head = ElidedLabel(side.origin, "small", mode=Qt.TextElideMode.ElideRight)
            card.add(row(head, *([key(shortcut)] if shortcut else []), grows=0), button)
            self._cards.addWidget(card, 1)

    def close_workers(self) -> None:
        self.thumbnails.close()
        self.viewer.close_reader()


class ConflictsView(View):
    """Images with labels that differ after an import; a decision becomes the label, as given by a person."""

    name = "conflicts"
    title = Message("Label conflicts")
    icon = "warning"
    panel_place, panel_share = "beside", 0.5

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.commands = {
            "curate.first_label": Command(lambda: self._decide_side(0), icon="check", words=tr("Take the first")),
            "curate.second_label": Command(lambda: self._decide_side(1), icon="check", words=tr("Take the second")),
            **self.usual_commands(),
        }
        self.panel: ConflictPanel | None = None
        self._changes = 0  # of the project
        self._ids: tuple[int, ...] = ()
        self._read_at = -1  # the changes at the last reading
        curation.selection.current_changed.connect(self._show_current)

    def follow(self, effects: object) -> None:
        self._changes += 1

    def _read(self) -> None:
        project = self.curation.project
        if project is not None and self._read_at != self._changes:
            self._read_at = self._changes
            self._ids = find_images(project, ImageFilter(has_conflict=True), limit=_MAX_IMAGES)

    def fill(self) -> None:
        self._read()
        self._show_current()

    def count(self) -> int | None:
        self._read()
        return len(self._ids)

    def shown(self) -> ViewContent:
        return ViewContent(self._ids)

    def sentence(self) -> str:
        words = Message(
            "{count} image has labels that differ. It has no label until you decide.",
            "{count} images have labels that differ. They have no label until you decide.",
        )
        return tr(words, count=len(self._ids)) if self._ids else ""

    def empty(self) -> EmptyContent | None:
        if self._ids:
            return None
        words = tr("Labels that differ after an import are shown here.")
        return EmptyContent(title=tr("No label conflicts"), words=words, icon="check-circle")

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with the labels of each side."""
        if not row.candidates:
            return plain_tile(row, self.curation)
        sides = " / ".join(", ".join(side.classes) for side in self._sides(row))
        return plain_tile(row, self.curation, title=sides)

    def reason(self, image_id: int) -> str:
        rows = self.rows((image_id,))
        sides = self._sides(rows[0]) if rows else ()
        return "; ".join(tr("“{name}” by {origin}", name=", ".join(side.classes), origin=side.origin) for side in sides)

    def build_panel(self) -> QWidget | None:
        self.panel = ConflictPanel()
        self.panel.chosen.connect(self.decide)
        return self.panel

    def _sides(self, row: ImageRow) -> tuple[LabelSide, ...]:
        project = self.curation.project
        return sides_of(row.candidates, is_multilabel=project is not None and project.task == "multi")

    @Slot()
    @Slot(int)
    def _show_current(self, _image_id: int = 0) -> None:
        panel = self.panel
        current = self.curation.selection.current_id()
        if panel is None:
            return
        rows = self.rows((current,)) if current in self._ids else ()
        if not rows:
            panel.show_conflict(None, ())
            return
        shown_keys = self.curation.state.actions.shown_keys
        cards: list[ConflictCard] = []
        for place, side in enumerate(self._sides(rows[0])):
            shortcut = shown_keys(_SIDES[place]) if place < len(_SIDES) else ""
            cards.append((side, shortcut, self._colour(side.classes)))
        panel.show_conflict(self.tile(rows[0]), cards)

    def _colour(self, names: Sequence[str]) -> ClassColour:
        return self.curation.colours.get(names[0], 0) if names else 0

    def decide(self, classes: Sequence[str]) -> None:
        """Give the current image these classes."""
        self._apply({self.curation.selection.current_id(): tuple(classes)})

    def _decide_side(self, place: int) -> None:
        """Give each selected image the labels of its first or second side."""
        sides = {row.image_id: self._sides(row) for row in self.rows(self.curation.chosen())}
        self._apply({image_id: found[place].classes for image_id, found in sides.items() if place < len(found)})

    def _apply(self, classes: dict[int, tuple[str, ...]]) -> None:
        chosen = {image_id: names for image_id, names in classes.items() if image_id in self._ids}
        if chosen:
            words = Message("{count} label conflict is decided.", "{count} label conflicts are decided.")
            self.curation.apply(DecideConflicts(chosen), tr(words, count=len(chosen)))

    def close(self) -> None:
        if self.panel is not None:
            self.panel.close_workers()
