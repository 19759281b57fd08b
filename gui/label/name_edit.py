"""The box in which classes are named, one after the other: it keeps the focus, so that no letter becomes a shortcut."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QLineEdit


class NameEdit(QLineEdit):
    """Enter takes the name, and what is pasted in several lines at once; Escape leaves."""

    names_entered = Signal(list)
    use_wanted = Signal(str)  # Ctrl+Enter
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setClearButtonEnabled(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take what ends a name; all else is typed."""
        pasted = QGuiApplication.clipboard().text() if event.matches(QKeySequence.StandardKey.Paste) else ""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            name, uses = self.text().strip(), event.modifiers() & Qt.KeyboardModifier.ControlModifier
            if name:
                self.use_wanted.emit(name) if uses else self.names_entered.emit([name])
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.left.emit()
        elif len(names := [line.strip() for line in pasted.splitlines() if line.strip()]) > 1:
            self.names_entered.emit(names)
        else:
            super().keyPressEvent(event)
