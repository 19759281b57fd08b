"""Which pictures the grid shows, in what order, how large. Knows Qt and plain data only."""

from dataclasses import dataclass
from typing import LiteralString

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLineEdit, QSlider, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, IconLabel, choice_box, row

ANY_CLASS, ANY_TAG, ANY_PREDICTION = "All classes", "Any tag", "Any suggestion"
ANY_STATE, UNLABELLED, LABELLED, PUT_OFF, IN_CONFLICT = range(5)
LABEL_STATES = ("Any label", "Without label", "Labelled", "Put off", "In conflict")
SPLIT_NAMES = ("Any split", "Training", "Validation", "Test", "Not divided")
SPLIT_KEYS = ("", "train", "val", "test", "unassigned")
AS_IMPORTED, NEWEST_FIRST, BY_NAME, BY_CLASS, UNSURE_FIRST, SURE_FIRST = range(6)
ORDERS = ("As imported", "Newest first", "By name", "By class", "Unsure first", "Sure first")
TYPING_PAUSE_MS = 200
_WIDE, _MIDDLE = 1020, 560
_SIDE_BY_SIDE = QBoxLayout.Direction.LeftToRight


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """What the user wants to see; empty fields and zeros do not narrow.

    Attributes:
        prediction: Pictures for which this class is suggested.
        label_state: A place in `LABEL_STATES`.
        split: One of `SPLIT_KEYS`.
        order: A place in `ORDERS`.
    """

    text: str = ""
    class_name: str = ""
    tag: str = ""
    prediction: str = ""
    label_state: int = ANY_STATE
    split: str = ""
    order: int = AS_IMPORTED

    @property
    def narrows(self) -> bool:
        """Whether any picture may be left out."""
        return bool(self.text or self.class_name or self.tag or self.prediction or self.label_state or self.split)


class FilterBar(QWidget):
    """One or two lines of choices over the grid; those for tags and suggestions show where there are any."""

    changed = Signal()
    size_changed = Signal(int)

    def __init__(self, *, thumbnail_px: int) -> None:
        super().__init__()
        self.text_edit = QLineEdit()
        self.text_edit.setPlaceholderText(tr("Find by name or note"))
        self.text_edit.setAccessibleName(tr("Find by file name or note"))
        self.text_edit.setClearButtonEnabled(True)
        self.text_edit.setMinimumWidth(theme.scaled(104))
        self.class_box = _box((ANY_CLASS,), "Filter by class")
        self.label_box = _box(LABEL_STATES, "Filter by label")
        self.split_box = _box(SPLIT_NAMES, "Filter by split")
        self.tag_box = _box((ANY_TAG,), "Filter by tag")
        self.prediction_box = _box((ANY_PREDICTION,), "Filter by suggested class")
        self.order_box = _box(ORDERS[:UNSURE_FIRST], "Order")
        self.tag_box.hide()
        self.prediction_box.hide()
        self.clear_button = Button("Clear", "close", role="quiet", on_click=self.clear)
        self.clear_button.setToolTip(tr("Show all pictures again"))
        self.clear_button.hide()
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(72, 256)
        self.size_slider.setValue(thumbnail_px)
        self.size_slider.setFixedWidth(theme.scaled(84))
        self.size_slider.setAccessibleName(tr("Size of the pictures"))
        self.size_slider.setToolTip(tr("Size of the pictures"))
        self.size_slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.size_slider.valueChanged.connect(self.size_changed)
        self._narrowing = (self.class_box, self.label_box, self.split_box, self.tag_box, self.prediction_box)
        look = row(self.order_box, IconLabel("grid", size=16, tone="muted"), self.size_slider)
        self._first = row(self.text_edit, look, spacing=theme.SMALL)
        self._first.setStretch(0, 1)
        self._lines = QHBoxLayout()
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(theme.SMALL)
        self._lines.addLayout(self._first, 1)
        self._filters = QHBoxLayout()
        self._filters.setSpacing(theme.SMALL)
        self._filters.addLayout(row(*self._narrowing[:3]))
        self._filters.addLayout(row(*self._narrowing[3:], self.clear_button, None))
        self._lines.addLayout(self._filters)
        self.setLayout(self._lines)
        self._pause = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._pause.timeout.connect(self._on_choice_changed)
        self.text_edit.textChanged.connect(lambda _text: self._pause.start())
        for box in (*self._narrowing, self.order_box):
            box.currentIndexChanged.connect(lambda _place: self._on_choice_changed())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use two lines, or three, where one is too short."""
        width, side_by_side, below = event.size().width(), _SIDE_BY_SIDE, QBoxLayout.Direction.TopToBottom
        self._lines.setDirection(side_by_side if width >= theme.scaled(_WIDE) else below)
        self._filters.setDirection(side_by_side if width >= theme.scaled(_MIDDLE) else below)
        super().resizeEvent(event)

    def query(self) -> ImageQuery:
        """Return what the user wants to see."""
        return ImageQuery(
            text=self.text_edit.text().strip(),
            class_name=_chosen(self.class_box),
            tag=_chosen(self.tag_box),
            prediction=_chosen(self.prediction_box),
            label_state=self.label_box.currentIndex(),
            split=SPLIT_KEYS[self.split_box.currentIndex()],
            order=self.order_box.currentIndex(),
        )

    def show_classes(self, names: list[str]) -> None:
        """Offer these classes, keeping the chosen one where it still exists."""
        self._offer(self.class_box, ANY_CLASS, names)

    def show_tags(self, names: list[str]) -> None:
        """Offer these tags; without any there is nothing to choose."""
        self._offer(self.tag_box, ANY_TAG, names)
        self.tag_box.setVisible(bool(names))

    def show_predictions(self, names: list[str]) -> None:
        """Offer the classes that are suggested; without any there is nothing to choose or to sort by."""
        self._offer(self.prediction_box, ANY_PREDICTION, names)
        self.prediction_box.setVisible(bool(names))
        orders = ORDERS if names else ORDERS[:UNSURE_FIRST]
        if self.order_box.count() != len(orders):
            chosen = self.order_box.currentIndex()
            with QSignalBlocker(self.order_box):
                self.order_box.clear()
                self.order_box.addItems([tr(name) for name in orders])
                self.order_box.setCurrentIndex(chosen if chosen < len(orders) else AS_IMPORTED)
            if chosen >= len(orders):
                self._on_choice_changed()

    def clear(self) -> None:
        """Show everything again."""
        for box in self._narrowing:
            with QSignalBlocker(box):
                box.setCurrentIndex(0)
        with QSignalBlocker(self.text_edit):
            self.text_edit.clear()
        self._on_choice_changed()

    def _offer(self, box: QComboBox, anything: str, names: list[str]) -> None:
        if names == [box.itemText(place) for place in range(1, box.count())]:
            return
        chosen = _chosen(box)
        with QSignalBlocker(box):
            box.clear()
            box.addItems([tr(anything), *names])
            box.setCurrentIndex(names.index(chosen) + 1 if chosen in names else 0)
        if _chosen(box) != chosen:
            self._on_choice_changed()

    def _on_choice_changed(self) -> None:
        self._pause.stop()
        self.clear_button.setVisible(self.query().narrows)
        self.changed.emit()


def _chosen(box: QComboBox) -> str:
    return "" if box.currentIndex() <= 0 else box.currentText()


def _box(choices: tuple[str, ...], name: LiteralString) -> QComboBox:
    box = choice_box(name, map(tr, choices), least=0 if len(choices) > 1 else 9)
    box.setToolTip(tr(name))
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if len(choices) > 1:
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return box
