"""The classes of a source: import each one, rename it, or leave it out. Depends on Qt and plain data only.

Two classes of the same name are merged.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QTableWidgetItem, QWidget

from gui.home.class_table import NAME, NEW_NAME, ClassTable
from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Tile
from gui.kit.parts import Button, Segments, column, row, stacked, text
from gui.kit.split_bar import PARTS, split_colour
from gui.kit.translation import tr
from visionft.core.messages import Message

if TYPE_CHECKING:
    from visionft.project.formats.image_table import ImageTable
    from visionft.project.importing.preview import ImportPreview

_SIDE_PX = 140  # of the images of a source without classes
Examples = Mapping[str, Mapping[str, tuple[Path, ...]]]  # images by class (empty for none) and split (empty for none)


def look_alikes(found: Mapping[str, int], known: Iterable[str]) -> dict[str, str]:
    """Return {found name: proposed name} for names that differ only by case, separators or a plural s.

    A class of the project gives its name to the others, else the most frequent one does.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(found, key=lambda name: (-found[name], name)):
        groups[_core(name)].append(name)
    targets = {_core(name): name for name in known}
    merged: dict[str, str] = {}
    for core, names in groups.items():
        target = targets.get(core, names[0])
        merged |= {name: target for name in names if name != target}
    return merged


def _core(name: str) -> str:
    plain = re.sub(r"[\s_\-.]+", " ", unicodedata.normalize("NFC", name)).strip().casefold()
    if len(plain) > 4 and plain.endswith(("ches", "shes", "sses", "xes")):
        return plain[:-2]
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


