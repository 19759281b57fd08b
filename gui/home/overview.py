"""The open project on the project page: images of each class, figures of the classes, missing steps, splits.

Loads with the first project: the image decoder is not needed before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QHBoxLayout,
    QLayout,
    QSizePolicy,
    QWidget,
)

from gui.home.import_report import ImportReportCard
from gui.home.readiness import Checklist, ClassReadiness, class_rows, conditions, next_step
from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.class_looks import class_colours
from gui.kit.empty_state import EmptyState
from gui.kit.icons import swatch
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Section, Tile
from gui.kit.parts import Button, Card, column, row, text, widget_of
from gui.kit.split_bar import SplitBar
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from visionft.core.messages import Message, Text
from visionft.project import queries
from visionft.project.label_files import LabelFile, changed_label_files
from visionft.project.overview import ProjectOverview, read_overview
from visionft.project.store import ProjectStore

_HEADERS: tuple[Text, ...] = ("Class", "Images", "Training", "Validation", "Test")
_MAX_TABLE_ROWS = 12  # without scrolling
_MAX_SAMPLES = 24  # sample images of each class
_MIN_IMAGE_LINES = 3  # visible lines of sample images, even if the class table is long


@dataclass(frozen=True, slots=True)
class ShownProject:
    """A project's overview, its first unlabelled images, its classes' colours."""

    overview: ProjectOverview
    unlabelled: tuple[queries.ImageRow, ...]
    colours: dict[str, ClassColour]
    changed_files: tuple[LabelFile, ...]


def read_shown(project: ProjectStore) -> ShownProject:
    overview = read_overview(project, samples=_MAX_SAMPLES)
    unlabelled = queries.find_images(project, queries.ImageFilter(is_labelled=False), limit=_MAX_SAMPLES)
    classes = queries.class_rows(project, overview.summary.classes)
    rows = queries.image_rows(project, unlabelled)
    return ShownProject(overview, rows, class_colours(classes), changed_label_files(project.path))


def read_alike(project: ProjectStore, image_id: int) -> tuple[tuple[int, ...], str, int]:
    """Return the images of an image's class, or those without a label; with their title, and the image."""
    name = next(iter(queries.image_rows(project, (image_id,))[0].labels), None)
    wanted = queries.ImageFilter(class_name=name) if name else queries.ImageFilter(is_labelled=False)
    title = tr("Images of “{name}”", name=name) if name else tr("Without label")
    return queries.find_images(project, wanted, limit=queries.NO_LIMIT), title, image_id


class ClassSummaryTable(ValueTable):
    """All classes of the project; as tall as its rows, up to twelve."""

    def __init__(self) -> None:
        super().__init__(_HEADERS, name="Classes")
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # in the order of the class list

    def show_classes(self, rows: list[ClassReadiness]) -> None:
        cells = []
        for each in rows:
            counts = [(f"{count:,}", count) for count in (each.total, each.train, each.val, each.test)]
            cells.append([(each.name, each.name.casefold()), *counts])
        self.show_rows(cells)
        colours = {each.name: each.colour for each in rows}
        for line in range(self.rowCount()):
            if (title := self.item(line, 0)) is not None:
                title.setIcon(swatch(theme.class_colour(colours[title.text()]).name()))
        self.fit_rows(_MAX_TABLE_ROWS)


