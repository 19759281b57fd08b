"""Cards of settings: lines with a name and a note on the left, a control on the right; and the card of a cache."""

from collections.abc import Callable

from PySide6.QtWidgets import QComboBox, QLabel, QLayout, QWidget

from gui.kit import theme
from gui.kit.parts import Button, Card, column, row, text
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from models.messages import Text
from visionft.amounts import size_text
from visionft.data.cache_space import CacheUse


class SettingCard(Card):
    """A card with a heading."""

    def __init__(self, title: Text, *items: QWidget | QLayout) -> None:
        super().__init__()
        self.body.addLayout(column(text(title, "heading"), *items, spacing=theme.MEDIUM))


def line(name: Text, note: Text | QLabel, control: QWidget | QLayout) -> QLayout:
    """Return a line: the setting's name, a note below it, and the control on the right."""
    label = note if isinstance(note, QLabel) else text(note, "small", wrap=True)
    return row(column(text(name), label, spacing=0), control, spacing=theme.LARGE, grows=0)


class CacheCard(SettingCard):
    """A cache on disk: its size, its limit, its folder, and its deletion."""

    def __init__(
        self, title: Text, note: Text, *, limit_box: QComboBox, place: QLayout | QWidget, clear_tip: Text,
        use: Callable[[bool], CacheUse],
    ) -> None:  # fmt: skip
        """Args: `use` returns the size, after deleting the cache if its argument is True; it runs in a thread."""
        self.limit_box = limit_box
        self.size_label = text(role="small")
        self.clear_button = Button("Clear", "trash", on_click=self._clear)
        self.clear_button.setToolTip(tr(clear_tip))
        self.clear_button.setEnabled(False)
        size, limit = line("Taken now", self.size_label, self.clear_button), line("At most", note, limit_box)
        super().__init__(title, size, limit, place)
        self.reader = BackgroundReader(use, self._show_use, parent=self)

    def refresh(self) -> None:
        """Read the size of the cache in the background."""
        self.reader.ask(False)

    def _clear(self) -> None:
        self.clear_button.setEnabled(False)
        self.reader.ask(True)

    def _show_use(self, use: CacheUse) -> None:
        size = size_text(use.bytes)
        self.size_label.setText(tr("{count} file, {size}", "{count} files, {size}", count=use.files, size=size))
        self.clear_button.setEnabled(use.files > 0)
