"""The user's own choice of what gives the labels: a folder, a part of the name, or a column of a table.

Depends on Qt and plain data only.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLineEdit, QWidget

from gui.home.choice_chips import ChoiceChips, Part, example_paths, folder_parts, name_row
from gui.home.column_table import ColumnTable
from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.fold import FoldButton
from gui.kit.parts import Button, IconButton, Segments, choice_box, column, row, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.messages import Message, Text
from visionft.project.formats.image_table import AUTOMATIC, Interpretation, LabelChoice, TableHead

if TYPE_CHECKING:
    from visionft.project.importing.preview import ImportPreview

_LOOKED_AT = 400  # examples of the readings, among which images with a usual path are chosen
_MOST_FIELDS = 30  # fields of a file that is no table
_LONGEST_SIGN = 5  # letters
_BUTTON_PX = 14  # height of a button around its text
_OTHER = "\0other"
_SIGNS: dict[str, Text] = {
    "": Message("Automatic"),
    ",": Message(","),
    ";": Message(";"),
    "|": Message("|"),
    " ": Message("Space"),
    _OTHER: Message("Other"),
}


class LabelChoiceForm(QWidget):
    """What gives the labels, to be chosen by clicks; `chosen` emits a `LabelChoice`, `opened` asks for the tables."""

    chosen = Signal(object)  # LabelChoice
    opened = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._source = Path()
        self._base = Path()
        self._choice = AUTOMATIC
        self._is_question_open = False
        self._interpretations: Sequence[Interpretation] = ()
        self._heads: Sequence[TableHead] | None = None  # before they are read
        self._paths: Sequence[PurePath] = ()
        self._path_number = 0
        self.folders = ChoiceChips("The folders at this place are the classes")
        self.names = ChoiceChips("This part of each file name is the class")
        self.fields = ChoiceChips("This field gives the class")
        self.others = ChoiceChips("Use these labels")
        for chips in self._chips():
            chips.chosen.connect(self._on_chosen)
        self.next_path_button = IconButton("refresh", "Show the path of another image", on_click=self._show_next_path)
        self.reset_button = Button("As proposed at first", "undo", role="quiet", on_click=self._reset)
        self.table_box = choice_box("Table", least=16)
        self.table_box.activated.connect(lambda _place: self._show_table())
        self._table_name = verbatim("", "strong")
        self.click_means = Segments({"label": tr("Class"), "file": tr("Image")}, tr("A click on a column says"))
        self.table = ColumnTable()
        self.table.chosen.connect(self._on_column_chosen)
        self.separators = Segments({sign: tr(name) for sign, name in _SIGNS.items()}, tr("Between several classes"))
        self.separators.chosen.connect(self._on_separator_chosen)
        self.separator_edit = QLineEdit()
        self.separator_edit.setAccessibleName(tr("Another separator of several classes"))
        self.separator_edit.setMaxLength(_LONGEST_SIGN)
        self.separator_edit.setFixedWidth(theme.scaled(72))
        self.separator_edit.editingFinished.connect(self._on_separator_typed)
        self._lines: list[tuple[QWidget, QWidget]] = []  # caption and content of each row
        body = widget_of(self._laid_out())
        self._hint = text("", "small", wrap=True)
        self.fold_button = FoldButton("Choose it yourself", body)
        self.fold_button.toggled.connect(self._on_toggled)
        self._show_hint(is_open=False)
        head = row(self.fold_button, self._hint, self.reset_button, grows=1)
        self.setLayout(column(head, body, spacing=theme.TIGHT))

    def _chips(self) -> tuple[ChoiceChips, ...]:
        return self.folders, self.names, self.fields, self.others

    def _laid_out(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(theme.SMALL, theme.TIGHT, theme.SMALL, theme.SMALL)
        grid.setHorizontalSpacing(theme.MEDIUM)
        grid.setVerticalSpacing(theme.SMALL)
        grid.setColumnStretch(1, 1)
        self._path = widget_of(row(self.folders, self.next_path_button, None))
        means = Flow(self.table_box, self._table_name, text("A click on a column says", "small"), self.click_means)
        self._table = widget_of(column(means, self.table, spacing=theme.TIGHT))
        signs = widget_of(row(self.separators, self.separator_edit, None))
        lines: tuple[tuple[Text, QWidget], ...] = (
            (Message("Folder"), self._path),
            (Message("Part of the name"), self.names),
            (Message("Table"), self._table),
            (Message("Field"), self.fields),
            (Message("Several classes"), signs),
            (Message("Otherwise"), self.others),
        )
        for number, (title, content) in enumerate(lines):
            caption = text(title, "caption")
            is_tall = content is self._table
            if is_tall:
                caption.setFixedHeight(self.fontMetrics().height() + _BUTTON_PX)
            side = Qt.AlignmentFlag.AlignTop if is_tall else Qt.AlignmentFlag.AlignVCenter
            grid.addWidget(caption, number, 0, side)
            grid.addWidget(content, number, 1)
            self._lines.append((caption, content))
        return grid

    def show_preview(
        self, preview: "ImportPreview", choice: LabelChoice, *, base: Path, is_decided: bool, is_sure: bool
    ) -> None:
        """Show the choices that a source offers, the current one marked.

        Args:
            choice: The user's choice that gave the preview.
            base: The folder of the source's files.
            is_decided: Whether the user chose the shown reading.
            is_sure: Whether a new source is understood; else the form is opened for it.
        """
        first = preview.interpretations[0] if preview.interpretations else None
        self._is_question_open = not is_decided and first is not None and _is_label_missing(first, choice)
        self._interpretations = preview.interpretations
        self._choice = _equal_choice(preview, choice)
        if preview.path != self._source:
            self._source, self._base, self._heads, self._path_number = preview.path, base, None, 0
            self._paths = example_paths(_paths(preview, base)) if base != preview.path.parent else []
            self.fold_button.setChecked(not is_sure)
        self.reset_button.setVisible(choice != AUTOMATIC)
        has_marks = choice.takes_marks or any(each.marked or each.has_only_marks for each in preview.interpretations)
        marks = Part(tr("Every class, also of boxes and shapes"), LabelChoice(takes_marks=True))
        self.others.show_parts([marks] * has_marks + [Part(tr("No labels"), LabelChoice(is_unlabelled=True))])
        self._show_path()
        self._show_fields()
        self._show_table()
        self.show_choice(self._choice)

    def show_tables(self, heads: Sequence[TableHead]) -> None:
        """Show the tables of the source, first the one that is read."""
        self._heads = heads
        names = [head.name for head in heads]
        used = [head.name for head in heads if self._interpretation_of(head) is not None]
        wanted = next((name for name in (self._choice.table, *used) if name in names), "")
        self.table_box.clear()
        self.table_box.addItems(names)
        self.table_box.setCurrentIndex(names.index(wanted) if wanted else 0)
        self._show_fields()
        self._show_table()

    def show_choice(self, choice: LabelChoice) -> None:
        """Mark a choice, also before there is its preview."""
        for chips in self._chips():
            chips.show_choice(None if self._is_question_open else replace(choice, table="", file="", separator=""))
        if choice != self._choice:
            self.table.show_columns(choice.file, (choice.label,))
        sign = choice.separator if choice.separator in _SIGNS else _OTHER
        self.separators.choose(sign)
        self.separators.setEnabled(_has_one_label(choice))
        self.separator_edit.setVisible(sign == _OTHER)
        self.separator_edit.setText(choice.separator if sign == _OTHER else "")
        self._choice = choice

    @property
    def needs_tables(self) -> bool:
        """Whether the tables of the source are to be read: the form is open without them."""
        return self._heads is None and self.fold_button.isChecked()

    def fault(self) -> str:
        """Return the missing choice of the user; empty for none."""
        return tr("Choose what gives the classes, or the images without labels.") if self._is_question_open else ""

    def _interpretation_of(self, head: TableHead) -> Interpretation | None:
        file = self._base / head.name
        return next((each for each in self._interpretations if each.file == file), None)

    def _show_line(self, content: QWidget, *, is_shown: bool) -> None:
        for caption, each in self._lines:
            if each is content:
                caption.setVisible(is_shown)
                each.setVisible(is_shown)

    def _show_path(self) -> None:
        path = self._paths[self._path_number] if self._paths else PurePath()
        rows = (
            (self.folders, self._path, folder_parts(path, self._source.name)),
            (self.names, self.names, name_row(path)),
        )
        for chips, content, parts in rows:
            chips.show_parts(parts)
            self._show_line(content, is_shown=bool(parts))
        self.next_path_button.setVisible(len(self._paths) > 1)

    def _show_next_path(self) -> None:
        self._path_number = (self._path_number + 1) % len(self._paths)
        self._show_path()

    def _show_fields(self) -> None:
        """Show the fields of a file that is no table, such as the questions of Label Studio."""
        first = next(iter(self._interpretations), None)
        heads = self._heads
        is_table = heads is None or any(self._interpretation_of(head) is first for head in heads)
        titles = () if first is None or is_table else [each for each in first.columns if each != first.file_column]
        self.fields.show_parts([Part(each, LabelChoice(label=each)) for each in titles[:_MOST_FIELDS]])
        self._show_line(self.fields, is_shown=bool(titles))

    def _show_table(self) -> None:
        self._show_line(self._table, is_shown=bool(self._heads))
        if not self._heads:
            return
        head = self._heads[self.table_box.currentIndex()]
        self.table_box.setVisible(len(self._heads) > 1)
        self._table_name.setVisible(len(self._heads) == 1)
        self._table_name.setText(head.name)
        self.table.show_head(head)
        read = self._interpretation_of(head)
        chosen = self._choice if self._choice.table == head.name else AUTOMATIC
        self.table.show_columns(*(read.file_column, read.label_columns) if read else (chosen.file, (chosen.label,)))

    def _show_hint(self, *, is_open: bool) -> None:
        closed = Message("The folder, the part of the name or the column that gives the class.")
        self._hint.setText(tr(Message("Click what gives the class; its images follow below.") if is_open else closed))

    def _on_toggled(self, is_open: bool) -> None:
        self._show_hint(is_open=is_open)
        if self.needs_tables:
            self.opened.emit()

    def _reset(self) -> None:
        self.chosen.emit(AUTOMATIC)

    def _on_chosen(self, choice: LabelChoice) -> None:
        """Emit a choice; boxes and images without labels are of the same table as before."""
        if (choice.takes_marks or choice.is_unlabelled) and self._choice.is_of_table:
            choice = replace(choice, table=self._choice.table, file=self._choice.file)
        self.chosen.emit(choice)

    def _on_column_chosen(self, title: str) -> None:
        assert self._heads
        head = self._heads[self.table_box.currentIndex()]
        is_same = self._choice.is_of_table and self._choice.table in ("", head.name)
        before = self._choice if is_same else AUTOMATIC
        file, label = before.file, title
        if self.click_means.value() == "file":
            file, label = title, before.label
            self.click_means.choose("label")
            label = "" if label == title else label
        choice = LabelChoice(
            table=head.name if len(self._heads) > 1 else "",
            file="" if file == label else file,
            label=label,
            separator=before.separator,
        )
        self.chosen.emit(choice)

    def _on_separator_chosen(self, sign: str) -> None:
        self.separator_edit.setVisible(sign == _OTHER)
        if sign == _OTHER:
            self.separator_edit.setFocus()
        elif sign != self._choice.separator:
            self.chosen.emit(replace(self._choice, separator=sign))

    def _on_separator_typed(self) -> None:
        sign = self.separator_edit.text()
        if sign != self._choice.separator and self.separators.value() == _OTHER and sign:
            self.chosen.emit(replace(self._choice, separator=sign))


def _paths(preview: "ImportPreview", base: Path) -> list[PurePath]:
    """Return paths of images below the source, those without labels first: they lie apart from each other."""
    readings = reversed(preview.readings)
    found = (path for each in readings for splits in each.examples().values() for path in chain(*splits.values()))
    return [path.relative_to(base) for path in islice(found, _LOOKED_AT) if path.is_relative_to(base)]


def _is_label_missing(first: Interpretation, choice: LabelChoice) -> bool:
    """Return whether a label file has labels, and none are taken for want of a choice."""
    is_chosen = choice.is_unlabelled or choice.takes_marks or bool(first.label_columns)
    return not is_chosen and (first.lacks_labels or first.has_only_marks)


def _equal_choice(preview: "ImportPreview", choice: LabelChoice) -> LabelChoice:
    """Return the choice that gives the labels of a preview; automatic where there is none."""
    if choice != AUTOMATIC and preview.reading == 1:
        return choice
    summary = preview.readings[preview.reading - 1]
    first = next(iter(preview.interpretations), None)
    if summary.choice != AUTOMATIC:
        return summary.choice
    if not summary.classes and preview.reading > 1:
        return LabelChoice(is_unlabelled=True)
    if first is not None and len(first.label_columns) == 1:
        return LabelChoice(label=first.label_columns[0])
    return LabelChoice(takes_marks=True) if first is not None and first.is_from_marks else AUTOMATIC


def _has_one_label(choice: LabelChoice) -> bool:
    """Return whether a choice gives one text as the label, which may hold several classes."""
    return bool(choice.class_folder or choice.label) or choice.name_part is not None
