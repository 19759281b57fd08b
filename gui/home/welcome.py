"""What shows while no project is open: where to begin, and the projects opened lately. Knows Qt and plain data only."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from gui.home.public_list import PublicList
from gui.home.sample_tile import SampleTile
from gui.kit import theme
from gui.kit.drop_zone import DropZone
from gui.kit.parts import Button, Card, ElidedLabel, IconButton, IconLabel, clear, column, row, text
from gui.kit.tiles import ActionTile


class RecentList(Card):
    """The projects opened lately."""

    chosen = Signal(Path)
    forgotten = Signal(Path)

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.SMALL)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(theme.SMALL)
        self.body.addWidget(text("Recent projects", "heading"))
        self.body.addLayout(self._rows)
        self.body.addStretch(1)

    def show_projects(self, paths: list[Path]) -> None:
        """Show these projects, the latest first."""
        clear(self._rows)
        if not paths:
            note = "Projects you open appear here. A project is a folder that holds labels and training runs; your pictures stay where they are."  # noqa: E501
            self._rows.addWidget(text(note, "muted", wrap=True))
        for path in paths:
            self._rows.addWidget(_RecentRow(path, self))


class _RecentRow(QWidget):
    def __init__(self, path: Path, owner: RecentList) -> None:
        super().__init__()
        exists = path.is_dir()
        button = Button("", role="tile", on_click=lambda: owner.chosen.emit(path))
        button.setAccessibleName(f"Open {path.name}")
        button.setEnabled(exists)
        button.setMinimumHeight(theme.scaled(52))
        inside = QHBoxLayout(button)
        inside.setContentsMargins(theme.MEDIUM, theme.SMALL, theme.MEDIUM, theme.SMALL)
        inside.setSpacing(theme.MEDIUM)
        inside.addWidget(IconLabel("project" if exists else "warning", tone="accent" if exists else "warn"))
        place = str(path.parent) if exists else "The folder is not there any more"
        inside.addLayout(column(ElidedLabel(path.name, "strong"), ElidedLabel(place, "small"), spacing=0), 1)
        for child in button.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        forget = IconButton("close", "", on_click=lambda: owner.forgotten.emit(path))
        forget.show_name(f"Forget {path.name}")
        layout = row(button, forget, spacing=theme.TIGHT)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.open_button = button


class Welcome(QWidget):
    """The first screen."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_zone = DropZone(
            "Drop a folder of pictures here",
            "Sub-folders become classes. Loose pictures work too, and so do a zip or a CSV.",
            "Choose folder",
            takes_lists=True,
        )
        self.recent = RecentList()
        self.public = PublicList()
        self.sample_tile = SampleTile(
            "photographs", "Try a sample", "400 photographs of waste in 5 classes, ready to train."
        )
        self.drawn_tile = SampleTile(
            "drawn", "Try a drawn sample", "Draws 4 classes of machined parts and opens them, ready to train."
        )
        self.new_tile = ActionTile("New project", "Starts empty; bring in pictures when you like.", "plus")
        self.open_tile = ActionTile("Open project", "Goes on with a project folder you have.", "folder-open")
        tiles = QGridLayout()
        tiles.setSpacing(theme.MEDIUM)
        for place, tile in enumerate((self.new_tile, self.open_tile, self.sample_tile, self.drawn_tile)):
            tiles.addWidget(tile, place // 2, place % 2)
            tiles.setColumnStretch(place % 2, 1)
        intro = column(
            text("Teach your computer what you see", "hero", wrap=True),
            text("From a folder of photographs to one verified model file, on this machine alone.", "muted", wrap=True),
            spacing=theme.TIGHT,
        )
        main = column(self.drop_zone, tiles, spacing=theme.LARGE)
        main.setStretch(0, 1)
        both = QHBoxLayout()
        both.setSpacing(theme.HUGE)
        both.addLayout(main, 5)
        side = column(self.recent, self.public, spacing=theme.LARGE)
        side.setStretch(0, 1)
        both.addLayout(side, 3)
        layout = column(intro, both, spacing=theme.HUGE)
        layout.setStretch(1, 1)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        outer = row(self._framed(layout), spacing=0)
        self.setLayout(outer)

    def _framed(self, layout: QVBoxLayout) -> QWidget:
        frame = QWidget()
        frame.setLayout(layout)
        frame.setMaximumSize(theme.scaled(1400), theme.scaled(900))
        return frame
