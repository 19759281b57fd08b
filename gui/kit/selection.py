"""Which pictures are shown, in what order, which is current and which are selected. What shows them follows it."""

from collections.abc import Collection

from PySide6.QtCore import QObject, Signal


class ImageSelection(QObject):
    """Pictures by their ids, in order; one is current, any number are selected."""

    ids_changed = Signal()
    moved_to = Signal(int)  # the place that was asked for, also when it was current before
    selection_changed = Signal()
    current_changed = Signal(int)  # image id, 0 for none

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.ids: tuple[int, ...] = ()
        self.place = -1  # of the current picture, from 0; -1 when there is none
        self._places_read: dict[int, int] | None = None
        self._selected: set[int] = set()
        self._anchor = 0

    def set_ids(self, ids: tuple[int, ...]) -> None:
        """Take other pictures; the current one stays current where it is still among them."""
        kept = self.current_id()
        self.ids = ids
        self._places_read = None
        if self._selected - {kept}:
            self._selected &= self._places.keys()
        place = ids.index(kept) if kept in ids else min(max(self.place, 0), len(ids) - 1)
        self.place = -1
        self.ids_changed.emit()
        self.set_current(place)

    @property
    def _places(self) -> dict[int, int]:
        """Each picture's place; made when first asked for, because 100,000 entries take a frame's time."""
        if self._places_read is None:
            self._places_read = {image_id: place for place, image_id in enumerate(self.ids)}
        return self._places_read

    def current_id(self) -> int:
        """Return the current picture's id, 0 when there is none."""
        return self.id_at(self.place)

    def id_at(self, place: int) -> int:
        """Return the id of the picture at `place`, 0 when there is none."""
        return self.ids[place] if 0 <= place < len(self.ids) else 0

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected pictures in their order; the current one when nothing is selected."""
        chosen = tuple(self._selected)
        if len(chosen) > 1:
            chosen = tuple(sorted(chosen, key=self._places.__getitem__))
        return chosen or ((self.current_id(),) if self.current_id() else ())

    def is_selected(self, image_id: int) -> bool:
        """Return whether a picture is selected."""
        return image_id in self._selected

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the picture at `place` current and select it, from the anchor on (`extend`) or beside others."""
        if not 0 <= place < len(self.ids):
            if not self.ids:
                self.place = -1
                self.current_changed.emit(0)
            return
        image_id = self.ids[place]
        if extend:
            first, last = sorted((self._anchor, place))
            self._selected = set(self.ids[first : last + 1])
        else:
            self._selected = self._selected ^ {image_id} if toggle else {image_id}
            self._anchor = place
        is_new = place != self.place
        self.place = place
        self.moved_to.emit(place)
        self.selection_changed.emit()
        if is_new:
            self.current_changed.emit(image_id)

    def step(self, step: int) -> None:
        """Make the next (1) or previous (-1) picture current; at the end, stay."""
        self.set_current(self.place + step)

    def select_all(self) -> None:
        """Select every picture."""
        self._selected = set(self.ids)
        self.selection_changed.emit()

    def find_place(self, step: int, wanted: Collection[int]) -> int:
        """Return the first place after the current one (step 1) or before it (-1) whose picture is wanted, else -1."""
        end = len(self.ids) if step > 0 else -1
        places = range(self.place + step, end, step)
        return next((place for place in places if self.ids[place] in wanted), -1)
