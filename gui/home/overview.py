"""The open project on the project page: figures, classes, splits, missing steps, certificates, sample images.

Loads with the first project: the image decoder is not needed before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QHBoxLayout,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from gui.home.import_report import ImportReportCard
from gui.home.readiness import Checklist, ClassRow, class_rows, conditions, next_step
from gui.kit import theme
from gui.kit.certificates import certificate_words
from gui.kit.class_looks import class_colours
from gui.kit.empty_state import EmptyState
from gui.kit.icons import swatch
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Section, Tile
from gui.kit.parts import Button, Card, IconLabel, column, row, text, verbatim, widget_of
from gui.kit.split_bar import SplitBar
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.tiles import StatTile
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message, Text
from visionft.project import queries
from visionft.project.edits.certificates import Certificate, certificates_of
from visionft.project.overview import ProjectOverview, read_overview
from visionft.project.store import Project

_Index = QModelIndex | QPersistentModelIndex
_HEADERS: tuple[Text, ...] = ("Class", "Images", "Training", "Validation", "Test", "Balance")
_BAR_COLUMN = 5
_ROW_ROLE = Qt.ItemDataRole.UserRole + 7
_MOST_ROWS = 12  # without scrolling


@dataclass(frozen=True, slots=True)
class ShownProject:
    """A project's overview, its classes' colours, and its certificates, the newest first."""

    overview: ProjectOverview
    colours: dict[str, ClassColour]
    certificates: tuple[Certificate, ...]


def read_shown(project: Project) -> ShownProject:
    overview = read_overview(project, samples=24)  # images of each class
    classes = queries.class_rows(project, overview.summary.classes)
    return ShownProject(overview, class_colours(classes), certificates_of(project))


class _BarDelegate(QStyledItemDelegate):
    """Training, validation, test and unsplit images as one bar; its length shows the size of the class."""

    largest = 1

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        counts: ClassRow = index.data(_ROW_ROLE)
        rest = counts.total - counts.train - counts.val - counts.test
        palette = theme.colours()
        parts = ((counts.train, palette.train_line), (counts.val, palette.val_line), (counts.test, palette.test_line))
        area = QRectF(option.rect).adjusted(11, 0, -8, 0)
        bar = QRectF(area.left(), area.center().y() - 4, area.width(), 8)
        painter.save()
        painter.fillRect(bar, QColor(palette.sunken))
        left = bar.left()
        for count, colour in (*parts, (rest, palette.grey_line)):
            width = bar.width() * count / self.largest
            painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(colour))
            left += width
        painter.restore()


class ClassTable(ValueTable):
    """All classes of the project; as tall as its rows, up to twelve."""

    def __init__(self) -> None:
        super().__init__(_HEADERS, name="Classes")
        self._bars = _BarDelegate(self)
        self.setItemDelegateForColumn(_BAR_COLUMN, self._bars)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # at first in the order of the class list
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for place, name in enumerate(_HEADERS):
            header.resizeSection(place, header.fontMetrics().horizontalAdvance(tr(name)) + theme.scaled(30))
        header.resizeSection(_BAR_COLUMN, theme.scaled(130))
        if (title := self.horizontalHeaderItem(_BAR_COLUMN)) is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_classes(self, rows: list[ClassRow]) -> None:
        self._bars.largest = max((each.total for each in rows), default=1) or 1
        cells = []
        for each in rows:
            counts = [(f"{count:,}", count) for count in (each.total, each.train, each.val, each.test)]
            cells.append([(each.name, each.name.casefold()), *counts, ("", each.total)])
        self.show_rows(cells)
        by_name = {each.name: each for each in rows}
        for line in range(self.rowCount()):
            title, bar = self.item(line, 0), self.item(line, _BAR_COLUMN)
            assert title is not None and bar is not None
            shown = by_name[title.text()]
            title.setIcon(swatch(theme.class_colour(shown.colour).name()))
            bar.setData(_ROW_ROLE, shown)
        height = self.horizontalHeader().sizeHint().height() + 4
        height += min(max(len(rows), 1), _MOST_ROWS) * self.verticalHeader().defaultSectionSize()
        self.setMinimumHeight(height)
        self.setMaximumHeight(height if len(rows) <= _MOST_ROWS else 16777215)


class ContactSheet(Card):
    """A few images of each class side by side; hidden while there are none."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.thumbnails = ThumbnailStore(self)
        self.grid = ImageGrid(
            self.thumbnails, name="Images of each class", side_px=theme.scaled(92), lines=0, single_row=True,
            selectable=False,
        )  # fmt: skip
        self.body.addWidget(text("A look at the images", "heading"))
        self.body.addWidget(self.grid, 1)
        self.hide()

    def show_samples(
        self, samples: Mapping[str, Sequence[queries.ImageRow]], colours: Mapping[str, ClassColour]
    ) -> None:
        sections = tuple(Section(name, colours[name], len(rows)) for name, rows in samples.items() if rows)
        tiles = [Tile(image_id=row.image_id, path=row.path) for rows in samples.values() for row in rows]
        self.grid.show_tiles(tiles, sections)
        self.setVisible(bool(tiles))


