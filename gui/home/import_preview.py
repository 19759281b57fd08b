"""What an import would bring in, to look through, correct and confirm; and how far it is.

Knows Qt and plain data only.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QHBoxLayout, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from gui.home.found_classes import FoundClasses
from gui.home.left_out import LeftOutTable
from gui.home.reading import ReadingLine
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, column, row, scrolling, text
from gui.kit.progress_text import progress_text
from gui.kit.tiles import StatTile
from visionft.amounts import size_text
from visionft.events import Progress
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice

if TYPE_CHECKING:
    from visionft.project.importing.preview import ImportPreview

_SPLITS = (("train", "training"), ("val", "validation"), ("test", "test"))
_LEAST_TABLE_PX = 130  # a heading and two lines and a half: then the page scrolls


class ImportProgress(QWidget):
    """What is done to the source at the moment, how far it is, and a way out."""

    def __init__(self) -> None:
        super().__init__()
        self._title = text("", "heading")
        self._stage = text("", "muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
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
        """Begin anew."""
        self._title.setText(tr(title))
        self._stage.setText(tr("Starting"))
        self._bar.setRange(0, 0)
        self.cancel_button.setEnabled(True)
        self.cancel_button.setText(tr("Cancel"))

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        self._stage.setText(progress_text(progress))

    def show_stopping(self) -> None:
        """Show that the wish to stop was heard."""
        self.cancel_button.setEnabled(False)
        self.cancel_button.setText(tr("Stopping"))


class ImportPreviewPanel(QStackedWidget):
    """The progress, then the findings."""

    confirmed = Signal()
    cancelled = Signal()
    reading_chosen = Signal(object)  # ColumnChoice: what the user says of the source's labels

    def __init__(self) -> None:
        super().__init__()
        self._preview: ImportPreview | None = None
        self.progress = ImportProgress()
        self.progress.cancel_button.clicked.connect(self.cancelled)
        self.import_button = Button("Import", "import", role="primary", on_click=self.confirmed.emit)
        self.cancel_button = Button("Cancel", on_click=self.cancelled.emit)
        self.copy_box = QCheckBox(tr("Copy the pictures into the project"))
        self.copy_box.setToolTip(tr("Then they may be moved or deleted where they are now"))
        self.classes = FoundClasses()
        self.classes.changed.connect(self._show_count)
        self.reading = ReadingLine()
        self.reading.chosen.connect(self.reading_chosen)
        self.table = LeftOutTable()
        self._title, self._place = ElidedLabel("", "title"), ElidedLabel("", "muted")
        self._facts = text("", "muted", wrap=True)
        self.tiles = {
            "new": StatTile("New pictures", "pictures"),
            "classes": StatTile("Classes", "layers"),
            "duplicates": StatTile("Duplicates", "copy"),
            "unreadable": StatTile("Cannot be read", "warning"),
        }
        self.addWidget(self.progress)
        self.addWidget(self._findings())

    def _findings(self) -> QWidget:
        words = column(self._title, self._place, 2, self.copy_box, spacing=theme.HAIR)
        head = row(words, self.cancel_button, self.import_button)
        head.setStretch(0, 1)
        head.setSpacing(theme.MEDIUM)
        classes = Card(margin=theme.LARGE)
        classes.body.addWidget(self.classes)
        self._left_out = Card(margin=theme.LARGE)
        self._left_out_title = text("", "heading")
        self._left_out.body.addWidget(self._left_out_title)
        self._left_out.body.addWidget(
            text("These files stay where they are; nothing is done to them.", "small", wrap=True)
        )
        self._left_out.body.addWidget(self.table, 1)
        self._lower = QHBoxLayout()
        self._lower.setSpacing(theme.LARGE)
        self._lower.addWidget(classes, 3)
        self._lower.addWidget(self._left_out, 2)
        found: QVBoxLayout = column(
            row(*self.tiles.values(), spacing=theme.LARGE), self.reading, self._facts, self._lower
        )
        found.setSpacing(theme.LARGE)
        found.setStretch(3, 1)
        found.setContentsMargins(theme.HUGE, theme.LARGE, theme.HUGE, theme.HUGE)
        for table in (self.classes.table, self.table):
            table.setMinimumHeight(theme.scaled(_LEAST_TABLE_PX))
        head.setContentsMargins(theme.HUGE, theme.LARGE + theme.TIGHT, theme.HUGE, 0)
        page = QWidget()
        page.setLayout(column(head, scrolling(found), spacing=0))
        return page

    def show_busy(self, title: str) -> None:
        """Show that something is under way."""
        self.progress.show_title(title)
        self.setCurrentIndex(0)

    def show_findings(self) -> None:
        """Show what was found last again."""
        self.setCurrentIndex(1)

    def show_preview(
        self, preview: "ImportPreview", *, known: list[str], can_copy: bool, choice: ColumnChoice = AUTOMATIC
    ) -> None:
        """Show what was found. `known` are the classes that the project has already."""
        self._preview = preview
        self._title.setText(tr("Import from {name}", name=preview.path.name))
        self._place.setText(str(preview.path))
        self.copy_box.setVisible(can_copy)
        self.classes.show_classes(preview.classes, preview.unlabelled, known)
        self.reading.show_reading(preview.interpretations, choice)
        self._show_tiles(preview)
        count = self.table.show_files(preview, base=f"{preview.path}{os.sep}")
        self._left_out.setVisible(count > 0)
        self._left_out_title.setText(tr("{count} files are left out", count=f"{count:,}"))
        self._show_count()
        self.show_findings()
        (self.reading.label_box if self.reading.fault() else self.import_button).setFocus()

    def _show_tiles(self, preview: "ImportPreview") -> None:
        found = len(preview.classes)
        self.tiles["new"].show_figure(
            f"{preview.new:,}", size_text(preview.bytes) if preview.new else tr("nothing new")
        )
        unlabelled = tr("{count} pictures without a class", count=f"{preview.unlabelled:,}")
        named = tr("every picture has a class") if found else tr("none named") if preview.new else tr("nothing new")
        self.tiles["classes"].show_figure(f"{found:,}", unlabelled if preview.unlabelled else named)
        bad = len(preview.unreadable)
        skipped = tr("{count} other files passed over", count=f"{len(preview.skipped):,}")
        note = skipped if preview.skipped else tr("see below why") if bad else tr("none")
        self.tiles["unreadable"].show_figure(f"{bad:,}", note)

    def _show_count(self) -> None:
        preview = self._preview
        if preview is None:
            return
        left_out = self.classes.left_out_count() if not preview.multi_label_images else 0
        count = preview.new - left_out
        self._show_conflicts(preview)
        can_import = count > 0 or bool(preview.duplicates)
        self.import_button.setText(tr("Import {count} pictures", count=f"{count:,}") if count > 0 else tr("Import"))
        reason = (
            self.reading.fault()
            or self.classes.fault()
            or ("" if can_import else tr("There is nothing new to import."))
        )
        self.import_button.setEnabled(not reason)
        self.import_button.setToolTip(reason)

    def _show_conflicts(self, preview: "ImportPreview") -> None:
        """Tell how many pictures come in several classes under the names that the user gives those."""
        named = self.classes.class_map()
        several = [{named.get(name, name) for name in conflict.classes} - {None} for conflict in preview.conflicts]
        count = sum(len(names) > 1 for names in several)
        known = len(preview.duplicates)
        once = tr("taken once only") if known else tr("none")
        self.tiles["duplicates"].show_figure(
            f"{known:,}", tr("{count} in several classes", count=f"{count:,}") if count else once
        )
        words = "In several classes: {count}. No label there until you decide which is right."
        self._facts.setText(" ".join(filter(None, (_facts(preview), tr(words, count=f"{count:,}") if count else ""))))
        self._facts.setVisible(bool(self._facts.text()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the files that are left out below the classes where there is no room beside them."""
        is_wide = event.size().width() >= theme.scaled(900)
        self._lower.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)

    def source(self) -> Path | None:
        """Return what is shown."""
        return self._preview.path if self._preview is not None else None


def _facts(preview: "ImportPreview") -> str:
    parts: list[str] = []
    if preview.smallest and preview.largest:
        small, large = (f"{width:,} x {height:,}" for width, height in (preview.smallest, preview.largest))
        sizes = tr("All pictures have {size} pixels.", size=small)
        parts.append(sizes if small == large else tr("From {small} to {large} pixels.", small=small, large=large))
    given = [f"{preview.splits[key]:,} {tr(name)}" for key, name in _SPLITS if preview.splits.get(key)]
    if given:
        parts.append(tr("Divided by the source: {splits}.", splits=", ".join(given)))
    if preview.multi_label_images:
        parts.append(tr("{count} pictures have several classes.", count=f"{preview.multi_label_images:,}"))
    return " ".join(parts)
