"""Lists the texts of a screen, and those that are not in its language: for tests and `layout_check.py`."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from PySide6.QtCore import QAbstractListModel, QModelIndex, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QComboBox, QLabel, QLineEdit, QPlainTextEdit, QWidget
from translations import catalogues, read_po

_ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)
_WORD = re.compile(r"[^\W\d_]{2,}")
_NAME = re.compile(r"\{\w+\}|\S*[/\\_]\S*|\d{3}-\S+|\S+\.[a-z]{2,5}\b")  # placeholders, paths, runs, files


def indexes(view: QAbstractItemView) -> list[QModelIndex]:
    """Return all cells of a view."""
    model = view.model()
    if model is None:
        return []
    columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount()
    return [model.index(line, place) for line in range(model.rowCount()) for place in range(columns)]


def shown_texts(root: QWidget, *, has_data: bool = True) -> Iterator[str]:
    """Yield all texts of a widget and its children, also those for screen readers and tooltips.

    With `has_data` also what is typed and the data of cells.
    """
    roles = (*_ROLES, Qt.ItemDataRole.UserRole) if has_data else _ROLES
    for widget in (root, *root.findChildren(QWidget)):
        yield from (widget.toolTip(), widget.accessibleName(), widget.accessibleDescription(), widget.windowTitle())
        yield from (action.text() for action in widget.actions())
        if isinstance(widget, QLabel | QAbstractButton) or (has_data and isinstance(widget, QLineEdit)):
            yield widget.text()
        if isinstance(widget, QLineEdit):
            yield widget.placeholderText()
        if isinstance(widget, QPlainTextEdit) and has_data:
            yield widget.toPlainText()
        if isinstance(widget, QComboBox):
            yield from (widget.itemText(place) for place in range(widget.count()))
        if isinstance(widget, QAbstractItemView):
            yield from (str(index.data(role) or "") for index in indexes(widget) for role in roles)


def words_of(texts: Iterable[str]) -> set[str]:
    """Return the words of texts in lower case, without placeholders, paths and names of files and runs."""
    plain = (_NAME.sub(" ", text.replace("&", "")) for text in texts)
    return {word.casefold() for text in plain for word in _WORD.findall(text)}


def foreign_texts(root: QWidget, *, names: set[str]) -> list[str]:
    """Return the texts of a German screen with a word that no German text has; `names` are words of data."""
    known = _german_words() | names
    return sorted({text for text in shown_texts(root, has_data=False) if words_of((text,)) - known})


@cache
def _german_words() -> set[str]:
    return words_of(text for ids, texts in read_po(catalogues()["de"]).items() if any(ids) for text in texts)
