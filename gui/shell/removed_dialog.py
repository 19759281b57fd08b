"""The pictures that were taken out of a project, to bring some of them back. Knows Qt and plain data only."""

from collections.abc import Sequence

from PySide6.QtWidgets import QAbstractItemView, QDialog, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.kit.value_table import ValueTable
from visionft.foreign_text import printable
from visionft.project.queries import ImageRow


class RemovedDialog(QDialog):
    """A table of them; `chosen` are those to bring back once it is accepted."""

    def __init__(self, parent: QWidget, rows: Sequence[ImageRow]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Removed pictures"))
        self.setMinimumSize(theme.scaled(680), theme.scaled(460))
        self._rows = list(rows)
        columns = ("Picture", "Labels", "Folder")
        self.table = ValueTable(columns, name="Removed pictures", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.show_rows([[(word, word) for word in _words(each)] for each in self._rows])
        self.table.selectAll()
        self.restore_button = Button("Restore", role="primary", on_click=self.accept)
        self.restore_button.setDefault(True)
        layout = column(
            text("Removed pictures", "title"),
            text(
                "They come back with the labels, tags and notes they had. All are marked; mark fewer to restore those.",
                "muted",
                wrap=True,
            ),
            theme.SMALL,
            self.table,
            theme.SMALL,
            row(None, Button("Cancel", on_click=self.reject), self.restore_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.table.itemSelectionChanged.connect(self._show_count)
        self._show_count()

    def chosen(self) -> tuple[int, ...]:
        """Return the marked pictures."""
        return tuple(
            self._rows[place].image_id for place in sorted({item.row() for item in self.table.selectedItems()})
        )

    def _show_count(self) -> None:
        count = len(self.chosen())
        self.restore_button.setEnabled(count > 0)
        self.restore_button.setText(tr("Restore {count}", count=f"{count:,}"))


def _words(picture: ImageRow) -> tuple[str, str, str]:
    path = picture.path
    return printable(path.name), ", ".join(picture.labels), printable(str(path.parent))