class FoundClasses(QWidget):
    """One line per class: whether it is imported, some of its images, their number, and its new name."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._class_totals: dict[str, int] = {}
        self._known: set[str] = set()
        self._unlabelled = 0
        self._merged: dict[str, str] = {}
        self._counts: Mapping[str, Mapping[str, int]] = {}
        self._examples: Examples = {}
        self.merge_button = Button("Merge look-alikes", "layers", on_click=self._merge)
        self._title = text("", "heading")
        self._hint = text("", "small", wrap=True)
        splits = {"": tr("All"), **{name: tr(title) for name, title, _, _ in PARTS}}
        self.splits = Segments(splits, tr("Images of the split"))
        self.splits.chosen.connect(self._show_split)
        self.table = ClassTable()
        self.table.itemChanged.connect(lambda _item: self._show_state())
        self.table.itemChanged.connect(lambda _item: self.changed.emit())
        self.grid = ImageGrid(
            self.table.thumbnails,
            name=Message("Images without a class"),
            side_px=theme.scaled(_SIDE_PX),
            lines=0,
            overlaid=True,
            selectable=False,
        )
        self.grid.setProperty("role", "")  # it lies on a card
        hint = row(self._hint, self.merge_button, spacing=theme.MEDIUM, grows=0)
        self._body = stacked(self.table, self.grid)
        self.setLayout(column(row(self._title, None, self.splits), hint, self._body, grows=2))

    def show_classes(
        self,
        counted: "ImportPreview | ImageTable",
        known: Iterable[str],
        examples: Examples,
        *,
        keeps_names: bool = False,
    ) -> None:
        """Show the classes of a source, with examples by class and split; `known` are the project's classes.

        With `keeps_names`, names typed for the previous classes are kept if the source has the same classes.
        """
        found, unlabelled = counted.classes, counted.unlabelled
        edited = self.class_map() if keeps_names and found.keys() == self._class_totals.keys() else {}
        self._class_totals = dict(found)
        self._known = set(known)
        self._unlabelled = unlabelled
        self._counts, self._examples = counted.class_splits, examples
        self._merged = look_alikes(found, self._known)
        self.table.complete_from(sorted({*found, *self._known}))
        alone = tr("{count} image without a class", "{count} images without a class", count=unlabelled)
        title = tr("{count} class found", "{count} classes found", count=len(found))
        self._title.setText(title if found else alone if unlabelled else tr("No new images"))
        shown = chain.from_iterable(examples.get("", {}).values())
        self.grid.show_tiles([Tile(image_id=number, path=path) for number, path in enumerate(shown, 1)])
        self._body.setCurrentWidget(self.table if found or not unlabelled else self.grid)
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(found) + bool(unlabelled))
            for line, name in enumerate(found):
                new_name = edited.get(name, name)
                self.table.set_line(line, {NAME: name, NEW_NAME: new_name or name}, is_class=True)
                if new_name is None:
                    self._item(line, NAME).setCheckState(Qt.CheckState.Unchecked)
            if unlabelled:
                texts = {NAME: tr("Without a class"), NEW_NAME: tr("to be labelled by hand")}
                self.table.set_line(len(found), texts, is_class=False)
        splits = {split for counts in self._counts.values() for split in counts}
        for name, button in self.splits.buttons.items():
            button.setVisible(not name or name in splits)
            if name:
                button.setIcon(swatch(split_colour(name)))
                button.setIconSize(QSize(15, 9))
        self.splits.setVisible(bool(splits))
        self.splits.buttons[""].setChecked(True)
        self._show_split("")
        self._show_state()

    def _show_split(self, split: str) -> None:
        """Show the example images and counts of one split, or of all splits if `split` is empty."""
        with QSignalBlocker(self.table):
            for line, (name, total) in enumerate(
                [*self._class_totals.items(), ("", self._unlabelled)][: self.table.rowCount()]
            ):
                counts, examples = self._counts.get(name, {}), self._examples.get(name, {})
                if split:
                    self.table.show_examples(line, examples.get(split, ()), counts.get(split, 0))
                else:
                    interleaved = chain.from_iterable(zip_longest(*examples.values()))
                    self.table.show_examples(line, [path for path in interleaved if path], total)
        self.table.fit_columns()

    def class_map(self) -> dict[str, str | None]:
        """Return {found name: new name, or None for left out} for all changed names."""
        new_names = {name: self._new_name(line) for line, name in enumerate(self._class_totals)}
        return {name: new_name for name, new_name in new_names.items() if new_name != name}

    def left_out_count(self) -> int:
        return sum(self._class_totals[name] for name, new_name in self.class_map().items() if new_name is None)

    def fault(self) -> str:
        names = (self._item(line, NEW_NAME).text() for line in range(len(self._class_totals)))
        return tr("A class needs a name.") if any(not name.strip() for name in names) else ""

    def set_name(self, found: str, name: str) -> None:
        self._item(list(self._class_totals).index(found), NEW_NAME).setText(name)

    def _item(self, line: int, place: int) -> QTableWidgetItem:
        item = self.table.item(line, place)
        assert item is not None
        return item

    def _new_name(self, line: int) -> str | None:
        if self._item(line, NAME).checkState() != Qt.CheckState.Checked:
            return None
        return self._item(line, NEW_NAME).text().strip()

    def _merge(self) -> None:
        with QSignalBlocker(self.table):
            for line, found in enumerate(self._class_totals):
                self._item(line, NEW_NAME).setText(self._merged.get(found, self._item(line, NEW_NAME).text()))
        self._show_state()
        self.changed.emit()

    def _show_state(self) -> None:
        """Mark renamed, merged and omitted classes, and show the possible actions."""
        new_names = [self._new_name(line) for line in range(len(self._class_totals))]
        palette = theme.colours()
        times = Counter(new_names)
        with QSignalBlocker(self.table):
            for line, (found, new_name) in enumerate(zip(self._class_totals, new_names, strict=True)):
                item = self._item(line, NEW_NAME)
                font = QFont()
                font.setBold(new_name is not None and new_name != found)
                font.setStrikeOut(new_name is None)
                item.setFont(font)
                item.setForeground(QColor(palette.muted if new_name is None else palette.text))
                others = times[new_name] > 1 or (new_name != found and new_name in self._known)
                merged = tr("Merged into “{name}”", name=new_name) if others else ""
                item.setToolTip(tr("Left out") if new_name is None else merged)
        unchanged = {found for found, new_name in zip(self._class_totals, new_names, strict=True) if new_name == found}
        waiting = len(unchanged & self._merged.keys())
        self.merge_button.setVisible(bool(waiting))
        self.merge_button.setText(tr("Merge look-alikes ({count})", count=waiting))
        left = len({new_name for new_name in new_names if new_name is not None})
        if not self._class_totals and not self._unlabelled:
            words = tr("Every image of the source is in the project already.")
        elif not self._class_totals:
            words = tr("The images are imported without a class, to be labelled by hand.")
        elif any(new_name != found for found, new_name in zip(self._class_totals, new_names, strict=True)):
            words = tr("{found} classes found, {left} selected.", found=len(new_names), left=left)
        else:
            words = tr("Untick a class to leave its images out. Click a name to change it; equal names are merged.")
        self._hint.setText(self.fault() or words)
