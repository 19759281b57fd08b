"""The table of runs that were measured on pictures that they knew: their accuracy with these and without. No logic."""

from collections.abc import Sequence

from PySide6.QtWidgets import QSizePolicy

from gui.kit import theme
from gui.kit.honest_accuracies import flattery_words
from gui.kit.i18n import tr
from gui.kit.parts import Card
from gui.kit.value_table import ValueTable
from visionft.curation.leaks.honest_accuracy import HonestAccuracy

_ROWS_SEEN = 3
_WIDEST_PX = 1000


class LeakAccuracy(Card):
    """A row a run and split, the newest first; hidden while none knew pictures that it was measured on."""

    def __init__(self) -> None:
        super().__init__(margin=theme.TIGHT)
        headers = ("Run", "Known from training", "All pictures", "Without those known", "Flattered by")
        self.table = ValueTable(headers, name="Accuracy with leaks and without them", is_sortable=False)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body.addWidget(self.table)
        self.setMaximumWidth(theme.scaled(_WIDEST_PX))  # figures stay near the names that they are of
        self.hide()

    def show_accuracies(self, accuracies: Sequence[HonestAccuracy]) -> None:
        """Show them, if any is of pictures that were known; the others stand there to compare."""
        self.table.show_rows([[(words, words) for words in _cells(each)] for each in accuracies])
        rows = min(len(accuracies), _ROWS_SEEN)
        header = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(header + rows * self.table.verticalHeader().defaultSectionSize() + 2)
        self.setVisible(any(each.leaked for each in accuracies))


def _cells(each: HonestAccuracy) -> tuple[str, ...]:
    known = tr("{known} of {all}, {split}", known=f"{each.leaked:,}", all=f"{each.images:,}", split=tr(each.split))
    without = tr("none is left")
    if each.without is not None and each.without_interval is not None:
        without = _spanned(each.without, each.without_interval)
    flattered = flattery_words(each) if each.leaked else tr("nothing")
    return (each.title, known, f"{each.accuracy:.1%}", without, flattered)


def _spanned(share: float, interval: tuple[float, float]) -> str:
    return tr("{share} ({low} to {high})", share=f"{share:.1%}", low=f"{interval[0]:.0%}", high=f"{interval[1]:.0%}")
