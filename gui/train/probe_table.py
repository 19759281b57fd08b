"""What the networks at hand are worth on the user's pictures, as a small table; the one to go by can be taken.

Knows Qt and measurements, never the state.
"""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, row, text
from gui.kit.value_table import ValueTable
from models.catalog import get_backbone
from visionft.training.probing import Probe, best_probe


class ProbeTable(Card):
    """One line for each network that was tried; hidden until one is."""

    used = Signal(str)  # the name of the backbone to take

    def __init__(self) -> None:
        super().__init__()
        self._best = ""
        self.words = text(role="small", wrap=True)
        headers = ("Network", "Right of held-out pictures", "ms a picture")
        self.table = ValueTable(headers, name="Networks tried on your pictures", is_sortable=False)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.use_button = Button("Use it", "check-circle", on_click=lambda: self.used.emit(self._best))
        self.body.addWidget(self.words)
        self.body.addWidget(self.table)
        self.body.addLayout(row(self.use_button, None))
        self.show_probes(())

    def show_stage(self, words: str) -> None:
        """Show which network is being tried, above what is known from before."""
        self.words.setText(words)
        self.show()

    def show_probes(self, probes: Sequence[Probe]) -> None:
        """Show measurements with the one to go by marked; without any, nothing."""
        self.setVisible(bool(probes))
        self.table.setVisible(bool(probes))
        self.use_button.setVisible(any(probe.accuracy is not None for probe in probes))
        self._best = best_probe(probes).backbone if probes else ""
        if not probes:
            return
        self.words.setText(_words(probes))
        marked = [place for place, probe in enumerate(probes) if probe.backbone == self._best]
        self.table.show_rows([_cells(probe) for probe in probes], marked=marked)
        self.table.setFixedHeight(theme.scaled(30) * (len(probes) + 1) + theme.scaled(10))


def _words(probes: Sequence[Probe]) -> str:
    """Say what was found: which network to go by and why, or that it cannot be told."""
    if all(probe.accuracy is None for probe in probes):
        return tr("One picture a class is too few to tell which network suits them.")
    title = get_backbone(best_probe(probes).backbone).title
    words = "{network} suits your pictures best: none is better by more than the error, or as good and much quicker."
    found = tr(words, network=title)
    return found + " " + tr("{count} training pictures, each held out once.", count=probes[0].pictures)


def _cells(probe: Probe) -> list[tuple[str, object]]:
    share = "–"
    if probe.accuracy is not None:
        share = f"{probe.accuracy:.1%} (± {1.96 * probe.standard_error:.1%})"
    return [
        (get_backbone(probe.backbone).title, probe.backbone),
        (share, probe.accuracy or 0.0),
        (f"{probe.milliseconds:.0f}", probe.milliseconds),
    ]
