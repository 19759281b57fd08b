"""The result of an import: counts, and every omitted file with its reason. Depends on Qt and plain data only."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.parts import Button, Card, IconButton, IconLabel, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message
from visionft.project.queries import files_in_conflict

if TYPE_CHECKING:
    from visionft.project.formats.listing import ImageWarning
    from visionft.project.importing.import_filter import ImportPreview
    from visionft.project.importing.importer import ImportReport

MAX_LINES = 2000


def agreeing_duplicates(left_out: "ImportReport | ImportPreview") -> tuple[str, ...]:
    """Return the duplicates without a label conflict: the same label as the others, or none."""
    disagreeing = files_in_conflict(left_out.conflicts)
    return tuple(name for name in left_out.duplicates if name not in disagreeing)


def warning_words(warnings: "Sequence[ImageWarning]") -> list[str]:
    """Return a sentence for each warning of an import: number of images, reason, and the first image."""
    first = {each.reason: each.path for each in reversed(warnings)}
    counts = Counter(each.reason for each in warnings)
    words = Message("Warning: of {count} image: {reason} ({path}).", "Warning: of {count} images: {reason} ({path}).")
    return [
        tr(words, count=f"{counts[reason]:,}", reason=tr(reason), path=Path(path).name)
        for reason, path in sorted(first.items())
    ]


class _PathDelegate(QStyledItemDelegate):
    """Elides a path at its beginning: the file's own name is the most informative part."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideLeft  # type: ignore[reportAttributeAccessIssue]


class LeftOutTable(ValueTable):
    """File, problem, reason. Problems that need attention come first."""

    def __init__(self) -> None:
        headers = (Message("File"), Message("What"), Message("Reason"))
        super().__init__(headers, name="Files that are left out", is_sortable=False, is_of_texts=True)
        self.setItemDelegateForColumn(0, _PathDelegate(self))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        for place in (0, 2):
            self.horizontalHeader().setSectionResizeMode(place, QHeaderView.ResizeMode.Stretch)

    def show_files(self, left_out: "ImportReport | ImportPreview", *, base: str = "") -> int:
        """Show the omitted files, named relative to the folder `base`; return their number."""
        disagreeing: dict[str, str] = {}  # each file with its label of the image, then the conflicting labels
        for conflict in left_out.conflicts:
            for each in conflict.candidates:
                others = (other for other in conflict.candidates if other is not each)
                disagreeing[each.origin] = " / ".join(f"“{label.class_name}”" for label in (each, *others))
        same = Message("the same image is there already")
        lines = [(file.path, Message("Unreadable"), file.reason) for file in left_out.unreadable]
        lines += [(name, tr("Conflict"), disagreeing[name]) for name in left_out.duplicates if name in disagreeing]
        lines += [(name, Message("Duplicate"), same) for name in agreeing_duplicates(left_out)]
        lines += [(file.path, Message("Skipped"), file.reason) for file in left_out.skipped]
        shown = lines[:MAX_LINES]
        if len(lines) > MAX_LINES:
            shown.append((Message("and {count} more", count=len(lines) - MAX_LINES), "", ""))
        self.show_rows([[(path.removeprefix(base), path), (what, what), (why, why)] for path, what, why in shown])
        for line, words in enumerate(shown):
            if (item := self.item(line, 0)) is not None:
                item.setToolTip(words[0])  # the whole path
        return len(lines)


class ImportReportCard(Card):
    """A summary line; the omitted files unfold below. `decide_wanted` opens the conflicts."""

    decide_wanted = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._icon = IconLabel("check-circle", size=20, tone="good")
        self._line, self._note = text(role="strong"), text(role="small")
        self.details_button = Button("Show files", role="quiet", on_click=self._toggle)
        self.decide_button = Button("Decide", "label", on_click=self.decide_wanted.emit)
        close = IconButton("close", "Dismiss", on_click=self.hide)
        self.table = LeftOutTable()
        parts = (self._icon, self._line, self._note, self.decide_button, self.details_button, close)
        self.body.addLayout(row(*parts, spacing=theme.MEDIUM, grows=2))
        self.body.addWidget(self.table)
        self.hide()

    def show_report(self, report: "ImportReport") -> None:
        words = [tr("{count} image imported", "{count} images imported", count=report.added)]
        words += [tr("classes: {classes}", classes=len(report.classes))] if report.classes else []
        words += [tr("stopped before the end")] if report.stopped else []
        self._line.setText("; ".join(words))
        duplicates, unreadable, skipped = len(agreeing_duplicates(report)), len(report.unreadable), len(report.skipped)
        parts = [tr("{count} duplicate", "{count} duplicates", count=duplicates)] if duplicates else []
        parts += [tr("{count} unreadable", count=unreadable)] if unreadable else []
        parts += [tr("{count} skipped", count=skipped)] if skipped else []
        self._note.setText(" ".join(filter(None, (", ".join(parts), *warning_words(report.warnings)))))
        is_whole = report.added and not (report.unreadable or report.warnings)
        self._icon.show_icon(*(("check-circle", "good") if is_whole else ("warning", "warn")))
        self.decide_button.setVisible(bool(report.conflicts))
        self.decide_button.setText(tr("Decide conflicts ({count})", count=f"{len(report.conflicts):,}"))
        self.details_button.setVisible(self.table.show_files(report) > 0)
        self.details_button.setText(tr("Show files"))
        self.table.hide()
        self.table.setFixedHeight(theme.scaled(30) * (min(self.table.rowCount(), 7) + 1) + theme.SMALL)
        self.show()

    def _toggle(self) -> None:
        self.table.setVisible(self.table.isHidden())
        self.details_button.setText(tr("Show files" if self.table.isHidden() else "Hide files"))
