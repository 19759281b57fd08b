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
_BESIDE_PX = 110  # maximum width of buttons next to the text of a narrow banner
Way = tuple[str, Callable[[], object]]  # a button's title and callback


class Banner(Card):
    """One message at a time; hidden until `show_message`. A narrow banner has its buttons below the text."""

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
        self.way_button = Button("", on_click=self._go)
        self.way_button.hide()
        self._way: Callable[[], object] | None = None
        self.close_button = IconButton("close", "Dismiss", on_click=self.dismiss)
        self._is_narrow = is_narrow
        words = column(self._message, self._hint, None, spacing=theme.HAIR)
        words.setContentsMargins(0, theme.TIGHT, 0, theme.TIGHT)  # aligns the first line with the buttons
        self._buttons = widget_of(row(None, self.details_button, self.way_button))
        icon = column(theme.TIGHT, self._icon, None)
        close = column(self.close_button, None)
        self._top = row(icon, words, self._buttons, close, spacing=theme.MEDIUM, grows=1)
        self.add(self._top, self._details)
        self.hide()

    def show_message(
        self, message: str, hint: str = "", *, tone: Tone = "info", details: str = "", way: Way | None = None
    ) -> None:
        """Show a message; `details` stay collapsed at first, `way` is the title and callback of an action button."""
        self.tone = tone
        self._way = way[1] if way else None
        self.way_button.setText(tr(way[0]) if way else "")
        self.way_button.setVisible(way is not None)
        self._message.setText(tr(message))
        self._hint.setText(tr(hint))
        self._hint.setVisible(bool(hint))
        self._details.setPlainText(details)
        self._details.hide()
        self.details_button.setVisible(bool(details))
        wanted = sum(each.sizeHint().width() for each in (self.way_button, self.details_button) if not each.isHidden())
        self._buttons.setVisible(wanted > 0)
        if self._is_narrow and wanted > theme.scaled(_BESIDE_PX):
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

    def _go(self) -> None:
        way = self._way
        self.dismiss()
        if way is not None:
            way()
