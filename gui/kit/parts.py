"""The small vocabulary every screen is built from: texts, buttons, cards, pills, rows and lines.

A widget's look is its `role` and `tone` property, which `resources/style/app.qss` reads. Only words that stand in the
source are translated: what builds a label or a button takes a `LiteralString`, to which the type checker holds its
callers, and asks `tr`. `verbatim`, `ElidedLabel`, `key` and all setters show what they are given, so that a class
called "Results" keeps its name in every language; words for those come from `tr`, at the call.
"""

from collections.abc import Callable, Iterable
from typing import Literal, LiteralString, TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import icon, pixmap

TextRole = Literal["hero", "title", "heading", "strong", "body", "muted", "small", "caption", "fault", "number"]
_Layout = TypeVar("_Layout", bound=QBoxLayout)
ICON_PX = 17
SCROLLBAR_WIDTH = 12
_STRONG = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
Tone = Literal["", "good", "warn", "bad", "info", "accent"]


def restyle(widget: QWidget, **properties: object) -> None:
    """Set style properties and have the style sheet look at the widget again."""
    if all(widget.property(name) == value for name, value in properties.items()):
        return
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def choice_box(name: LiteralString, choices: Iterable[str] = (), *, least: int = 0) -> QComboBox:
    """Return a box of choices, shown as they are given; with `least` it is that many letters wide."""
    box = QComboBox()
    box.addItems(list(choices))
    box.setAccessibleName(tr(name))
    if least:
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(least)
    return box


def text(message: LiteralString = "", role: TextRole = "body", *, wrap: bool = False, tone: Tone = "") -> QLabel:
    """Return a label of the program's own words, in the language of the window."""
    return verbatim(tr(message), role, wrap=wrap, tone=tone)


def verbatim(content: str, role: TextRole = "body", *, wrap: bool = False, tone: Tone = "") -> QLabel:
    """Return a label of a name, or of words already translated; one that wraps is as high as its words need."""
    label = QLabel(content)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", role)
    label.setProperty("tone", tone)
    label.setWordWrap(wrap)
    if wrap:
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label


def pill(message: LiteralString = "", tone: Tone = "") -> QLabel:
    """Return a small rounded tag."""
    label = text(message, tone=tone)
    label.setProperty("role", "pill")
    label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return label


def key(content: str) -> QLabel:
    """Return a label that looks like a key of the keyboard."""
    label = QLabel(content)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", "key")
    label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return label


class IconLabel(QLabel):
    """An icon as a picture that follows the theme."""

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
        """Redraw in the colours of a new theme."""
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self.show_icon(self._name, self._tone)
        super().changeEvent(event)


class Button(QPushButton):
    """A push button whose icon follows the theme."""

    def __init__(
        self,
        message: LiteralString,
        icon_name: str = "",
        *,
        role: str = "",
        on_click: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(tr(message))
        self._icon_name = icon_name
        self.setProperty("role", role)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # the focus ring is for the keyboard, not for the mouse
        self._tint()
        if on_click is not None:
            self.clicked.connect(lambda _checked=False: on_click())

    def set_icon_name(self, name: str) -> None:
        """Show another icon."""
        self._icon_name = name
        self._tint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the button that has the focus; Qt alone knows Space."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers() & _STRONG:
            self.click()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event) -> None:
        """Tint the icon anew for a new theme."""
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._tint()
        super().changeEvent(event)

    def _tint(self) -> None:
        if not self._icon_name:
            return
        palette = theme.colours()
        colour = {"primary": palette.on_accent, "quiet": palette.accent}.get(self.property("role"), palette.text)
        self.set_icon_colour(colour)

    def set_icon_colour(self, colour: str) -> None:
        """Draw the icon in `colour`, with a gap to the text behind it."""
        gap, size = theme.TIGHT + 1 if self.text() else 0, theme.scaled(ICON_PX)
        self.setIconSize(QSize(size + gap, size))
        self.setIcon(icon(self._icon_name, colour, size=size, gap=gap))


