"""Asking for a tag. Knows Qt and plain data only."""

from collections.abc import Iterable

from PySide6.QtWidgets import QInputDialog, QWidget

from gui.kit.i18n import tr


def ask_tag(parent: QWidget, count: int, known: Iterable[str]) -> str:
    """Ask for a tag of pictures, new or one of the `known`; return it, empty when the user thought better of it."""
    question = tr("Tag {count} pictures (a tag that all have is taken off)", count=f"{count:,}")
    tag, is_accepted = QInputDialog.getItem(parent, tr("Tag"), question, list(known), -1, True)
    return tag.strip() if is_accepted else ""
