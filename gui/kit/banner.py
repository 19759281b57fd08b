"""A message in a page: what went wrong or well, the next step, and details for who asks. Knows Qt only.

Over a page the same message is a toast (`gui.kit.toasts`).
"""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconButton, IconLabel, Tone, column, restyle, row, text

_ICONS = {"bad": "error", "warn": "warning", "good": "check-circle", "info": "info"}
_INKS = {"bad": "bad", "warn": "warn", "good": "good", "info": "accent"}
Way = tuple[str, Callable[[], object]]  # a button's title, and what it does


class Banner(Card):
    """One message at a time; hidden until `show_message`. A narrow one has its buttons below the words."""

    dismissed = Signal()

    def __init__(self, *, is_narrow: bool = False) -> None:
        super().__init__(margin=theme.MEDIUM)
        self.tone: Tone = "info"
        self._icon = IconLabel("info", size=20)
        self._message = text(role="strong", wrap=True)
        self._hint = text(wrap=True)
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setAccessibleName(tr("Details of the error"))
        self._details.setMinimumHeight(160)
        self.details_button = Button("Details", role="quiet", on_click=self._toggle_details)
        self.way_button = Button("", on_click=self._go)
        self._way: Callable[[], object] | None = None
        self.close_button = IconButton("close", "Dismiss", on_click=self.dismiss)
        words = column(self._message, self._hint, spacing=theme.HAIR)
        top = row(self._icon, words, spacing=theme.MEDIUM)
        top.setStretch(1, 1)
        buttons = row(None, self.details_button, self.way_button)
        if not is_narrow:
            top.addLayout(buttons)
        top.addWidget(self.close_button)
        for item in (self._icon, self.close_button):
            top.setAlignment(item, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(top)
        if is_narrow:
            self.body.addLayout(buttons)
        self.body.addWidget(self._details)
        self.hide()

    def show_message(
        self,
        message: str,
        hint: str = "",
        *,
        tone: Tone = "info",
        details: str = "",
        way: Way | None = None,
    ) -> None:
        """Show a message; `details` stay folded until asked for, `way` is a button and what it does."""
        self.tone, self._way = tone, way[1] if way else None
        self.way_button.setText(tr(way[0]) if way else "")
        self.way_button.setVisible(way is not None)
        self._message.setText(tr(message))
        self._hint.setText(tr(hint))
        self._hint.setVisible(bool(hint))
        self._details.setPlainText(details)
        self._details.hide()
        self.details_button.setVisible(bool(details))
        self._icon.show_icon(_ICONS[tone], _INKS[tone])
        restyle(self, tone=tone)
        self.setAccessibleName(f"{tr(message)} {tr(hint)}".strip())
        self.show()

    def message(self) -> str:
        """Return what the banner says now; empty when it is hidden."""
        return "" if self.isHidden() else self._message.text()

    def hint(self) -> str:
        """Return the advice below the message; empty when there is none."""
        return "" if self.isHidden() else self._hint.text()

    def dismiss(self) -> None:
        """Hide the banner."""
        self.hide()
        self.dismissed.emit()

    def _go(self) -> None:
        way = self._way
        self.dismiss()
        if way is not None:
            way()

    def _toggle_details(self) -> None:
        self._details.setVisible(not self._details.isVisible())
