"""The empty state of a page: the reason, and a button for the next step. Depends on Qt only."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.parts import Button, IconLabel, column, row, text
from gui.kit.translation import tr
from visionft.core.messages import Text


class EmptyState(QWidget):
    """An icon, a title, a text and one or more buttons in the middle of the page."""

    def __init__(self, icon_name: str, title: Text, words: Text, button: Text = "") -> None:
        super().__init__()
        self._icon = IconLabel(icon_name, size=48, tone="outline")
        self._title, self._words = text(title, "heading", wrap=True), text(words, "muted", wrap=True)
        for label in (self._title, self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.button = Button(button, role="primary")
        if not button:
            self.button.hide()  # never `setVisible(True)` without a parent: that opens a window
        self._buttons = column(row(None, self.button, None))
        layout = column(
            None,
            row(None, self._icon, None),
            theme.SMALL,
            self._title,
            row(None, self._words, None),
            theme.SMALL,
            self._buttons,
            None,
        )
        layout.setStretch(0, 2)
        layout.setStretch(layout.count() - 1, 3)
        self.setLayout(layout)
        self._fit_words()

    def add_button(self, button: Button) -> None:
        self._buttons.addLayout(row(None, button, None))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.FontChange:
            self._fit_words()
        super().changeEvent(event)

    def _fit_words(self) -> None:
        self._words.ensurePolished()
        self._words.setFixedWidth(theme.scaled(440))
        self._words.setMinimumHeight(max(0, self._words.heightForWidth(theme.scaled(440))))

    def show_icon(self, icon_name: str) -> None:
        self._icon.show_icon(icon_name, "outline")

    def show_words(self, title: str, words: str, button: str) -> None:
        self._title.setText(tr(title))
        self._words.setText(tr(words))
        self._fit_words()
        self.button.setText(tr(button))
        self.button.setVisible(bool(button))
        if (layout := self.layout()) is not None:
            layout.activate()  # before the next paint, because the new title may need more space
