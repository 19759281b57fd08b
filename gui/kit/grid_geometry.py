"""The layout of a grid's tiles, with or without headings. Arithmetic only: no loop over the images."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from PySide6.QtCore import QPoint, QRect, QSize

from gui.kit import theme

GAP = theme.SMALL


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSize:
    """Limits of a tile's size, in logical pixels. From `least` to `most` the tiles grow until all images fit.

    If both are equal, the column count is chosen so that tiles filling the width have about that side, rather less.
    """

    least: int
    most: int
    caption: int  # below the image
    heading: int = 0  # above the images of a section
    is_bare: bool = False  # squares of exactly the minimum side, not stretched to the width
    gap: int = GAP

    def columns(self, room: QSize, count: int) -> int:
        """Return the number of columns; growing tiles are as large as possible while all `count` images are seen."""
        fitting = max(1, (room.width() + self.gap) // (self.least + self.gap))
        if self.most == self.least:
            return fitting if self.is_bare else max(1, ceil((room.width() + self.gap) / (self.least + self.gap) - 0.12))
        for columns in range(1, fitting):
            width = self.width(room, columns)
            lines = (room.height() + self.gap) // (width + self.caption + self.gap)
            is_wasteful = columns < count and self.width(room, columns + 1) == width
            if columns * lines >= count and not is_wasteful:
                return columns
        return fitting

    def width(self, room: QSize, columns: int) -> int:
        """Return a tile's width with `columns` columns."""
        if self.is_bare:
            return self.least
        each = (room.width() + self.gap) // columns - self.gap
        return each if self.most == self.least else max(self.least, min(each, self.most))


class GridGeometry:
    """Converts indices to rectangles and back, in content coordinates."""

    def __init__(self, counts: Sequence[int], size: TileSize, room: QSize, *, single_row: bool = False) -> None:
        """Args: `counts` are the images of each section; with `single_row` the images beyond one row are hidden."""
        margin = size.gap if size.caption else 0
        self._gap = size.gap
        inner = room - QSize(2 * margin, 2 * margin)
        self.columns = size.columns(inner, sum(counts))
        width = size.width(inner, self.columns)
        self.tile = QSize(width, width + size.caption)
        self.row_height = self.tile.height() + size.gap
        self._counts, self._margin, self._heading, self._is_single_row = counts, margin, size.heading, single_row
        self._starts = list(accumulate(counts, initial=0))
        heights = (size.heading + self._lines(count) * self.row_height for count in counts)
        self._tops = list(accumulate(heights, initial=margin))
        self.height = self._tops[-1] - size.gap + margin

    def _lines(self, count: int) -> int:
        return min(count, 1) if self._is_single_row else -(-count // self.columns)

    def rect(self, place: int) -> QRect:
        """Return an image's rectangle; empty if it is hidden."""
        section = bisect_right(self._starts, place) - 1
        line, column = divmod(place - self._starts[section], self.columns)
        if self._is_single_row and line:
            return QRect()
        top = self._tops[section] + self._heading + line * self.row_height
        return QRect(QPoint(self._margin + column * (self.tile.width() + self._gap), top), self.tile)

    def heading_above(self, place: int) -> int:
        """Return the height of the heading directly above an image: 0 below the first line of its section."""
        section = bisect_right(self._starts, place) - 1
        return self._heading if place - self._starts[section] < self.columns else 0

    def place_at(self, point: QPoint) -> int:
        """Return the index of the image at a point, -1 for none; a gap belongs to the nearer image."""
        section = max(0, bisect_right(self._tops, point.y() + self._gap // 2, hi=len(self._counts)) - 1)
        line = max(0, (point.y() + self._gap // 2 - self._tops[section] - self._heading) // self.row_height)
        column = max(0, (point.x() - self._margin + self._gap // 2) // (self.tile.width() + self._gap))
        offset = line * self.columns + min(column, self.columns - 1)
        is_there = line < self._lines(self._counts[section]) and offset < self._counts[section]
        return self._starts[section] + offset if is_there else -1

    def beside(self, place: int, lines: int) -> int:
        """Return the image one line above (-1) or below (1), across headings; -1 for none."""
        box = self.rect(place)
        above = QPoint(box.center().x(), box.top() - self._heading - 2 * self._gap)
        below = QPoint(box.center().x(), box.bottom() + self._heading + 2 * self._gap)
        return self.place_at(above if lines < 0 else below) if lines > 0 or above.y() >= 0 else -1

    def places(self, top: int, bottom: int) -> list[int]:
        """Return the images between two heights, in order."""
        found: list[int] = []
        for section in self._sections(top, bottom):
            above, start = self._tops[section] + self._heading, self._starts[section]
            first = max(0, (top - above) // self.row_height) * self.columns
            last = min(((bottom - above) // self.row_height + 1), self._lines(self._counts[section])) * self.columns
            found += range(start + first, start + min(last, self._counts[section]))
        return found

    def headings(self, top: int, bottom: int) -> Iterator[tuple[int, int, int]]:
        """Yield (section, top of its heading, height including its images) of the sections between two heights."""
        for section in self._sections(top, bottom):
            yield section, self._tops[section], self._tops[section + 1] - self._tops[section] - self._gap // 2

    def _sections(self, top: int, bottom: int) -> range:
        count = len(self._counts)
        return range(max(0, bisect_right(self._tops, top, hi=count) - 1), bisect_right(self._tops, bottom, hi=count))
