"""The few questions asked in a dialog: a folder, a file, yes or no. One place, so that tests can answer them."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_folder(parent: QWidget, title: str, start: Path | None = None) -> Path | None:
    """Let the user choose an existing folder; None when they think better of it."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start or Path.home()))
    return Path(chosen) if chosen else None


def ask_files(parent: QWidget, title: str, pattern: str, start: Path | None = None) -> list[Path]:
    """Let the user choose existing files; `pattern` is a Qt name filter such as `Pictures (*.jpg *.png)`."""
    chosen, _ = QFileDialog.getOpenFileNames(parent, title, str(start or Path.home()), pattern)
    return [Path(name) for name in chosen]


def ask_save_file(parent: QWidget, title: str, pattern: str, start: Path | None = None) -> Path | None:
    """Let the user name a file to write; None when they think better of it."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, str(start or Path.home()), pattern)
    return Path(chosen) if chosen else None


def ask_yes(parent: QWidget, title: str, question: str, *, yes: str, no: str = "Cancel") -> bool:
    """Ask whether to go on; the harmless answer is the default."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, title, title, parent=parent)
    box.setInformativeText(question)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    refuse = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(refuse)
    box.setEscapeButton(refuse)
    box.exec()
    is_yes = box.clickedButton() is accept
    box.deleteLater()
    return is_yes
