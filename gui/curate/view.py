"""The base class of the views of the Curate page. To add one: a subclass, and its row in `gui.curate.curate_views`.

The page owns the shared parts: the list of views, one image grid, the large image, the line with the reason why the
current image is shown, the buttons, the class box and the keys. A view provides their content. It is built once, with
the page; its widgets (`build_controls`, `build_panel`) on first display.

Whenever the view is active and something has changed, the page calls `fill()`, which reads the current state from
`self.curation` and must be quick at 100,000 images (longer work is a job or a `BackgroundReader`, and then emits
`changed`); then `sentence()`, `empty()`, `shown()`, and `reason(image_id)` of the current image. `tiles` is called for
visible images only.

A view emits `changed` when its content has changed. It changes the project by `self.curation.apply(change, message)`
only; the change comes back as effects, `Curation` updates the issues, and `fill` is called.

Commands are declared in `gui/curate/curate_actions.py` (title, keys, place `CURATE`). A view lists its own in
`commands`, with their handlers and the reasons why they are disabled; in this order they are buttons below the grid.
No two commands may have the same key. Digits and free letters assign a class (`gives_classes`).

The generic view, for any check of the table, is `gui.curate.issues_view.IssuesView`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from gui.curate.curation import Curation
from gui.kit.image_model import Section, Tile
from gui.kit.split_bar import split_mark
from gui.kit.translation import tr
from gui.state import ChosenImages
from visionft.project.queries import ImageRow, image_rows

PanelPlace = Literal["above", "beside", "instead"]  # of the grid


@dataclass(frozen=True, slots=True)
class ViewContent:
    """Images for the grid: each once, in order; the counts of `sections`, where there are any, add up to them."""

    ids: tuple[int, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyContent:
    """An empty state; words are translated already."""

    title: str
    words: str
    icon: str = "info"
    button: str = ""
    act: Callable[[], object] | None = None  # called by the button
    keeps_controls: bool = False  # whether the view's controls stay: they may be the reason for the empty state


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the page as implemented by one view."""

    act: Callable[[], object]
    why_not: Callable[[], str] = str  # returns the reason why it is disabled, translated; empty when it is enabled
    _: KW_ONLY
    icon: str = ""
    words: str = ""  # on its button, translated; empty for the command's title
    is_button: bool = True  # whether it has a button; else it is called by its keys
    needs_image: bool = True  # whether it is disabled while no image of the grid is selected


class View(QObject):
    """A view of the Curate page; the module's docstring describes its methods and their order."""

    changed = Signal()  # its content has changed

    name: str  # name in code: `duplicates`
    title: str  # in English
    icon: str = "pictures"
    check: str = ""  # of `visionft.analysis.scan`, to run again; empty for none
    panel_place: PanelPlace = "beside"  # placement of the panel
    panel_share: float = 0.0  # initial share of the panel, 0 to 1; 0 leaves it to the widgets
    gives_classes: bool = True  # class keys and the class box relabel the selection

    def __init__(self, curation: Curation) -> None:
        """Args: `curation` is the state shared by all views; also the view's parent."""
        super().__init__(curation)
        self.curation = curation
        self.commands: Mapping[str, Command] = {}

    def fill(self) -> None:
        """Read the current state."""

    def count(self) -> int | None:
        """Return the number beside the title: open items of this view; None shows none. Called often."""
        return None

    def sentence(self) -> str:
        """Return the line on top, a description with its numbers, translated."""
        return ""

    def empty(self) -> EmptyContent | None:
        """Return the empty state in place of panel and grid; None where there is something to show."""
        return None

    def shown(self) -> ViewContent:
        """Return the images for the grid."""
        return ViewContent()

    def tiles(self, image_ids: Sequence[int]) -> Iterable[Tile]:
        """Yield the tiles of visible images of the grid; removed images may be left out."""
        return map(self.tile, self.rows(image_ids))

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with its label, split and tags; views may override it."""
        return plain_tile(row, self.curation)

    def reason(self, image_id: int) -> str:
        """Return the reason why the current image is shown, translated, in full; empty for none."""
        return ""

    def build_controls(self) -> QWidget | None:
        """Return the widget in the line above, built once; None for none."""
        return None

    def build_panel(self) -> QWidget | None:
        """Return a widget beside, above or instead of the grid, built once; None for none."""
        return None

    def follow(self, effects: object) -> None:
        """Handle a change of the project (`Effects`, or None when anything may have changed), active or not.

        Issues are already updated, and `fill` follows if the view is active; so most views need nothing here.
        """

    def accept_class(self, class_name: str) -> None:
        """Assign a class to the selected images: by its key, or in the box."""
        self.curation.relabel(self.curation.chosen(), class_name)

    def take_images(self, chosen: ChosenImages) -> None:
        """Receive images chosen on another page: for `similar`; the page then activates that view."""

    def close(self) -> None:
        """Wait for the view's background work; called before it is destroyed."""

    def remove(self) -> None:
        self.curation.remove(self.curation.chosen())

    def ask_tag(self) -> None:
        self.curation.ask_tag(self.curation.chosen(), self.curation.window)

    def usual_commands(self) -> dict[str, Command]:
        """Return the commands of most views: remove, tag, open on the Label page."""
        return {
            "curate.remove": Command(self.remove, icon="trash", words=tr("Remove")),
            "curate.tag": Command(self.ask_tag, icon="pin", words=tr("Tag")),
            "curate.open": Command(self.open_on_label, icon="label", needs_image=False),
        }

    def open_on_label(self) -> None:
        """Show all images of the grid on the Label page, starting at the current one."""
        current = self.curation.selection.current_id()
        self.curation.state.images_requested.emit(self.shown().ids, tr(self.title), current)

    def rows(self, image_ids: Sequence[int]) -> tuple[ImageRow, ...]:
        """Return the list rows of images from the project; for `tiles`, not for all images."""
        project = self.curation.project
        return image_rows(project, tuple(image_ids)) if project is not None else ()


def plain_tile(row: ImageRow, curation: Curation, *, title: str = "", detail: str = "", mark: str = "") -> Tile:
    """Return an image with its label (or another `title`), its split, and its tags after `mark` in a chip."""
    tags = (f"#{tag}" for tag in row.tags)
    return Tile(
        image_id=row.image_id,
        path=row.path,
        title=title or ", ".join(row.labels) or tr("no label"),
        tone="" if title or row.labels else "muted",
        swatches=tuple(curation.colours.get(name, 0) for name in row.labels),
        aside=split_mark(row.split),
        detail=detail,
        mark=", ".join(filter(None, (mark, *tags))),
    )
