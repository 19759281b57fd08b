"""The preview of an import, to inspect, correct and confirm; and the progress of the import.

Depends on Qt and plain data only.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QComboBox, QHBoxLayout, QStackedWidget, QWidget

from gui.home.found_classes import FoundClasses
from gui.home.import_report import LeftOutTable, warning_words
from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, choice_box, column, row, scrolling, text, widget_of
from gui.kit.progress import ProgressBar, progress_text
from gui.kit.tiles import StatTile
from gui.kit.translation import tr
from models.messages import Message, listed
from visionft.amounts import size_text
from visionft.events import Progress
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice

if TYPE_CHECKING:
    from visionft.project.formats.listing import Interpretation
    from visionft.project.importing.import_filter import ImportPreview

_MOST = 6
# Sources of the classes other than one column.
_NOTHING, _EACH_COLUMN, _WHOLE, _MARKS = "\0nothing", "\0each", "\0whole", "\0marks"


class ReadingLine(QWidget):
    """Shows the interpretation of a source; `chosen` emits the user's correction."""

    chosen = Signal(object)  # ColumnChoice

    def __init__(self) -> None:
        super().__init__()
        self._choice = AUTOMATIC
        self.words = text("", "muted", wrap=True)
        self.file_box = choice_box("Column that names the images")
        self.label_box = choice_box("What gives the classes")
        self.label_box.setPlaceholderText(tr("Choose"))
        for box in (self.file_box, self.label_box):
            box.setMaximumWidth(theme.scaled(320))
            box.activated.connect(self._choose)
        self._file_title, title = text("Images", "small"), text("Classes", "small")
        choices = row(self._file_title, self.file_box, title, self.label_box, None, spacing=theme.MEDIUM)
        choices.setContentsMargins(0, theme.TIGHT, 0, 0)
        self._choices = widget_of(choices)
        words = column(self.words, self._choices, spacing=theme.HAIR)
        icon = column(IconLabel("info", tone="muted"), None)
        self.setLayout(row(icon, words, spacing=theme.SMALL, grows=1))

    def show_reading(self, interpretations: "Sequence[Interpretation]", choice: ColumnChoice) -> None:
        self._choice = choice
        sentences = dict.fromkeys(words for each in interpretations for words in _sentences(each))
        self.words.setText(" ".join(sentences))
        self.setVisible(bool(self.words.text()))
        first = interpretations[0] if interpretations else None
        is_table = first is not None and len(first.columns) > 1 and not first.format
        sources = _label_sources(interpretations, choice) if first is not None else []
        for widget in (self._file_title, self.file_box):
            widget.setVisible(is_table)
        if first is not None:
            _fill(self.file_box, [(name, name) for name in first.columns], first.file_column)
            _fill(self.label_box, sources, _label_source(first, choice))
        self._choices.setVisible(bool(sources))

    def fault(self) -> str:
        """Return the missing choice of the user; empty for none."""
        is_open = self._choices.isVisibleTo(self) and self.label_box.currentIndex() < 0
        return tr("Say first what gives the classes.") if is_open else ""

    def _choose(self) -> None:
        source: str = self.label_box.currentData() or ""
        file = self.file_box.currentData() if self.file_box.isVisibleTo(self) else ""
        label = "" if source.startswith("\0") else source
        choice = ColumnChoice(file=file, label=label, is_unlabelled=source == _NOTHING, takes_marks=source == _MARKS)
        if choice != self._choice:
            self.chosen.emit(choice)


def _label_sources(interpretations: "Sequence[Interpretation]", choice: ColumnChoice) -> list[tuple[str, str]]:
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
    return [*sources, (tr("nothing: no labels"), _NOTHING)]


def _label_source(first: "Interpretation", choice: ColumnChoice) -> str:
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


