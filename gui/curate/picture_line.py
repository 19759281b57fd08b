"""What is said of the current picture: its name, its label, and why it is there, in full. Knows Qt only."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.parts import ElidedLabel, column, row, text
from gui.kit.picture_model import Tile


class PictureLine(QWidget):
    """Always as high, so that moving from picture to picture moves nothing else."""

    def __init__(self, label_box: QWidget) -> None:
        """Args: `label_box` stands behind the name: it shows and changes the label."""
        super().__init__()
        self._name = ElidedLabel("", "strong")
        self._facts = text(role="small")
        self._reason = ElidedLabel("", "muted", mode=Qt.TextElideMode.ElideRight)
        line = row(self._name, self._facts, label_box, spacing=theme.LARGE)
        line.setStretch(0, 1)
        self.setLayout(column(line, self._reason, spacing=theme.HAIR))

    def show_picture(self, tile: Tile | None, reason: str, *, place: str) -> None:
        """Show what is known of a picture; `place` says which of how many it is."""
        self._name.setText(tile.path.name if tile is not None else "")
        self._facts.setText(place)
        self._reason.setText(reason)

    def words(self) -> tuple[str, str]:
        """Return the name and the reason."""
        return self._name.text(), self._reason.text()
