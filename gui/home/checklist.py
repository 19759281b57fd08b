"""A list of conditions, each met or with the button that meets it. Knows Qt only."""

from dataclasses import dataclass

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, IconLabel, clear, column, pill, restyle, row, text, verbatim


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition: met, or missing with `action` (its name in `action_chosen`) behind a button `button`."""

    title: str
    note: str
    is_met: bool
    action: str = ""
    button: str = ""
    icon_name: str = ""


class Checklist(Card):
    """A heading with a badge, then one line per condition."""

    action_chosen = Signal(str)

    def __init__(self, *, ready: str, missing: str) -> None:
        super().__init__(spacing=theme.MEDIUM)
        self._words = (ready, missing)
        self._badge = pill()
        self._lines = column(spacing=theme.MEDIUM)
        self.buttons: dict[str, Button] = {}
        head = row(text("Ready to train?", "heading", wrap=True), self._badge)
        head.setStretch(0, 1)
        self.body.addLayout(head)
        self.body.addLayout(self._lines)

    def show_conditions(self, conditions: list[Condition]) -> None:
        """Show these conditions."""
        missing = sum(not condition.is_met for condition in conditions)
        self._badge.setText(tr(self._words[1], count=missing) if missing else tr(self._words[0]))
        restyle(self._badge, tone="warn" if missing else "good")
        clear(self._lines)
        self.buttons = {}
        for condition in conditions:
            self._add(condition)

    def badge(self) -> str:
        """Return the badge's words."""
        return self._badge.text()

    def _add(self, condition: Condition) -> None:
        sign = IconLabel("check-circle" if condition.is_met else "circle", tone="good" if condition.is_met else "warn")
        title, note = verbatim(tr(condition.title), "strong"), verbatim(tr(condition.note), "small", wrap=True)
        line = row(sign, column(title, note, spacing=theme.HAIR), spacing=theme.MEDIUM)
        line.setStretch(1, 1)
        if condition.button and not condition.is_met:
            button = Button("", condition.icon_name)
            button.setText(tr(condition.button))
            button.clicked.connect(lambda _checked=False, name=condition.action: self.action_chosen.emit(name))
            self.buttons[condition.action] = button
            line.addWidget(button)
        self._lines.addLayout(line)
