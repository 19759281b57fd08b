"""The preview of an import, to inspect, correct and confirm; and the progress of the import.

Depends on Qt and plain data only.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QStackedWidget, QVBoxLayout, QWidget

from gui.home import new_project
from gui.home.found_classes import Examples, FoundClasses
from gui.home.import_report import LeftOutCard, warning_words
from gui.home.label_choice import LabelChoiceForm, ReadingTiles
from gui.home.new_project import ProjectForm, free_path
from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, row, scrolling, text, widget_of
from gui.kit.progress import ProgressBar, progress_text
from gui.kit.translation import tr
from visionft.core.amounts import size_text
from visionft.core.events import Progress
from visionft.core.messages import Message
from visionft.data.image_reading import AS_STORED
from visionft.project.formats.image_table import AUTOMATIC_CHOICE, LabelChoice, notes_on
from visionft.project.image_window import reading_text

if TYPE_CHECKING:
    from visionft.project.importing.preview import ImportPreview


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
    """The progress, then the preview: how the source is understood, beside its classes with their images."""

    confirmed = Signal()
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preview: ImportPreview  # once one is shown
        self._named: Path | None = None  # the source that the proposed name of a project is of
        self._known: list[str] = []
        self._is_waiting = False
        self.progress = ImportProgress()
        self.progress.cancel_button.clicked.connect(self.cancelled)
        self.import_button = Button("Import", "import", role="primary", on_click=self.confirmed.emit)
        self.cancel_button = Button("Cancel", on_click=self.cancelled.emit)
        self.copy_box = QCheckBox(tr("Copy the images into the project"))
        self.copy_box.setToolTip(tr("Then they may be moved or deleted where they are now"))
        self.replace_box = QCheckBox(tr("Replace imported labels by those of this source"))
        self.replace_box.setToolTip(tr("Labels that you gave yourself stay; undo brings the imported ones back"))
        self.replace_box.toggled.connect(lambda _is_on: self._show_count())
        self.project_form = ProjectForm(is_brief=True)
        self.project_form.changed.connect(self._show_count)
        self.readings, self.choice = ReadingTiles(), LabelChoiceForm()
        self.notes = text("", "muted", wrap=True)
        self.classes, self.left_out = FoundClasses(), LeftOutCard()
        self.classes.changed.connect(self._show_count)
        self._title, self._place = ElidedLabel("", "title"), ElidedLabel("", "muted")
        self._facts = text("", "muted", wrap=True)
        self.warnings = text("", wrap=True, tone="warn")
        words = column(self._title, self._place, spacing=theme.HAIR)
        top = row(words, self.cancel_button, self.import_button, spacing=theme.MEDIUM, grows=0)
        head = column(top, self.copy_box, self.replace_box, spacing=theme.TIGHT)
        head.setContentsMargins(theme.HUGE, theme.LARGE + theme.TIGHT, theme.HUGE, 0)
        self._project, self._understood = Card(margin=theme.MEDIUM), Card(margin=theme.MEDIUM)
        self._project.add(text("New project", "heading"), self.project_form)
        classes = Card(margin=theme.LARGE)
        heading = text("Understood as", "heading")
        self._understood.add(heading, self.readings, self.choice, self.notes, self.warnings, self._facts)
        classes.body.addWidget(self.classes)
        self._side = QVBoxLayout()
        side = column(self._project, self._understood, self._side, None, spacing=theme.LARGE)
        self._found = row(side, classes, spacing=theme.LARGE, grows=1)
        self._below = QVBoxLayout()
        self._below.addWidget(self.left_out)  # of no layout it would be a window
        found = column(self._found, self._below, spacing=theme.LARGE, grows=0)
        found.setContentsMargins(theme.HUGE, theme.LARGE, theme.HUGE, theme.HUGE)
        self.classes.table.setMinimumHeight(theme.scaled(240))  # a heading and a few lines: then the page scrolls
        self.addWidget(self.progress)
        self.addWidget(widget_of(column(head, scrolling(found), spacing=0)))

    def show_preview(
        self,
        preview: "ImportPreview",
        *,
        known: list[str],
        can_copy: bool,
        is_new: bool = False,
        base: Path,
        choice: LabelChoice = AUTOMATIC_CHOICE,
        is_chosen: bool = False,
        is_changed: bool = False,
    ) -> None:
        """Show a preview.

        Args:
            known: The classes in the project.
            base: The folder of the source's files.
            choice: What the user chose as the labels.
            is_new: Whether a project is created with the import.
            is_chosen: Whether the user chose this reading.
            is_changed: Whether it has a label file that changed since its import: its labels replace the imported ones.
        """
        is_same = self._is_waiting and preview.path == self.preview.path
        self.preview, self._known, self._is_waiting = preview, known, False
        self._project.setVisible(is_new)
        self._title.setText(tr("Import from {name}", name=preview.path.name))
        self._place.setText(str(preview.path))
        self.copy_box.setVisible(can_copy)
        self.replace_box.setVisible((is_changed or bool(preview.conflicts)) and not is_new)
        if not is_same:
            with QSignalBlocker(self.replace_box):
                self.replace_box.setChecked(is_changed)
        self.classes.show_classes(preview, known, self._examples(preview.reading), keeps_names=is_same)
        notes = notes_on(preview.interpretations)
        self.notes.setText(" ".join(map(tr, notes)))
        self.notes.setVisible(bool(notes))
        is_unsure = preview.reading > 1 and not is_chosen
        is_found = not is_unsure and bool(preview.readings[preview.reading - 1].classes)
        is_sure = is_found or is_chosen or choice != AUTOMATIC_CHOICE
        self.choice.show_preview(preview, choice, base=base, is_decided=is_chosen, is_sure=is_sure)
        unsure = Message("No labels are certain enough to import. Choose a proposal if its images are right.")
        doubt = self.choice.fault() or (tr(unsure) if is_unsure else "")
        self.readings.show_readings(preview.readings, preview.reading, doubt)
        for one, other in pairwise((self.copy_box, *self.readings.tiles)):
            self.setTabOrder(one, other)
        self.left_out.show_files(preview, base=f"{preview.path}{os.sep}")
        if is_new:
            self._propose_project()
        self._show_count()
        self.setCurrentIndex(1)
        if not is_same or self.window().focusWidget() is None:
            (self.choice.class_box if self.choice.fault() else self.import_button).setFocus()

    def _propose_project(self) -> None:
        """Name the project after the source, once; its job follows the labels."""
        preview = self.preview
        folder = new_project.projects_folder()
        source = preview.path
        if self._named != source:
            self._named = source
            name = source.stem if source.is_file() else source.name
            self.project_form.propose(folder, free_path(folder, name).name)
        self.project_form.choose_task("multi" if preview.multi_label_images else "single")

    def _examples(self, number: int) -> Examples:
        """Return the examples of a reading that are new images."""
        facts, examples = self.preview.known_facts, self.preview.readings[number - 1].examples()
        return {
            name: {split: tuple(path for path in paths if path in facts) for split, paths in splits.items()}
            for name, splits in examples.items()
        }

    def show_reading(self, number: int) -> None:
        """Show the classes and images of another reading at once; its exact figures follow with its preview."""
        reading = self.preview.readings[number - 1]
        self.classes.show_classes(reading, self._known, self._examples(number))
        self.readings.show_readings(self.preview.readings, number)
        self._wait()

    def show_choice(self, choice: LabelChoice) -> None:
        """Mark a choice of the user; its classes and images follow with its preview."""
        self.choice.show_choice(choice)
        self._wait()

    def _wait(self) -> None:
        self._is_waiting = True
        self.import_button.clearFocus()  # disabled, it would give the focus to a neighbor
        self.import_button.setEnabled(False)
        self.import_button.setToolTip(tr("Checking the images of this choice."))

    @property
    def replaces_labels(self) -> bool:
        return not self.replace_box.isHidden() and self.replace_box.isChecked()

    def _show_count(self) -> None:
        """Show the number of images to import, and of those in several classes, under the new names."""
        preview = self.preview
        named = self.classes.class_map()
        several = [{named.get(name, name) for name in conflict.classes} - {None} for conflict in preview.conflicts]
        conflicts = sum(len(names) > 1 for names in several)
        words = Message("In several classes: {count}. They have no label until you decide which is correct.")
        undecided = tr(words, count=f"{conflicts:,}") if conflicts and not self.replaces_labels else ""
        for label, parts in (
            (self._facts, (_facts(preview),)),
            (self.warnings, (undecided, *warning_words(preview.warnings))),
        ):
            label.setText("\n".join(filter(None, parts)))
            label.setVisible(bool(label.text()))
        left_out = self.classes.left_out_count() if not preview.multi_label_images else 0
        count = preview.new - left_out
        is_new = not self._project.isHidden()
        words = Message("Import {count} image", "Import {count} images", count=count)
        if is_new:
            words = Message("Create project with {count} image", "Create project with {count} images", count=count)
        if count <= 0:
            change = Message("Change {count} label", "Change {count} labels", count=conflicts)
            words = change if conflicts and self.replaces_labels else Message("Import")
        self.import_button.setText(tr(words))
        nothing = "" if count > 0 or preview.duplicates else tr("There is nothing new to import.")
        unnamed = self.project_form.fault() if is_new else ""
        reason = self.choice.fault() or self.classes.fault() or nothing or unnamed
        self.import_button.setEnabled(not reason)
        self.import_button.setToolTip(reason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the readings above the classes where there is no room beside them."""
        is_wide = event.size().width() >= theme.scaled(900)
        self._found.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        (self._side if is_wide else self._below).addWidget(self.left_out)
        self.readings.set_wide(not is_wide)
        width = max(theme.scaled(300), min(event.size().width() // 4, theme.scaled(420)))
        for card in (self._project, self._understood, self.left_out):
            card.setMinimumWidth(width if is_wide else 0)
            card.setMaximumWidth(width if is_wide else 16777215)
        super().resizeEvent(event)


def _facts(preview: "ImportPreview") -> str:
    size = size_text(preview.bytes)
    counted = tr("{count} new image, {size}.", "{count} new images, {size}.", count=preview.new, size=size)
    parts = [counted] if preview.new else []
    if preview.smallest and preview.largest:
        small, large = (f"{width:,} x {height:,}" for width, height in (preview.smallest, preview.largest))
        sizes = tr("All images have {size} pixels.", size=small)
        parts.append(sizes if small == large else tr("From {small} to {large} pixels.", small=small, large=large))
    if preview.image_reading != AS_STORED:
        parts.append(tr(reading_text(preview.image_reading)))
    if preview.multi_label_images:
        count = preview.multi_label_images
        parts.append(tr("{count} image has several classes.", "{count} images have several classes.", count=count))
    return " ".join(parts)
