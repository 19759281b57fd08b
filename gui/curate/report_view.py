"""The dataset report on one page: counts, issues, the newest run's accuracy, and recommended next steps."""

from collections.abc import Callable, Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.curate.curation import Curation
from gui.curate.view import EmptyContent, View
from gui.kit import theme
from gui.kit.parts import Button, Card, clear, column, row, scrolling, text, verbatim
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.analysis.check import APPROXIMATE_TEXT
from visionft.analysis.report import CheckSummary, DatasetReport, RecommendedAction, read_report
from visionft.core.amounts import share_text
from visionft.core.messages import Message

_SCREENS = {  # {view of a recommendation: page, its button}; the others show a view of this page
    "curate": ("", Message("Find issues")),
    "home": ("project", Message("Import")),
    "label": ("label", Message("Open Label")),
    "train": ("train", Message("Open Train")),
    "results": ("results", Message("Open Results")),
}
CARD_PX = 188
_BUTTON_PAD_PX = 10
Open = Callable[[str], object]  # receives a view's name, a screen's, or `run:` and a check


class ReportPage(QWidget):
    """The whole report, in a scrolling column."""

    def __init__(self, *, on_open: Open) -> None:
        super().__init__()
        self._open = on_open
        self.cards: list[ReportCard] = []
        self.steps: list[NextStepLine] = []
        self._grid = CardGrid()
        self._list = column()
        self._heading = text("What to do next", "heading")
        body = column(self._grid, theme.SMALL, self._heading, self._list, None)
        body.setContentsMargins(0, 0, theme.LARGE, theme.LARGE)
        area = scrolling(body)
        area.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # the arrows scroll
        self.setLayout(column(area))

    def show_report(self, report: DatasetReport) -> None:
        self.cards = list(_cards_of(report, self._open))
        self._grid.show_cards(self.cards)
        clear(self._list)
        self.steps = [NextStepLine(*each, self._open) for each in enumerate(report.recommendations, start=1)]
        for line in self.steps:
            self._list.addWidget(line)
        self._heading.setVisible(bool(self.steps))


