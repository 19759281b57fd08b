"""How a source is understood: its readings, and the columns of its table. Depends on Qt and plain data only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QBoxLayout, QButtonGroup, QComboBox, QWidget

from gui.kit import theme
from gui.kit.parts import IconLabel, choice_box, clear, column, row, text, widget_of
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from models.messages import Message
from visionft.project.formats.listing import AUTOMATIC, LabelChoice
from visionft.project.importing.reading_notes import notes_on

if TYPE_CHECKING:
    from visionft.project.formats.listing import Interpretation
    from visionft.project.importing.readings import ReadingSummary

# Sources of the classes other than one column.
_NOTHING, _EACH_COLUMN, _WHOLE, _MARKS, _PROPOSED = "\0nothing", "\0each", "\0whole", "\0marks", "\0proposed"


class ReadingChoice(QWidget):
    """The readings of a source, each with its evidence; `chosen` emits the number of one, from 1 on."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Ways to understand the source"))
        self.tiles: list[ActionTile] = []
        self._texts: list[tuple[str, str]] = []
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.chosen)
        self._doubt = text("", wrap=True, tone="warn")
        self._doubts = widget_of(row(column(IconLabel("warning", tone="warn"), None), self._doubt, grows=1))
        self._tiles = row()
        self.setLayout(column(self._doubts, self._tiles))

    def set_wide(self, is_wide: bool) -> None:
        """Lay the readings side by side, or below each other."""
        direction = QBoxLayout.Direction
        self._tiles.setDirection(direction.LeftToRight if is_wide else direction.TopToBottom)

    def show_readings(self, readings: "Sequence[ReadingSummary]", number: int, doubt: str = "") -> None:
        """Show the readings, the one of a number chosen; `doubt` says what the user has to decide."""
        by_hand = Message("{count} image, to be labelled by hand.", "{count} images, to be labelled by hand.")
        texts = [
            (each.title, each.evidence if each.classes else Message(by_hand, count=each.unlabelled))
            for each in readings
        ]
        if texts != self._texts:
            self._texts = texts
            clear(self._tiles)
            self.tiles = [ActionTile(*each, checkable=True) for each in texts]
            for place, tile in enumerate(self.tiles, 1):
                self._group.addButton(tile, place)
                self._tiles.addWidget(tile, 1)
        if self.tiles:
            self.tiles[number - 1].setChecked(True)
        self._doubt.setText(doubt)
        self._doubts.setVisible(bool(doubt))


class ReadingLine(QWidget):
    """Shows the interpretation of a source; `chosen` emits the user's correction."""

    chosen = Signal(object)  # LabelChoice

    def __init__(self) -> None:
        super().__init__()
        self._choice, self._is_decided = AUTOMATIC, False
        self.words = text("", "muted", wrap=True)
        self.file_box = choice_box("Column that names the images")
        self.label_box = choice_box("What gives the classes")
        self.label_box.setPlaceholderText(tr("Choose"))
        for box in (self.file_box, self.label_box):
            box.setMaximumWidth(theme.scaled(320))
            box.activated.connect(self._choose)
        self._file_title, title = text("Images", "small"), text("Classes", "small")
        choices = column(self._file_title, self.file_box, title, self.label_box, spacing=theme.TIGHT)
        self._choices = widget_of(choices)
        self.setLayout(column(self._choices, self.words))

    def show_reading(
        self, interpretations: "Sequence[Interpretation]", choice: LabelChoice, *, is_decided: bool
    ) -> None:
        """Show an interpretation; without columns of classes the user has to choose some, unless that `is_decided`."""
        self._choice, self._is_decided = choice, is_decided
        notes = notes_on(interpretations)
        self.words.setText(" ".join(map(tr, notes)))
        self.words.setVisible(bool(notes))
        first = interpretations[0] if interpretations else None
        is_table = first is not None and len(first.columns) > 1 and not first.format
        sources = _label_sources(interpretations, choice) if first is not None else []
        for widget in (self._file_title, self.file_box):
            widget.setVisible(is_table)
        if first is not None:
            _fill(self.file_box, [(name, name) for name in first.columns], first.file_column)
            _fill(self.label_box, sources, _label_source(first, choice))
        self._choices.setVisible(bool(sources))
        self.setVisible(bool(sources or notes))

    def fault(self) -> str:
        """Return the missing choice of the user; empty for none."""
        is_open = not self._is_decided and self._choices.isVisibleTo(self) and self.label_box.currentIndex() < 0
        return tr("Choose what gives the classes, or the images without labels.") if is_open else ""

    def _choose(self) -> None:
        source: str = self.label_box.currentData() or ""
        file = self.file_box.currentData() if self.file_box.isVisibleTo(self) else ""
        label = "" if source.startswith("\0") else source
        choice = LabelChoice(file=file, label=label, is_unlabelled=source == _NOTHING, takes_marks=source == _MARKS)
        choice = AUTOMATIC if source == _PROPOSED else choice
        if choice != self._choice:
            self.chosen.emit(choice)


def _label_sources(interpretations: "Sequence[Interpretation]", choice: LabelChoice) -> list[tuple[str, str]]:
    """Return the possible sources of classes, as (text, value); empty where there is no choice."""
    first = interpretations[0]
    has_marks = choice.takes_marks or any(each.marked or each.has_only_marks for each in interpretations)
    if not has_marks and len(first.columns) < 2 and not (choice.is_unlabelled and first.format):
        return []
    sources = [(name, name) for name in first.columns if name != first.file_column]
    if len(first.label_columns) > 1 or (choice.label and not first.format):
        sources.append((tr("one column for each class"), _EACH_COLUMN))
    if not sources and not any(each.has_only_marks for each in interpretations):
        sources.append((tr("labels of whole images"), _WHOLE))
    if has_marks:
        sources.append((tr("every class, also of boxes and shapes"), _MARKS))
    if choice != AUTOMATIC:
        sources.append((tr("as proposed at first"), _PROPOSED))
    return [*sources, (tr("nothing: no labels"), _NOTHING)]


def _label_source(first: "Interpretation", choice: LabelChoice) -> str:
    """Return the current source of the classes; empty where none is chosen."""
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