class OverviewView(QWidget):
    split_change_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.tiles = {
            "images": StatTile(Message("Images"), "pictures"),
            "labelled": StatTile(Message("Labelled"), "label"),
            "classes": StatTile(Message("Classes"), "layers"),
            "runs": StatTile(Message("Training runs"), "train"),
        }
        self.report, self.checklist = ImportReportCard(), Checklist()
        self.class_table, self.split_bar, self.sheet = ClassTable(), SplitBar(), ContactSheet()
        self._certificates = Card(tone="good", margin=theme.MEDIUM)
        self._certificate_words = verbatim("", wrap=True)
        words = column(text("Certificate of the labels", "strong"), self._certificate_words, spacing=theme.HAIR)
        line = row(IconLabel("shield", size=24, tone="good"), words, spacing=theme.MEDIUM, grows=1)
        self._certificates.body.addLayout(line)
        self._certificates.hide()
        hint = Message("Import a folder with one sub-folder per class, or import loose images and label them by hand.")
        self._no_classes = EmptyState("pictures", "No classes yet", hint)
        self._no_classes.hide()  # until the project is read
        classes, splits = Card(margin=theme.LARGE), Card(margin=theme.LARGE)
        classes.body.addWidget(text("Classes", "heading"))
        classes.body.addWidget(self.class_table)
        classes.body.addWidget(self._no_classes, 1)
        classes.body.addStretch(0)
        change = Button("Change", role="quiet", on_click=self.split_change_wanted.emit)
        change.setToolTip(tr("Train shows how the images are divided, and divides them another way"))
        splits.body.addLayout(row(text("Splits", "heading"), None, change))
        splits.body.addWidget(self.split_bar)
        self._side = widget_of(column(self.checklist, splits, None, spacing=theme.LARGE))
        self._lower = QHBoxLayout()
        self._lower.setSpacing(theme.LARGE)
        self._lower.addWidget(classes, 1)
        self._lower.addWidget(self._side, 0)
        tiles = row(*self.tiles.values(), spacing=theme.LARGE)
        body = column(tiles, self.report, self._certificates, self._lower, self.sheet, None, spacing=theme.LARGE)
        body.setStretch(4, 100)
        self.setLayout(body)

    def show_project(self, shown: ShownProject) -> tuple[str, Text, str]:
        """Show a project; return its next step, as `next_step`."""
        summary = shown.overview.summary
        unlabelled = summary.images - summary.labelled
        note = tr("{count} without a label", count=unlabelled) if unlabelled else tr("every image has a label")
        for name, figure, words in (
            ("images", summary.images, tr("in this project")),
            ("labelled", summary.labelled, note if summary.images else tr("nothing to label yet")),
            ("classes", len(summary.classes), tr("one per image" if summary.task == "single" else "several per image")),
            ("runs", len(summary.runs), tr("see Results" if summary.runs else "none yet")),
        ):
            self.tiles[name].show_figure(f"{figure:,}", words)
        rows = class_rows(shown.overview.class_splits, shown.colours)
        self.class_table.show_classes(rows)
        self.class_table.setVisible(bool(rows))
        self._no_classes.setVisible(not rows)
        self.split_bar.show_counts(summary.splits)
        self._certificate_words.setText("\n".join(f"{certificate_words(each)}." for each in shown.certificates))
        self._certificates.setVisible(bool(shown.certificates))
        self.checklist.show_conditions(conditions(summary, rows))
        self.sheet.show_samples(shown.overview.samples, shown.colours)
        return next_step(summary, rows)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the side column below the classes where there is no room beside them."""
        super().resizeEvent(event)
        is_wide = event.size().width() >= theme.scaled(850)
        self._lower.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        self._side.setMaximumWidth(theme.scaled(350) if is_wide else 16777215)
        self._side.setMinimumWidth(theme.scaled(350) if is_wide else 0)
