"""Choices of the labels as chips in a row, such as the parts of a path. Depends on Qt and plain data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.chips import Chip
from gui.kit.flow import Flow
from gui.kit.parts import clear, verbatim
from gui.kit.translation import tr
from visionft.core.messages import Text
from visionft.project.formats.image_table import LabelChoice
from visionft.project.importing.file_names import name_part, name_parts


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a row; clickable where it stands for a choice."""

    words: str
    choice: LabelChoice | None = None
    equal: tuple[LabelChoice, ...] = ()  # choices that mean the same here


class ChoiceChips(QWidget):
    """A row of texts and chips; `chosen` emits the choice of a clicked chip."""

    chosen = Signal(object)  # LabelChoice

    def __init__(self, description: Text) -> None:
        """Args: `description` says what a click does, for screen readers."""
        super().__init__()
        self.chips: list[Chip] = []
        self._parts: Sequence[Part] = ()
        self._choice: LabelChoice | None = None
        self._description = tr(description)
        self._flow = Flow(spacing=theme.TIGHT)
        self.setLayout(self._flow)

    def show_parts(self, parts: Sequence[Part]) -> None:
        """Show a row of texts and chips."""
        if parts == self._parts:
            return
        self._parts, self.chips = parts, []
        clear(self._flow)
        for part in parts:
            if part.choice is None:
                self._flow.addWidget(verbatim(part.words, "muted"))
                continue
            chip = Chip()
            chip.setCheckable(True)
            chip.setAccessibleDescription(self._description)
            chip.clicked.connect(lambda _is_on, choice=part.choice: self._on_clicked(choice))
            chip.show_words(part.words)
            self.chips.append(chip)
            self._flow.addWidget(chip)
        self._show_marks()

    def show_choice(self, choice: LabelChoice | None) -> None:
        """Mark the chips of a choice."""
        self._choice = choice
        self._show_marks()

    def chosen_words(self) -> list[str]:
        """Return the texts of the marked chips."""
        return [chip.words() for chip in self.chips if chip.isChecked()]

    def _show_marks(self) -> None:
        parts = [part for part in self._parts if part.choice is not None]
        for chip, part in zip(self.chips, parts, strict=True):
            is_on = self._choice is not None and self._choice in (part.choice, *part.equal)
            chip.setChecked(is_on)
            chip.show_words(chip.words(), is_on=is_on)

    def _on_clicked(self, choice: LabelChoice) -> None:
        self._show_marks()
        self.chosen.emit(choice)


def folder_parts(path: PurePath, source: str) -> list[Part]:
    """Return the folders of an image below its source, then its name: `source / site / [species] / img.jpg`."""
    folders = path.parts[:-1]
    parts = [Part(source)]
    for level, name in enumerate(folders, 1):
        from_source, from_image = (LabelChoice(class_folder=each) for each in (level, level - len(folders) - 1))
        both = (from_image, from_source) if level == len(folders) else (from_source, from_image)
        parts += [Part("/"), Part(name, both[0], both[1:])]
    return [*parts, Part("/"), Part(path.name)] if folders else []


def name_row(path: PurePath) -> list[Part]:
    """Return the parts of an image's name, counted from 1 on, then its words without the numbers where it has any.

    For `golden_retriever_12.jpg`: `golden`, `retriever`, `12` and `golden_retriever`.
    """
    words = name_parts(path.stem)
    before = name_part(path.stem, 0)
    parts = [
        Part(word, LabelChoice(name_part=number), (LabelChoice(name_part=number - len(words) - 1),))
        for number, word in enumerate(words, 1)
    ]
    if before != path.stem and any(map(str.isalpha, before)):
        parts += [Part(path.suffix), Part(tr("or without the numbers")), Part(before, LabelChoice(name_part=0))]
    return parts if len(parts) > 1 else []


def example_paths(paths: Sequence[PurePath], most: int = 12) -> list[PurePath]:
    """Return a few paths, apart from each other, of the depth that most of them have."""
    depths = [len(path.parts) for path in paths]
    usual = max(set(depths), key=depths.count, default=0)
    found = list(dict.fromkeys(path for path, depth in zip(paths, depths, strict=True) if depth == usual))
    count = min(len(found), most)
    return [found[place * len(found) // count] for place in range(count)]
