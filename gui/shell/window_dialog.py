"""The dialog of a project's image values: window with histogram, plane and channels, and some images read so."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QSpinBox, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, choice_box, column, row, text, widget_of
from gui.kit.thumbnails import Unreadable, load_image
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.core.jobs import JobCancelled, JobContext
from visionft.core.messages import Message, Text
from visionft.data.image_reading import AS_STORED, FIRST, MAXIMUM, MIDDLE, ImageReading, IntensityWindow, window_text
from visionft.project.image_window import Histogram, WindowChoice, measure_window, reading_text

SHOWN = 6  # images
_SIDE = 112
_SETTLE_MS = 150
_WHOLE = 64  # a wider window is shown in whole numbers
_PLANES = (FIRST, MIDDLE, MAXIMUM, "")
_COLOURS = (Message("Red"), Message("Green"), Message("Blue"))
_EMPTY = Histogram(low=0.0, high=1.0, counts=(0,))


class HistogramView(QWidget):
    """A histogram with the window drawn over it; a press or drag moves the nearer end."""

    moved = Signal(float, float)  # low, high

    def __init__(self) -> None:
        super().__init__()
        self._histogram, self._window = _EMPTY, (0.0, 1.0)
        self.setAccessibleName(tr("Values of the images"))
        self.setMinimumHeight(theme.scaled(110))

    def sizeHint(self) -> QSize:
        return QSize(theme.scaled(560), theme.scaled(120))

    def show_values(self, histogram: Histogram, window: IntensityWindow) -> None:
        self._histogram, self._window = histogram, window
        self.update()

    def _span(self) -> IntensityWindow:
        """Return the lowest and highest value of the images and of the window."""
        low, high = min(self._histogram.low, self._window[0]), max(self._histogram.high, self._window[1])
        return low, high if high > low else low + 1.0

    def _x(self, value: float) -> float:
        low, high = self._span()
        return (value - low) / (high - low) * self.width()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = theme.colours()
        painter.fillRect(self.rect(), QColor(colours.sunken))
        heights = np.log1p(np.array(self._histogram.counts, float))
        heights = heights / max(1e-9, heights.max()) * (self.height() - 6)
        step = (self._histogram.high - self._histogram.low) / len(heights)
        inside, outside = QColor(colours.accent), QColor(colours.grey_line)
        for place, height in enumerate(heights):
            value = self._histogram.low + step * place
            left = self._x(value)
            right = self._x(value + step)
            is_inside = self._window[0] <= value + step / 2 <= self._window[1]
            bar = QRectF(left, self.height() - height, max(1.0, right - left), height)
            painter.fillRect(bar, inside if is_inside else outside)
        painter.setPen(QColor(colours.text))
        for value in self._window:
            x = min(self.width() - 1, round(self._x(value)))
            painter.drawLine(x, 0, x, self.height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._move(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._move(event)

    def _move(self, event: QMouseEvent) -> None:
        low, high = self._span()
        value = low + min(1.0, max(0.0, event.position().x() / max(1, self.width()))) * (high - low)
        is_low = abs(value - self._window[0]) <= abs(value - self._window[1])
        low, high = (value, self._window[1]) if is_low else (self._window[0], value)
        if low < high:
            self.moved.emit(low, high)


def value_box(name: Text) -> QDoubleSpinBox:
    """Return a field for a value of an image."""
    box = QDoubleSpinBox()
    box.setRange(-1e9, 1e9)
    box.setAccessibleName(tr(name))
    box.setKeyboardTracking(False)
    box.setMaximumWidth(theme.scaled(130))
    return box


def read_shown(wanted: tuple[Path, ImageReading, int]) -> tuple[Path, ImageReading, QImage | Unreadable]:
    """Return an image's path, the way in which it was read, and the image; thread-safe."""
    path, reading, side = wanted
    return path, reading, load_image(path, max_side=side, reading=reading)


def measure_again(
    is_closed: Callable[[], bool], paths: tuple[Path, ...], reading: ImageReading | None
) -> tuple[WindowChoice | None] | None:
    """Measure the window of images; return None if the dialog was closed meanwhile. Thread-safe."""
    with suppress(JobCancelled):
        return (measure_window(paths, reading, job=JobContext(cancelled=is_closed)),)
    return None


