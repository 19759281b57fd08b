"""The result of an import: counts, and every omitted file with its reason. Depends on Qt and plain data only."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, Card, IconButton, IconLabel, clear, column, row, text, verbatim
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from visionft.core.messages import Message

if TYPE_CHECKING:
    from visionft.project.formats.image_table import ImageWarning
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview

MAX_LINES = 2000
_MAX_REASONS = 5
_PADDING_PX = 14  # left and right in a cell, by the style sheet


@dataclass(frozen=True, slots=True)
class LeftOutFile:
    """A file that an import leaves out; `path` is printable."""

    path: str
    kind: str
    reason: str


def left_out_files(left_out: "ImportReport | ImportPreview") -> list[LeftOutFile]:
    """Return the omitted files; problems that need attention come first."""
    disagreeing: dict[str, Message] = {}  # each file with its label of the image, then the conflicting ones
    for conflict in left_out.conflicts:
        for each in conflict.candidates:
            others = (other for other in conflict.candidates if other is not each)
            names = " / ".join(f"“{label.class_name}”" for label in (each, *others))
            disagreeing[each.origin] = Message("in several classes: {names}", names=names)
    same = Message("the same image is there already")
    files = [LeftOutFile(each.path, Message("Unreadable"), each.reason) for each in left_out.unreadable]
    in_conflict = [name for name in left_out.duplicates if name in disagreeing]
    files += [LeftOutFile(name, Message("Conflict"), disagreeing[name]) for name in in_conflict]
    files += [LeftOutFile(name, Message("Duplicate"), same) for name in left_out.duplicates if name not in disagreeing]
    return files + [LeftOutFile(each.path, Message("Skipped"), each.reason) for each in left_out.skipped]


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


class _ReasonDelegate(QStyledItemDelegate):
    """Gives a row the height of its wrapped text; Qt's own hint forgets the padding of the style sheet."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        hint = super().sizeHint(option, index)
        table = self.parent()
        assert isinstance(table, LeftOutTable)
        room = QRect(0, 0, table.columnWidth(index.column()) - 2 * _PADDING_PX, 10_000)
        words = table.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, index.data())
        return QSize(hint.width(), words.height() + 2 * theme.SMALL)


class LeftOutTable(ValueTable):
    """File, problem, reason. Problems that need attention come first."""

    def __init__(self) -> None:
        headers = (Message("File"), Message("What"), Message("Reason"))
        super().__init__(headers, name="Files that are left out", is_sortable=False, is_of_texts=True)
        self.setItemDelegateForColumn(0, _PathDelegate(self))
        self.setItemDelegateForColumn(2, _ReasonDelegate(self))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(True)  # a reason is read whole; the rows grow with it
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for place in (0, 2):
            self.horizontalHeader().setSectionResizeMode(place, QHeaderView.ResizeMode.Stretch)

    def show_files(self, files: "Sequence[LeftOutFile]", *, base: str = "") -> None:
        """Show the omitted files, named relative to the folder `base`."""
        shown = list(files[:MAX_LINES])
        if len(files) > MAX_LINES:
            shown.append(LeftOutFile(Message("and {count} more", count=len(files) - MAX_LINES), "", ""))
        rows = ((each.path.removeprefix(base), tr(each.kind), tr(each.reason)) for each in shown)
        self.show_rows([[(words, words) for words in each] for each in rows])
        for line, each in enumerate(shown):
            if (item := self.item(line, 0)) is not None:
                item.setToolTip(each.path)  # the whole path


