"""The removed images of a project, to restore some of them."""

from collections.abc import Sequence

from PySide6.QtWidgets import QAbstractItemView, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message
from visionft.foreign_text import printable
from visionft.project.queries import ImageRow


class RemovedDialog(Dialog):
    """A table of the removed images; `chosen` are those to restore once it is accepted."""

    def __init__(self, parent: QWidget, images: Sequence[ImageRow]) -> None:
        super().__init__(parent, Message("Removed images"), width=680, height=460)
        self._images = list(images)
        columns = (Message("Image"), Message("Labels"), Message("Folder"))
        self.table = ValueTable(columns, name="Removed images", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        rows = [(printable(e.path.name), ", ".join(e.labels), printable(str(e.path.parent))) for e in images]
        self.table.show_rows([[(word, word) for word in words] for words in rows])
        self.table.selectAll()
        self.restore_button = Button("Restore", role="primary", on_click=self.accept)
        self.restore_button.setDefault(True)
        note = Message(
            "They come back with the labels, tags and notes they had. All are marked; mark fewer to restore those."
        )
        lead = (text("Removed images", "title"), text(note, "muted", wrap=True))
        buttons = row(None, Button("Cancel", on_click=self.reject), self.restore_button)
        self.lay_out(*lead, theme.SMALL, self.table, theme.SMALL, buttons)
        self.table.itemSelectionChanged.connect(self._show_count)
        self._show_count()

    def chosen(self) -> tuple[int, ...]:
        places = sorted({item.row() for item in self.table.selectedItems()})
        return tuple(self._images[place].image_id for place in places)

    def _show_count(self) -> None:
        count = len(self.chosen())
        self.restore_button.setEnabled(count > 0)
        self.restore_button.setText(tr("Restore {count}", count=f"{count:,}"))
