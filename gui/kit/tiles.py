"""Tiles: figures (`StatTile`), and cards to press or choose (`ActionTile`)."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout

from gui.kit import theme
from gui.kit.parts import Card, ElidedLabel, IconLabel, column, pill, restyle, row, text, verbatim
from gui.kit.translation import tr


class StatTile(Card):
    """One figure with its name and a note below it."""

    def __init__(self, name: str, icon_name: str) -> None:
        super().__init__(spacing=theme.HAIR)
        self._name = tr(name)
        self._number = ElidedLabel("", "number", mode=Qt.TextElideMode.ElideRight)
        self._note = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.setMinimumWidth(theme.scaled(110))
        head = row(
            ElidedLabel(self._name, "caption", mode=Qt.TextElideMode.ElideRight),
            IconLabel(icon_name, size=16, tone="muted"),
            grows=0,
        )
        self.add(head, self._number, self._note)

    def show_figure(self, number: str, note: str = "") -> None:
        self._number.setText(number)
        restyle(self._number, role="number" if len(number) <= 12 else "heading")
        self._note.setText(note)
        self.setAccessibleName(f"{self._name}: {number} {note}")

    def figure(self) -> str:
        return self._number.text()

    def note(self) -> str:
        return self._note.text()


class ActionTile(QPushButton):
    """A card that is a button: a title, plain text, and optional facts at the bottom."""

    def __init__(self, title: str, words: str, icon_name: str = "", *, checkable: bool = False) -> None:
        super().__init__()
        self.setProperty("role", "tile")
        self.setCheckable(checkable)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr(title))
        self.setAccessibleDescription(tr(words))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._title = verbatim(tr(title), "strong", wrap=True)
        self._headline = text("", "number", wrap=True)
        self._headline.hide()
        self._words = verbatim(tr(words), "small", wrap=True)
        self._facts = text("", "caption", wrap=True)
        self._facts.hide()
        self._badge = pill("", "good")
        self._badge.hide()
        head = row(*([IconLabel(icon_name, tone="accent")] if icon_name else []), self._title)
        head.setStretch(head.count() - 1, 1)
        layout = self._content = QVBoxLayout(self)
        layout.setContentsMargins(theme.MEDIUM, theme.MEDIUM, theme.MEDIUM, theme.MEDIUM)
        badge = row(self._badge, None)  # on a separate line: next to a long title it would be cut
        layout.addLayout(column(head, self._headline, badge, self._words, None, self._facts, spacing=theme.TIGHT))
        for label in self.findChildren(QLabel):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def show_words(self, words: str) -> None:
        self._words.setText(tr(words))
        self.setAccessibleDescription(tr(words))

    def show_headline(self, words: str) -> None:
        """Show the key figure of the card in large letters below its title, or nothing."""
        self._headline.setText(words)
        self._headline.setVisible(bool(words))
        self.updateGeometry()

    def show_badge(self, badge: str) -> None:
        self._badge.setText(tr(badge))
        self._badge.setVisible(bool(badge))

    def show_facts(self, facts: str) -> None:
        if tr(facts) == self._facts.text():
            return
        self._facts.setText(tr(facts))
        self._facts.setVisible(bool(facts))
        self.updateGeometry()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._content.heightForWidth(width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell the layout of another least height; see `minimumSizeHint`."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the size of the content: a push button considers only its own text."""
        return self._content.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the height of all texts at this width: a grid in a scroll area would squeeze them."""
        least = max(self._content.minimumSize().height(), self.heightForWidth(self.width()))
        return QSize(theme.scaled(120), least)
