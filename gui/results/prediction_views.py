"""Images with predictions: of one run with heat maps, and of two models side by side. Plain data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSlider, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.empty_state import EmptyState
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Tile
from gui.kit.image_view import ImageView
from gui.kit.label_box import LabelBox
from gui.kit.parts import (
    Button,
    ElidedLabel,
    Segments,
    choice_box,
    column,
    pill,
    restyle,
    row,
    text,
    verbatim,
    widget_of,
)
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.next_steps import button_of
from visionft.core.errors import NextStep
from visionft.core.messages import Message
from visionft.training.evaluation.explanation import Explanation, heat_pixels


class CorrectableGrid(QWidget):
    """An image grid over its label box. Depends on Qt and plain data only."""

    def __init__(self, thumbnails: ThumbnailStore, *, name: str) -> None:
        super().__init__()
        self.strip = ImageGrid(thumbnails, name=name, lines=2)
        self.label_box = LabelBox()
        self.open_button = Button("Open on Label", "label")
        self.setLayout(column(self.strip, Flow(self.label_box, self.open_button, spacing=theme.MEDIUM), grows=0))
        self.show_openable(False)

    def show_openable(self, is_possible: bool) -> None:
        """Enable opening the images on the Label page, or show the reason why not."""
        self.open_button.setEnabled(is_possible)
        words, none = Message("Show all of these images on the Label page"), Message("There are no images here.")
        self.open_button.setToolTip(tr(words if is_possible else none))


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
        self.order_box = choice_box("Which images", map(tr, orders), min_chars=12)
        self._orders = orders
        self.grid = CorrectableGrid(thumbnails, name=Message("Images with predictions"))
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


GROUPS = {
    "fixed": Message("Only 2 is right"),
    "broken": Message("Only 1 is right"),
    "still_wrong": Message("Both are wrong"),
}


class ComparisonView(QWidget):
    """Model 1, chosen here, beside model 2, the one selected in the table."""

    step_wanted = Signal(object)  # NextStep: the action to enable the comparison
    chosen = Signal()  # model 1

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.other_box = choice_box("Model to compare with", min_chars=16)
        self.other_box.activated.connect(lambda _place: self.chosen.emit())
        self._to = ElidedLabel("", "strong")
        right = Qt.TextElideMode.ElideRight
        self.verdict = text("", "strong")
        self.facts = ElidedLabel("", "small", mode=right)
        self.grid = CorrectableGrid(thumbnails, name=Message("Images that at least one model has wrong"))
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self._groups: Mapping[str, Sequence[Tile]] = dict.fromkeys(GROUPS, ())
        self._switch = Segments({name: tr(title) for name, title in GROUPS.items()}, "")
        self._switch.chosen.connect(lambda _group: self._show_group())
        self.buttons = self._switch.buttons
        self.shares = (ElidedLabel("", "body", mode=right), ElidedLabel("", "body", mode=right))
        first = row(verbatim("1", "strong"), self.other_box, self.shares[0])
        second = row(verbatim("2", "strong"), self._to, self.shares[1])
        head = row(first, second, spacing=theme.LARGE)
        for place in (0, 1):
            head.setStretch(place, 1)
            first.setStretch(1 + place, 2 - place)
            second.setStretch(1 + place, 2 - place)
        facts = row(self.verdict, self.facts, spacing=theme.MEDIUM, grows=1)
        layout = column(facts, self._switch, self.grid, grows=2)
        body = widget_of(layout)
        self.empty = EmptyState("split", "Nothing to compare yet", "")
        self._step: NextStep | None = None
        self.empty.button.clicked.connect(lambda _checked=False: self.step_wanted.emit(self._step))
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(body)
        self.setLayout(column(head, self._stack, spacing=theme.MEDIUM, grows=1))

    def other(self) -> str:
        """Return the name of model 1, or an empty text."""
        return self.other_box.currentData() or ""

    def offer(self, models: Sequence[tuple[str, str]], *, to: str, preferred: str = "") -> None:
        """Offer (name, title) of the models to compare with; keep the choice where it is still offered."""
        kept = preferred or self.other()
        self._to.setText(to)
        self.other_box.clear()
        for place, (name, title) in enumerate(models):
            self.other_box.addItem(title, name)
            self.other_box.setItemData(place, title, Qt.ItemDataRole.ToolTipRole)
        place = self.other_box.findData(kept)
        self.other_box.setCurrentIndex(place if kept and place >= 0 else len(models) - 1)

    def show_problem(self, message: str, hint: str, step: NextStep | None = None) -> None:
        self._stack.setCurrentIndex(0)
        self._step = step
        for label in self.shares:
            label.setText("")
        self.empty.show_words(message, hint, button_of(step).title if step else "")

    def show_groups(
        self,
        groups: Mapping[str, Sequence[Tile]],
        counts: Mapping[str, int],
        verdict: str,
        facts: str,
        *,
        shares: Sequence[str],
    ) -> None:
        """Show the three groups; `counts` include images no longer in the project, `shares` are of both models."""
        for label, words in zip(self.shares, shares, strict=True):
            label.setText(words)
        self._stack.setCurrentIndex(1)
        self._groups = groups
        self.verdict.setText(tr(verdict))
        self.facts.setText(facts)
        for name, title in GROUPS.items():
            self.buttons[name].setText(f"{tr(title)}  {counts[name]:,}")
        self._show_group()

    def group(self) -> str:
        return self._switch.value()

    def _show_group(self) -> None:
        tiles = self._groups[self.group()]
        self.strip.show_tiles(tiles)
        self.grid.show_openable(bool(tiles))
