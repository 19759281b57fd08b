"""Which pictures the grid shows, in what order, how large. Knows Qt and plain data only."""

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLineEdit, QSlider, QWidget

from gui import theme
from gui.widgets.parts import IconLabel, row

ANY = "All classes"
LABEL_STATES = ("Any label", "Without label", "Labelled")
SPLIT_NAMES = ("Any split", "Training", "Validation", "Test", "Not divided")
ORDERS = ("As imported", "Newest first", "By name", "By class")
TYPING_PAUSE_MS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user wants to see; empty fields do not narrow."""

    text: str = ""
    class_name: str = ""
    label_state: str = LABEL_STATES[0]
    split: str = SPLIT_NAMES[0]
    order: str = ORDERS[0]

    @property
    def narrows(self) -> bool:
        """Whether any picture may be left out."""
        return bool(self.text or self.class_name) or self.label_state != LABEL_STATES[0] or self.split != SPLIT_NAMES[0]


class FilterBar(QWidget):
    """One line of choices over the grid."""

    changed = Signal()
    size_changed = Signal(int)

    def __init__(self, *, thumbnail_px: int) -> None:
        super().__init__()
        self.text_edit = QLineEdit()
        self.text_edit.setPlaceholderText("Find by file name")
        self.text_edit.setAccessibleName("Find by file name")
        self.text_edit.setClearButtonEnabled(True)
        self.text_edit.setMinimumWidth(theme.scaled(110))
        self.class_box = self._box((ANY,), "Filter by class")
        self.label_box = self._box(LABEL_STATES, "Filter by label")
        self.split_box = self._box(SPLIT_NAMES, "Filter by split")
        self.order_box = self._box(ORDERS, "Order")
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(72, 256)
        self.size_slider.setValue(thumbnail_px)
        self.size_slider.setFixedWidth(theme.scaled(84))
        self.size_slider.setAccessibleName("Size of the pictures")
        self.size_slider.setToolTip("Size of the pictures")
        self.size_slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.size_slider.valueChanged.connect(self.size_changed)
        boxes = (self.class_box, self.label_box, self.split_box, self.order_box)
        self._lines = QHBoxLayout()
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(theme.SMALL)
        self._lines.addWidget(self.text_edit, 1)
        self._lines.addLayout(row(*boxes, IconLabel("grid", size=16, tone="muted"), self.size_slider))
        self.setLayout(self._lines)
        self._pause = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._pause.timeout.connect(self.changed)
        self.text_edit.textChanged.connect(lambda _text: self._pause.start())
        for box in boxes:
            box.currentTextChanged.connect(lambda _text: self.changed.emit())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use two lines where one is too short."""
        is_wide = event.size().width() >= theme.scaled(720)
        self._lines.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)

    def wanted(self) -> Wanted:
        """Return what the user wants to see."""
        return Wanted(
            text=self.text_edit.text().strip(),
            class_name="" if self.class_box.currentIndex() <= 0 else self.class_box.currentText(),
            label_state=self.label_box.currentText(),
            split=self.split_box.currentText(),
            order=self.order_box.currentText(),
        )

    def show_classes(self, names: list[str]) -> None:
        """Offer these classes, keeping the chosen one where it still exists."""
        if names == [self.class_box.itemText(place) for place in range(1, self.class_box.count())]:
            return
        chosen = self.class_box.currentText()
        with QSignalBlocker(self.class_box):
            self.class_box.clear()
            self.class_box.addItems([ANY, *names])
            self.class_box.setCurrentText(chosen if chosen in names else ANY)
        if self.class_box.currentText() != chosen:
            self.changed.emit()

    def clear(self) -> None:
        """Show everything again."""
        for box in (self.class_box, self.label_box, self.split_box):
            with QSignalBlocker(box):
                box.setCurrentIndex(0)
        with QSignalBlocker(self.text_edit):
            self.text_edit.clear()
        self.changed.emit()

    def _box(self, choices: tuple[str, ...], name: str) -> QComboBox:
        box = QComboBox()
        box.addItems(list(choices))
        box.setAccessibleName(name)
        box.setToolTip(name)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if len(choices) > 1:
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        else:
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        return box
