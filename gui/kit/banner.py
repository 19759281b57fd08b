"""A message bar in a page: an error or a success, the next step, and collapsible details.

Over a page, the same message is a toast (`gui.kit.toasts`).
"""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit

from gui.kit import theme
from gui.kit.parts import Button, Card, IconButton, IconLabel, Tone, column, restyle, row, text, widget_of
from gui.kit.translation import tr

_ICONS = {"bad": "error", "warn": "warning", "good": "check-circle", "info": "info"}
_MAX_BUTTONS_PX = 110  # wider buttons are placed below the text of a narrow banner
ButtonAction = tuple[str, Callable[[], object]]  # a button's title and callback


class Banner(Card):
    """Shows one message at a time; hidden until `show_message`. A narrow banner has wide buttons below the text."""

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
        self.details_button = Button("Details", role="quiet")
        self.details_button.clicked.connect(lambda: self._details.setVisible(self._details.isHidden()))
        self.action_button = Button("", on_click=self._on_action_clicked)
        self.action_button.hide()
        self._action: Callable[[], object] | None = None
        self.close_button = IconButton("close", "Dismiss", on_click=self.dismiss)
        self._is_narrow = is_narrow
        texts = column(self._message, self._hint, None, spacing=theme.HAIR)
        texts.setContentsMargins(0, theme.TIGHT, 0, theme.TIGHT)  # aligns the first line with the buttons
        self._buttons = widget_of(row(None, self.details_button, self.action_button))
        icon = column(theme.TIGHT, self._icon, None)
        close = column(self.close_button, None)
        self._top = row(icon, texts, self._buttons, close, spacing=theme.MEDIUM, grows=1)
        self.add(self._top, self._details)
        self.hide()

    def show_message(
        self,
        message: str,
        hint: str = "",
        *,
        tone: Tone = "info",
        details: str = "",
        action: ButtonAction | None = None,
    ) -> None:
        """Show a message; `details` stay collapsed at first, `action` is the title and callback of an action button."""
        self.tone = tone
        self._action = action[1] if action else None
        self.action_button.setText(tr(action[0]) if action else "")
        self.action_button.setVisible(action is not None)
        self._message.setText(tr(message))
        self._hint.setText(tr(hint))
        self._hint.setVisible(bool(hint))
        self._details.setPlainText(details)
        self._details.hide()
        self.details_button.setVisible(bool(details))
        buttons = (self.action_button, self.details_button)
        buttons_px = sum(button.sizeHint().width() for button in buttons if not button.isHidden())
        self._buttons.setVisible(buttons_px > 0)
        if self._is_narrow and buttons_px > theme.scaled(_MAX_BUTTONS_PX):
            self.body.insertWidget(1, self._buttons)
        else:
            self._top.insertWidget(2, self._buttons, 0, Qt.AlignmentFlag.AlignTop)
        self._icon.show_icon(_ICONS[tone], "accent" if tone == "info" else tone)
        restyle(self, tone=tone)
        self.setAccessibleName(f"{tr(message)} {tr(hint)}".strip())
        self.show()

    def message(self) -> str:
        """Return the message shown; empty when the banner is hidden."""
        return "" if self.isHidden() else self._message.text()

    def hint(self) -> str:
        return "" if self.isHidden() else self._hint.text()

    def dismiss(self) -> None:
        self.hide()
        self.dismissed.emit()

    def _on_action_clicked(self) -> None:
        action = self._action
        self.dismiss()
        if action is not None:
            action()
