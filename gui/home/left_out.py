"""The table of files that an import leaves out, each with its reason. Knows Qt and plain data only."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit.i18n import tr
from gui.kit.value_table import ValueTable
from visionft.project.queries import Conflict, files_in_conflict

if TYPE_CHECKING:
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview

    LeftOut = ImportReport | ImportPreview

MAX_LINES = 2000
ROW_PX = 30


def agreeing_duplicates(left_out: "LeftOut") -> tuple[str, ...]:
    """Return the duplicates that say of the picture what the others say, or nothing."""
    disagreeing = files_in_conflict(left_out.conflicts)
    return tuple(name for name in left_out.duplicates if name not in disagreeing)


class _PathDelegate(QStyledItemDelegate):
    """Shortens a path at its beginning: the file's own name says most."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideLeft  # type: ignore[reportAttributeAccessIssue]


class LeftOutTable(ValueTable):
    """File, what is the matter, why. Those that need a look come first."""

    def __init__(self) -> None:
        super().__init__(
            ("File", "What", "Reason"), name="Files that are left out", is_sortable=False, is_of_texts=True
        )
        self.setItemDelegateForColumn(0, _PathDelegate(self))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)

    def show_files(self, left_out: "LeftOut", *, base: str = "") -> int:
        """Show what is left out, named from the folder `base` on; return how many files that are."""
        lines = [(file.path, "Unreadable", file.reason) for file in left_out.unreadable]
        disagreeing = {origin: words for each in left_out.conflicts for origin, words in _sayings(each)}
        lines += [(name, tr("Conflict"), disagreeing[name]) for name in left_out.duplicates if name in disagreeing]
        lines += [(name, "Duplicate", "the same picture is there already") for name in agreeing_duplicates(left_out)]
        lines += [(file.path, "Skipped", file.reason) for file in left_out.skipped]
        shown = lines[:MAX_LINES]
        if len(lines) > MAX_LINES:
            shown.append((f"and {len(lines) - MAX_LINES:,} more", "", ""))
        self.show_rows([[(path.removeprefix(base), path), (what, what), (why, why)] for path, what, why in shown])
        for line, words in enumerate(shown):
            for place, whole in enumerate(words):
                if (item := self.item(line, place)) is not None:
                    item.setToolTip(whole)
        return len(lines)


def _sayings(conflict: Conflict) -> Iterator[tuple[str, str]]:
    """Yield each file with what it says of the picture, then what others say."""
    for each in conflict.candidates:
        others = (other for other in conflict.candidates if other is not each)
        yield each.origin, " / ".join(f"“{saying.class_name}”" for saying in (each, *others))
