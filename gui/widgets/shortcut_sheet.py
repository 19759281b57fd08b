"""All keys on one sheet. Knows Qt only."""

from collections.abc import Sequence

from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QWidget

from gui import theme
from gui.widgets.parts import Button, column, key, row, text

Group = tuple[str, Sequence[tuple[str, str]]]  # heading, (keys, meaning) each; alternatives are divided by " / "


class ShortcutSheet(QDialog):
    """Groups of keys in two columns; Esc closes."""

    def __init__(self, parent: QWidget, groups: Sequence[Group]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        columns = QHBoxLayout()
        columns.setSpacing(theme.HUGE * 2)
        for part in (groups[:2], groups[2:]):
            columns.addLayout(column(*(self._group(*group) for group in part), None, spacing=theme.HUGE))
        close = Button("Close", role="primary", on_click=self.accept)
        layout = column(text("Keyboard shortcuts", "title"), theme.SMALL, columns, theme.SMALL, row(None, close))
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.setMinimumWidth(theme.scaled(720))

    def _group(self, heading: str, entries: Sequence[tuple[str, str]]) -> QWidget:
        box, grid = QWidget(), QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.LARGE)
        grid.setVerticalSpacing(theme.TIGHT + theme.HAIR)
        grid.addWidget(text(heading, "heading"), 0, 0, 1, 2)
        for line, (keys, meaning) in enumerate(entries, 1):
            caps = row(*(key(cap) for cap in keys.split(" / ")), None, spacing=theme.TIGHT)
            grid.addLayout(caps, line, 0)
            grid.addWidget(text(meaning), line, 1)
        grid.setColumnStretch(1, 1)
        box.setLayout(grid)
        return box
