"""What an import did: how much came in, and every file that did not, with its reason. Knows Qt and plain data only."""

from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from gui import theme
from gui.widgets.parts import Button, Card, IconButton, IconLabel, row, text

MAX_LINES = 2000


class RejectedFile(Protocol):
    """A file that did not come in."""

    @property
    def path(self) -> str:
        """Return the file."""
        ...

    @property
    def reason(self) -> str:
        """Return why."""
        ...


class Report(Protocol):
    """What the engine reports of an import."""

    added: int
    duplicates: tuple[str, ...]
    unreadable: tuple[RejectedFile, ...]
    skipped: tuple[RejectedFile, ...]
    classes: dict[str, int]
    stopped: bool


class ImportReportCard(Card):
    """A line that sums up; the files that were left out unfold below."""

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._icon = IconLabel("check-circle", size=20, tone="good")
        self._line = text(role="strong")
        self._note = text(role="small")
        self.details_button = Button("Show files", role="quiet", on_click=self._toggle)
        self.close_button = IconButton("close", "Dismiss")
        self.close_button.clicked.connect(self.hide)
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["File", "What", "Reason"])
        self.table.setAccessibleName("Files that were left out")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setDefaultSectionSize(theme.scaled(30))
        head = row(self._icon, self._line, self._note, self.details_button, self.close_button, spacing=theme.MEDIUM)
        head.setStretch(2, 1)
        self.body.addLayout(head)
        self.body.addWidget(self.table)
        self.hide()

    def show_report(self, report: Report) -> None:
        """Show what an import did."""
        left_out = [(name, "Duplicate", "The project has the same picture already") for name in report.duplicates]
        left_out += [(file.path, "Unreadable", file.reason) for file in report.unreadable]
        left_out += [(file.path, "Skipped", file.reason) for file in report.skipped]
        classes = f" in {len(report.classes)} classes" if report.classes else ""
        ending = "; stopped before the end" if report.stopped else ""
        self._line.setText(f"{report.added:,} pictures imported{classes}{ending}")
        parts = (
            (len(report.duplicates), "duplicate"),
            (len(report.unreadable), "unreadable"),
            (len(report.skipped), "skipped"),
        )
        self._note.setText(", ".join(f"{count:,} {word}" for count, word in parts if count))
        self._icon.show_icon(
            *(("warning", "warn") if report.unreadable or not report.added else ("check-circle", "good"))
        )
        self.details_button.setVisible(bool(left_out))
        self.details_button.setText("Show files")
        self.table.hide()
        self._fill(left_out)
        self.show()

    def _fill(self, lines: list[tuple[str, str, str]]) -> None:
        shown = lines[:MAX_LINES]
        if len(lines) > MAX_LINES:
            shown.append((f"and {len(lines) - MAX_LINES:,} more", "", ""))
        self.table.setRowCount(len(shown))
        self.table.setFixedHeight(theme.scaled(30) * (min(len(shown), 7) + 1) + theme.SMALL)
        for line, values in enumerate(shown):
            for place, value in enumerate(values):
                item = QTableWidgetItem(value)
                item.setToolTip(value)
                self.table.setItem(line, place, item)

    def _toggle(self) -> None:
        self.table.setVisible(self.table.isHidden())
        self.details_button.setText("Show files" if self.table.isHidden() else "Hide files")
