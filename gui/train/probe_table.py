"""The comparison of backbones on the images of the project, as a table. Independent of the state."""

from collections.abc import Sequence

from PySide6.QtCore import Signal

from gui.kit.parts import Button, Card, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.catalog import get_backbone
from visionft.core.messages import Message
from visionft.training.probing import Probe, best_probe


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
