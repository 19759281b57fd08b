"""Choosing a network: the comparison of backbones on the images, and the search in timm. Independent of the state."""

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QLineEdit, QTableWidgetItem, QWidget

from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, Card, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.catalog import Backbone, get_backbone
from models.messages import Message
from models.timm_index import timm_names
from visionft.amounts import count_text
from visionft.training.probing import Probe, best_probe
from visionft.weights.locations import licence_words


class ProbeTable(Card):
    """One line for each tried backbone; hidden until there is one."""

    used = Signal(str)  # the name of the backbone to use

    def __init__(self) -> None:
        super().__init__()
        self._best = ""
        self.words = text(role="small", wrap=True)
        headers = (Message("Network"), Message("Held-out accuracy"), Message("ms an image"))
        self.table = ValueTable(headers, name="Networks compared on your images", is_sortable=False)
        self.use_button = Button("Use it", "check-circle", on_click=lambda: self.used.emit(self._best))
        self.body.addWidget(self.words)
        self.body.addWidget(self.table)
        self.body.addLayout(row(self.use_button, None))
        self.show_probes(())

    def show_stage(self, words: str) -> None:
        """Show the backbone under test, above the earlier results."""
        self.words.setText(words)
        self.show()

    def show_probes(self, probes: Sequence[Probe]) -> None:
        """Show the measurements with the best one marked; nothing without measurements."""
        self.setVisible(bool(probes))
        self.table.setVisible(bool(probes))
        self.use_button.setVisible(any(probe.accuracy is not None for probe in probes))
        self._best = best_probe(probes).backbone if probes else ""
        if not probes:
            return
        words = tr("One image per class is too few to compare networks.")
        if any(probe.accuracy is not None for probe in probes):
            best = Message(
                "{network} is recommended: no other is significantly better, or as accurate and much faster."
            )
            held_out = tr("{count} training images, each held out once.", count=probes[0].images)
            words = f"{tr(best, network=get_backbone(self._best).title)} {held_out}"
        self.words.setText(words)
        rows: list[list[tuple[str, object]]] = []
        for each in probes:
            share = "–" if each.accuracy is None else f"{each.accuracy:.1%} (± {1.96 * each.standard_error:.1%})"
            time = (f"{each.milliseconds:.0f}", each.milliseconds)
            rows.append([(get_backbone(each.backbone).title, each.backbone), (share, each.accuracy or 0.0), time])
        self.table.show_rows(rows, marked=[n for n, each in enumerate(probes) if each.backbone == self._best])
        self.table.fit_rows()


MOST_SHOWN = 200  # rows; typing another letter narrows a longer list


class NetworkSearch(Dialog):
    """Lists the timm networks matching the typed words; the chosen one's licence is accepted here if necessary."""

    def __init__(self, parent: QWidget) -> None:
        about = Message("Every ResNet and plain vision transformer that timm has pretrained weights of.")
        super().__init__(parent, Message("Find a network"), about, width=720, height=480)
        self._shown: list[str] = []
        self.words = QLineEdit()
        self.words.setPlaceholderText(tr("Part of its name, such as resnet50d or dinov2 reg"))
        self.words.setAccessibleName(tr("Find a network"))
        headers = (
            Message("Network"),
            Message("Family"),
            Message("Parameters"),
            Message("Image size"),
            Message("Licence of the weights"),
        )
        self.table = ValueTable(headers, name="Networks of timm", is_sortable=False, is_of_texts=True)
        self.count = text(role="small", wrap=True)
        self.licence_box = QCheckBox()
        self.licence_box.hide()
        self.choose_button = Button("Choose", role="primary")
        self.lay_out(self.words, self.table, self.count, self.licence_box, accept=self.choose_button)
        self.words.textChanged.connect(self._search)
        self.table.itemSelectionChanged.connect(self._show_licence)
        self.table.itemDoubleClicked.connect(lambda _item: self.choose_button.click())
        self.licence_box.toggled.connect(self._show_enabled)
        self._search()

    def chosen(self) -> Backbone | None:
        place = self.table.currentRow()
        return get_backbone(self._shown[place]) if 0 <= place < len(self._shown) else None

    @property
    def accepted_licence(self) -> str:
        """Return the licence accepted for the network; empty where none was required."""
        chosen = self.chosen()
        return chosen.licence if chosen is not None and chosen.must_be_accepted else ""

    @Slot()
    def _search(self) -> None:
        wanted = self.words.text().lower().split()
        self._shown = [name for name in timm_names() if all(word in name for word in wanted)][:MOST_SHOWN]
        self.table.setRowCount(len(self._shown))
        for place, name in enumerate(self._shown):
            found = get_backbone(name)
            title, family = name.partition("/")[2], found.shape.family
            parameters = count_text(found.parameters)
            for side, shown in enumerate((title, family, parameters, f"{found.input_size} px", found.licence)):
                self.table.setItem(place, side, QTableWidgetItem(shown))
        self.count.setText(tr("{shown} of {count} networks", shown=len(self._shown), count=len(timm_names())))
        if self._shown:
            self.table.selectRow(0)
        self._show_licence()

    @Slot()
    def _show_licence(self) -> None:
        """Ask the user to accept a non-commercial licence, again for each network."""
        chosen = self.chosen()
        asks = chosen is not None and chosen.must_be_accepted
        self.licence_box.setChecked(False)
        self.licence_box.setVisible(asks)
        if chosen is not None and asks:
            self.licence_box.setText(tr("I accept this licence: {said}.", said=licence_words(chosen)[0]))
        self._show_enabled()

    @Slot()
    def _show_enabled(self) -> None:
        is_allowed = not self.accepted_licence or self.licence_box.isChecked()
        self.choose_button.setEnabled(self.chosen() is not None and is_allowed)
