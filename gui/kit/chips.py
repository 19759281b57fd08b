"""Chips: small rounded buttons for filters and choices that shrink if space is short. Depends on Qt only."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QMenu, QSizePolicy

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.parts import Button, restyle
from gui.kit.theme import ClassColour

_MIN_WIDTH_PX, _MAX_WIDTH_PX, _ICON_PX = 48, 220, 12


class Chip(Button):
    """A button that elides its text to the available width; highlighted while its filter is active."""

    def __init__(self) -> None:
        super().__init__("", role="chip")
        self._words = ""
        self.setMaximumWidth(theme.scaled(_MAX_WIDTH_PX))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setIconSize(QSize(theme.scaled(_ICON_PX), theme.scaled(_ICON_PX)))

    def show_words(self, words: str, *, is_on: bool = False, colour: ClassColour | None = None) -> None:
        """Show a text, with a class colour before it if given."""
        self._words = words
        self.setAccessibleName(words)
        if colour is not None:
            self.setIcon(swatch(theme.class_colour(colour).name()))
        restyle(self, chosen=is_on)
        self._fit(self.width())
        self.updateGeometry()

    def words(self) -> str:
        """Return the full text, including any elided part."""
        return self._words

    def sizeHint(self) -> QSize:
        metrics, size = self.fontMetrics(), super().sizeHint()
        elided_px = metrics.horizontalAdvance(self._words) - metrics.horizontalAdvance(self.text().replace("&&", "&"))
        return QSize(min(size.width() + elided_px, theme.scaled(_MAX_WIDTH_PX)), size.height())

    def minimumSizeHint(self) -> QSize:
        """Return the width of a few letters, doubled for an active filter, so that it shrinks last."""
        min_width = theme.scaled(_MIN_WIDTH_PX if not self.property("chosen") else 2 * _MIN_WIDTH_PX)
        return QSize(min(min_width, self.sizeHint().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit(event.size().width())

    def _fit(self, width: int) -> None:
        metrics = self.fontMetrics()
        margins = super().sizeHint().width() - metrics.horizontalAdvance(self.text().replace("&&", "&"))
        elided = metrics.elidedText(self._words, Qt.TextElideMode.ElideRight, max(0, width - margins) + 1)
        self.setText(elided.replace("&", "&&"))
        self.setToolTip("" if elided == self._words else self._words)


class ChoiceChip(Chip):
    """A chip with a menu of choices; `place` is the index of the selected choice.

    The first choice means no filter; the chip then shows its own name, unless `names_all` is set.
    """

    changed = Signal()

    def __init__(self, name: str, choices: Sequence[str], *, names_all: bool = False) -> None:
        """Args: `name` and `choices` are translated texts."""
        super().__init__()
        self._name, self._names_all, self.place = name, names_all, 0
        self.choices: tuple[str, ...] = ()
        self.setProperty("opens", True)
        self.setMenu(QMenu(self))
        self.set_choices(choices)

    def set_choices(self, choices: Sequence[str]) -> None:
        """Set the choices; the selected choice stays selected if it is still offered."""
        if tuple(choices) == self.choices:
            return
        chosen = self.chosen()
        self.choices = tuple(choices)
        self.menu().clear()
        for place, title in enumerate(choices):
            action = QAction(title.replace("&", "&&"), self.menu(), checkable=True)
            action.triggered.connect(lambda _checked=False, place=place: self.choose(place))
            self.menu().addAction(action)
        self.place = self.choices.index(chosen) if chosen in self.choices else 0
        self._show()
        if chosen != self.chosen():
            self.changed.emit()

    def chosen(self) -> str:
        """Return the selected choice; empty for the first choice."""
        return self.choices[self.place] if self.place else ""

    def choose(self, place: int) -> None:
        """Select the choice at index `place`."""
        is_changed, self.place = place != self.place, place
        self._show()
        if is_changed:
            self.changed.emit()

    def _show(self) -> None:
        for place, action in enumerate(self.menu().actions()):
            action.setChecked(place == self.place)
        words = self.choices[self.place] if self.place or self._names_all else self._name
        self.show_words(words, is_on=self.place > 0 and not self._names_all)
        self.setAccessibleName(f"{self._name}: {self.choices[self.place]}")
