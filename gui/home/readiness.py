"""A project's readiness for training: its conditions, the next step, and the card with both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.parts import Button, Card, IconLabel, clear, column, pill, restyle, row, text, verbatim
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from visionft.core.messages import Message, Text, listed
from visionft.data.types import SPLITS

if TYPE_CHECKING:
    from visionft.project.summary import ProjectSummary

_MAX_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReadiness:
    """One class: its colour, and the number of its labelled images in each split."""

    colour: ClassColour
    name: str
    total: int
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: met, or missing with `action` (its name in `action_chosen`) behind a button `button`.

    `offers` are {action: button} that stay when the condition is met.
    """

    title: Text
    note: Text
    is_met: bool
    action: str = ""
    button: Text = ""
    icon_name: str = ""
    offers: Mapping[str, Text] = field(default_factory=dict[str, Text])


def next_step(summary: "ProjectSummary", rows: list[ClassReadiness]) -> tuple[str, Text, str]:
    """Return the primary action (as in `Checklist.action_chosen`, or `train`), its title and its icon."""
    if not summary.images:
        return "import", Message("Import images"), "import"
    if not (summary.labelled and _classes(rows).is_met):
        return "label", Message("Label images"), "label"
    return "train", Message("Train"), "train"


def class_rows(
    class_splits: Mapping[str, Mapping[str, int]], colours: Mapping[str, ClassColour]
) -> list[ClassReadiness]:
    """Return one row per class with its labelled images per split; `class_splits` as `ProjectOverview` has them."""
    rows = []
    for index, (name, counts) in enumerate(class_splits.items()):
        splits = {split: counts.get(split, 0) for split in SPLITS}
        rows.append(ClassReadiness(colour=colours.get(name, index), name=name, total=sum(counts.values()), **splits))
    return rows


def conditions(summary: "ProjectSummary", rows: list[ClassReadiness]) -> list[Condition]:
    """Return the conditions of training, in the order of the workflow."""
    count = summary.images
    note = Message("{count} image", "{count} images", count=count) if count else Message("The project is empty.")
    images = Condition(Message("Images"), note, count > 0, "import", Message("Import"), "import")
    note = Message("{count} in several classes; left out until you decide", count=summary.conflicts)
    conflicts = Condition(Message("Conflicts"), note, False, "conflicts", Message("Decide"), "curate")
    undecided = [conflicts] if summary.conflicts else []
    series = [_series(summary)] if summary.groups else []
    return [images, _labels(summary), *undecided, _classes(rows), _splits(summary, rows), *series]


def _series(summary: "ProjectSummary") -> Condition:
    note = Message(
        "{grouped} of {images} images are in {groups} groups that look alike; accuracies are by group.",
        grouped=f"{summary.grouped:,}",
        images=f"{summary.images:,}",
        groups=f"{summary.groups:,}",
    )
    offers = {"show_groups": Message("Show"), "ungroup": Message("Take apart")}
    return Condition(Message("Series"), note, True, offers=offers)


def _labels(summary: "ProjectSummary") -> Condition:
    rest = summary.images - summary.labelled
    note = Message("No image has a label yet.")
    if summary.labelled and rest:
        note = Message(
            "{labelled} labelled; {count} without a label is left out",
            "{labelled} labelled; {count} without a label are left out",
            labelled=f"{summary.labelled:,}",
            count=rest,
        )
    elif summary.labelled:
        note = Message("All {count} labelled", count=summary.labelled)
    button = Message("Label") if summary.images else ""
    return Condition(Message("Labels"), note, summary.labelled > 0, "label", button, "label")


def _classes(rows: list[ClassReadiness]) -> Condition:
    empty = [row.name for row in rows if not row.total]
    used = len(rows) - len(empty)
    note = Message("{count} class", "{count} classes", count=used)
    if used < 2:
        note = Message("Training needs at least 2 classes with images.")
    elif empty:
        note = Message("{classes} with images; none of {names}", classes=note, names=listed(empty, _MAX_NAMES))
    button = Message("Label") if rows else ""
    return Condition(Message("Classes"), note, used >= 2 and not empty, "label", button, "label")


def _splits(summary: "ProjectSummary", rows: list[ClassReadiness]) -> Condition:
    assigned = summary.images - summary.splits["unassigned"]
    missing = [row.name for row in rows if row.total and not (row.train and row.val)]
    waiting = sum(row.total - row.train - row.val - row.test for row in rows)
    note = Message("Every class is in training and validation.")
    if not assigned:
        note = Message("Training splits them when it starts.")
    elif waiting:
        note = Message(
            "{count} new labelled image: training splits it when it starts.",
            "{count} new labelled images: training splits them when it starts.",
            count=waiting,
        )
    elif missing:
        note = Message("Missing from training or validation: {names}.", names=listed(missing, _MAX_NAMES))
    is_met = bool(summary.labelled) and (not assigned or bool(waiting) or not missing)
    button = Message("Split now") if summary.labelled else ""
    return Condition(Message("Splits"), note, is_met, "split", button, "split")


class Checklist(Card):
    """The conditions, each met or with a button to meet it."""

    action_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(spacing=theme.MEDIUM)
        self.badge = pill()
        self.buttons: dict[str, Button] = {}
        self._lines = column(spacing=theme.MEDIUM)
        self.body.addLayout(row(text("Ready to train?", "heading", wrap=True), self.badge, grows=0))
        self.body.addLayout(self._lines)

    def show_conditions(self, conditions: list[Condition]) -> None:
        missing = sum(not condition.is_met for condition in conditions)
        self.badge.setText(tr("{count} still missing", count=missing) if missing else tr("Ready to train"))
        restyle(self.badge, tone="warn" if missing else "good")
        clear(self._lines)
        self.buttons = {}
        for each in conditions:
            sign = IconLabel("check-circle" if each.is_met else "circle", tone="good" if each.is_met else "warn")
            title = verbatim(tr(each.title), "strong")
            note = verbatim(tr(each.note), "small", wrap=True)
            words = column(title, note, spacing=theme.HAIR)
            if each.offers:
                offered = {
                    action: Button(name, on_click=partial(self.action_chosen.emit, action))
                    for action, name in each.offers.items()
                }
                self.buttons |= offered
                words.addSpacing(theme.SMALL)
                words.addLayout(row(*offered.values(), None, spacing=theme.SMALL))
            line = row(sign, words, spacing=theme.MEDIUM, grows=1)
            if each.button and not each.is_met:
                button = Button(each.button, each.icon_name, on_click=partial(self.action_chosen.emit, each.action))
                self.buttons[each.action] = button
                line.addWidget(button)
            self._lines.addLayout(line)
