"""Which picture is current and which are selected, by their ids. What shows pictures follows it."""

from collections.abc import Collection, Iterable

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QItemSelectionRange, QObject, Signal, Slot

from gui.kit.picture_model import PictureModel

_Flag = QItemSelectionModel.SelectionFlag


class ImageSelection(QItemSelectionModel):
    """Qt's selection of a picture model in the words of pages: ids, and places in the order from 0.

    When other pictures come, the current one stays current where it is still among them, else the one at its place.
    """

    moved_to = Signal(int)  # the place that was asked for, also when it was current before
    selection_changed = Signal()
    current_changed = Signal(int)  # image id, 0 for none

    def __init__(self, pictures: PictureModel, parent: QObject) -> None:
        super().__init__(pictures, parent)
        self.pictures = pictures
        self._anchor = 0
        self._kept: tuple[int, int, set[int]] = (-1, 0, set())  # place and id of the current one, the selected ids
        pictures.modelAboutToBeReset.connect(self._remember)
        pictures.modelReset.connect(self._restore)  # after Qt's own, which forgets all
        self.selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self.currentChanged.connect(lambda *_: self.current_changed.emit(self.current_id()))

    @property
    def ids(self) -> tuple[int, ...]:
        """The pictures, in order."""
        return self.pictures.ids

    @property
    def place(self) -> int:
        """The current picture's place; -1 when there is none."""
        return self.currentIndex().row()

    def current_id(self) -> int:
        """Return the current picture's id, 0 when there is none."""
        return self.id_at(self.place)

    def id_at(self, place: int) -> int:
        """Return the id of the picture at `place`, 0 when there is none."""
        return self.ids[place] if 0 <= place < len(self.ids) else 0

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected pictures in their order; the current one when nothing is selected."""
        marked = self.selection()
        ranges = sorted((marked.at(n).top(), marked.at(n).bottom()) for n in range(marked.count()))
        chosen = tuple(image_id for first, last in ranges for image_id in self.ids[first : last + 1])
        return chosen or ((self.current_id(),) if self.current_id() else ())

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the picture at `place` current and select it, from the anchor on (`extend`) or beside others."""
        if not 0 <= place < len(self.ids):
            return
        if not extend:
            self._anchor = place
        first, last = sorted((self._anchor, place))
        index = self.pictures.index(place)
        marked = QItemSelection(self.pictures.index(first), self.pictures.index(last))
        self.select(marked, _Flag.Toggle if toggle else _Flag.ClearAndSelect)
        self.setCurrentIndex(index, _Flag.NoUpdate)
        self.moved_to.emit(place)

    def step(self, step: int) -> None:
        """Make the next (1) or previous (-1) picture current; at the end, stay."""
        self.set_current(self.place + step)

    def select_all(self) -> None:
        """Select every picture."""
        self.select_places(range(len(self.ids)))

    def select_places(self, places: Iterable[int], *, beside: bool = False) -> None:
        """Select the pictures at these ascending places, and no others unless `beside` those that are."""
        marked, first, last = QItemSelection(), -1, -2
        for place in (*places, -1):  # neighbours become one range: Qt looks through all ranges for each question
            if place != last + 1:
                if first >= 0:
                    marked.append(QItemSelectionRange(self.pictures.index(first), self.pictures.index(last)))
                first = place
            last = place
        self.select(marked, _Flag.Select if beside else _Flag.ClearAndSelect)

    def find_place(self, step: int, wanted: Collection[int]) -> int:
        """Return the first place after the current one (step 1) or before it (-1) whose picture is wanted, else -1.

        After the last picture it goes on with the first; the current one comes last.
        """
        count = len(self.ids)
        places = ((self.place + step * distance) % count for distance in range(1, count + 1))
        return next((place for place in places if self.ids[place] in wanted), -1)

    @Slot()
    def _remember(self) -> None:
        self._kept = (self.place, self.current_id(), set(self.selected_ids()))

    @Slot()
    def _restore(self) -> None:
        place, current, chosen = self._kept
        place = self.ids.index(current) if current in self.ids else min(max(place, 0), len(self.ids) - 1)
        self.set_current(place)
        if chosen - {current}:
            kept = [at for at, image_id in enumerate(self.ids) if image_id in chosen]
            if kept:
                self.select_places(kept)
        if not self.ids:
            self.current_changed.emit(0)
            self.selection_changed.emit()
