"""What a view of the Curate page is. One file adds one: a subclass of `View`, and its row in `gui.curate.views`.

The page owns what all views share: the list of views, one picture grid, the picture shown large, the line that says
why the current picture is there, the buttons, the class box and the keys. A view says what goes into them. It is built
once, with the page; its widgets (`build_controls`, `build_panel`) when it is first looked at.

What the page asks, in this order, whenever the view is in front and something has changed:

1. `fill()`: take what there is now, out of `self.curation` (findings, pictures of the project, classes). Must be quick
   at 100,000 pictures; longer work is a task (`state.tasks`) or a `WorkerPool`, and then emits `changed`.
2. `sentence()`: the line on top: what this is, with its numbers.
3. `empty()`: what stands in place of panel and grid where there is nothing to show, and why; None where there is.
4. `shown()`: ids for the grid, in order, each once; under headings or not. Only of what is in view `tiles` is asked.
5. `reason(image_id)`: why the current picture is here, in full.

What the view does:

- `changed.emit()` when it would answer otherwise: another threshold, a task's result. The page asks anew if the view is
  in front, and shows its `count()` in the list in any case.
- It changes the project by `self.curation.apply(change, said)` only; the toast with Undo comes from `said`. The change
  comes back as effects: `Curation` brings findings up to date, then `fill` is called. Nothing else is to be refreshed.
- What is selected is `self.curation.chosen()`; `self.curation.selection` moves on.

Commands. What can be done is declared in `gui/curate/actions.py`, one row each (title, keys, place `CURATE`): so they
stand in the shortcut sheet, in the settings, and in tooltips. A view lists in `commands` which of them it has, what
they do here and why they cannot be done; in this order they are buttons below the grid (`is_button=False`: a key
only). Keys are shared with all views: two commands may not have the same. Digits and free letters give a class
(`gives_classes`): a letter alone as a key of a command is taken from the classes, so have few.

From anywhere. `F3` on any page hands the pictures that are chosen there (`Page.chosen_pictures`) to the view
`similar`: its `take_pictures`, then `fill` and so on as above. `self.curation.state.similar_requested.emit(...)` does
the same from within a view.

Widgets of its own. `build_controls` returns what stands in a line above (filters, a slider): buttons and boxes, no
taller than those. `build_panel` returns a widget that stands `above` or `beside` the grid, or `instead` of it
(`panel_place`). A map is `beside`: what its lasso catches it keeps, emits `changed`, and returns from `shown`. Keys of
the page work in a panel too, where the panel does not take them itself.

The generic view, for any check of the table, is `gui.curate.findings_view.FindingsView`; a view about a check's
findings is a subclass of it that replaces a few answers. A whole view that knows no check, as an example:

    class Newest(View):
        name, title, icon = "newest", "Newest", "clock"

        def __init__(self, curation: Curation) -> None:
            super().__init__(curation)
            self.commands = {
                "curate.remove": Command(self.acting.remove, icon="trash", words=tr("Take out")),
                "curate.open": Command(self.open_all, icon="label"),
            }
            self._ids: tuple[int, ...] = ()

        def fill(self) -> None:
            self._ids = tuple(sorted(self.curation.now, reverse=True)[:500])

        def sentence(self) -> str:
            return tr("The pictures that came last.")

        def shown(self) -> Shown:
            return Shown(self._ids)

        def open_all(self) -> None:
            self.acting.open_on_label(self._ids, tr(self.title))
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from gui.curate.acting import Acting
from gui.curate.curation import Curation
from gui.kit.i18n import tr
from gui.kit.picture_model import Section, Tile
from gui.state import ChosenPictures
from visionft.project.queries import ImageRow, image_rows

PanelPlace = Literal["above", "beside", "instead"]


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures for the grid: each once, in order; the counts of `sections`, where there are any, add up to them."""

    ids: tuple[int, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """What stands where there is nothing to show; words are translated already.

    Attributes:
        act: What the button does.
        keeps_controls: Whether the view's controls stay: they may be why there is nothing.
    """

    title: str
    words: str
    icon: str = "info"
    button: str = ""
    act: Callable[[], object] | None = None
    keeps_controls: bool = False


def _possible() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the page as one view does it.

    Attributes:
        act: Does it.
        why_not: Returns why it cannot be done now, translated; empty when it can.
        icon: Of its button.
        words: On its button, translated; empty for the command's title.
        is_button: Whether it has one; else it is done by its keys.
        needs_picture: Whether it is about what is selected in the grid.
    """

    act: Callable[[], object]
    why_not: Callable[[], str] = _possible
    _: KW_ONLY
    icon: str = ""
    words: str = ""
    is_button: bool = True
    needs_picture: bool = True


class View(QObject):
    """One way to look at the pictures; the module's docstring says what the page asks, and when."""

    changed = Signal()  # it would answer otherwise now

    name: str  # by which code knows it: `duplicates`
    title: str  # in English
    icon: str = "pictures"
    check: str = ""  # of `visionft.curation.table`: "Look again" is about this one; empty for none
    panel_place: PanelPlace = "beside"  # where what `build_panel` returns stands
    panel_share: float = 0.0  # of the room that the panel gets at first, 0 to 1; 0 leaves it to the widgets
    gives_classes: bool = True  # class keys and the class box relabel what is selected

    def __init__(self, curation: Curation) -> None:
        """Args: `curation` is the state that all views share; it is the view's parent, too."""
        super().__init__(curation)
        self.curation, self.acting = curation, Acting(curation, self)
        self.commands: Mapping[str, Command] = {}

    # -- what is shown ------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Take what there is now."""

    def count(self) -> int | None:
        """Return the number beside the title: what waits for a person here; None shows none. Called often."""
        return None

    def sentence(self) -> str:
        """Return the line on top, translated."""
        return ""

    def empty(self) -> Empty | None:
        """Return what stands in place of panel and grid; None where there is something to show."""
        return None

    def shown(self) -> Shown:
        """Return the pictures for the grid."""
        return Shown()

    def tiles(self, image_ids: Sequence[int]) -> Iterable[Tile]:
        """Yield the tiles of pictures of the grid, those in view; ones that are gone may be left out."""
        return map(self.tile, self.rows(image_ids))

    def tile(self, row: ImageRow) -> Tile:
        """Return a picture with its label, split and tags; a view replaces what it has better words for."""
        return plain_tile(row, self.curation)

    def reason(self, image_id: int) -> str:
        """Return why the current picture is here, translated, in full; empty for nothing to say."""
        return ""

    # -- its own widgets ----------------------------------------------------------------------------------------

    def build_controls(self) -> QWidget | None:
        """Return the widget in the line above, made once; None for none."""
        return None

    def build_panel(self) -> QWidget | None:
        """Return a widget beside, above or instead of the grid, made once; None for none."""
        return None

    # -- what happens -------------------------------------------------------------------------------------------

    def follow(self, effects: object) -> None:
        """Take note of a change of the project (`Effects`, or None when all may have changed), seen or not.

        Findings are up to date by then, and `fill` comes if the view is in front; so most views need nothing here.
        """

    def accept_class(self, class_name: str) -> None:
        """Give what is selected a class: by its key, or in the box."""
        self.acting.relabel(class_name)

    def take_pictures(self, chosen: ChosenPictures) -> None:
        """Take pictures that were chosen elsewhere: for `similar`, which the page brings to the front then."""

    def open_picture(self, image_id: int) -> bool:
        """Do what a double click does here; return whether it was done, else the picture is shown large."""
        return False

    def close(self) -> None:
        """Wait for background work of the view's own; called before it goes."""

    # -- for views ----------------------------------------------------------------------------------------------

    def rows(self, image_ids: Sequence[int]) -> tuple[ImageRow, ...]:
        """Return what lists show of pictures, from the project; for `tiles`, not for all pictures."""
        project = self.curation.project
        return image_rows(project, tuple(image_ids)) if project is not None else ()

    def why_no_picture(self) -> str:
        """Return why nothing can be done to a picture; empty where one is selected."""
        return "" if self.curation.has_chosen else tr("Choose a picture first.")


def plain_tile(row: ImageRow, curation: Curation, *, title: str = "", detail: str = "", mark: str = "") -> Tile:
    """Return a picture with its label, split and tags.

    Args:
        row: The picture.
        curation: Knows the colours of the classes.
        title: In place of its label.
        detail: The second line.
        mark: A chip over it, before its tags.
    """
    tags = (f"#{tag}" for tag in row.tags)
    return Tile(
        image_id=row.image_id,
        path=row.path,
        title=title or ", ".join(row.labels) or tr("no label"),
        tone="" if title or row.labels else "muted",
        swatches=tuple(curation.colours.get(name, 0) for name in row.labels),
        aside=row.split or "",
        detail=detail,
        mark=", ".join(filter(None, (mark, *tags))),
    )
