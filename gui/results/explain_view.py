"""Images with a run's prediction and a heat map of the relevant regions, with the outcome of its test. Plain data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSlider, QWidget

from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.parts import Button, ElidedLabel, choice_box, column, pill, restyle, row, text
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.results.fixable_grid import FixableGrid
from visionft.core.messages import Message
from visionft.training.evaluation.explanation import Explanation, heat_pixels

HEAT_PX = 224


class HeatView(ImageView):
    """An image, and its explanation where there is one, drawn over it."""

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__(thumbnails)
        self._explanation: Explanation | None = None
        self._heat: QImage | None = None
        self._opacity = 1.0
        self.setMinimumSize(theme.scaled(220), theme.scaled(160))
        self.setAccessibleName(tr("Image with heat map"))

    def show_explanation(self, path: Path | None, explanation: Explanation | None = None) -> None:
        """Show an image; without an explanation it has no heat map."""
        self._explanation, self._heat = explanation, None
        if explanation is not None and not explanation.error:
            pixels = np.ascontiguousarray(heat_pixels(explanation.heat, HEAT_PX, HEAT_PX))
            self._heat = QImage(pixels.data, HEAT_PX, HEAT_PX, 4 * HEAT_PX, QImage.Format.Format_RGBA8888).copy()
        self.show_image(path)

    def set_opacity(self, opacity: float) -> None:
        self._opacity = opacity
        self.update()

    def heat_rect(self) -> QRectF:
        """Return the rectangle of the heat map: the network's square input region."""
        box = self.image_rect()
        explanation = self._explanation
        if explanation is None or box.isEmpty():
            return QRectF()
        (height, width), (top, left, *sides) = explanation.size, explanation.box
        across, down = box.width() / width, box.height() / height
        return QRectF(box.left() + left * across, box.top() + top * down, sides[1] * across, sides[0] * down)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        box = self.heat_rect()
        if self._heat is None or box.isEmpty():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(self._opacity)
        painter.drawImage(box, self._heat, QRectF(self._heat.rect()))
        painter.setOpacity(1.0)
        for colour, width in (("#000000", 3.0), ("#FFFFFF", 1.0)):  # visible on light and on dark images
            painter.setPen(QPen(QColor(colour), width))
            painter.drawRect(box.adjusted(1, 1, -1, -1))


class ExplainView(QWidget):
    """A strip of images, and the selected one large."""

    def __init__(self, thumbnails: ThumbnailStore, orders: Sequence[str]) -> None:
        super().__init__()
        self.order_box = choice_box("Which images", map(tr, orders), least=12)
        self._orders = orders
        self.grid = FixableGrid(thumbnails, name=Message("Images with predictions"))
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self.heat = HeatView(thumbnails)
        self.explain_button = Button("Explain", "try")
        self.target_box = choice_box("Class to explain", (tr("Predicted class"), tr("True class")))
        self.target_box.setToolTip(tr("Explain the predicted class or the true class"))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(85)
        self.opacity.setAccessibleName(tr("Strength of the heat map"))
        self.opacity.setMaximumWidth(theme.scaled(140))
        self.opacity.valueChanged.connect(lambda percent: self.heat.set_opacity(percent / 100))
        self.heat.set_opacity(0.85)
        self._name = ElidedLabel("", "strong")
        self.badge = pill()
        self.verdict = text("", wrap=True)
        self._scores = text("", "small", wrap=True)
        left, right = QWidget(), QWidget()
        left.setLayout(column(self.order_box, self.grid, grows=1))
        controls = row(self.target_box, self.explain_button, None)
        title = row(self._name, self.opacity, self.badge, spacing=theme.MEDIUM, grows=0)
        right_layout = column(controls, self.heat, title, self.verdict, self._scores, spacing=theme.SMALL, grows=1)
        right_layout.setContentsMargins(theme.SMALL, 0, 0, 0)
        right.setLayout(right_layout)
        self.setLayout(column(divided(left, right)))
        self.show_image(None, None)

    def order(self) -> str:
        return self._orders[self.order_box.currentIndex()]

    def explains_true_class(self) -> bool:
        """Whether the true class is explained, instead of the predicted one."""
        return self.target_box.currentIndex() == 1

    def show_image(self, item: Tile | None, explanation: Explanation | None) -> None:
        self.heat.show_explanation(item.path if item else None, explanation)
        self._name.setText(item.path.name if item else "")
        is_explained = explanation is not None and not explanation.error
        self.opacity.setVisible(is_explained)
        self.badge.setVisible(is_explained)
        if explanation is None:
            words = Message("Explain shows the regions behind the prediction, and tests the heat map.")
            self.verdict.setText(tr("Choose an image.") if item is None else tr(words))
            self._scores.setText("")
            return
        is_good = explanation.is_reliable
        self.badge.setText(tr("Reliable") if is_good else tr("Not reliable"))
        restyle(self.badge, tone="good" if is_good else "warn")
        self.verdict.setText(tr(explanation.verdict))
        low, high = min(explanation.random_deletion, default=0.0), max(explanation.random_deletion, default=0.0)
        scores = tr(
            "{method} for “{name}” ({share}). Mean probability while it is covered: {own}; at random {low} to {high} "
            "(lower is better).",
            method=explanation.method,
            name=explanation.class_name,
            share=f"{explanation.probability:.0%}",
            own=f"{explanation.deletion:.2f}",
            low=f"{low:.2f}",
            high=f"{high:.2f}",
        )
        self._scores.setText(scores if is_explained else "")

    def show_possible(self, reason: str) -> None:
        """Enable explanations, or show the reason why not: `reason` is empty when they are possible."""
        self.explain_button.setEnabled(not reason)
        self.explain_button.setToolTip(reason or tr("Show the regions behind the prediction, and test the heat map"))
