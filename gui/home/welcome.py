"""The screen without an open project: first steps and recent projects. Depends on Qt and plain data only."""

from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLayout, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.drops import DropZone
from gui.kit.parts import (
    Button,
    Card,
    ElidedLabel,
    IconButton,
    IconLabel,
    clear,
    column,
    row,
    text,
    widget_of,
)
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from resources.photographs import STRIP
from visionft.core.messages import Message, Text


class RecentList(Card):
    chosen = Signal(Path)
    forgotten = Signal(Path)

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.SMALL)
        self._rows = column(spacing=theme.SMALL)
        self.body.addWidget(text("Recent projects", "heading"))
        self.body.addLayout(self._rows)
        self.body.addStretch(1)

    def show_projects(self, paths: list[Path]) -> None:
        clear(self._rows)
        if not paths:
            note = "Projects you open appear here. A project is a folder that holds labels and training runs; your images stay where they are."  # noqa: E501
            self._rows.addWidget(text(note, "muted", wrap=True))
        for path in paths:
            exists = path.is_dir()
            place = str(path.parent) if exists else tr("The folder is not there any more")
            words = column(ElidedLabel(path.name, "strong"), ElidedLabel(place, "small"), spacing=0)
            icon = IconLabel("project" if exists else "warning", tone="accent" if exists else "warn")
            button = _tile_button(icon, words, name=tr("Open {name}", name=path.name))
            button.setEnabled(exists)
            button.clicked.connect(lambda _checked=False, path=path: self.chosen.emit(path))
            forget = IconButton("close", "", on_click=lambda path=path: self.forgotten.emit(path))
            forget.show_name(tr("Forget {name}", name=path.name))
            line = row(button, forget, spacing=theme.TIGHT, grows=0)
            self._rows.addLayout(line)


def _tile_button(icon: IconLabel, words: QLayout, *, name: str) -> Button:
    button = Button("", role="tile")
    button.setAccessibleName(name)
    button.setMinimumHeight(theme.scaled(52))
    inside = QHBoxLayout(button)
    inside.setContentsMargins(theme.MEDIUM, theme.SMALL, theme.MEDIUM, theme.SMALL)
    inside.setSpacing(theme.MEDIUM)
    inside.addWidget(icon)
    inside.addLayout(words, 1)
    for child in button.findChildren(QWidget):
        child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return button


class SampleTile(ActionTile):
    """A button to open a sample project, with a few of its images."""

    def __init__(self, title: Text, words: Text) -> None:
        super().__init__(title, words, "sample")
        self._content.setSpacing(theme.MEDIUM)
        self._content.addWidget(_ImageStrip())


class _ImageStrip(QWidget):
    """Square images side by side, as many as fit; read on first display."""

    def __init__(self) -> None:
        super().__init__()
        self._images = QPixmap()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(2, 1) * theme.scaled(50)  # of two images: the strip expands to any width

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._images.isNull():
            self._images = QPixmap(str(STRIP))
        painter = QPainter(self)
        side = self.height()
        cut = self._images.height()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        step = side + theme.SMALL
        corner = theme.scaled(6)
        fitting = min((self.width() + theme.SMALL) // step, self._images.width() // max(1, cut))
        for place in range(fitting):
            outline = QPainterPath()
            outline.addRoundedRect(QRectF(place * step, 0, side, side), corner, corner)
            painter.setClipPath(outline)
            painter.drawPixmap(QRect(place * step, 0, side, side), self._images, QRect(place * cut, 0, cut, cut))


class Welcome(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.drop_zone = DropZone(
            "Drop a folder of images here",
            "Sub-folders become classes. Loose images work too, and so do a zip or a CSV.",
            "Choose folder",
            takes_lists=True,
        )
        self.recent = RecentList()
        photographs = Message("400 photographs of waste in 5 classes, ready to train.")
        self.sample_tile = SampleTile("Try a sample", photographs)
        self.new_tile = ActionTile("New project", "Starts empty; bring in images when you like.", "plus")
        self.open_tile = ActionTile("Open project", "Continues with an existing project folder.", "folder-open")
        tiles = QGridLayout()
        tiles.setSpacing(theme.MEDIUM)
        for column_number, tile in enumerate((self.new_tile, self.open_tile)):
            tiles.addWidget(tile, 0, column_number)
            tiles.setColumnStretch(column_number, 1)
        tiles.addWidget(self.sample_tile, 1, 0, 1, 2)
        intro = column(
            text("Teach your computer what you see", "hero", wrap=True),
            text("From a folder of photographs to one verified model file, on this machine alone.", "muted", wrap=True),
            spacing=theme.TIGHT,
        )
        main = column(self.drop_zone, tiles, spacing=theme.LARGE)
        both = row(main, self.recent, spacing=theme.HUGE)
        both.setStretch(0, 5)
        both.setStretch(1, 3)
        layout = column(intro, both, spacing=theme.HUGE, grows=1)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        main.setStretch(0, 1)
        frame = widget_of(layout)
        frame.setMaximumSize(theme.scaled(1400), theme.scaled(900))
        self.setLayout(row(frame, spacing=0))
