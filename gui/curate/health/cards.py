"""The cards of the health view, and the list of what to do next. Knows Qt and plain data only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, clear, column, row, scrolling, text, verbatim
from visionft.curation.health.facts import Advice, CheckHealth, Health

CARD_PX = 188
_BUTTON_PAD_PX = 10
_NUMBER_PX = 22
_ADVICE_PX = 1200
_SCREENS = {"home": "Import", "label": "Open Label", "train": "Open Train", "results": "Open Results"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A card: words are translated. `place` is where its button leads; none, no button."""

    title: str
    number: str
    words: str
    tone: str = ""
    place: str = ""
    button: str = ""


class HealthPage(QWidget):
    """All of it, in a column that scrolls."""

    def __init__(self, *, on_open: Callable[[str], object]) -> None:
        """Args: `on_open` takes where a button leads: a view's name, a screen's, or `look:` and a check."""
        super().__init__()
        self._open = on_open
        self.cards: list[HealthCard] = []
        self.advice: list[AdviceLine] = []
        self._grid = CardGrid()
        self._list = column(spacing=theme.SMALL)
        self._heading = text("What to do next", "heading")
        body = column(self._grid, theme.SMALL, self._heading, self._list, None, spacing=theme.SMALL)
        body.setContentsMargins(0, 0, theme.LARGE, theme.LARGE)
        area = scrolling(body)
        area.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # the arrows scroll
        self.setLayout(column(area))

    def show_health(self, health: Health) -> None:
        """Show a project's health."""
        self.cards = [HealthCard(told, self._open) for told in told_of(health)]
        self._grid.show_cards(self.cards)
        clear(self._list)
        self.advice = [AdviceLine(number, each, self._open) for number, each in enumerate(health.advice, start=1)]
        for line in self.advice:
            self._list.addWidget(line)
        self._heading.setVisible(bool(self.advice))


class CardGrid(QWidget):
    """Cards side by side, as many as there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self._cards: list[HealthCard] = []
        self._columns = 0
        self._layout = QGridLayout()
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.MEDIUM)
        self.setLayout(self._layout)

    def show_cards(self, cards: "list[HealthCard]") -> None:
        """Show other cards."""
        clear(self._layout)
        self._cards, self._columns = cards, 0
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Have as many in a row as there is room for."""
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


class HealthCard(Card):
    """A title, a big number, a sentence, and a button that leads on."""

    def __init__(self, told: Told, on_open: Callable[[str], object]) -> None:
        super().__init__(spacing=theme.TIGHT)
        self.told = told
        self.setMinimumWidth(theme.scaled(CARD_PX) * 3 // 4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        margins = self.body.contentsMargins()
        self.body.setContentsMargins(margins.left() - _BUTTON_PAD_PX, margins.top(), margins.right(), theme.SMALL)
        number = verbatim(told.number, "hero")
        number.setAccessibleName(f"{told.title}: {told.number}")
        for label in (verbatim(told.title, "caption"), number, verbatim(told.words, "muted", wrap=True)):
            label.setContentsMargins(_BUTTON_PAD_PX, 0, 0, 0)  # begins where the words of the button do
            self.body.addWidget(label)
        self.body.addStretch(1)
        self.button = Button("", role="quiet", on_click=lambda: on_open(told.place))
        self.button.setText(told.button.replace("&", "&&"))
        if not told.button:
            self.button.hide()
        else:  # not shown by hand: before it stands in a layout it would be a window of its own
            self.button.setAccessibleName(f"{told.title}: {told.button}")
            self.body.addLayout(row(self.button, None))


class AdviceLine(Card):
    """Something worth doing, what it rests on, and a button that leads there."""

    def __init__(self, number: int, advice: Advice, on_open: Callable[[str], object]) -> None:
        super().__init__(margin=theme.MEDIUM)
        self.setMaximumWidth(theme.scaled(_ADVICE_PX))  # else its button is far from its words
        self.told = advice
        words = column(
            verbatim(tr(advice.words), "strong", wrap=True),
            verbatim(tr(advice.evidence), "muted", wrap=True),
            spacing=theme.HAIR,
        )
        place = verbatim(f"{number}", "number")
        place.setFixedWidth(theme.scaled(_NUMBER_PX))
        line = row(place, words, spacing=theme.MEDIUM)
        line.setStretch(1, 1)
        self.button = Button("", role="quiet", on_click=lambda: on_open(_place_of(advice)))
        if advice.view:
            self.button.setText(_button_of(advice))
            self.button.setAccessibleName(f"{_button_of(advice)}: {tr(advice.words)}")
            line.addWidget(self.button)
        self.body.addLayout(line)


def _place_of(advice: Advice) -> str:
    return "look:" if advice.view == "curate" else advice.view


def _button_of(advice: Advice) -> str:
    if advice.view == "curate":
        return tr("Look through the pictures")
    return tr(_SCREENS.get(advice.view, "Show them"))


def told_of(health: Health) -> Iterator[Told]:
    """Yield the cards of a project's health, words translated."""
    missing = health.pictures - health.labelled
    words = tr("{count} have no label.", count=f"{missing:,}") if missing else tr("All of them have a label.")
    yield Told(
        title=tr("Pictures"),
        number=f"{health.pictures:,}",
        words=words,
        place="label" if missing else "",
        button=tr("Open Label") if missing else "",
    )
    yield Told(title=tr("Classes"), number=f"{len(health.classes):,}", words=_balance_words(health))
    yield from map(_check, health.checks)
    yield _run(health)


def _balance_words(health: Health) -> str:
    if health.balance is None:
        return tr("Fewer than two have pictures.")
    (large, most), (small, least) = health.balance.largest, health.balance.smallest
    return tr(
        "“{large}” has {most}, “{small}” has {least}.", large=large, most=f"{most:,}", small=small, least=f"{least:,}"
    )


def _check(check: CheckHealth) -> Told:
    title = tr(check.title)
    if check.state == "never":
        look = tr("Look for it")
        return Told(title=title, number="–", words=tr("Not looked at yet."), place=f"look:{check.name}", button=look)
    words = tr("of {count} pictures are flagged.", count=f"{check.looked_at:,}")
    if not check.flagged:
        words = tr("{count} pictures were looked at.", count=f"{check.looked_at:,}")
    if check.state == "stale":
        words += " " + tr("Something changed since.")
    return Told(title=title, number=f"{check.flagged:,}", words=words, place=check.name, button=tr("Show them"))


def _run(health: Health) -> Told:
    run = health.run
    if run is None:
        words = tr("No run was evaluated yet.")
        return Told(title=tr("Newest run"), number="–", words=words, place="train", button=tr("Open Train"))
    low, high = (f"{share:.0%}" for share in run.interval)
    words = tr("right on {split} ({low} to {high}).", split=run.split, low=low, high=high)
    if run.honest is not None and run.honest.without is not None:
        words += " " + tr("Without those that leak: {share}.", share=f"{run.honest.without:.0%}")
    if run.classes:
        words += " " + tr("Weakest: “{name}”, {share}.", name=run.classes[0].name, share=f"{run.classes[0].recall:.0%}")
    return Told(
        title=tr("Newest run"), number=f"{run.top1:.0%}", words=words, place="results", button=tr("Open Results")
    )
