"""A box that shows the label of the chosen pictures and gives them another one. Knows Qt and plain data only."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QCompleter, QWidget

from gui.kit.i18n import tr
from gui.kit.parts import choice_box, row, text

TYPED = 30  # from so many classes on they are found by typing


class LabelBox(QWidget):
    """What the chosen pictures are; choosing another class is a decision (`label_chosen`)."""

    label_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.box = choice_box("Label of the chosen pictures", least=14)
        self.box.setToolTip(tr("Give the chosen pictures another label; the class keys (1-9) do the same"))
        self.box.activated.connect(self._on_activated)
        layout = row(text("Class"), self.box)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self._names: tuple[str, ...] = ()
        self._label: str | None = None

    def show_classes(self, names: Sequence[str]) -> None:
        """Offer these classes."""
        if tuple(names) != self._names:
            self._names = tuple(names)
            self.box.clear()
            self.box.addItems(list(names))
            self._let_type(is_long=len(names) > TYPED)

    def _let_type(self, *, is_long: bool) -> None:
        self.box.setEditable(is_long)
        if is_long:
            self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            completer = QCompleter(self.box.model(), self.box)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            self.box.setCompleter(completer)

    def show_label(self, label: str | None, *, words: str = "") -> None:
        """Show the label that the chosen pictures have now; None where there is not one, which `words` then say."""
        self._label = label
        self.box.setPlaceholderText(words)
        if (field := self.box.lineEdit()) is not None:
            field.setPlaceholderText(words)
        self.box.setCurrentIndex(self._names.index(label) if label in self._names else -1)
        self.setEnabled(bool(self._names) and (label is not None or bool(words)))

    def _on_activated(self, place: int) -> None:
        if 0 <= place < len(self._names) and self._names[place] != self._label:
            self.label_chosen.emit(self._names[place])