class LeftOutCard(Card):
    """The omitted files of a preview, counted by reason; a button opens the list of them."""

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._title = text("", "heading")
        self._counts = column(spacing=theme.TIGHT)
        self.show_button = Button("Show files", on_click=self._open)
        self._files: Sequence[LeftOutFile] = ()
        self._base = ""
        self.add(self._title, self._counts, row(self.show_button, None))

    def show_files(self, left_out: "ImportPreview", *, base: str) -> None:
        self._files = left_out_files(left_out)
        self._base = base
        count = len(self._files)
        self._title.setText(tr("{count} file is left out", "{count} files are left out", count=count))
        clear(self._counts)
        reasons: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for each in self._files:
            reasons[each.kind, Message(each.reason).template].append(each.reason)
        for (kind, _), texts in sorted(reasons.items(), key=lambda group: -len(group[1]))[:_MAX_REASONS]:
            words = tr("{kind}: {reason}", kind=tr(kind), reason=tr(_shared_reason(texts)))
            counted = column(verbatim(f"{len(texts):,}", "strong"), None)
            self._counts.addLayout(row(counted, verbatim(words, "muted", wrap=True), grows=1))
        if len(reasons) > _MAX_REASONS:
            more = tr("and {count} more", count=len(reasons) - _MAX_REASONS)
            self._counts.addWidget(verbatim(more, "muted"))
        self.setVisible(count > 0)

    def _open(self) -> None:
        LeftOutDialog(self, self._files, base=self._base).open()


def _shared_reason(reasons: Sequence[str]) -> Message:
    """Return the reason of several files, of one template; dots stand for the values that differ."""
    first, *others = map(Message, reasons)
    differing = (name for name, value in first.values.items() if any(each.values.get(name) != value for each in others))
    return Message(first, **dict.fromkeys(differing, "…"))


class LeftOutDialog(Dialog):
    """The list of the omitted files; deleted when it is closed."""

    def __init__(self, parent: QWidget, files: "Sequence[LeftOutFile]", *, base: str) -> None:
        about = Message("These files stay where they are; nothing is done to them.")
        super().__init__(parent, Message("Files that are left out"), about, width=820, height=480)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.table = LeftOutTable()
        self.table.show_files(files, base=base)
        self.lay_out(self.table)


class ImportReportCard(Card):
    """A summary line; a button opens the list of the omitted files. `decide_wanted` opens the conflicts."""

    decide_wanted = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._icon = IconLabel("check-circle", size=20, tone="good")
        self._line, self._note = text(role="strong", wrap=True), text(role="small", wrap=True)
        words = column(self._line, self._note, None, spacing=theme.HAIR)
        self._files: Sequence[LeftOutFile] = ()
        self.details_button = Button(
            "Show files", role="quiet", on_click=lambda: LeftOutDialog(self, self._files, base="").open()
        )
        self.decide_button = Button("Decide", "curate", on_click=self.decide_wanted.emit)
        close = IconButton("close", "Dismiss", on_click=self.hide)
        icon = column(self._icon, None)
        buttons = column(row(self.decide_button, self.details_button, close), None)
        self.body.addLayout(row(icon, words, buttons, spacing=theme.MEDIUM, grows=1))
        self.hide()

    def show_report(self, report: "ImportReport") -> None:
        words = [tr("{count} image imported", "{count} images imported", count=report.added)]
        if report.classes:
            words.append(tr("classes: {classes}", classes=len(report.classes)))
        if report.stopped:
            words.append(tr("stopped before the end"))
        self._line.setText("; ".join(words))
        self._files = left_out_files(report)
        counts = Counter(each.kind for each in self._files)
        duplicates, unreadable, skipped = (counts[kind] for kind in ("Duplicate", "Unreadable", "Skipped"))
        parts = [tr("{count} duplicate", "{count} duplicates", count=duplicates)] if duplicates else []
        if unreadable:
            parts.append(tr("{count} unreadable", count=unreadable))
        if skipped:
            parts.append(tr("{count} skipped", count=skipped))
        counted = [f"{', '.join(parts)}."] if parts else []
        self._note.setText("\n".join((*counted, *warning_words(report.warnings))))
        self._note.setVisible(bool(self._note.text()))
        is_whole = report.added and not (report.unreadable or report.warnings)
        self._icon.show_icon(*(("check-circle", "good") if is_whole else ("warning", "warn")))
        self.decide_button.setVisible(bool(report.conflicts))
        self.decide_button.setText(tr("Decide conflicts ({count})", count=f"{len(report.conflicts):,}"))
        self.details_button.setVisible(bool(self._files))
        self.show()
