"""All shortcuts on one sheet."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QScrollArea, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import column, key, row, verbatim, widget_of
from visionft.core.messages import Message

Group = tuple[str, Sequence[tuple[str, str]]]  # heading, (keys, meaning) each; alternatives are separated by " / "


class ShortcutSheet(Dialog):
    """Groups of shortcuts in as many columns as fit the window; Esc closes."""

    def __init__(self, parent: QWidget, groups: Sequence[Group]) -> None:
        super().__init__(parent, Message("Keyboard shortcuts"))
        boxes = {heading: _group(heading, entries) for heading, entries in groups}
        widest = max(box.sizeHint().width() for box in boxes.values())
        gap = 2 * theme.HUGE
        count = max(1, min(3, (parent.width() - 2 * theme.HUGE) // (widest + gap)))
        columns = QHBoxLayout()
        columns.setSpacing(gap)
        for part in _divide(groups, count):
            columns.addLayout(column(*(boxes[heading] for heading, _ in part), None, spacing=theme.HUGE))
        canvas = widget_of(columns)
        canvas.setObjectName("canvas")
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(canvas)
        self.lay_out(area)
        canvas.ensurePolished()
        wanted = canvas.sizeHint()
        area.setMinimumWidth(wanted.width() + theme.LARGE)
        area.setMinimumHeight(min(wanted.height() + theme.TIGHT, parent.height() - theme.scaled(190)))


def _group(heading: str, entries: Sequence[tuple[str, str]]) -> QWidget:
    box, grid = QWidget(), QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(theme.LARGE)
    grid.setVerticalSpacing(theme.TIGHT + theme.HAIR)
    grid.addWidget(verbatim(heading, "heading"), 0, 0, 1, 2)
    for line, (keys, meaning) in enumerate(entries, 1):
        grid.addLayout(row(*(key(cap) for cap in keys.split(" / ")), None, spacing=theme.TIGHT), line, 0)
        grid.addWidget(verbatim(meaning), line, 1)
    grid.setColumnStretch(1, 1)
    box.setLayout(grid)
    return box


def _divide(groups: Sequence[Group], count: int) -> list[list[Group]]:
    """Distribute the groups over `count` columns in order, about evenly."""
    lengths = [len(entries) + 2 for _, entries in groups]  # a heading has the height of two lines
    parts: list[list[Group]] = [[] for _ in range(count)]
    before = 0
    for group, length in zip(groups, lengths, strict=True):
        middle = before + length / 2
        parts[min(count - 1, int(middle * count / sum(lengths)))].append(group)
        before += length
    return parts
