"""The classes that files give one picture, side by side; a click decides. Knows Qt and plain data only."""

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import swatch
from gui.kit.parts import Button, ElidedLabel, IconLabel, clear, row, text
from gui.label.cell import CandidateBadge

LONGEST_NAME = 30


class CandidateBar(QWidget):
    """A question with one button per class, and the file that says so behind it; hidden where there is no conflict."""

    class_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, Button] = {}
        self._shown: tuple[object, ...] = ()
        self._choices = row(spacing=theme.MEDIUM)
        question = text("Its files disagree. Which is it?", "strong")
        self.setLayout(row(IconLabel("warning", tone="warn"), question, self._choices, None, spacing=theme.MEDIUM))
        self.hide()

    def show_candidates(self, candidates: tuple[CandidateBadge, ...], keys: Mapping[str, str]) -> None:
        """Offer these classes; `keys` are {key: class name}."""
        self.setVisible(bool(candidates))
        key_of = {name: key for key, name in keys.items()}
        shown = tuple((each, key_of.get(each.name, "")) for each in candidates)
        if shown == self._shown:
            return
        self._shown, self.buttons = shown, {}
        clear(self._choices)
        for each, key in shown:
            self._add(each, key)

    def _add(self, candidate: CandidateBadge, key: str) -> None:
        button = Button("", on_click=lambda: self.class_chosen.emit(candidate.name))
        name = candidate.name if len(candidate.name) <= LONGEST_NAME else f"{candidate.name[: LONGEST_NAME - 1]}…"
        words = f"{name}  ({key.upper()})" if key else name
        button.setText(words.replace("&", "&&"))
        button.setIcon(swatch(theme.class_colour(candidate.colour).name()))
        button.setToolTip(tr("“{name}”: {file} says so", name=candidate.name, file=candidate.origin))
        file = ElidedLabel(candidate.file(), "small")
        file.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.buttons[candidate.name] = button
        self._choices.addWidget(button)
        self._choices.addWidget(file)
