"""The current image and the selected images, by id. Every view of the images follows it."""

from collections.abc import Collection, Iterable

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QItemSelectionRange, QObject, Signal

from gui.kit.image_model import ImageModel

_Flag = QItemSelectionModel.SelectionFlag


class ImageSelection(QItemSelectionModel):
    """The selection of an `ImageModel` in terms of ids and indices (from 0).

    After a change of the images, the current one stays current if it is still among them, else the one at its index.
    """

    moved_to = Signal(int)  # the requested index, even if it was already current
    selection_changed = Signal()
    current_changed = Signal(int)  # image id, 0 for none

    def __init__(self, images: ImageModel, parent: QObject) -> None:
        super().__init__(images, parent)
        self.images = images
        self._anchor = 0
        self._kept: tuple[int, int, set[int]] = (-1, 0, set())  # index and id of the current image, selected ids
        images.modelAboutToBeReset.connect(self._remember)
        images.modelReset.connect(self._restore)  # after Qt's own reset, which clears the selection
        self.selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self.currentChanged.connect(lambda *_: self.current_changed.emit(self.current_id()))

    @property
    def ids(self) -> tuple[int, ...]:
        return self.images.ids

    @property
    def place(self) -> int:
        """The index of the current image; -1 if there is none."""
        return self.currentIndex().row()

    def current_id(self) -> int:
        """Return the current image's id, 0 if there is none."""
        return self.id_at(self.place)

    def id_at(self, place: int) -> int:
        """Return the id of the image at `place`, 0 if there is none."""
        return self.ids[place] if 0 <= place < len(self.ids) else 0

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected images in order; the current one if nothing is selected."""
        marked = self.selection()
        ranges = sorted((marked.at(n).top(), marked.at(n).bottom()) for n in range(marked.count()))
        chosen = tuple(image_id for first, last in ranges for image_id in self.ids[first : last + 1])
        return chosen or ((self.current_id(),) if self.current_id() else ())

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the image at `place` current and select it, as a range (`extend`) or in addition to others."""
        if not 0 <= place < len(self.ids):
            return
        if not extend:
            self._anchor = place
        first, last = sorted((self._anchor, place))
        index = self.images.index(place)
        marked = QItemSelection(self.images.index(first), self.images.index(last))
        self.select(marked, _Flag.Toggle if toggle else _Flag.ClearAndSelect)
        self.setCurrentIndex(index, _Flag.NoUpdate)
        self.moved_to.emit(place)

    def step(self, step: int) -> None:
        """Make the next (1) or previous (-1) image current; at the end, stay."""
        self.set_current(self.place + step)

    def select_all(self) -> None:
        self.select_places(range(len(self.ids)))

    def select_places(self, places: Iterable[int], *, beside: bool = False) -> None:
        """Select the images at these ascending indices; `beside` keeps the present selection."""
        marked, first, last = QItemSelection(), -1, -2
        for place in (*places, -1):  # adjacent indices become one range: Qt scans all ranges on each query
            if place != last + 1:
                if first >= 0:
                    marked.append(QItemSelectionRange(self.images.index(first), self.images.index(last)))
                first = place
            last = place
        self.select(marked, _Flag.Select if beside else _Flag.ClearAndSelect)

    def find_place(self, step: int, wanted: Collection[int]) -> int:
        """Return the index of the next (step 1) or previous (-1) image among `wanted`, else -1.

        The search wraps around; the current image comes last.
        """
        count = len(self.ids)
        places = ((self.place + step * distance) % count for distance in range(1, count + 1))
        return next((place for place in places if self.ids[place] in wanted), -1)

    def _remember(self) -> None:
        self._kept = (self.place, self.current_id(), set(self.selected_ids()))

    def _restore(self) -> None:
        place, current, chosen = self._kept
        place = self.ids.index(current) if current in self.ids else min(max(place, 0), len(self.ids) - 1)
        self.set_current(place)
        kept = [at for at, image_id in enumerate(self.ids) if image_id in chosen] if chosen - {current} else ()
        if kept:
            self.select_places(kept)
        if not self.ids:
            self.current_changed.emit(0)
            self.selection_changed.emit()
