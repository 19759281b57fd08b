"""“Wrong, it is ...”: a box that takes any class, found by typing a part of its name. Knows Qt and plain data only."""

from collections.abc import Sequence
from typing import LiteralString

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import swatch
from gui.kit.theme import ClassColour

_SHOWN = 12


class ClassPicker(QComboBox):
    """Empty until a class is chosen or typed, and again after that; a typed name may be new."""

    class_named = Signal(str)

    def __init__(self, words: LiteralString) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMaxVisibleItems(_SHOWN)
        self.setAccessibleName(tr(words))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._edit.setPlaceholderText(tr(words))
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setMaxVisibleItems(_SHOWN)
        self.setCompleter(completer)
        self.activated.connect(self._on_activated)
        self._edit.returnPressed.connect(self._on_return)

    @property
    def _edit(self) -> QLineEdit:
        edit = self.lineEdit()
        assert edit is not None
        return edit

    def show_words(self, words: str) -> None:
        """Ask for a class in other words."""
        self._edit.setPlaceholderText(words)

    def offer(self, classes: Sequence[tuple[str, ClassColour]]) -> None:
        """Offer these classes, each with its colour."""
        if classes != tuple((self.itemText(place), self.itemData(place)) for place in range(self.count())):
            self.clear()
            for name, colour in classes:
                self.addItem(swatch(theme.class_colour(colour).name()), name, colour)
        self.empty()

    def empty(self) -> None:
        """Let nothing be chosen."""
        self.setCurrentIndex(-1)
        self.clearEditText()

    @Slot(int)
    def _on_activated(self, place: int) -> None:
        self._name(self.itemText(place))

    @Slot()
    def _on_return(self) -> None:
        """Take a name that is none of those offered; Qt tells the others as activated."""
        if self.findText(self._edit.text().strip(), Qt.MatchFlag.MatchFixedString) < 0:
            self._name(self._edit.text().strip())

    def _name(self, name: str) -> None:
        self.empty()
        if name:
            self.class_named.emit(name)
