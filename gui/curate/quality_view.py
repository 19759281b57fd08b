"""The view of quality issues, with their kinds by name, and a histogram of their scores."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.curate.issues_view import IssuesView
from gui.curate.view import plain_tile
from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.translation import tr
from models.messages import Message
from visionft.curation.quality.kinds import KINDS
from visionft.project.queries import ImageRow

BINS = 24
WIDTH_PX, HEIGHT_PX = 150, 30


class ScoreStrip(QWidget):
    """Bars from a score of 1 at the left to 0 at the right, as the slider; a click chooses a threshold."""

    def __init__(self, *, on_threshold: Callable[[float], object]) -> None:
        super().__init__()
        self._on_threshold = on_threshold
        self.counts: list[int] = [0] * BINS
        self.threshold = 0.5
        self.setFixedSize(self.sizeHint())
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("Histogram of the scores"))
        self.setToolTip(tr("Number of images by score, the worst at the left; those shown are in colour"))

    def sizeHint(self) -> QSize:
        return QSize(theme.scaled(WIDTH_PX), theme.scaled(HEIGHT_PX))

    def show_scores(self, scores: Iterable[float], threshold: float) -> None:
        """Show the distribution of scores from 0 to 1, and the part above the threshold."""
        self.counts, self.threshold = [0] * BINS, threshold
        for score in scores:
            self.counts[min(BINS - 1, int((1 - score) * BINS))] += 1
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._on_threshold(min(1.0, max(0.0, 1 - event.position().x() / max(1, self.width()))))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the bars, their height by the square root: many have little, and few are bad."""
        painter = QPainter(self)
        palette = theme.colours()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        wide = self.width() / BINS
        high = self.height() - 2
        most = math.sqrt(max(1, *self.counts))
        for place, count in enumerate(self.counts):
            is_shown = 1 - (place + 0.5) / BINS >= self.threshold
            painter.setBrush(QColor(palette.accent if is_shown else palette.grey_line))
            tall = max(2.0, high * math.sqrt(count) / most) if count else 0.0
            painter.drawRoundedRect(QRectF(place * wide + 0.5, high - tall, wide - 1.0, tall), 1.5, 1.5)
        painter.setPen(QColor(palette.border))
        painter.drawLine(QPointF(0, high + 0.5), QPointF(self.width(), high + 0.5))
        painter.setPen(QColor(palette.text))
        at = (1 - self.threshold) * (self.width() - 1)
        painter.drawLine(QPointF(at, 0), QPointF(at, self.height()))


class QualityView(IssuesView):
    """Blurred, dark, bright, blank, odd and corrupt images."""

    name = "quality"
    title = Message("Quality")
    icon = "camera"
    check = "quality"

    def kind_title(self, kind: str) -> str:
        return tr(KINDS[kind].title) if kind in KINDS else kind

    def count(self) -> int | None:
        """Return the number of flagged images; one may be flagged for several kinds."""
        return len({each.image_id for each in self.flagged()}) if self.loaded is not None else None

    def tile(self, row: ImageRow) -> Tile:
        """Return an image with its quality issues and scores; the line below has the full reason."""
        issues = self.shown_issues_of(row.image_id)
        detail = ", ".join(f"{self.kind_title(each.kind)} {each.score:.2f}" for each in issues)
        return plain_tile(row, self.curation, detail=detail)

    def fill(self) -> None:
        super().fill()
        if self.loaded is not None:
            shown = (each.score for each in self.loaded.issues if not self._kinds or each.kind in self._kinds)
            self.strip.show_scores(shown, self.threshold)

    @cached_property
    def strip(self) -> ScoreStrip:
        return ScoreStrip(on_threshold=self.set_threshold)

    def before_controls(self) -> Sequence[QWidget]:
        return (self.strip,)
