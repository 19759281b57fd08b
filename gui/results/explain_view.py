"""Pictures with what a run said of them, and where it looked: a heat map with the outcome of its test. Plain data."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSlider, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, choice_box, column, pill, restyle, row, text
from gui.kit.picture_model import Tile
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.results.fixable_grid import FixableGrid
from gui.results.heat_view import HeatView
from visionft.evaluation.explanation import Explanation

SAID, TRUE = "For what it said", "For the true class"


class ExplainView(QWidget):
    """A strip of pictures, and the chosen one large."""

    order_changed = Signal(str)
    explain_wanted = Signal()
    target_changed = Signal()

    def __init__(self, thumbnails: ThumbnailStore, orders: Sequence[str]) -> None:
        super().__init__()
        self.order_box = choice_box("Which pictures", map(tr, orders), least=12)
        self.order_box.currentIndexChanged.connect(lambda index: self.order_changed.emit(orders[index]))
        self.grid = FixableGrid(thumbnails, name="Pictures with what the run said")
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self.heat = HeatView()
        self.explain_button = Button("Explain", "try", on_click=self.explain_wanted.emit)
        self.target_box = choice_box("Class to explain", (tr(SAID), tr(TRUE)))
        self.target_box.setToolTip(tr("Show what spoke for the class it said, or for the true one"))
        self.target_box.currentIndexChanged.connect(lambda _place: self.target_changed.emit())
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(85)
        self.opacity.setAccessibleName(tr("Strength of the heat map"))
        self.opacity.setMaximumWidth(theme.scaled(140))
        self.opacity.valueChanged.connect(lambda percent: self.heat.set_opacity(percent / 100))
        self.heat.set_opacity(0.85)
        self._name = ElidedLabel("", "strong")
        self._badge = pill()
        self._verdict = text("", wrap=True)
        self._scores = text("", "small", wrap=True)
        self._lay_out()
        self.show_picture(None, None)

    def _lay_out(self) -> None:
        left, right = QWidget(), QWidget()
        left_layout = column(self.order_box, self.grid)
        left_layout.setStretch(1, 1)
        left.setLayout(left_layout)
        controls = row(self.target_box, self.explain_button, None)
        title = row(self._name, self.opacity, self._badge, spacing=theme.MEDIUM)
        title.setStretch(0, 1)
        right_layout = column(controls, self.heat, title, self._verdict, self._scores, spacing=theme.SMALL)
        right_layout.setStretch(1, 1)
        right_layout.setContentsMargins(theme.SMALL, 0, 0, 0)
        right.setLayout(right_layout)
        self.setLayout(column(divided(left, right)))

    def explains_true_class(self) -> bool:
        """Whether the true class is to be explained, not the one that the run said."""
        return self.target_box.currentIndex() == 1

    def show_picture(self, item: Tile | None, explanation: Explanation | None) -> None:
        """Show a picture, and the explanation of it where there is one."""
        self.heat.show_picture(item.path if item else None, explanation)
        self._name.setText(item.path.name if item else "")
        is_explained = explanation is not None and not explanation.error
        self.opacity.setVisible(is_explained)
        self._badge.setVisible(is_explained)
        if explanation is None:
            empty = tr("Choose a picture.") if item is None else ""
            self._verdict.setText(empty or tr("Explain shows where the run looked, and tests whether that is true."))
            self._scores.setText("")
            return
        is_good = explanation.is_trustworthy
        self._badge.setText(tr("Held up") if is_good else tr("Untrustworthy"))
        restyle(self._badge, tone="good" if is_good else "warn")
        self._verdict.setText(tr(explanation.verdict))
        self._scores.setText(_scores(explanation) if is_explained else "")

    def show_possible(self, reason: str) -> None:
        """Let pictures be explained, or say why not: `reason` is empty when they can."""
        self.explain_button.setEnabled(not reason)
        self.explain_button.setToolTip(reason or tr("Show where the run looked, and test whether that is true"))

    def badge(self) -> str:
        """Return the word on the badge; nothing while there is no explanation."""
        return "" if self._badge.isHidden() else self._badge.text()

    def verdict(self) -> str:
        """Return what is said about the map."""
        return self._verdict.text()


def _scores(explanation: Explanation) -> str:
    low, high = min(explanation.random_deletion), max(explanation.random_deletion)
    return tr(
        "{method} for “{name}” ({share}). Mean probability while it is covered: {own}; at random {low} to {high} "
        "(lower is better).",
        method=explanation.method,
        name=explanation.class_name,
        share=f"{explanation.probability:.0%}",
        own=f"{explanation.deletion:.2f}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
    )
