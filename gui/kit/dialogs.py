"""The few questions asked in a dialog: folder, file, word, yes or no. One place, so that tests can answer them."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget


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


def ask_choice(parent: QWidget, title: str, question: str, choices: Sequence[str], chosen: str = "") -> str | None:
    """Let the user choose one of several words; None when they think better of it."""
    place = choices.index(chosen) if chosen in choices else 0
    answer, is_given = QInputDialog.getItem(parent, title, question, list(choices), place, False)
    return answer if is_given else None
