"""“Wrong, it is ...”: a box to choose any class by a part of its name. Depends on Qt and plain data only."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from models.messages import Text


class ClassPicker(QComboBox):
    """Empty before and after each choice; a typed name may be new."""

    class_named = Signal(str)

    def __init__(self, words: Text) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMaxVisibleItems(12)
        self.setAccessibleName(tr(words))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._edit.setPlaceholderText(tr(words))
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setMaxVisibleItems(12)
        self.setCompleter(completer)
        self.activated.connect(lambda place: self._name(self.itemText(place)))
        self._edit.returnPressed.connect(self._on_return)

    @property
    def _edit(self) -> QLineEdit:
        edit = self.lineEdit()
        assert edit is not None
        return edit

    def show_words(self, words: str) -> None:
        self._edit.setPlaceholderText(words)

    def offer(self, classes: Sequence[tuple[str, ClassColour]]) -> None:
        if classes != tuple((self.itemText(place), self.itemData(place)) for place in range(self.count())):
            self.clear()
            for name, colour in classes:
                self.addItem(swatch(theme.class_colour(colour).name()), name, colour)
        self.empty()

    def empty(self) -> None:
        self.setCurrentIndex(-1)
        self.clearEditText()

    @Slot()
    def _on_return(self) -> None:
        """Accept a name outside the offered classes; Qt emits `activated` for the others."""
        name = self._edit.text().strip()
        if self.findText(name, Qt.MatchFlag.MatchFixedString) < 0:
            self._name(name)

    def _name(self, name: str) -> None:
        self.empty()
        if name:
            self.class_named.emit(name)
