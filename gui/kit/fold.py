"""Content that is shown on request, below the button that opens it. Knows Qt only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLayout, QWidget

from gui.kit import theme
from gui.kit.parts import Button, column, row, widget_of
from models.messages import Text


class Fold(QWidget):
    """A button with a chevron over its content; closed at first."""

    toggled = Signal(bool)

    def __init__(self, title: Text, *content: QWidget | QLayout | int | None, spacing: int = theme.SMALL) -> None:
        super().__init__()
        self.button = Button(title, "chevron-right", role="fold")
        self.button.setCheckable(True)
        self.button.toggled.connect(self._show)
        self._content = widget_of(column(*content, spacing=spacing))
        self._content.hide()
        self.setLayout(column(row(self.button, None), self._content))

    def open(self, is_open: bool = True) -> None:
        self.button.setChecked(is_open)

    def _show(self, is_open: bool) -> None:
        self.button.set_icon_name("chevron-down" if is_open else "chevron-right")
        self._content.setVisible(is_open)
        self.toggled.emit(is_open)
