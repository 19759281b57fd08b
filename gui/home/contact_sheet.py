"""A few pictures of each class side by side, as many as there is room for. Knows Qt and plain data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, Qt, Signal, Slot
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore

SIDE_PX, NAME_PX = 92, 22
MAX_PICTURES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One class and some of its pictures, as (image id, file)."""

    name: str
    colour: ClassColour
    pictures: tuple[tuple[int, Path], ...]


class ContactSheet(QWidget):
    """One line of pictures per class; classes for which there is no room are left out."""

    picture_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[SheetRow] = ()
        self.thumbnails = ThumbnailStore(self)
        self.thumbnails.loaded.connect(self._on_loaded)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(self._row_height())
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("Pictures of each class"))

    def show_rows(self, rows: Sequence[SheetRow]) -> None:
        """Show these classes."""
        self._rows = rows
        self.update()

    def picture_at(self, place: QPoint) -> int:
        """Return the picture at a place, 0 for none."""
        boxes = ((box, image_id) for box, image_id, _ in self._boxes())
        return next((image_id for box, image_id in boxes if box.contains(place)), 0)

    def _row_height(self) -> int:
        return theme.scaled(SIDE_PX) + theme.scaled(NAME_PX) + theme.MEDIUM

    def _shown_rows(self) -> list[tuple[int, SheetRow]]:
        """Return (top, row) of the classes for which there is room."""
        count = max(1, (self.height() + theme.MEDIUM) // self._row_height())
        return [(line * self._row_height(), row) for line, row in enumerate(self._rows[:count])]

    def _boxes(self) -> list[tuple[QRect, int, Path]]:
        side = theme.scaled(SIDE_PX)
        columns = max(1, (self.width() + theme.SMALL) // (side + theme.SMALL))
        return [
            (QRect(place * (side + theme.SMALL), top + theme.scaled(NAME_PX), side, side), image_id, path)
            for top, row in self._shown_rows()
            for place, (image_id, path) in enumerate(row.pictures[:columns])
        ]

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose a picture."""
        image_id = self.picture_at(event.position().toPoint())
        if image_id:
            self.picture_chosen.emit(image_id)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw names and pictures; ask for the pictures that are missing."""
        palette, painter = theme.colours(), QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        for top, row in self._shown_rows():
            line = QRect(0, top, self.width(), theme.scaled(NAME_PX))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.class_colour(row.colour))
            painter.drawRoundedRect(QRect(0, line.center().y() - 5, 10, 10), 3, 3)
            painter.setPen(QColor(palette.muted))
            name = painter.fontMetrics().elidedText(row.name, Qt.TextElideMode.ElideMiddle, self.width() - 18)
            painter.drawText(line.adjusted(18, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), name)
        missing: list[Path] = []
        for box, _, path in self._boxes():
            kept = self.thumbnails.get(path)
            if isinstance(kept, QPixmap):
                painter.drawPixmap(box, kept, _middle(kept))
            else:
                painter.fillRect(box, QColor(palette.sunken))
                missing += [path] if kept is None else []
        painter.end()
        self.thumbnails.prefetch(missing)

    @Slot(Path)
    def _on_loaded(self, path: Path) -> None:
        for box, _, shown in self._boxes():
            if shown == path:
                self.update(box)


def _middle(picture: QPixmap) -> QRect:
    """Return the largest square in the middle."""
    side = min(picture.width(), picture.height())
    return QRect((picture.width() - side) // 2, (picture.height() - side) // 2, side, side)


def sheet_rows(
    names: Sequence[str], colours: Sequence[ClassColour], by_class: dict[int, list[tuple[int, Path]]]
) -> list[SheetRow]:
    """Return a row per class that has pictures, taken evenly from all it has; `by_class` is by place in the list."""
    rows = []
    for place, name in enumerate(names):
        pictures = by_class.get(place, [])
        step = max(1, len(pictures) // MAX_PICTURES)
        if pictures:
            rows.append(SheetRow(name=name, colour=colours[place], pictures=tuple(pictures[::step][:MAX_PICTURES])))
    return rows
