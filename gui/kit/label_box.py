"""A combo box that shows and sets the label of the selected images."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QCompleter, QWidget

from gui.kit.parts import choice_box, row, text
from gui.kit.translation import tr


class LabelBox(QWidget):
    """The label of the selected images; choosing another class emits `label_chosen`."""

    label_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.box = choice_box("Label of the chosen images", min_chars=14)
        self.box.setToolTip(tr("Give the chosen images another label; the class keys (1-9) do the same"))
        self.box.activated.connect(self._on_activated)
        self.setLayout(row(text("Class"), self.box, grows=1))
        self._names: tuple[str, ...] = ()
        self._label: str | None = None

    def show_classes(self, names: Sequence[str]) -> None:
        """Offer these classes; many of them are searched by typing."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        self.box.clear()
        self.box.addItems(list(names))
        self.box.setEditable(len(names) > 30)
        if self.box.isEditable():
            self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            completer = QCompleter(self.box.model(), self.box)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            self.box.setCompleter(completer)

    def show_label(self, label: str | None, *, words: str = "") -> None:
        """Show the label of the selected images; None if there is no common one: `words` explain that."""
        self._label = label
        self.box.setPlaceholderText(words)
        if (field := self.box.lineEdit()) is not None:
            field.setPlaceholderText(words)
        self.box.setCurrentIndex(self._names.index(label) if label in self._names else -1)
        self.setEnabled(bool(self._names) and (label is not None or bool(words)))

    def _on_activated(self, place: int) -> None:
        if 0 <= place < len(self._names) and self._names[place] != self._label:
            self.label_chosen.emit(self._names[place])
