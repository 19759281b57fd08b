"""From which score findings are shown, and of which kinds. Knows Qt and plain data only."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QSlider, QWidget

from gui.kit import theme
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.i18n import tr
from gui.kit.parts import IconButton, row, text

STEPS = 1000  # of the slider, from a score of 0 to 1


class FindingControls(QWidget):
    """A slider with how many findings it lets through, and a chip for each kind where there are several."""

    threshold_moved = Signal(float)
    kind_toggled = Signal(str)
    reset_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setInvertedAppearance(True)  # to the right there are more, as there are below in the grid
        self.slider.setFixedWidth(theme.scaled(180))
        self.slider.setAccessibleName(tr("Threshold"))
        self.slider.setToolTip(tr("From which score pictures are shown; further right, more of them"))
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.valueChanged.connect(lambda value: self.threshold_moved.emit(value / STEPS))
        self._count = text(role="small")
        self._count.setMinimumWidth(theme.scaled(96))
        self.reset_button = IconButton("undo", "Back to the usual threshold", on_click=self.reset_wanted.emit)
        self.chips: dict[str, Chip] = {}
        line = row(text("Surest", "small"), self.slider, text("More", "small"), self._count, self.reset_button)
        self._threshold = QWidget()
        self._threshold.setLayout(line)
        self._flow = Flow(self._threshold)
        self.setLayout(self._flow)

    def show_threshold(self, threshold: float, usual: float) -> None:
        """Show where the threshold is, and whether it was moved from the usual one."""
        with QSignalBlocker(self.slider):
            if abs(self.slider.value() / STEPS - threshold) > 0.5 / STEPS:
                self.slider.setValue(round(threshold * STEPS))
        self.reset_button.setEnabled(abs(threshold - usual) > 0.5 / STEPS)

    def show_count(self, shown: int, of: int) -> None:
        """Show how many findings the threshold lets through."""
        self._count.setText(tr("{shown} of {all} shown", shown=f"{shown:,}", all=f"{of:,}"))

    def show_kinds(self, kinds: Mapping[str, tuple[str, int]], chosen: AbstractSet[str]) -> None:
        """Show {kind: (title, how many)}, unless there is only one; `chosen` are those it is narrowed to."""
        for kind in self.chips.keys() - kinds.keys():
            chip = self.chips.pop(kind)
            self._flow.removeWidget(chip)
            chip.deleteLater()
        for kind, (title, count) in kinds.items():
            if kind not in self.chips:
                chip = self.chips[kind] = Chip()
                chip.clicked.connect(lambda _checked=False, kind=kind: self.kind_toggled.emit(kind))
                self._flow.addWidget(chip)
            self.chips[kind].show_words(f"{title} {count:,}", is_on=kind in chosen)
            self.chips[kind].setVisible(len(kinds) > 1)