class WindowDialog(Dialog):
    """Shows and changes how the images of a project are read; `choice` is what to keep once it is accepted."""

    def __init__(self, parent: QWidget | None, paths: Sequence[Path], choice: WindowChoice | None) -> None:
        """Args: `paths` are all images; without a `choice` it is measured at once, and nothing is kept yet."""
        about = Message(
            "Images of more than 8 bits have more values than a screen or network takes. One window for all images of "
            "the project maps them to black and white; new runs, features and checks use it."
        )
        super().__init__(parent, Message("Image values"), about, width=760)
        self._paths = tuple(paths)
        self._is_closed = False
        self._shown: Sequence[Path] = ()
        self._first, self.choice = choice, choice
        self._windows: list[IntensityWindow] = []
        self.words = text(role="muted", wrap=True)
        self.histogram = HistogramView()
        self.low_box, self.high_box = value_box("Low value"), value_box("High value")
        self.level = text(role="small")
        self.colour_box = choice_box("Channel", map(tr, _COLOURS))
        self.plane_box = choice_box(
            "Plane", (tr("First plane"), tr("Middle plane"), tr("Maximum projection"), tr("Plane number"))
        )
        self.plane_number = QSpinBox()
        self.plane_number.setAccessibleName(tr("Plane number"))
        self.channel_boxes = [choice_box(name) for name in _COLOURS]
        self.pictures = [QLabel() for _ in range(min(SHOWN, len(self._paths)))]
        for picture in self.pictures:
            picture.setFixedSize(theme.scaled(_SIDE), theme.scaled(_SIDE))
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.measure_button = Button("Measure", "gauge", on_click=self.measure)
        self.stored_button = Button("Read as stored", on_click=self._read_as_stored)
        self.use_button = Button("Use", role="primary")
        self._window_row = widget_of(
            row(self.colour_box, text("Black"), self.low_box, text("White"), self.high_box, self.level, None)
        )
        self._plane_row = widget_of(row(text("Stacks"), self.plane_box, self.plane_number, None))
        boxes = zip(_COLOURS, self.channel_boxes, strict=True)
        self._channel_row = widget_of(row(*(part for name, box in boxes for part in (text(name), box)), None))
        self.lay_out(
            self.words,
            column(self.histogram, self._window_row, self._plane_row, self._channel_row),
            row(*self.pictures, None),
            accept=self.use_button,
            aside=(self.measure_button, self.stored_button),
        )
        self._reader = BackgroundReader(read_shown, self._on_read, threads=2, parent=self)
        measure = partial(measure_again, lambda: self._is_closed)
        self._measuring = BackgroundReader(measure, self._on_measured, parent=self)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._read_images)
        self.finished.connect(self._close)
        self.histogram.moved.connect(self._on_moved)
        for box in (self.low_box, self.high_box):
            box.valueChanged.connect(self._on_typed)
        self.colour_box.activated.connect(lambda _place: self._show_window())
        for box in (self.plane_box, *self.channel_boxes):
            box.activated.connect(self._on_layout_changed)
        self.plane_number.valueChanged.connect(self._on_layout_changed)
        if choice is None:
            self.measure()
        else:
            self._show_choice()

    @property
    def reading(self) -> ImageReading:
        return self.choice.reading if self.choice is not None else AS_STORED

    @property
    def is_changed(self) -> bool:
        return self.choice != self._first

    def measure(self) -> None:
        """Measure it again, planes and channels as well."""
        self._measure(None)

    def _measure(self, reading: ImageReading | None) -> None:
        self.words.setText(tr("Measuring the values of the images…"))
        self.use_button.setEnabled(False)
        self._measuring.ask(self._paths, reading)

    def _on_measured(self, found: tuple[WindowChoice | None]) -> None:
        (self.choice,) = found
        self.use_button.setEnabled(True)
        self._show_choice()

    def _read_as_stored(self) -> None:
        self.choice = None
        self._show_choice()

    def _show_choice(self) -> None:
        choice = self.choice
        names = ["", *(choice.channels if choice is not None else ())]
        planes = choice.planes if choice is not None else 1
        self._windows = list(self.reading.windows)
        self._plane_row.setVisible(planes > 1)
        self._channel_row.setVisible(len(names) > 1)
        plane = self.reading.plane
        with QSignalBlocker(self.plane_number), QSignalBlocker(self.plane_box):
            self.plane_number.setRange(1, max(1, planes))
            self.plane_box.setCurrentIndex(_PLANES.index(plane if plane in _PLANES else ""))
            self.plane_number.setValue(int(plane) if plane.isdigit() else 1)
        self.plane_number.setVisible(self.plane_box.currentIndex() == len(_PLANES) - 1)
        shown = self.reading.channel_names
        for place, box in enumerate(self.channel_boxes):
            box.clear()
            box.addItems([name or "–" for name in names])
            wanted = shown[place % len(shown)] if shown else ""
            box.setCurrentIndex(names.index(wanted) if wanted in names else 0)
        self.colour_box.setVisible(len(self._windows) == 3)
        self._show_window()

    def _show_window(self) -> None:
        choice, place = self.choice, self._place
        has_window = bool(self._windows)
        self.histogram.setVisible(has_window)
        self._window_row.setVisible(has_window)
        if choice is not None and has_window:
            low, high = self._windows[place]
            histograms = choice.histograms or (_EMPTY,)
            self.histogram.show_values(histograms[place % len(histograms)], (low, high))
            with QSignalBlocker(self.low_box), QSignalBlocker(self.high_box):
                for box in (self.low_box, self.high_box):
                    box.setDecimals(0 if high - low > _WHOLE else 4)
                self.low_box.setValue(low)
                self.high_box.setValue(high)
            self.level.setText(
                tr("level {level}, window {width}", level=f"{(low + high) / 2:g}", width=f"{high - low:g}")
            )
        self.words.setText(tr(reading_text(self.reading)))
        self._settle.start()

    @property
    def _place(self) -> int:
        return self.colour_box.currentIndex() if len(self._windows) == 3 else 0

    @Slot()
    def _on_typed(self) -> None:
        self._on_moved(self.low_box.value(), self.high_box.value())

    @Slot(float, float)
    def _on_moved(self, low: float, high: float) -> None:
        is_window = low < high
        self.use_button.setEnabled(is_window)
        if is_window and self.choice is not None:
            self._windows[self._place] = (low, high)
            reading = dataclasses.replace(self.reading, window=window_text(self._windows))
            self._windows = list(reading.windows)
            self.choice = dataclasses.replace(self.choice, reading=reading, is_own=True)
            self._show_window()

    @Slot()
    def _on_layout_changed(self) -> None:
        """Take another plane or other channels: their values are measured."""
        if self.choice is None:
            return
        plane = _PLANES[self.plane_box.currentIndex()] or str(self.plane_number.value())
        names = ["", *self.choice.channels]
        channels = [names[max(0, box.currentIndex())] for box in self.channel_boxes] if len(names) > 1 else []
        shown = "" if not any(channels) else channels[0] if len(set(channels)) == 1 else ",".join(channels)
        self.plane_number.setVisible(self.plane_box.currentIndex() == len(_PLANES) - 1)
        self._measure(dataclasses.replace(self.reading, window="", plane=plane, channels=shown))

    @Slot()
    def _read_images(self) -> None:
        step = max(1, len(self._paths) // max(1, len(self.pictures)))
        self._shown = self._paths[::step][: len(self.pictures)]
        side = round(theme.scaled(_SIDE) * self.devicePixelRatioF())
        self._reader.ask_each([(path, self.reading, side) for path in self._shown])

    def _on_read(self, read: tuple[Path, ImageReading, QImage | Unreadable]) -> None:
        path, reading, found = read
        if reading != self.reading:
            return
        picture = self.pictures[self._shown.index(path)]
        if isinstance(found, Unreadable):
            picture.setText(tr("Unreadable"))
            picture.setToolTip(tr(found.reason))
        else:
            pixmap = QPixmap.fromImage(found)
            pixmap.setDevicePixelRatio(self.devicePixelRatioF())
            picture.setPixmap(pixmap)

    @Slot()
    def _close(self) -> None:
        self._is_closed = True
        self._settle.stop()
        self._reader.close()
        self._measuring.close()
