"""The basic widgets of every screen: texts, buttons, cards, pills, rows and lines.

A widget's look is its `role` and `tone` property, read by `resources/style/app.qss`. Only literal texts are
translated: a builder of a label or button takes a `Text`, enforced by the type checker, and calls `tr`.
`verbatim`, `ElidedLabel`, `key` and all setters show their text unchanged, so that a class called "Results" keeps its
name in every language; their callers translate with `tr`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.kit import theme
from gui.kit.icons import icon, pixmap
from gui.kit.translation import tr
from visionft.core.messages import Text

TextRole = Literal["hero", "title", "heading", "strong", "body", "muted", "small", "caption", "fault", "number"]
Tone = Literal["", "good", "warn", "bad", "info", "accent"]
_Layout = TypeVar("_Layout", bound=QBoxLayout)
K = TypeVar("K", bound=str)
ICON_PX = 17
SCROLLBAR_WIDTH = 12


def restyle(widget: QWidget, **properties: object) -> None:
    """Set style properties and reapply the style sheet."""
    if all(widget.property(name) == value for name, value in properties.items()):
        return
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def choice_box(name: Text, choices: Iterable[str] = (), *, min_chars: int = 0) -> QComboBox:
    """Return a combo box, at least `min_chars` characters wide; `choices` are shown without translation."""
    box = QComboBox()
    box.addItems(list(choices))
    box.setAccessibleName(tr(name))
    if min_chars:
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(min_chars)
    return box


def number_box(name: Text, low: int, high: int, *, unit: str = "") -> QSpinBox:
    """Return a field for a whole number; `unit` follows it, such as ` %`."""
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setSuffix(unit)
    spin.setAccessibleName(tr(name))
    spin.setMinimumWidth(theme.scaled(84))
    spin.lineEdit().setTextMargins(7, 0, 0, 0)
    return spin


def text(message: Text = "", role: TextRole = "body", *, wrap: bool = False, tone: Tone = "") -> QLabel:
    """Return a label of a literal text, translated."""
    return verbatim(tr(message), role, wrap=wrap, tone=tone)


def verbatim(content: str, role: TextRole = "body", *, wrap: bool = False, tone: Tone = "") -> QLabel:
    """Return a label of a name or of a translated text; with `wrap` its height follows its text."""
    label = QLabel(content)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", role)
    label.setProperty("tone", tone)
    label.setWordWrap(wrap)
    if wrap:
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label


def pill(message: Text = "", tone: Tone = "") -> QLabel:
    label = text(message, tone=tone)
    label.setProperty("role", "pill")
    label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return label


def key(content: str) -> QLabel:
    """Return a label in the style of a keyboard key."""
    label = verbatim(content)
    label.setProperty("role", "key")
    label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return label


class IconLabel(QLabel):
    """A label with an icon in the colours of the theme."""

    def __init__(self, name: str, *, size: int = 18, tone: str = "text") -> None:
        super().__init__()
        self._size = size
        self.show_icon(name, tone)

    def show_icon(self, name: str, tone: str = "text") -> None:
        """Show icon `name` in the colour token `tone`."""
        self._name, self._tone = name, tone
        size = theme.scaled(self._size)
        self.setFixedSize(QSize(size, size))
        self.setPixmap(pixmap(name, getattr(theme.colours(), tone), size=size))

    def changeEvent(self, event) -> None:
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self.show_icon(self._name, self._tone)
        super().changeEvent(event)


class Button(QPushButton):
    """A push button with an icon in the colours of the theme."""

    def __init__(
        self, message: Text, icon_name: str = "", *, role: str = "", on_click: Callable[[], object] | None = None
    ) -> None:
        super().__init__(tr(message))
        self._icon_name = icon_name
        self.setProperty("role", role)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # the focus ring is for the keyboard, not for the mouse
        self._tint()
        if role == "rail":
            self.setCheckable(True)
            self.toggled.connect(lambda _is_on: self._tint())
        if on_click is not None:
            self.clicked.connect(lambda _checked=False: on_click())

    def set_icon_name(self, name: str) -> None:
        self._icon_name = name
        self._tint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the focused button; Qt alone handles only Space."""
        held = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers() & held:
            self.click()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event) -> None:
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._tint()
        super().changeEvent(event)

    def _tint(self) -> None:
        palette = theme.colours()
        if self._icon_name:
            rail = palette.accent if self.isChecked() else palette.muted
            inks = {"primary": palette.on_accent, "quiet": palette.accent, "rail": rail}
            ink = inks.get(self.property("role"), palette.text)
            gap = theme.TIGHT + 1 if self.text() else 0
            size = theme.scaled(ICON_PX)
            self.setIconSize(QSize(size + gap, size))
            self.setIcon(icon(self._icon_name, ink, size=size, gap=gap))


class CopyButton(Button):
    """Copies the text returned by `content` to the clipboard, and says so for two seconds."""

    def __init__(self, message: Text, content: Callable[[], str], *, role: str = "") -> None:
        super().__init__(message, "copy", role=role, on_click=self._copy)
        self.content, usual = content, self.text()
        self._shown = QTimer(self, singleShot=True, interval=2000)
        self._shown.timeout.connect(lambda: self.setText(usual))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.content())
        self.setText(tr("Copied"))
        self._shown.start()