class IconButton(QToolButton):
    """A button that is only an icon; what it does is its accessible name and tooltip."""

    def __init__(self, icon_name: str, message: LiteralString, *, on_click: Callable[[], object] | None = None) -> None:
        super().__init__()
        self._icon_name = icon_name
        self.show_name(tr(message))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._tint()
        if on_click is not None:
            self.clicked.connect(lambda _checked=False: on_click())

    def show_name(self, name: str) -> None:
        """Call it by words that are translated already."""
        self.setAccessibleName(name)
        self.setToolTip(name)

    def changeEvent(self, event) -> None:
        """Tint the icon anew for a new theme or text size."""
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._tint()
        super().changeEvent(event)

    def _tint(self) -> None:
        size = theme.scaled(ICON_PX)
        self.setIconSize(QSize(size, size))
        self.setIcon(icon(self._icon_name, size=size))


class Card(QFrame):
    """A bordered surface; add to `body`."""

    def __init__(self, *, tone: Tone = "", margin: int = theme.LARGE, spacing: int = theme.SMALL) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setProperty("tone", tone)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(margin, margin, margin, margin)
        self.body.setSpacing(spacing)


class ElidedLabel(QLabel):
    """One line of text that gives way: too long, it loses its middle and shows all of itself in the tooltip."""

    def __init__(
        self, content: str = "", role: TextRole = "body", *, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle
    ) -> None:
        super().__init__(content)
        self._mode, self._tip = mode, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_tip(self, tip: str) -> None:
        """Say more when the mouse rests on it, whether the text is cut or not; empty for the text itself."""
        self._tip = tip
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size of the whole text."""
        return QSize(super().sizeHint().width(), self.fontMetrics().height() + 1)

    def minimumSizeHint(self) -> QSize:
        """Return the height of a line: it may lose letters, never its feet."""
        self.ensurePolished()
        return QSize(24, self.fontMetrics().height() + 1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the text, shortened to the width at hand."""
        shown = self.fontMetrics().elidedText(self.text(), self._mode, self.width())
        self.setToolTip(self._tip or ("" if shown == self.text() else self.text()))
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)


def line() -> QFrame:
    """Return a hairline between two parts."""
    frame = QFrame()
    frame.setProperty("role", "line")
    return frame


def row(*items: QWidget | QLayout | int | None, spacing: int = theme.SMALL) -> QHBoxLayout:
    """Lay items side by side; None is a stretch, a number an extra gap in pixels."""
    return _filled(QHBoxLayout(), items, spacing)


def column(*items: QWidget | QLayout | int | None, spacing: int = theme.SMALL) -> QVBoxLayout:
    """Lay items below each other; None is a stretch, a number an extra gap in pixels."""
    return _filled(QVBoxLayout(), items, spacing)


def _filled(layout: _Layout, items: tuple[QWidget | QLayout | int | None, ...], spacing: int) -> _Layout:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for item in items:
        if item is None:
            layout.addStretch(1)
        elif isinstance(item, int):
            layout.addSpacing(item)
        elif isinstance(item, QWidget):
            layout.addWidget(item)
        else:
            layout.addLayout(item)
    return layout


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


def scrolling(layout: QVBoxLayout) -> QScrollArea:
    """Return a scroll area around a column; its right margin makes room for the scroll bar, so that edges line up."""
    canvas = QWidget()
    canvas.setObjectName("canvas")
    canvas.setLayout(layout)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(canvas)
    margins = layout.contentsMargins()

    def make_room(_low: int, high: int) -> None:
        taken = min(margins.right(), SCROLLBAR_WIDTH) if high > 0 else 0
        layout.setContentsMargins(margins.left(), margins.top(), margins.right() - taken, margins.bottom())

    area.verticalScrollBar().rangeChanged.connect(make_room)
    return area
