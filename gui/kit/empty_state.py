"""What a page shows when it has nothing to show yet: why, and the way on. Knows Qt only."""

from typing import LiteralString

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, IconLabel, text


class EmptyState(QWidget):
    """An icon, a title, plain words and a button, seldom two, in the middle of the page."""

    def __init__(
        self,
        icon_name: str,
        title: LiteralString,
        words: LiteralString,
        button: LiteralString = "",
    ) -> None:
        super().__init__()
        self._title, self._words = text(title, "heading"), text(words, "muted", wrap=True)
        self.button = Button(button, role="primary")
        if not button:
            self.button.hide()  # never `setVisible(True)` before it has a parent: that opens a window
        self._words.setFixedWidth(theme.scaled(440))
        layout = QVBoxLayout(self)
        layout.setSpacing(theme.SMALL)
        layout.addStretch(2)
        self._icon = IconLabel(icon_name, size=48, tone="outline")
        layout.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(theme.SMALL)
        for label in (self._title, self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(theme.SMALL)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._ways = layout.count()
        layout.addStretch(3)
        self._fit_words()

    def add_way(self, button: Button) -> None:
        """Offer another way on, below the button."""
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(self._ways, button, 0, Qt.AlignmentFlag.AlignHCenter)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of the text."""
        if event.type() == QEvent.Type.FontChange:
            self._fit_words()
        super().changeEvent(event)

    def _fit_words(self) -> None:
        self._words.ensurePolished()
        self._words.setFixedWidth(theme.scaled(440))
        self._words.setMinimumHeight(max(0, self._words.heightForWidth(theme.scaled(440))))

    def show_icon(self, icon_name: str) -> None:
        """Show another icon."""
        self._icon.show_icon(icon_name, "outline")

    def show_words(self, title: str, words: str, button: str) -> None:
        """Say something else."""
        self._title.setText(tr(title))
        self._words.setText(tr(words))
        self._fit_words()
        self.button.setText(tr(button))
        self.button.setVisible(bool(button))