class IconButton(QToolButton):
    """A button with an icon only; its action is named by accessible name and tooltip."""

    def __init__(self, icon_name: str, message: Text, *, on_click: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._icon_name = icon_name
        self.show_name(tr(message))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._tint()
        if on_click is not None:
            self.clicked.connect(lambda _checked=False: on_click())

    def show_name(self, name: str) -> None:
        """Set the accessible name and tooltip; `name` is already translated."""
        self.setAccessibleName(name)
        self.setToolTip(name)

    def changeEvent(self, event) -> None:
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._tint()
        super().changeEvent(event)

    def _tint(self) -> None:
        size = theme.scaled(ICON_PX)
        self.setIconSize(QSize(size, size))
        self.setIcon(icon(self._icon_name, size=size))


class Segments(QWidget, Generic[K]):
    """Shows one button for each choice; the first is selected."""

    chosen = Signal(str)

    def __init__(self, choices: Mapping[K, str], name: str) -> None:
        """Args: `choices` are {value: translated text}; `name` is the accessible name."""
        super().__init__()
        self.setAccessibleName(name)
        self.buttons: dict[K, Button] = {}
        group = QButtonGroup(self)
        for choice, words in choices.items():
            button = Button("", role="segment", on_click=lambda choice=choice: self.chosen.emit(choice))
            button.setText(words)
            button.setCheckable(True)
            group.addButton(button)
            self.buttons[choice] = button
        next(iter(self.buttons.values())).setChecked(True)
        self.setLayout(row(*self.buttons.values(), None, spacing=0))

    def choose(self, choice: K) -> None:
        """Select a choice, without a signal."""
        self.buttons[choice].setChecked(True)

    def value(self) -> K:
        return next(choice for choice, button in self.buttons.items() if button.isChecked())


class Card(QFrame):
    """A bordered surface; `add` lays items below each other in `body`."""

    def __init__(self, *, tone: Tone = "", margin: int = theme.LARGE, spacing: int = theme.SMALL) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setProperty("tone", tone)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(margin, margin, margin, margin)
        self.body.setSpacing(spacing)

    def add(self, *items: QWidget | QLayout | int | None) -> None:
        """Append items as `column` does."""
        _fill(self.body, items)


class ElidedLabel(QLabel):
    """One line of text, elided in the middle if it is too long; the tooltip then shows all of it."""

    def __init__(
        self, content: str = "", role: TextRole = "body", *, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle
    ) -> None:
        super().__init__(content)
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self.fontMetrics().height() + 1)

    def minimumSizeHint(self) -> QSize:
        """Return the height of a line: the text may be elided, never clipped vertically."""
        self.ensurePolished()
        return QSize(24, self.fontMetrics().height() + 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        shown = self.fontMetrics().elidedText(self.text(), self._mode, self.width())
        self.setToolTip("" if shown == self.text() else self.text())
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)


def line() -> QFrame:
    """Return a hairline between two parts."""
    frame = QFrame()
    frame.setProperty("role", "line")
    return frame


def row(*items: QWidget | QLayout | int | None, spacing: int = theme.SMALL, grows: int = -1) -> QHBoxLayout:
    """Lay items side by side; None is a stretch, a number an extra gap in pixels; item `grows` takes the free room."""
    return _filled(QHBoxLayout(), items, spacing, grows)


def column(*items: QWidget | QLayout | int | None, spacing: int = theme.SMALL, grows: int = -1) -> QVBoxLayout:
    """Lay items below each other; arguments as `row`."""
    return _filled(QVBoxLayout(), items, spacing, grows)


def widget_of(layout: QLayout) -> QWidget:
    """Return a widget with a layout."""
    widget = QWidget()
    widget.setLayout(layout)
    return widget


def _filled(layout: _Layout, items: tuple[QWidget | QLayout | int | None, ...], spacing: int, grows: int) -> _Layout:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    _fill(layout, items)
    if grows >= 0:
        layout.setStretch(grows, 1)
    return layout


def _fill(layout: QBoxLayout, items: tuple[QWidget | QLayout | int | None, ...]) -> None:
    for item in items:
        if item is None:
            layout.addStretch(1)
        elif isinstance(item, int):
            layout.addSpacing(item)
        elif isinstance(item, QWidget):
            layout.addWidget(item)
        else:
            layout.addLayout(item)


def stacked(*widgets: QWidget) -> QStackedWidget:
    """Lay widgets over each other; the first one is shown."""
    stack = QStackedWidget()
    for widget in widgets:
        stack.addWidget(widget)
    return stack


def clear(layout: QLayout) -> None:
    """Remove and delete everything in a layout."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear(inner)
            inner.deleteLater()


class _Shrinking(QWidget):
    """Shrinks to its minimum height before the scroll area around it scrolls."""

    def heightForWidth(self, _width: int) -> int:
        return self.minimumSizeHint().height()


def scrolling(layout: QVBoxLayout, *, shrinks: bool = False) -> QScrollArea:
    """Return a scroll area around a column; its right margin reserves the scroll bar's width, so that edges line up.

    It scrolls below the preferred height of its content, with `shrinks` below the minimum height.
    """
    canvas = _Shrinking() if shrinks else QWidget()
    canvas.setObjectName("canvas")
    canvas.setLayout(layout)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(canvas)
    taken = 0  # of the right margin, which may be set at any time

    def make_room(_low: int, high: int) -> None:
        nonlocal taken
        margins = layout.contentsMargins()
        before = taken
        taken = min(margins.right() + taken, SCROLLBAR_WIDTH) if high > 0 else 0
        margins.setRight(margins.right() + before - taken)
        layout.setContentsMargins(margins)

    area.verticalScrollBar().rangeChanged.connect(make_room)
    return area
