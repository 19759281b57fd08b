"""A dialog that finds any other ResNet or ViT of timm by its name. Knows Qt and the index of timm, never the state."""

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QCheckBox, QDialog, QLineEdit, QTableWidgetItem, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.kit.value_table import ValueTable
from models.catalog import Backbone, get_backbone
from models.timm_index import timm_names
from visionft.amounts import count_text
from visionft.weights.locations import licence_words

MOST_SHOWN = 200  # rows: who sees more than that types another letter


class NetworkSearch(QDialog):
    """Lists what timm has under the words that are typed; the licence of what is chosen is accepted here if need be."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Find a network"))
        self.setMinimumSize(theme.scaled(720), theme.scaled(480))
        self._shown: list[str] = []
        self.words = QLineEdit()
        self.words.setPlaceholderText(tr("Part of its name, such as resnet50d or dinov2 reg"))
        self.words.setAccessibleName(tr("Find a network"))
        headers = ("Network", "Family", "Parameters", "Picture size", "Licence of the weights")
        self.table = ValueTable(headers, name="Networks of timm", is_sortable=False, is_of_texts=True)
        self.count = text(role="small", wrap=True)
        self.licence_box = QCheckBox()
        self.licence_box.hide()
        self.choose_button = Button("Choose", role="primary", on_click=self.accept)
        self.choose_button.setDefault(True)
        self._build()
        self.words.textChanged.connect(self._search)
        self.table.itemSelectionChanged.connect(self._show_licence)
        self.table.itemDoubleClicked.connect(lambda _item: self.choose_button.click())
        self.licence_box.toggled.connect(self._show_enabled)
        self._search()

    def _build(self) -> None:
        layout = column(
            text("Find a network", "title"),
            text("Every ResNet and plain vision transformer that timm has pretrained weights of.", "muted", wrap=True),
            self.words,
            self.table,
            self.count,
            self.licence_box,
            theme.SMALL,
            row(None, Button("Cancel", on_click=self.reject), self.choose_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    def chosen(self) -> Backbone | None:
        """Return the network that is marked, or None."""
        place = self.table.currentRow()
        return get_backbone(self._shown[place]) if 0 <= place < len(self._shown) else None

    @property
    def accepted_licence(self) -> str:
        """Return the licence that was accepted for the network, empty where none had to be."""
        chosen = self.chosen()
        return chosen.licence if chosen is not None and chosen.must_be_accepted else ""

    @Slot()
    def _search(self) -> None:
        wanted = self.words.text().lower().split()
        found = [name for name in timm_names() if all(word in name for word in wanted)]
        self._shown = found[:MOST_SHOWN]
        self.table.setRowCount(len(self._shown))
        for place, name in enumerate(self._shown):
            for side, shown in enumerate(_cells(name)):
                self.table.setItem(place, side, QTableWidgetItem(shown))
        self.count.setText(tr("{shown} of {count} networks", shown=len(self._shown), count=len(timm_names())))
        if self._shown:
            self.table.selectRow(0)
        self._show_licence()

    @Slot()
    def _show_licence(self) -> None:
        """Ask to accept a licence that forbids commercial use, anew for each network."""
        chosen = self.chosen()
        asks = chosen is not None and chosen.must_be_accepted
        self.licence_box.setChecked(False)
        self.licence_box.setVisible(asks)
        if chosen is not None and asks:
            said = licence_words(chosen)[0]
            self.licence_box.setText(tr("I accept this licence: {said}.", said=said))
        self._show_enabled()

    @Slot()
    def _show_enabled(self) -> None:
        self.choose_button.setEnabled(self.chosen() is not None and (not self.accepted_licence or self._is_accepted))

    @property
    def _is_accepted(self) -> bool:
        return self.licence_box.isChecked()


def _cells(name: str) -> tuple[str, ...]:
    found = get_backbone(name)
    family = "ResNet" if found.family == "resnet" else "ViT"
    return (
        name.partition("/")[2],
        family,
        count_text(found.parameters),
        f"{found.input_size} px",
        found.licence,
    )
