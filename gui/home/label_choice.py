"""What gives the labels of a source: the ways to understand it, and the user's own choice.

Depends on Qt and plain data only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QBoxLayout, QButtonGroup, QComboBox, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.fold import FoldButton
from gui.kit.parts import Button, IconLabel, choice_box, clear, column, row, text, widget_of
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from visionft.core.messages import Message, Text, listed
from visionft.project.formats.image_table import AUTOMATIC_CHOICE, ImageTable, Interpretation, LabelChoice
from visionft.project.importing.folder_names import name_part, name_parts

if TYPE_CHECKING:
    from visionft.project.importing.preview import ImportPreview

_MAX_SAMPLED_PATHS = 400  # image paths whose folders and parts of names are offered as choices
_MAX_NAME_PARTS = 8  # parts of a file name to choose the class from
_SHOWN_NAMES = 3  # of a choice
_SIGNS: dict[str, Text] = {
    "": Message("Automatic"),
    ",": ",",
    ";": ";",
    "|": "|",
    "/": "/",
    "+": "+",
    " ": Message("Space"),
}


class ReadingTiles(QWidget):
    """The readings of a source, each with its evidence; `chosen` emits the number of one, from 1 on."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Ways to understand the source"))
        self.tiles: list[ActionTile] = []
        self._texts: list[tuple[Message, Message]] = []
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

    def show_readings(self, readings: Sequence[ImageTable], number: int, doubt: str = "") -> None:
        """Show the readings with reading `number` chosen; `doubt` is the question to the user."""
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


class _Option(NamedTuple):
    """A choice of the labels in a list."""

    words: str
    choice: LabelChoice
    equal: tuple[LabelChoice, ...] = ()  # choices that mean the same for this source


