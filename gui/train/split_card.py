"""The split of the images in a line, and its editor when unfolded. Depends on Qt and plain data."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit

from gui.kit import theme
from gui.kit.fold import FoldButton
from gui.kit.parts import Button, Card, choice_box, column, number_box, row, text, widget_of
from gui.kit.split_bar import SplitBar
from gui.kit.translation import tr
from visionft.core.messages import Message, Text
from visionft.project.splits import SplitRequest

OWN = Message("images that match a pattern")
_EXAMPLE = r"(part\d+)_"
# Images of one group stay in one split; patterns as `assign_splits` matches them in the names.
GROUPS: dict[Text, str] = {
    Message("nothing"): "",
    Message("images with the same prefix (part7_a, part7_b)"): r"([^/]+)[_ -][^/_ -]*$",
    Message("images of one folder"): r"^(.*)/",
    OWN: "",
}


class SplitCard(Card):
    """Shows the split; edits a `SplitRequest`."""

    changed = Signal()  # the requested split
    again_requested = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.wish: SplitRequest  # the requested split
        self.words = text(role="muted", wrap=True)
        self.bar = SplitBar(has_legend=False)
        self.val_spin = number_box("Share for validation", 0, 45, unit=" %")
        self.test_spin = number_box("Share for the test", 0, 45, unit=" %")
        self.group_box = choice_box("Keep together", [tr(name) for name in GROUPS], least=24)
        self.pattern_edit = QLineEdit()
        self.pattern_edit.setAccessibleName(tr("Pattern"))
        self.pattern_edit.setPlaceholderText(_EXAMPLE)
        self.pattern_edit.setToolTip(tr("A regular expression: images in whose names it finds the same stay together"))
        self.again_button = Button("Split again", "split", on_click=self.again_requested.emit)
        shares = row(text("Validation"), self.val_spin, theme.SMALL, text("Test"), self.test_spin, None)
        groups = row(text("Keep together"), self.group_box, self.pattern_edit, None, self.again_button)
        fields = widget_of(column(shares, groups, spacing=theme.MEDIUM))
        self.change_button = FoldButton("Change", fields)
        head = row(column(text("Images", "heading"), self.words, spacing=theme.HAIR), self.change_button, grows=0)
        self.body.addLayout(head)
        self.body.addWidget(self.bar)
        self.body.addWidget(fields)
        for spin in (self.val_spin, self.test_spin):
            spin.valueChanged.connect(self._on_edited)
        self.group_box.currentIndexChanged.connect(self._on_edited)
        self.pattern_edit.textChanged.connect(self._on_edited)
        self.set_wish(SplitRequest())
        self.show_why_not("")

    def set_wish(self, wish: SplitRequest) -> None:
        """Show other shares, without a signal."""
        self.wish = wish
        for spin, share in ((self.val_spin, wish.val), (self.test_spin, wish.test)):
            spin.blockSignals(True)
            spin.setValue(round(100 * share))
            spin.blockSignals(False)
        self._show_pattern()

    def show_counts(self, counts: Mapping[str, int], *, is_divided: bool) -> None:
        """Show the images by split; those without one are counted where Start will put them."""
        self.bar.show_counts(dict(counts))
        self.again_button.setVisible(is_divided)
        train, val, test = (f"{counts.get(split, 0):,}" for split in ("train", "val", "test"))
        now = Message("{train} training, {val} validation and {test} test images.")
        then = Message("Start splits them into {train} training, {val} validation and {test} test images.")
        self.words.setText(tr(now if is_divided else then, train=train, val=val, test=test))

    def show_why_not(self, reason: str) -> None:
        """Enable splitting again, or show the reason why it is impossible."""
        self.again_button.setEnabled(not reason)
        tip = tr("Split all images again; the accuracies of earlier runs are then not comparable")
        self.again_button.setToolTip("\n".join(filter(None, (tip, reason))))

    def _show_pattern(self) -> None:
        self.pattern_edit.setVisible(self.group_box.currentIndex() == list(GROUPS).index(OWN))

    def _on_edited(self, *_: object) -> None:
        self._show_pattern()
        name = list(GROUPS)[self.group_box.currentIndex()]
        group = self.pattern_edit.text().strip() if name == OWN else GROUPS[name]
        self.wish = SplitRequest(
            val=self.val_spin.value() / 100, test=self.test_spin.value() / 100, seed=self.wish.seed, group=group
        )
        self.changed.emit()
