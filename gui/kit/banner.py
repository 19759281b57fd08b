"""A message in a page: what went wrong or well, the next step, and details for who asks. Knows Qt only.

Over a page the same message is a toast (`gui.kit.toasts`).
"""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconButton, IconLabel, Tone, column, restyle, row, text

_ICONS = {"bad": "error", "warn": "warning", "good": "check-circle", "info": "info"}
_INKS = {"bad": "bad", "warn": "warn", "good": "good", "info": "accent"}
_BESIDE_PX = 110  # buttons up to here stand beside the words of a narrow one
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
        self.way_button.hide()
        self._way: Callable[[], object] | None = None
        self.close_button = IconButton("close", "Dismiss", on_click=self.dismiss)
        self._is_narrow = is_narrow
        words = column(self._message, self._hint, None, spacing=theme.HAIR)
        words.setContentsMargins(0, theme.TIGHT, 0, theme.TIGHT)  # the first line stands level with the buttons
        icon = column(theme.TIGHT, self._icon, None)
        self._buttons = QWidget()
        self._buttons.setLayout(row(None, self.details_button, self.way_button))
        self._top = row(icon, words, self._buttons, column(self.close_button, None), spacing=theme.MEDIUM)
        self._top.setStretch(1, 1)
        self.body.addLayout(self._top)
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
        self._place_buttons()
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

    def _place_buttons(self) -> None:
        """Put the buttons beside the words, or below them where they would leave those no room."""
        wanted = sum(each.sizeHint().width() for each in (self.way_button, self.details_button) if not each.isHidden())
        self._buttons.setVisible(wanted > 0)
        if self._is_narrow and wanted > theme.scaled(_BESIDE_PX):
            self.body.insertWidget(1, self._buttons)
        else:
            self._top.insertWidget(2, self._buttons, 0, Qt.AlignmentFlag.AlignTop)

    def _go(self) -> None:
        way = self._way
        self.dismiss()
        if way is not None:
            way()

    def _toggle_details(self) -> None:
        self._details.setVisible(not self._details.isVisible())