class CardGrid(QWidget):
    """Cards side by side, as many as there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self._cards: list[ReportCard] = []
        self._columns = 0
        self._layout = QGridLayout()
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.MEDIUM)
        self.setLayout(self._layout)

    def show_cards(self, cards: "list[ReportCard]") -> None:
        clear(self._layout)
        self._cards, self._columns = cards, 0
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        columns = max(1, min(len(self._cards), (self.width() + theme.MEDIUM) // (theme.scaled(CARD_PX) + theme.MEDIUM)))
        if columns == self._columns or not self._cards:
            return
        for place in range(max(columns, self._columns)):
            self._layout.setColumnStretch(place, 1 if place < columns else 0)
        self._columns = columns
        for place, card in enumerate(self._cards):
            self._layout.addWidget(card, place // columns, place % columns)


class ReportCard(Card):
    """A title, a big figure, a sentence, and a button to more details; all texts are translated already."""

    def __init__(
        self, title: str, figure: str, words: str, *, button: str = "", place: str = "", on_open: Open | None = None
    ) -> None:
        super().__init__(spacing=theme.TIGHT)
        self.title, self.figure, self.words = title, figure, words
        self.setMinimumWidth(theme.scaled(CARD_PX) * 3 // 4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        margins = self.body.contentsMargins()
        self.body.setContentsMargins(margins.left() - _BUTTON_PAD_PX, margins.top(), margins.right(), theme.SMALL)
        number = verbatim(figure, "hero")
        number.setAccessibleName(f"{title}: {figure}")
        for label in (verbatim(title, "caption"), number, verbatim(words, "muted", wrap=True)):
            label.setContentsMargins(_BUTTON_PAD_PX, 0, 0, 0)  # aligned with the text of the button
            self.body.addWidget(label)
        self.body.addStretch(1)
        if on_open is not None and button:
            self.button = Button("", role="quiet", on_click=lambda: on_open(place))
            self.button.setText(button.replace("&", "&&"))
            self.button.setAccessibleName(f"{title}: {button}")
            self.body.addLayout(row(self.button, None))


class NextStepLine(Card):
    """A recommended action, its evidence, and a button to the page where it is done."""

    def __init__(self, number: int, step: RecommendedAction, on_open: Open) -> None:
        super().__init__(margin=theme.MEDIUM)
        self.setMaximumWidth(theme.scaled(1200))  # else the button is far from the text
        self.step = step
        action = verbatim(tr(step.action), "strong", wrap=True)
        place = verbatim(f"{number}", "number")
        place.setFixedWidth(theme.scaled(22))
        words = column(action, verbatim(tr(step.evidence), "muted", wrap=True), spacing=theme.HAIR)
        line = row(place, words, spacing=theme.MEDIUM, grows=1)
        if step.view:
            target = "run:" if step.view == "curate" else step.view
            self.button = Button("", role="quiet", on_click=lambda: on_open(target))
            self.button.setText(tr(_SCREENS[step.view][1] if step.view in _SCREENS else Message("Show issues")))
            self.button.setAccessibleName(f"{self.button.text()}: {tr(step.action)}")
            line.addWidget(self.button)
        self.body.addLayout(line)


def _cards_of(report: DatasetReport, on_open: Open) -> Iterator[ReportCard]:
    words = tr("All images have a label.")
    button = ""
    if missing := report.images - report.labelled:
        words = tr("{count} has no label.", "{count} have no label.", count=missing)
        button = tr("Open Label")
    yield ReportCard(tr("Images"), f"{report.images:,}", words, button=button, place="label", on_open=on_open)
    words = tr("Fewer than two have images.")
    balance = report.balance
    if balance is not None and balance.is_even:
        words = tr("Each has {most} images.", most=f"{balance.largest[1]:,}")
    elif balance is not None:
        (large, most), (small, least) = balance.largest, balance.smallest
        message = Message("“{large}” has {most}, “{small}” has {least}.")
        words = tr(message, large=large, most=f"{most:,}", small=small, least=f"{least:,}")
    yield ReportCard(tr("Classes"), f"{len(report.classes):,}", words)
    for check in report.checks:
        yield _check_card(check, on_open)
    yield _run_card(report, on_open)


def _check_card(check: CheckSummary, on_open: Open) -> ReportCard:
    title = tr(check.title)
    button = tr("Show issues")
    place = check.name
    figure = "–"
    if check.state == "never":
        words = tr("Not checked yet.")
        button = tr("Find issues")
        place = f"run:{check.name}"
    elif check.skipped and not check.flagged:
        words = tr(check.skipped)
    else:
        count = check.flagged if check.groups is None else check.groups
        figure, flagged, total = f"{count:,}", f"{check.flagged:,}", check.checked
        if not count:
            words = tr("found among {count} image.", "found among {count} images.", count=total)
        elif check.groups is None:
            words = tr("of {count} image is flagged.", "of {count} images are flagged.", count=total)
        else:
            words = tr("groups: {flagged} of {total} images are flagged.", flagged=flagged, total=f"{total:,}")
        words += " " + tr(APPROXIMATE_TEXT) if check.is_approximate else ""
        words += " " + tr("The project has changed since.") if check.state == "stale" else ""
    return ReportCard(title, figure, words, button=button, place=place, on_open=on_open)


def _run_card(report: DatasetReport, on_open: Open) -> ReportCard:
    title = tr("Newest run")
    run = report.run
    if run is None:
        words = tr("No run was evaluated yet.")
        return ReportCard(title, "–", words, button=tr("Open Train"), place="train", on_open=on_open)
    low, high = (f"{share:.0%}" for share in run.interval)
    words = tr("accuracy on {split} ({low} to {high}).", split=tr(run.images_of), low=low, high=high)
    if run.leak_free is not None and run.leak_free.without is not None:
        words += " " + tr("Without leaked images: {share}.", share=f"{run.leak_free.without:.0%}")
    if run.classes:
        weak = run.classes[0]
        share = share_text(weak.recall, weak.images, of=tr("of"))
        words += " " + tr("Weakest: “{name}”, {share}.", name=weak.name, share=share)
    return ReportCard(title, f"{run.top1:.0%}", words, button=tr("Open Results"), place="results", on_open=on_open)


class ReportView(View):
    """Cards with a figure, a sentence and a button each; below, recommended next steps."""

    name = "report"
    title = Message("Report")
    icon = "shield"
    panel_place = "instead"
    gives_classes = False

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self.report: DatasetReport | None = None
        self._page: ReportPage | None = None
        self._is_old = True
        self._reader = BackgroundReader(read_report, self._on_read, parent=self)
        curation.issues_changed.connect(self._on_issues_changed)

    def _on_issues_changed(self) -> None:
        self._is_old = True

    def fill(self) -> None:
        if self._is_old and self.curation.project is not None:
            self._is_old = False
            self._reader.ask(self.curation.project)

    def _on_read(self, report: DatasetReport) -> None:
        self.report = report
        if self._page is not None:
            self._page.show_report(report)
        self.changed.emit()

    def close(self) -> None:
        self._reader.close()

    def sentence(self) -> str:
        return tr("The data set, its issues, and what to do next.")

    def empty(self) -> EmptyContent | None:
        is_read = self.report is not None
        return None if is_read else EmptyContent(title=tr("Reading the project"), words="", icon="shield")

    def build_panel(self) -> QWidget | None:
        self._page = ReportPage(on_open=self.open)
        if self.report is not None:
            self._page.show_report(self.report)
        return self._page

    def open(self, place: str) -> None:
        """Show a view of this page, or another screen, by its name; `run:` and a check's name runs that check."""
        if place.startswith("run:"):
            self.curation.scan.start([name] if (name := place.removeprefix("run:")) else [])
        elif place in _SCREENS:
            self.curation.state.page_requested.emit(_SCREENS[place][0])
        else:
            self.curation.view_wanted.emit(place)
