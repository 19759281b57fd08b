"""How the pictures are divided for a run, in a line; unfolded, how Start shall divide them. Knows Qt and plain data."""

from collections.abc import Mapping
from typing import LiteralString

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QSpinBox, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, choice_box, column, row, text
from gui.kit.split_bar import SplitBar
from visionft.project.splits import SplitWish

OWN = "by a pattern of mine"
_EXAMPLE = r"(part\d+)_"
# What pictures have in common that must not be torn apart; patterns as `assign_splits` searches them in the names.
GROUPS: dict[LiteralString, str] = {
    "nothing": "",
    "names that begin alike (part7_a, part7_b)": r"([^/]+)[_ -][^/_ -]*$",
    "the folder they lie in": r"^(.*)/",
    OWN: "",
}


class SplitCard(Card):
    """Shows the division; edits a `SplitWish`."""

    changed = Signal()  # the wish
    again_requested = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self._wish = SplitWish()
        self.words = text(role="muted", wrap=True)
        self.change_button = Button("Change", "chevron-right", role="fold", on_click=self._toggle)
        self.change_button.setCheckable(True)
        self.bar = SplitBar(has_legend=False)
        self.val_spin, self.test_spin = _percent("Share for validation"), _percent("Share for the test")
        self.group_box = choice_box("Keep together", [tr(name) for name in GROUPS], least=24)
        self.pattern_edit = QLineEdit()
        self.pattern_edit.setAccessibleName(tr("Pattern"))
        self.pattern_edit.setPlaceholderText(_EXAMPLE)
        self.pattern_edit.setToolTip(
            tr("A regular expression: pictures in whose names it finds the same stay together")
        )
        self.again_button = Button("Divide again", "split", on_click=self.again_requested.emit)
        self.again_button.setToolTip(tr("Place all pictures anew; earlier runs are not compared with new ones fairly"))
        self._fields = self._build_fields()
        head = row(column(text("Pictures", "heading"), self.words, spacing=theme.HAIR), self.change_button)
        head.setStretch(0, 1)
        self.body.addLayout(head)
        self.body.addWidget(self.bar)
        self.body.addWidget(self._fields)
        for spin in (self.val_spin, self.test_spin):
            spin.valueChanged.connect(self._on_edited)
        self.group_box.currentIndexChanged.connect(self._on_edited)
        self.pattern_edit.textChanged.connect(self._on_edited)
        self._show_wish()

    def _build_fields(self) -> QWidget:
        fields = QWidget()
        shares = row(text("Validation"), self.val_spin, theme.SMALL, text("Test"), self.test_spin, None)
        groups = row(text("Keep together"), self.group_box, self.pattern_edit, None, self.again_button)
        fields.setLayout(column(shares, groups, spacing=theme.MEDIUM))
        fields.hide()
        return fields

    def wish(self) -> SplitWish:
        """Return how the pictures are to be divided."""
        return self._wish

    def set_wish(self, wish: SplitWish) -> None:
        """Show other shares, without a signal."""
        self._wish = wish
        self._show_wish()

    def show_counts(self, counts: Mapping[str, int], *, is_divided: bool) -> None:
        """Show pictures by split; of those that are not divided yet, where Start will put them."""
        self.bar.show_counts(dict(counts))
        self.again_button.setVisible(is_divided)
        train, val, test = (f"{counts.get(split, 0):,}" for split in ("train", "val", "test"))
        now = "{train} to learn from, {val} to choose the best epoch by, {test} kept for the final test."
        then = (
            "Start divides them: {train} to learn from, {val} to choose the best epoch by, {test} for the final test."
        )
        self.words.setText(tr(now if is_divided else then, train=train, val=val, test=test))

    def show_why_not(self, reason: str) -> None:
        """Enable dividing again, or say why it cannot be done."""
        self.again_button.setEnabled(not reason)
        tip = tr("Place all pictures anew; earlier runs are not compared with new ones fairly")
        self.again_button.setToolTip("\n".join(filter(None, (tip, reason))))

    def _show_wish(self) -> None:
        for spin, share in ((self.val_spin, self._wish.val), (self.test_spin, self._wish.test)):
            spin.blockSignals(True)
            spin.setValue(round(100 * share))
            spin.blockSignals(False)
        self._show_pattern()

    def _show_pattern(self) -> None:
        self.pattern_edit.setVisible(self.group_box.currentIndex() == list(GROUPS).index(OWN))

    def _toggle(self) -> None:
        is_open = self.change_button.isChecked()
        self.change_button.set_icon_name("chevron-down" if is_open else "chevron-right")
        self._fields.setVisible(is_open)

    def _on_edited(self, *_: object) -> None:
        self._show_pattern()
        name = list(GROUPS)[self.group_box.currentIndex()]
        group = self.pattern_edit.text().strip() if name == OWN else GROUPS[name]
        self._wish = SplitWish(
            val=self.val_spin.value() / 100, test=self.test_spin.value() / 100, seed=self._wish.seed, group=group
        )
        self.changed.emit()


def _percent(name: LiteralString) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(0, 45)
    spin.setSuffix(" %")
    spin.setAccessibleName(tr(name))
    spin.setMinimumWidth(theme.scaled(84))
    spin.lineEdit().setTextMargins(7, 0, 0, 0)
    return spin
