"""How a source was read, and a way to say otherwise: which columns mean what, whether marked classes are labels.

Knows Qt and plain data only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import IconLabel, choice_box, column, row, text
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice

if TYPE_CHECKING:
    from visionft.project.formats.listing import Interpretation

_MOST_NAMES = 6
# What gives the classes, where that is not one column.
_NOTHING, _EACH_COLUMN, _WHOLE, _MARKS = "\0nothing", "\0each", "\0whole", "\0marks"


class ReadingLine(QWidget):
    """Says what was taken as what; `chosen` tells what the user says instead."""

    chosen = Signal(object)  # ColumnChoice

    def __init__(self) -> None:
        super().__init__()
        self._choice = AUTOMATIC
        self._words = text("", "muted", wrap=True)
        self.file_box = choice_box("Column that names the pictures")
        self.label_box = choice_box("What gives the classes")
        self.label_box.setPlaceholderText(tr("Choose"))
        for box in (self.file_box, self.label_box):
            box.setMaximumWidth(theme.scaled(320))
            box.activated.connect(self._choose)
        self._titles = text("Pictures", "small"), text("Classes", "small")
        self._choices = QWidget()
        choices = row(self._titles[0], self.file_box, self._titles[1], self.label_box, None, spacing=theme.MEDIUM)
        choices.setContentsMargins(0, theme.TIGHT, 0, 0)
        self._choices.setLayout(choices)
        words = column(self._words, self._choices, spacing=theme.HAIR)
        icon = column(IconLabel("info", tone="muted"), None)
        layout = row(icon, words, spacing=theme.SMALL)
        layout.setStretch(1, 1)
        self.setLayout(layout)

    def show_reading(self, interpretations: "Sequence[Interpretation]", choice: ColumnChoice) -> None:
        """Show how a source was read after the user said `choice`."""
        self._choice = choice
        self._words.setText(_words(interpretations))
        self.setVisible(bool(self._words.text()))
        first = interpretations[0] if interpretations else None
        is_table = first is not None and len(first.columns) > 1 and not first.format
        answers = _answers(interpretations, choice) if first is not None else []
        for widget in (self._titles[0], self.file_box):
            widget.setVisible(is_table)
        if first is not None and is_table:
            _fill(self.file_box, [(name, name) for name in first.columns], first.file_column)
        if first is not None:
            _fill(self.label_box, answers, _answer(first, choice))
        self._choices.setVisible(bool(answers))

    def words(self) -> str:
        """Return what is said."""
        return self._words.text()

    def fault(self) -> str:
        """Return what the user must still say, empty for nothing."""
        is_open = self._choices.isVisibleTo(self) and self.label_box.currentIndex() < 0
        return tr("Say first what gives the classes.") if is_open else ""

    def _choose(self) -> None:
        answer: str = self.label_box.currentData() or ""
        file = self.file_box.currentData() if self.file_box.isVisibleTo(self) else ""
        said = ColumnChoice(
            file=file,
            label="" if answer.startswith("\0") else answer,
            is_unlabelled=answer == _NOTHING,
            takes_marks=answer == _MARKS,
        )
        if said != self._choice:
            self.chosen.emit(said)


def _answers(interpretations: "Sequence[Interpretation]", choice: ColumnChoice) -> list[tuple[str, str]]:
    """Return what may give the classes, each as shown and as told; empty where there is nothing to choose from."""
    first = interpretations[0]
    has_marks = choice.takes_marks or any(each.marked or each.has_only_marks for each in interpretations)
    if not has_marks and len(first.columns) < 2 and not (choice.is_unlabelled and first.format):
        return []
    answers = [(name, name) for name in first.columns if name != first.file_column]
    if len(first.label_columns) > 1 or (choice.label and not first.format):
        answers.append((tr("one column for each class"), _EACH_COLUMN))
    if not answers and not any(each.has_only_marks for each in interpretations):
        answers.append((tr("labels of whole pictures"), _WHOLE))
    if has_marks:
        answers.append((tr("every class, also of boxes and shapes"), _MARKS))
    return [*answers, (tr("nothing: no labels"), _NOTHING)]


def _answer(first: "Interpretation", choice: ColumnChoice) -> str:
    """Return what gives the classes now; empty where nobody has said."""
    if choice.is_unlabelled:
        return _NOTHING
    if choice.takes_marks:
        return _MARKS
    if len(first.label_columns) > 1:
        return _EACH_COLUMN
    if first.label_columns:
        return first.label_columns[0]
    if first.lacks_labels or first.has_only_marks:
        return ""
    return _NOTHING if first.columns else _WHOLE


def _fill(box: QComboBox, choices: list[tuple[str, str]], chosen: str) -> None:
    with QSignalBlocker(box):
        box.clear()
        for shown, value in choices:
            box.addItem(shown, value)
        box.setCurrentIndex(box.findData(chosen) if chosen else -1)


def _words(interpretations: "Sequence[Interpretation]") -> str:
    return " ".join(dict.fromkeys(words for each in interpretations for words in _sentences(each)))


def _sentences(each: "Interpretation") -> list[str]:
    said: list[str] = []
    if each.format:
        said.append(tr("{file} is read as {format}.", file=each.file.name, format=each.format))
    elif each.columns:
        said.append(tr("{file} is read as a table.", file=each.file.name))
        if len(each.label_columns) > 1:
            said.append(tr("Classes are the columns {names}.", names=_listed(each.label_columns)))
    elif each.class_folders:
        said.append(tr("Classes are the folders {names}.", names=_listed(each.class_folders)))
    if each.is_from_marks:
        said.append(tr("Every class that is marked in a picture is a label of it."))
    elif each.has_only_marks:
        said.append(
            tr("Boxes or shapes are marked in {count} pictures, and none has a class as a whole.", count=each.marked)
        )
    elif each.marked:
        said.append(
            tr("Boxes or shapes are marked in {count} pictures; their classes are not taken.", count=each.marked)
        )
    elif each.columns and not each.label_columns:
        said.append(tr("No column gives the class."))
    if each.split_column:
        said.append(tr("“{name}” gives the splits.", name=each.split_column))
    if each.split_folders:
        said.append(tr("Splits are the folders {names}.", names=_listed(each.split_folders)))
    if each.unlabelled_folders:
        said.append(tr("Pictures in the folders {names} have no class.", names=_listed(each.unlabelled_folders)))
    said += _cautions(each)
    if each.foreign:
        said.append(tr("{tool}'s labels lie there, which cannot be read.", tool=each.foreign))
    return said


def _cautions(each: "Interpretation") -> list[str]:
    """Return what was assumed where the file does not say it, and what was left aside."""
    said: list[str] = []
    if each.separator:
        said.append(tr("In a cell, “{sign}” stands between several classes.", sign=each.separator))
    if each.found_elsewhere:
        count = f"{each.found_elsewhere:,}"
        said.append(tr("{count} pictures were found by name, in other folders than the file says.", count=count))
    if each.unread:
        said.append(tr("Not read, though they may hold labels: {names}.", names=_listed(each.unread)))
    return said


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} …" if len(names) > _MOST_NAMES else shown
