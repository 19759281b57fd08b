"""What an import did: how much came in, and every file that did not, with its reason. Knows no state."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from gui.home.left_out import ROW_PX, LeftOutTable, agreeing_duplicates
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconButton, IconLabel, row, text

if TYPE_CHECKING:
    from visionft.project.importing.importer import ImportReport


class ImportReportCard(Card):
    """A line that sums up; the files that were left out unfold below. `decide_wanted` leads to the conflicts."""

    decide_wanted = Signal()

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._icon = IconLabel("check-circle", size=20, tone="good")
        self._line = text(role="strong")
        self._note = text(role="small")
        self.details_button = Button("Show files", role="quiet", on_click=self._toggle)
        self.decide_button = Button("Decide", "label", on_click=self.decide_wanted.emit)
        self.close_button = IconButton("close", "Dismiss", on_click=self.hide)
        self.table = LeftOutTable()
        head = row(
            self._icon,
            self._line,
            self._note,
            self.decide_button,
            self.details_button,
            self.close_button,
            spacing=theme.MEDIUM,
        )
        head.setStretch(2, 1)
        self.body.addLayout(head)
        self.body.addWidget(self.table)
        self.hide()

    def show_report(self, report: "ImportReport") -> None:
        """Show what an import did."""
        words = [tr("{count} pictures imported", count=f"{report.added:,}")]
        words += [tr("classes: {classes}", classes=len(report.classes))] if report.classes else []
        words += [tr("stopped before the end")] if report.stopped else []
        self._line.setText("; ".join(words))
        parts = (
            (len(agreeing_duplicates(report)), "duplicate"),
            (len(report.unreadable), "unreadable"),
            (len(report.skipped), "skipped"),
        )
        self._note.setText(", ".join(f"{count:,} {word}" for count, word in parts if count))
        self._icon.show_icon(
            *(("warning", "warn") if report.unreadable or not report.added else ("check-circle", "good"))
        )
        self.decide_button.setVisible(bool(report.conflicts))
        self.decide_button.setText(tr("Decide conflicts ({count})", count=f"{len(report.conflicts):,}"))
        self.details_button.setVisible(self.table.show_files(report) > 0)
        self.details_button.setText(tr("Show files"))
        self.table.hide()
        self.table.setFixedHeight(theme.scaled(ROW_PX) * (min(self.table.rowCount(), 7) + 1) + theme.SMALL)
        self.show()

    def _toggle(self) -> None:
        self.table.setVisible(self.table.isHidden())
        self.details_button.setText(tr("Show files" if self.table.isHidden() else "Hide files"))
