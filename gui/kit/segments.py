"""A choice of one among few, as buttons side by side. Knows Qt only."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.kit.parts import Button, row

K = TypeVar("K", bound=str)


class Segments(QWidget, Generic[K]):
    """Shows one button for each choice; the first is chosen."""

    chosen = Signal(str)

    def __init__(self, choices: Mapping[K, str], name: str) -> None:
        """Args: `choices` are {what it means: words already translated}; `name` is for a screen reader."""
        super().__init__()
        self.setAccessibleName(name)
        self.buttons: dict[K, Button] = {}
        group = QButtonGroup(self)
        for choice, words in choices.items():
            button = Button("", role="segment", on_click=lambda choice=choice: self.chosen.emit(choice))
            button.setText(words)
            button.setCheckable(True)
            group.addButton(button)
            self.buttons[choice] = button
        next(iter(self.buttons.values())).setChecked(True)
        self.setLayout(row(*self.buttons.values(), None, spacing=0))

    def value(self) -> K:
        """Return what is chosen."""
        return next(choice for choice, button in self.buttons.items() if button.isChecked())
