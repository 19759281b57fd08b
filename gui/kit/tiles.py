"""Tiles: figures to read (`StatTile`), and cards to press or choose (`ActionTile`). Knows Qt only."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, ElidedLabel, IconLabel, column, pill, restyle, row, text, verbatim


class StatTile(Card):
    """One figure with its name and a note under it."""

    def __init__(self, name: str, icon_name: str) -> None:
        super().__init__(spacing=theme.HAIR)
        self._number = ElidedLabel("", "number", mode=Qt.TextElideMode.ElideRight)
        self._note = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.setMinimumWidth(theme.scaled(110))
        head = row(
            ElidedLabel(name, "caption", mode=Qt.TextElideMode.ElideRight), IconLabel(icon_name, size=16, tone="muted")
        )
        head.setStretch(0, 1)
        self.body.addLayout(head)
        self.body.addWidget(self._number)
        self.body.addWidget(self._note)
        self._name = name

    def show_figure(self, number: str, note: str = "") -> None:
        """Show a figure."""
        self._number.setText(number)
        restyle(self._number, role="number" if len(number) <= 12 else "heading")
        self._note.setText(note)
        self.setAccessibleName(f"{self._name}: {number} {note}")

    def figure(self) -> str:
        """Return the figure shown."""
        return self._number.text()

    def note(self) -> str:
        """Return the words below the figure."""
        return self._note.text()


class ActionTile(QPushButton):
    """A card that is a button: a title, plain words, and optionally facts at its foot."""

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
        badge = row(self._badge, None)  # on a line of its own: beside a long title it would be cut
        layout.addLayout(column(head, self._headline, badge, self._words, None, self._facts, spacing=theme.TIGHT))
        for label in self.findChildren(QLabel):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def show_words(self, words: str) -> None:
        """Show other plain words."""
        self._words.setText(tr(words))
        self.setAccessibleDescription(tr(words))

    def show_headline(self, words: str) -> None:
        """Show what matters most of the card in large letters below its title, or nothing."""
        self._headline.setText(words)
        self._headline.setVisible(bool(words))
        self.updateGeometry()

    def headline(self) -> str:
        """Return the words in large letters."""
        return self._headline.text()

    def badge(self) -> str:
        """Return the word behind the title."""
        return self._badge.text()

    def show_badge(self, badge: str) -> None:
        """Show a word behind the title, or none."""
        self._badge.setText(tr(badge))
        self._badge.setVisible(bool(badge))

    def show_facts(self, facts: str) -> None:
        """Show a line of facts at the foot."""
        if tr(facts) == self._facts.text():
            return
        self._facts.setText(tr(facts))
        self._facts.setVisible(bool(facts))
        self.updateGeometry()

    def facts(self) -> str:
        """Return the line of facts."""
        return self._facts.text()

    def hasHeightForWidth(self) -> bool:
        """Let wrapped words make the tile taller."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height that the words need at `width`."""
        return self._content.heightForWidth(width)

    def sizeHint(self) -> QSize:
        """Return the size of the content: a push button alone would look only at its own text."""
        return self._content.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the least size at which the content can be read."""
        return QSize(theme.scaled(120), self._content.minimumSize().height())
