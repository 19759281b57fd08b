"""A bar of the shares of train, validation and test, with a legend."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from gui.kit import theme
from gui.kit.parts import ElidedLabel, column, text, verbatim
from gui.kit.translation import tr
from visionft.core.messages import Message, Text

PARTS = (
    ("train", Message("Training"), "train_line", Message("the model learns from these")),
    ("val", Message("Validation"), "val_line", Message("choose the epoch to keep")),
    ("test", Message("Test"), "test_line", Message("kept for the final figure")),
    ("unassigned", Message("Not divided"), "grey_line", ""),
)
_MARKS: dict[str, Text] = {"train": Message("train"), "val": Message("val"), "test": Message("test")}


def split_mark(name: str | None) -> str:
    """Return a split in a short word for an image, translated; empty for none."""
    return tr(_MARKS[name]) if name else ""


def split_colour(name: str) -> str:
    """Return the colour of a split in the current theme."""
    return getattr(theme.colours(), next(token for split, _, token, _ in PARTS if split == name))


class _Bar(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(12)
        self.counts: dict[str, int] = {}

    def paintEvent(self, _event) -> None:
        palette = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        clip = QPainterPath()
        clip.addRoundedRect(QRectF(self.rect()), 6, 6)
        painter.setClipPath(clip)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        total = sum(self.counts.values()) or 1
        left = 0.0
        for name, _, token, _ in PARTS:
            width = self.width() * self.counts.get(name, 0) / total
            painter.fillRect(QRectF(left, 0, width, self.height()), QColor(getattr(palette, token)))
            left += width


class _Dot(QLabel):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token
        self.setFixedSize(10, 10)

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(theme.colours(), self._token)))
        painter.drawRoundedRect(self.rect(), 3, 3)


class SplitBar(QWidget):
    """Training, validation, test and the rest."""

    def __init__(self, *, has_legend: bool = True) -> None:
        """Args: without `has_legend` only the bar is shown, for owners with their own numbers."""
        super().__init__()
        self._bar = _Bar()
        self._numbers: dict[str, QLabel] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SMALL)
        grid.setVerticalSpacing(theme.TIGHT)
        grid.setColumnStretch(2, 1)
        for line, (name, title, token, note) in enumerate(PARTS if has_legend else ()):
            self._numbers[name] = text("0", "strong")
            grid.addWidget(_Dot(token), line, 0)
            grid.addWidget(verbatim(tr(title)), line, 1)
            grid.addWidget(ElidedLabel(tr(note), "small"), line, 2)
            grid.addWidget(self._numbers[name], line, 3, Qt.AlignmentFlag.AlignRight)
        self.setLayout(column(self._bar, grid, spacing=theme.MEDIUM))

    def show_counts(self, counts: dict[str, int]) -> None:
        """Show image counts by split name, with `unassigned` for those without one."""
        self._bar.counts = counts
        for name, label in self._numbers.items():
            label.setText(f"{counts.get(name, 0):,}")
        self._bar.update()
