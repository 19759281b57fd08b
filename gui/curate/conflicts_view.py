"""The view of label conflicts: the labels of both sides and the model's opinion side by side, decided with one key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.curate.view import Command, EmptyContent, View, ViewContent, plain_tile
from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, Card, ElidedLabel, clear, column, key, row, verbatim
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from models.messages import Message
from visionft.errors import VisionFTError
from visionft.project.edits.changes import DecideConflicts
from visionft.project.queries import ImageFilter, ImageRow, LabelSide, find_images, sides_of
from visionft.project.store import Project
from visionft.suggest.feature_suggester import FeatureSuggester, open_suggester

_MOST = 1_000_000  # images
_MOST_LETTERS = 30  # of the classes on a button
_SIDES = ("curate.first_label", "curate.second_label")  # the commands of the first two sides
ConflictCard = tuple[str, LabelSide | None, str, str, ClassColour]  # heading, side, note, key, colour


@dataclass(frozen=True)
class Opinions:
    """The model's probabilities of images in conflict, which it did not learn from: {image id: (class, share) ...}."""

    changes: int
    ranked: Mapping[int, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    reason: str = ""  # where there are none


class OpinionReader:
    """Keeps a suggester in memory; for one thread at a time."""

    def __call__(self, project: Project, changes: int, image_ids: Sequence[int]) -> Opinions:
        """Return the opinions on images; their labels are in conflict, so nothing was learned from them."""
        try:
            suggester = open_suggester(project)
        except VisionFTError as error:
            return Opinions(changes, reason=error.message)
        if suggester.needs:
            return Opinions(changes, reason=Message("The model needs labelled images of two classes."))
        return Opinions(changes, _ranked(suggester, image_ids))


def _ranked(suggester: FeatureSuggester, image_ids: Sequence[int]) -> dict[int, tuple[tuple[str, float], ...]]:
    place_of = {int(image_id): place for place, image_id in enumerate(suggester.image_ids)}
    names = suggester.class_names
    ranked = dict[int, tuple[tuple[str, float], ...]]()
    for image_id in image_ids:
        if image_id in place_of:
            shares = suggester.predictions.probabilities[place_of[image_id]]
            ranked[image_id] = tuple((names[at], float(shares[at])) for at in (-shares).argsort())
    return ranked


class ConflictPanel(QWidget):
    """The current image over one card for each side, and one for the model."""

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
        """Show an image with (heading, side, note, key, class colour) of each card; a card without a side is a note."""
        self.viewer.show_image(tile.path if tile is not None else None)
        clear(self._cards)
        self.buttons = []
        for heading, side, note, shortcut, colour in cards:
            card = Card(margin=theme.SMALL)
            head = ElidedLabel(heading, "small", mode=Qt.TextElideMode.ElideRight)
            card.add(row(head, *([key(shortcut)] if shortcut else []), grows=0))
            if side is not None:
                names = side.classes
                button = Button("", on_click=lambda names=names: self.chosen.emit(names))
                shown = ", ".join(names)
                button.setText(
                    (shown if len(shown) <= _MOST_LETTERS else f"{shown[:_MOST_LETTERS]}…").replace("&", "&&")
                )
                button.setIcon(swatch(theme.class_colour(colour).name()))
                button.setToolTip(shown)
                self.buttons.append(button)
                card.add(button)
            card.add(verbatim(note, "muted", wrap=True))
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
            "curate.accept": Command(
                self.accept, self.why_no_opinion, icon="check-circle", words=tr("Accept suggestion")
            ),
            **self.usual_commands(),
        }
        self.panel: ConflictPanel | None = None
        self._changes = 0  # of the project
        self._ids: tuple[int, ...] = ()
        self._read_at = self._asked_at = -1  # the changes at the last reading
        self._opinions = Opinions(-1)
        self._reader = BackgroundReader(OpinionReader(), self._on_opinions, parent=self)
        curation.selection.current_changed.connect(self._show_current)

    def follow(self, effects: object) -> None:
        self._changes += 1

    def _read(self) -> None:
        project = self.curation.project
        if project is not None and self._read_at != self._changes:
            self._read_at = self._changes
            self._ids = find_images(project, ImageFilter(has_conflict=True), limit=_MOST)

    def fill(self) -> None:
        self._read()
        project = self.curation.project
        if self._ids and project is not None and self._asked_at != self._changes:
            self._asked_at = self._changes
            self._reader.ask(project, self._changes, self._ids)
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
        words = tr("Labels that differ after an import are shown here, with the opinion of the model.")
        return EmptyContent(title=tr("No label conflicts"), words=words, icon="check-circle")

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with the labels of each side, and the model's."""
        if not row.candidates:
            return plain_tile(row, self.curation)
        sides = " / ".join(", ".join(side.classes) for side in self._sides(row))
        return plain_tile(row, self.curation, title=sides, detail=self._opinion(row.image_id))

    def reason(self, image_id: int) -> str:
        rows = self.rows((image_id,))
        sides = self._sides(rows[0]) if rows else ()
        given = "; ".join(
            tr("“{name}” by {origin}", name=", ".join(side.classes), origin=side.origin) for side in sides
        )
        return "; ".join(filter(None, (given, self._opinion(image_id))))

    def build_panel(self) -> QWidget | None:
        self.panel = ConflictPanel()
        self.panel.chosen.connect(self.decide)
        return self.panel

    def _sides(self, row: ImageRow) -> tuple[LabelSide, ...]:
        return sides_of(row.candidates, is_multilabel=self._is_multilabel)

    @property
    def _is_multilabel(self) -> bool:
        return self.curation.project is not None and self.curation.project.task == "multi"

    def _opinion(self, image_id: int) -> str:
        ranked = self._opinions.ranked.get(image_id)
        return tr("model: {name} {share}", name=ranked[0][0], share=f"{ranked[0][1]:.0%}") if ranked else ""

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
        shares = dict(self._opinions.ranked.get(current, ()))
        cards: list[ConflictCard] = []
        for place, side in enumerate(self._sides(rows[0])):
            known = [f"{shares[name]:.0%}" for name in side.classes if name in shares]
            note = tr("model: {share}", share=", ".join(known)) if known else ""
            shortcut = self.curation.state.actions.shown_keys(_SIDES[place]) if place < len(_SIDES) else ""
            cards.append((side.origin, side, note, shortcut, self._colour(side.classes)))
        ranked = self._opinions.ranked.get(current)
        model = tr("Model")
        if ranked and self._is_multilabel:
            note = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:3])
            cards.append((model, None, note, "", 0))
        elif ranked:
            side = LabelSide(model, (ranked[0][0],))
            accept_key = self.curation.state.actions.shown_keys("curate.accept")
            cards.append((model, side, f"{ranked[0][1]:.0%}", accept_key, self._colour(side.classes)))
        else:
            is_read = self._opinions.changes == self._changes
            reason = self._opinions.reason if is_read else Message("Reading the images")
            cards.append((model, None, tr(reason) if reason else tr("No opinion on this image"), "", 0))
        panel.show_conflict(self.tile(rows[0]), cards)

    def _colour(self, names: Sequence[str]) -> ClassColour:
        return self.curation.colours.get(names[0], 0) if names else 0

    def _on_opinions(self, opinions: Opinions) -> None:
        if opinions.changes == self._changes:
            self._opinions = opinions
            self.curation.images.invalidate()
            self.changed.emit()

    def decide(self, classes: Sequence[str]) -> None:
        """Give the current image these classes."""
        self._apply({self.curation.selection.current_id(): tuple(classes)})

    def _decide_side(self, place: int) -> None:
        """Give each selected image the labels of its first or second side."""
        sides = {row.image_id: self._sides(row) for row in self.rows(self.curation.chosen())}
        self._apply({image_id: found[place].classes for image_id, found in sides.items() if place < len(found)})

    def why_no_opinion(self) -> str:
        if self._is_multilabel:
            return tr("The model suggests no set of classes: choose a side.")
        has_any = any(each in self._opinions.ranked for each in self.curation.chosen())
        return "" if has_any else tr("The model has no opinion on it.")

    def accept(self) -> None:
        """Give each selected image the model's most probable class."""
        ranked = self._opinions.ranked
        self._apply({each: (ranked[each][0][0],) for each in self.curation.chosen() if ranked.get(each)})

    def _apply(self, classes: dict[int, tuple[str, ...]]) -> None:
        chosen = {image_id: names for image_id, names in classes.items() if image_id in self._ids}
        if chosen:
            words = Message("{count} label conflict is decided.", "{count} label conflicts are decided.")
            self.curation.apply(DecideConflicts(chosen), tr(words, count=len(chosen)))

    def close(self) -> None:
        self._reader.close()
        if self.panel is not None:
            self.panel.close_workers()