def _sentences(each: "Interpretation") -> list[str]:
    """Return the interpretation, its assumptions beyond the file's own information, and the ignored files."""
    words: list[str] = []
    if each.format:
        words.append(tr("{file} is read as {format}.", file=each.file.name, format=each.format))
    elif each.columns:
        words.append(tr("{file} is read as a table.", file=each.file.name))
        if len(each.label_columns) > 1:
            words.append(tr("Classes are the columns {names}.", names=listed(each.label_columns, _MOST)))
    elif each.class_folders:
        words.append(tr("Classes are the folders {names}.", names=listed(each.class_folders, _MOST)))
    if each.is_from_marks:
        words.append(tr("Every class that is marked in an image is a label of it."))
    elif each.has_only_marks:
        words.append(tr("Images with boxes or shapes, and no class as a whole: {count}.", count=each.marked))
    elif each.marked:
        words.append(tr("Images with boxes or shapes, whose classes are not taken: {count}.", count=each.marked))
    elif each.columns and not each.label_columns:
        words.append(tr("No column gives the class."))
    if each.split_column:
        words.append(tr("“{name}” gives the splits.", name=each.split_column))
    if each.split_folders:
        words.append(tr("Splits are the folders {names}.", names=listed(each.split_folders, _MOST)))
    if each.unlabelled_folders:
        words.append(tr("Images in the folders {names} have no class.", names=listed(each.unlabelled_folders, _MOST)))
    if each.separator:
        words.append(tr("In a cell, “{sign}” separates several classes.", sign=each.separator))
    if each.found_elsewhere:
        words.append(tr("Images found by name in another folder: {count}.", count=each.found_elsewhere))
    if each.unread:
        words.append(tr("Not read, though they may hold labels: {names}.", names=listed(each.unread, _MOST)))
    if each.foreign:
        words.append(tr("{tool}'s labels lie there, which cannot be read.", tool=each.foreign))
    return words


class ImportProgress(QWidget):
    """The current stage of the work on the source, its progress, and a cancel button."""

    def __init__(self) -> None:
        super().__init__()
        self._title = text("", "heading")
        self._stage = text("", "muted")
        self._bar = ProgressBar()
        self.cancel_button = Button("Cancel", "stop")
        card = Card(margin=theme.HUGE, spacing=theme.MEDIUM)
        card.setMaximumWidth(theme.scaled(560))
        card.body.addLayout(row(IconLabel("import", size=22, tone="accent"), self._title, None))
        card.body.addWidget(self._bar)
        card.body.addLayout(row(self._stage, None, self.cancel_button))
        middle = row(None, card, None)
        middle.setStretch(1, 4)
        self.setLayout(column(None, middle, None))

    def show_title(self, title: str) -> None:
        self._title.setText(tr(title))
        self._stage.setText(tr("Starting"))
        self._bar.show_progress(0, 0)
        self.cancel_button.setEnabled(True)
        self.cancel_button.setText(tr("Cancel"))

    def show_progress(self, progress: Progress) -> None:
        self._bar.show_progress(progress.done, progress.total)
        self._stage.setText(progress_text(progress))

    def show_stopping(self) -> None:
        self.cancel_button.setEnabled(False)
        self.cancel_button.setText(tr("Stopping"))