class LabelChoiceForm(QWidget):
    """The folders, part of the file names or column that gives the labels; `chosen` emits a `LabelChoice`."""

    chosen = Signal(object)  # LabelChoice

    def __init__(self) -> None:
        super().__init__()
        self._source = Path()
        self._choice = AUTOMATIC_CHOICE
        self._is_question_open = False
        self._options: list[_Option | None] = []  # None for a line between two groups
        self._tables: dict[str, Sequence[str]] = {}  # {table: titles of its columns}
        self.class_box = self._box("The class")
        self.class_box.setPlaceholderText(tr("Choose"))
        self.image_box = self._box("The image")
        self.separator_box = self._box("Between several classes")
        self.separator_box.addItems([tr(words) for words in _SIGNS.values()])
        self.class_box.activated.connect(self._on_class_chosen)
        self.image_box.activated.connect(self._on_image_chosen)
        self.separator_box.activated.connect(self._on_separator_chosen)
        self._image = widget_of(column(text("The image", "caption"), self.image_box, spacing=theme.TIGHT))
        self._separator = widget_of(
            column(text("Between several classes", "caption"), self.separator_box, spacing=theme.TIGHT)
        )
        body = widget_of(
            column(
                column(text("The class", "caption"), self.class_box, spacing=theme.TIGHT), self._image, self._separator
            )
        )
        self.fold_button = FoldButton("Choose it yourself", body)
        self.reset_button = Button("As proposed at first", "undo", role="quiet", on_click=self._reset)
        self.setLayout(column(row(self.fold_button, None), body, row(self.reset_button, None), spacing=theme.TIGHT))

    @staticmethod
    def _box(name: Text) -> QComboBox:
        box = choice_box(name, min_chars=12)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return box

    def show_preview(
        self, preview: "ImportPreview", choice: LabelChoice, *, base: Path, is_decided: bool, is_sure: bool
    ) -> None:
        """Show the choices that a source offers, the current one selected.

        Args:
            choice: The user's choice that gave the preview.
            base: The folder of the source's files.
            is_decided: Whether the user chose the shown reading.
            is_sure: Whether a new source is understood; else the form is opened for it.
        """
        first = preview.interpretations[0] if preview.interpretations else None
        self._is_question_open = not is_decided and first is not None and _is_label_missing(first, choice)
        if preview.path != self._source:
            self._source, self._tables = preview.path, {}
            self.fold_button.setChecked(not is_sure)
        self._tables |= _tables(preview, base)  # keep the tables read for other choices
        self.reset_button.setVisible(choice != AUTOMATIC_CHOICE)
        self._show_options(preview, base, takes_marks=choice.takes_marks)
        self.show_choice(_equal_choice(preview, choice))

    def _show_options(self, preview: "ImportPreview", base: Path, *, takes_marks: bool) -> None:
        paths = _paths(preview, base) if base != preview.path.parent else []
        has_marks = takes_marks or any(each.marked or each.has_only_marks for each in preview.interpretations)
        others = [_Option(tr("Every class, also of boxes and shapes"), LabelChoice(takes_marks=True))] * has_marks
        others.append(_Option(tr("No labels"), LabelChoice(is_unlabelled=True)))
        groups = (_folders(paths), _parts_of_names(paths), _columns(self._tables), others)
        self._options = []
        self.class_box.clear()
        for group in filter(None, map(list, groups)):
            if self._options:
                self._options.append(None)
                self.class_box.insertSeparator(self.class_box.count())
            self._options += group
            self.class_box.addItems([option.words for option in group])

    def show_choice(self, choice: LabelChoice) -> None:
        """Select a choice, also before there is its preview."""
        self._choice = choice
        wanted = replace(choice, file="", separator="")
        wanted = wanted if wanted.label else replace(wanted, table="")
        places = [place for place, each in enumerate(self._options) if each and _has(each, wanted)]
        self.class_box.setCurrentIndex(places[0] if places and not self._is_question_open else -1)
        titles = self._titles(choice)
        self._image.setVisible(len(titles) > 1)
        self.image_box.clear()
        self.image_box.addItems([tr("Automatic"), *titles])
        self.image_box.setCurrentIndex(titles.index(choice.file) + 1 if choice.file in titles else 0)
        self._separator.setVisible(bool(choice.class_folder or choice.label) or choice.name_part is not None)
        self.separator_box.setCurrentIndex([*_SIGNS].index(choice.separator) if choice.separator in _SIGNS else -1)

    def fault(self) -> str:
        """Return the missing choice of the user; empty for none."""
        return tr("Choose what gives the classes, or the images without labels.") if self._is_question_open else ""

    def _titles(self, choice: LabelChoice) -> list[str]:
        """Return the titles of the table whose column a choice takes, but for that; empty for other choices."""
        fitting = (titles for name, titles in self._tables.items() if choice.table in ("", name))
        found = next((titles for titles in fitting if choice.label in titles), ())
        return [title for title in found if title != choice.label]

    def _reset(self) -> None:
        self.chosen.emit(AUTOMATIC_CHOICE)

    def _on_class_chosen(self, place: int) -> None:
        """Emit a choice; boxes and images without labels are of the same table as before."""
        option = self._options[place]
        assert option is not None  # a line between two groups cannot be chosen
        choice, before = option.choice, self._choice
        if (choice.takes_marks or choice.is_unlabelled) and before.is_of_table:
            choice = replace(choice, table=before.table, file=before.file)
        elif choice.label and choice.table == before.table and choice.label != before.file:
            choice = replace(choice, file=before.file, separator=before.separator)
        self._is_question_open = False
        self.chosen.emit(choice)

    def _on_image_chosen(self, place: int) -> None:
        self.chosen.emit(replace(self._choice, file=self.image_box.itemText(place) if place else ""))

    def _on_separator_chosen(self, place: int) -> None:
        self.chosen.emit(replace(self._choice, separator=[*_SIGNS][place]))


def _has(option: _Option, choice: LabelChoice) -> bool:
    """Return whether an option means a choice; a choice without a table is of any that has its column."""
    return choice in (option.choice, *option.equal) or choice == replace(option.choice, table="")


