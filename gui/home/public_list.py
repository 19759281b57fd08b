"""Public sets of pictures to practise on: what each holds, its size and licence. Knows Qt and plain data only."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, clear, column, row, text, verbatim
from visionft.amounts import size_text

if TYPE_CHECKING:
    from visionft.public_sets import PublicSet


class PublicList(Card):
    """One button per set."""

    chosen = Signal(object)  # a PublicSet

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.SMALL)
        self.buttons: dict[str, Button] = {}
        self._reason = text("", "small", wrap=True)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(theme.SMALL)
        self.body.addWidget(text("Public sets to practise on", "heading"))
        self.body.addWidget(self._reason)
        self.body.addLayout(self._rows)

    def show_sets(self, sets: "Collection[PublicSet]", *, here: Collection[str], offline_reason: str) -> None:
        """Show these sets; those `here` need no connection, the others none of `offline_reason`."""
        clear(self._rows)
        self.buttons = {}
        missing = [each for each in sets if each.name not in here]
        self._reason.setText(tr(offline_reason) or tr("Fetched once, on request; nothing of yours is sent."))
        self._reason.setVisible(bool(missing))
        for each in sets:
            self._rows.addWidget(self._button(each, is_here=each.name in here, is_possible=not offline_reason))

    def _button(self, wanted: "PublicSet", *, is_here: bool, is_possible: bool) -> Button:
        button = Button("", role="tile", on_click=lambda: self.chosen.emit(wanted))
        button.setAccessibleName(wanted.title)
        button.setEnabled(is_here or is_possible)
        button.setMinimumHeight(theme.scaled(52))
        inside = QHBoxLayout(button)
        inside.setContentsMargins(theme.MEDIUM, theme.SMALL, theme.MEDIUM, theme.SMALL)
        inside.setSpacing(theme.MEDIUM)
        inside.addWidget(IconLabel("check-circle" if is_here else "import", tone="good" if is_here else "accent"))
        size = tr("on this computer") if is_here else size_text(wanted.bytes)
        pictures = tr("{count} pictures, {classes} classes", count=f"{wanted.pictures:,}", classes=wanted.classes)
        terms = tr("{size}, {licence}", size=size, licence=tr(wanted.licence))
        elide = Qt.TextElideMode.ElideRight
        head = row(ElidedLabel(wanted.title, "strong", mode=elide), verbatim(terms, "small"))
        head.setStretch(0, 1)
        inside.addLayout(column(head, ElidedLabel(pictures, "small", mode=elide), spacing=0), 1)
        button.setToolTip(f"{tr(wanted.about)}: {pictures}, {terms}")
        for child in button.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.buttons[wanted.name] = button
        return button