class ImportPreviewPanel(QStackedWidget):
    """The progress, then the preview."""

    confirmed = Signal()
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preview: ImportPreview  # once one is shown
        self.progress = ImportProgress()
        self.progress.cancel_button.clicked.connect(self.cancelled)
        self.import_button = Button("Import", "import", role="primary", on_click=self.confirmed.emit)
        self.cancel_button = Button("Cancel", on_click=self.cancelled.emit)
        self.copy_box = QCheckBox(tr("Copy the images into the project"))
        self.copy_box.setToolTip(tr("Then they may be moved or deleted where they are now"))
        self.classes = FoundClasses()
        self.classes.changed.connect(self._show_count)
        self.reading = ReadingLine()
        self.table = LeftOutTable()
        self._title, self._place = ElidedLabel("", "title"), ElidedLabel("", "muted")
        self._facts = text("", "muted", wrap=True)
        self.tiles = {
            "new": StatTile(Message("New images"), "pictures"),
            "classes": StatTile(Message("Classes"), "layers"),
            "duplicates": StatTile(Message("Duplicates"), "copy"),
            "unreadable": StatTile(Message("Cannot be read"), "warning"),
        }
        words = column(self._title, self._place, 2, self.copy_box, spacing=theme.HAIR)
        head = row(words, self.cancel_button, self.import_button, grows=0)
        head.setSpacing(theme.MEDIUM)
        classes = Card(margin=theme.LARGE)
        classes.body.addWidget(self.classes)
        self._left_out = Card(margin=theme.LARGE)
        self._left_out_title = text("", "heading")
        self._left_out.body.addWidget(self._left_out_title)
        stay = text("These files stay where they are; nothing is done to them.", "small", wrap=True)
        self._left_out.body.addWidget(stay)
        self._left_out.body.addWidget(self.table, 1)
        self._lower = QHBoxLayout()
        self._lower.setSpacing(theme.LARGE)
        self._lower.addWidget(classes, 3)
        self._lower.addWidget(self._left_out, 2)
        tiles = row(*self.tiles.values(), spacing=theme.LARGE)
        found = column(tiles, self.reading, self._facts, self._lower, spacing=theme.LARGE, grows=3)
        found.setContentsMargins(theme.HUGE, theme.LARGE, theme.HUGE, theme.HUGE)
        for table in (self.classes.table, self.table):
            table.setMinimumHeight(theme.scaled(130))  # a heading and two lines and a half: then the page scrolls
        head.setContentsMargins(theme.HUGE, theme.LARGE + theme.TIGHT, theme.HUGE, 0)
        page = widget_of(column(head, scrolling(found), spacing=0))
        self.addWidget(self.progress)
        self.addWidget(page)

    def show_preview(
        self, preview: "ImportPreview", *, known: list[str], can_copy: bool, choice: ColumnChoice = AUTOMATIC
    ) -> None:
        """Show a preview. `known` are the classes already in the project."""
        self.preview = preview
        self._title.setText(tr("Import from {name}", name=preview.path.name))
        self._place.setText(str(preview.path))
        self.copy_box.setVisible(can_copy)
        self.classes.show_classes(preview.classes, preview.unlabelled, known)
        self.reading.show_reading(preview.interpretations, choice)
        found = len(preview.classes)
        size = size_text(preview.bytes) if preview.new else tr("nothing new")
        self.tiles["new"].show_figure(f"{preview.new:,}", size)
        unlabelled = tr("{count} image without a class", "{count} images without a class", count=preview.unlabelled)
        named = tr("every image has a class") if found else tr("none named") if preview.new else tr("nothing new")
        self.tiles["classes"].show_figure(f"{found:,}", unlabelled if preview.unlabelled else named)
        bad = len(preview.unreadable)
        skipped = tr("{count} other files passed over", count=f"{len(preview.skipped):,}")
        note = skipped if preview.skipped else tr("see below why") if bad else tr("none")
        self.tiles["unreadable"].show_figure(f"{bad:,}", note)
        count = self.table.show_files(preview, base=f"{preview.path}{os.sep}")
        self._left_out.setVisible(count > 0)
        self._left_out_title.setText(tr("{count} file is left out", "{count} files are left out", count=count))
        self._show_count()
        self.setCurrentIndex(1)
        (self.reading.label_box if self.reading.fault() else self.import_button).setFocus()

    def _show_count(self) -> None:
        """Show the number of images to import, and of those in several classes, under the new names."""
        preview, named = self.preview, self.classes.class_map()
        several = [{named.get(name, name) for name in conflict.classes} - {None} for conflict in preview.conflicts]
        conflicts = sum(len(names) > 1 for names in several)
        known = len(preview.duplicates)
        once = tr("imported only once") if known else tr("none")
        note = tr("{count} in several classes", count=f"{conflicts:,}") if conflicts else once
        self.tiles["duplicates"].show_figure(f"{known:,}", note)
        words = Message("In several classes: {count}. They have no label until you decide which is correct.")
        undecided = tr(words, count=f"{conflicts:,}") if conflicts else ""
        self._facts.setText(" ".join(filter(None, (_facts(preview), undecided, *warning_words(preview.warnings)))))
        self._facts.setVisible(bool(self._facts.text()))
        left_out = self.classes.left_out_count() if not preview.multi_label_images else 0
        count = preview.new - left_out
        title = tr("Import {count} image", "Import {count} images", count=count) if count > 0 else tr("Import")
        self.import_button.setText(title)
        nothing = "" if count > 0 or known else tr("There is nothing new to import.")
        reason = self.reading.fault() or self.classes.fault() or nothing
        self.import_button.setEnabled(not reason)
        self.import_button.setToolTip(reason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the files left out below the classes where there is no room beside them."""
        is_wide = event.size().width() >= theme.scaled(900)
        self._lower.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)


def _facts(preview: "ImportPreview") -> str:
    parts: list[str] = []
    if preview.smallest and preview.largest:
        small, large = (f"{width:,} x {height:,}" for width, height in (preview.smallest, preview.largest))
        sizes = tr("All images have {size} pixels.", size=small)
        parts.append(sizes if small == large else tr("From {small} to {large} pixels.", small=small, large=large))
    names = {"train": "training", "val": "validation", "test": "test"}
    given = [f"{preview.splits[key]:,} {tr(name)}" for key, name in names.items() if preview.splits.get(key)]
    if given:
        parts.append(tr("Divided by the source: {splits}.", splits=", ".join(given)))
    if preview.multi_label_images:
        count = preview.multi_label_images
        parts.append(tr("{count} image has several classes.", "{count} images have several classes.", count=count))
    return " ".join(parts)
