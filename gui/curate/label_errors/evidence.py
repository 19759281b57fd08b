"""A picture large with its label, what it should perhaps be, and the nearest pictures of both classes. Qt and data."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.image_view import ImageView
from gui.kit.near_pictures import NearPictures
from gui.kit.parts import ElidedLabel, column, row, text
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.value_table import ValueTable


class LabelEvidence(QWidget):
    """The current picture with what speaks for and against its label; or the classes that are mixed up."""

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self._title = ElidedLabel("", "heading", mode=Qt.TextElideMode.ElideRight)
        self._chance = text(role="muted")
        self.viewer = ImageView(self.thumbnails)
        self.own, self.suggested = NearPictures(), NearPictures()
        self.overlap = ValueTable(("Class", "mixed up with", "Pictures"), name="Classes that are mixed up")
        self._stack = QStackedWidget()
        picture, head = QWidget(), row(self._title, self._chance, spacing=theme.MEDIUM)
        head.setStretch(0, 1)
        lines = column(head, self.viewer, self.own, self.suggested, spacing=theme.SMALL)
        lines.setStretch(1, 1)
        picture.setLayout(lines)
        table = QWidget()
        said = text("About so many pictures have the label of one class and belong to the other.", "muted", wrap=True)
        table.setLayout(column(said, self.overlap, spacing=theme.SMALL))
        self._stack.addWidget(picture)
        self._stack.addWidget(table)
        self.setLayout(column(self._stack))
        self.setMinimumWidth(theme.scaled(380))

    def show_finding(self, tile: Tile | None, title: str, chance: str) -> None:
        """Show a picture large, with its label and the suggestion, and how probable it is that it is wrong."""
        self._title.setText(title)
        self._chance.setText(chance)
        self.viewer.show_picture(tile.path if tile is not None else None, neighbours=[])

    def show_near(self, label: str, own: Sequence[Tile], suggested: str, others: Sequence[Tile]) -> None:
        """Show the nearest pictures that share the label, and those of the suggested class."""
        self.own.setVisible(bool(own))
        self.suggested.setVisible(bool(others))
        self.own.show_pictures(tr("Nearest that are labelled “{name}”", name=label), own)
        self.suggested.show_pictures(tr("Nearest that are labelled “{name}”", name=suggested), others)

    def show_overlap(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """Fill the table of classes that are mixed up: (class, other class, estimated pictures)."""
        self.overlap.show_rows([((first, first), (second, second), (str(n), n)) for first, second, n in rows])

    def show_table(self, is_on: bool) -> None:
        """Show the classes that are mixed up, or the picture again."""
        self._stack.setCurrentIndex(int(is_on))

    @property
    def is_table(self) -> bool:
        """Whether the classes that are mixed up are shown."""
        return self._stack.currentIndex() == 1

    def words(self) -> tuple[str, str]:
        """Return the title and the probability."""
        return self._title.text(), self._chance.text()

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self.thumbnails.close()
        self.own.close_workers()
        self.suggested.close_workers()
        self.viewer.close_pool()
