"""Collapsible content and the button that opens it. Depends on Qt only."""

from collections.abc import Callable

from PySide6.QtWidgets import QLayout, QWidget

from gui.kit import theme
from gui.kit.parts import Button, column, row, widget_of
from visionft.core.messages import Text


class FoldButton(Button):
    """A button with a chevron that shows and hides content; initially closed."""

    def __init__(self, title: Text, *content: QWidget, on_click: Callable[[], object] | None = None) -> None:
        super().__init__(title, "chevron-right", role="fold", on_click=on_click)
        self._content = content
        self.setCheckable(True)
        self.toggled.connect(self._show)
        self._show(False)

    def _show(self, is_open: bool) -> None:
        self.set_icon_name("chevron-down" if is_open else "chevron-right")
        for widget in self._content:
            widget.setVisible(is_open)


class Fold(QWidget):
    """A fold button above its content."""

    def __init__(self, title: Text, *content: QWidget | QLayout | int | None, spacing: int = theme.SMALL) -> None:
        super().__init__()
        inner = widget_of(column(*content, spacing=spacing))
        self.button = FoldButton(title, inner)
        self.setLayout(column(row(self.button, None), inner))

    def open(self, is_open: bool = True) -> None:
        self.button.setChecked(is_open)