class ContactSheet(Card):
    """A line of images of each class, and of images without a label; hidden in an empty project."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(
            self.thumbnails,
            name="Images of each class",
            side_px=theme.scaled(92),
            lines=0,
            single_row=True,
            selectable=False,
        )
        self.count_label, self._note = text("", "heading"), text("", "muted")
        for label in (self.count_label, self._note):
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.body.addLayout(row(self.count_label, self._note, None))
        self.body.addWidget(self.grid, 1)
        self.body.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)
        self.hide()

    def show_samples(self, shown: ShownProject) -> None:
        summary = shown.overview.summary
        rest = summary.images - summary.labelled
        self.count_label.setText(tr("{count} image", "{count} images", count=summary.images))
        self._note.setText(tr("{count} without a label", count=f"{rest:,}") if rest else "")
        groups: list[tuple[str, ClassColour | None, tuple[queries.ImageRow, ...]]] = [
            (name, shown.colours[name], rows) for name, rows in shown.overview.samples.items() if rows
        ]
        if shown.unlabelled:
            groups.append((tr("Without label"), None, shown.unlabelled))
        sections = tuple(Section(name, colour, len(rows)) for name, colour, rows in groups)
        tiles = [Tile(image_id=image.image_id, path=image.path) for *_, rows in groups for image in rows]
        self.grid.show_tiles(tiles, sections)
        whole = max(0, self.grid.layout_now.height)
        self.grid.setMinimumHeight(whole * min(len(sections), _MIN_IMAGE_LINES) // max(1, len(sections)))
        self.grid.setMaximumHeight(whole)
        self.setVisible(bool(sections))


class OverviewView(QWidget):
    """The images first; the classes below them are as tall as their rows."""

    split_change_wanted = Signal()
    import_wanted = Signal(Path)  # a source with a label file that has changed

    def __init__(self) -> None:
        super().__init__()
        self.report, self.checklist = ImportReportCard(), Checklist()
        self.class_table, self.split_bar, self.sheet = ClassSummaryTable(), SplitBar(), ContactSheet()
        self.changed = Banner()
        hint = Message("Drop a folder with one sub-folder per class here, or loose images to label by hand.")
        empty = EmptyState("pictures", "No images yet", hint)
        self.file_button = Button("Import zip or list", "file")
        self.file_button.setToolTip(tr("A zip of images, or a CSV or JSONL file that lists images with their classes"))
        empty.add_button(self.file_button)
        self._empty = Card()
        self._empty.body.addWidget(empty)
        self._classes, self._splits = Card(margin=theme.LARGE), Card(margin=theme.LARGE)
        self._class_note = text("", "muted")
        self._classes.body.addLayout(row(text("Classes", "heading"), self._class_note, None))
        self._classes.body.addWidget(self.class_table)
        change = Button("Change", role="quiet", on_click=self.split_change_wanted.emit)
        change.setToolTip(tr("Train shows how the images are divided, and divides them another way"))
        self._splits.body.addLayout(row(text("Splits", "heading"), None, change))
        self._splits.body.addWidget(self.split_bar)
        for each in (self._empty, self._classes, self._splits, self.checklist):
            each.hide()  # until the project is read
        main = column(self._empty, self.sheet, self._classes, None, spacing=theme.LARGE)
        main.setStretch(0, 100)
        main.setStretch(1, 100)
        self._side = widget_of(column(self.checklist, self._splits, None, spacing=theme.LARGE))
        self._lower = QHBoxLayout()
        self._lower.setSpacing(theme.LARGE)
        self._lower.addLayout(main, 1)
        self._lower.addWidget(self._side, 0)
        self.setLayout(column(self.report, self.changed, self._lower, spacing=theme.LARGE, grows=3))

    def show_project(self, shown: ShownProject) -> tuple[str, Text, str]:
        """Show a project; return its next step, as `next_step`."""
        summary = shown.overview.summary
        rows = class_rows(shown.overview.class_splits, shown.colours)
        self.class_table.show_classes(rows)
        self._class_note.setText(tr("one per image" if summary.task == "single" else "several per image"))
        self.split_bar.show_counts(summary.splits)
        self.checklist.show_conditions(conditions(summary, rows))
        self.checklist.show()
        self.sheet.show_samples(shown)
        self._empty.setVisible(not summary.images)
        self._show_changed(shown.changed_files)
        self._classes.setVisible(bool(rows))
        self._splits.setVisible(summary.images > 0)
        return next_step(summary, rows)

    def _show_changed(self, files: Sequence[LabelFile]) -> None:
        """Offer the import of the first label file that has changed; its preview shows the differences."""
        self.changed.setVisible(bool(files))
        if files:
            words = tr("{name} has changed since its import.", name=Path(files[0].path).name)
            hint = Message("Show the changes: nothing is imported before you confirm it.")
            source = Path(files[0].source)
            self.changed.show_message(words, hint, action=(tr("Show changes"), lambda: self.import_wanted.emit(source)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the side column below the classes where there is no room beside them."""
        super().resizeEvent(event)
        is_wide = event.size().width() >= theme.scaled(850)
        self._lower.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        self._side.setMaximumWidth(theme.scaled(350) if is_wide else 16777215)
        self._side.setMinimumWidth(theme.scaled(350) if is_wide else 0)