def _paths(preview: "ImportPreview", base: Path) -> list[PurePath]:
    """Return paths of images below the source of the usual depth, those without labels first: they lie apart."""
    readings = reversed(preview.readings)
    found = (path for each in readings for splits in each.examples().values() for path in chain(*splits.values()))
    paths = [path.relative_to(base) for path in islice(found, _MAX_SAMPLED_PATHS) if path.is_relative_to(base)]
    depths = [len(path.parts) for path in paths]
    usual = max(set(depths), key=depths.count, default=0)
    return list(dict.fromkeys(path for path, depth in zip(paths, depths, strict=True) if depth == usual))


def _folders(paths: Sequence[PurePath]) -> Iterator[_Option]:
    """Yield the levels of folders of images; the last one holds the images, in sources of several depths, too."""
    levels = len(paths[0].parts) - 1 if paths else 0
    for level in range(1, levels + 1):
        names = listed(list(dict.fromkeys(path.parts[level - 1] for path in paths)), _SHOWN_NAMES)
        from_source, from_image = LabelChoice(class_folder=level), LabelChoice(class_folder=level - levels - 1)
        if level == levels:
            yield _Option(tr("Folders of the images: {names}", names=names), from_image, (from_source,))
        else:
            words = tr("Folders of level {level}: {names}", level=level, names=names)
            yield _Option(words, from_source, (from_image,))


def _parts_of_names(paths: Sequence[PurePath]) -> Iterator[_Option]:
    """Yield the parts of the file names that differ, counted from 1 on, then the names without their numbers."""
    stems = [path.stem for path in paths]
    count = max(map(len, map(name_parts, stems)), default=0)
    for number in range(1, min(count, _MAX_NAME_PARTS) + 1 if count > 1 else 1):
        names = list(dict.fromkeys(filter(None, (name_part(stem, number) for stem in stems))))
        words = tr("Part {number} of the file names: {names}", number=number, names=listed(names, _SHOWN_NAMES))
        yield _Option(words, LabelChoice(name_part=number), (LabelChoice(name_part=number - count - 1),))
    words_alone = list(dict.fromkeys(name_part(stem, 0) for stem in stems))
    if words_alone != list(dict.fromkeys(stems)) and any(any(map(str.isalpha, each)) for each in words_alone):
        names = listed(words_alone, _SHOWN_NAMES)
        yield _Option(tr("File names without their numbers: {names}", names=names), LabelChoice(name_part=0))


def _tables(preview: "ImportPreview", base: Path) -> dict[str, Sequence[str]]:
    """Return {label file, within the source: titles of its columns or fields}."""
    every = chain(preview.interpretations, *(each.interpretations for each in preview.readings))
    return {each.file.relative_to(base).as_posix(): each.columns for each in every if each.columns}


def _columns(tables: dict[str, Sequence[str]]) -> Iterator[_Option]:
    """Yield the columns of label files; a column of all of them is one choice."""
    for title in dict.fromkeys(chain(*tables.values())):
        files = [name for name, titles in tables.items() if title in titles]
        for group in [files] if len(files) == len(tables) else [[name] for name in files]:
            words = tr("Column {column} of {file}", column=title, file=listed(group, _SHOWN_NAMES))
            table = group[0] if len(tables) > 1 and len(group) == 1 else ""
            yield _Option(words, LabelChoice(table=table, label=title))


def _is_label_missing(first: Interpretation, choice: LabelChoice) -> bool:
    """Return whether a label file has labels, and none are taken for want of a choice."""
    is_chosen = choice.is_unlabelled or choice.takes_marks or bool(first.label_columns)
    return not is_chosen and (first.lacks_labels or first.has_only_marks)


def _equal_choice(preview: "ImportPreview", choice: LabelChoice) -> LabelChoice:
    """Return the choice that gives the labels of a preview; else automatic."""
    if choice != AUTOMATIC_CHOICE and preview.reading == 1:
        return choice
    table = preview.readings[preview.reading - 1]
    first = next(iter(preview.interpretations), None)
    if table.choice != AUTOMATIC_CHOICE:
        return table.choice
    if not table.classes and preview.reading > 1:
        return LabelChoice(is_unlabelled=True)
    if first is not None and len(first.label_columns) == 1:
        return LabelChoice(label=first.label_columns[0])
    return LabelChoice(takes_marks=True) if first is not None and first.is_from_marks else AUTOMATIC_CHOICE
