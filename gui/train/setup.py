"""The draft of a training run: presets and the split of the images; everything else under *More choices*.

The page fills it and listens.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.fold import FoldButton
from gui.kit.forms import ConfigForm
from gui.kit.parts import Button, Card, choice_box, column, number_box, pill, row, scrolling, text, verbatim, widget_of
from gui.kit.side_by_side import SideBySide
from gui.kit.split_bar import SplitBar
from gui.kit.tiles import ActionTile
from gui.kit.translation import capitalised, tr
from gui.next_steps import step_action
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.advice import AdviceCard
from gui.train.framing_card import FramingCard
from gui.train.train_choices import Choice, suited_backbone
from visionft.core.errors import Problem
from visionft.core.messages import Message, Text
from visionft.project.splits import SplitRequest
from visionft.training.config.train_config import TrainConfig


class ChoiceGrid(QWidget):
    """Exclusive cards; arrow keys move between them. A card is built when it is first displayed."""

    chosen = Signal(str)

    def __init__(self, *, card_width: int = 205) -> None:
        """Args: `card_width` is the least width of a card in pixels at the normal text size."""
        super().__init__()
        self._card_width = card_width
        self._columns = 0
        self._group = QButtonGroup(self)
        self._choices: list[Choice] = []
        self._headings: list[QLabel] = []
        self.tiles: dict[str, ActionTile] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SMALL)

    def show_choices(self, choices: Sequence[Choice]) -> None:
        """Show these cards in this order; the selection stays while its card is among them."""
        is_same_order = [(c.name, c.group) for c in choices] == [(c.name, c.group) for c in self._choices]
        self._choices = list(choices)
        for choice in choices:
            if choice.name not in self.tiles:
                tile = ActionTile(choice.title, choice.words, checkable=True)
                self._group.addButton(tile)
                tile.clicked.connect(lambda _checked=False, name=choice.name: self.chosen.emit(name))
                self.tiles[choice.name] = tile
            tile = self.tiles[choice.name]
            tile.show_headline(choice.headline)
            tile.show_words(choice.words)
            tile.show_facts(choice.refusal or choice.facts)
            tile.show_badge(choice.badge)
            tile.setEnabled(not choice.refusal)
            tile.setToolTip(tr(choice.refusal))
        if not is_same_order:
            self._arrange(max(1, self._columns or 3))

    def choose(self, name: str) -> None:
        """Select a card, without a signal."""
        self.tiles[name].setChecked(True)

    def choice(self) -> str:
        return next((name for name, tile in self.tiles.items() if tile.isChecked()), "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        columns = max(1, event.size().width() // theme.scaled(self._card_width))
        if columns != self._columns:
            self._arrange(columns)
        super().resizeEvent(event)

    def _arrange(self, columns: int) -> None:
        for old in range(self._columns):
            self._grid.setColumnStretch(old, 0)
        for heading in self._headings:
            self._grid.removeWidget(heading)
            heading.hide()
            heading.deleteLater()
        self._headings = []
        for tile in self.tiles.values():
            self._grid.removeWidget(tile)
        self._columns, line = columns, 0
        groups = [(group, list(cards)) for group, cards in groupby(self._choices, key=lambda each: each.group)]
        columns = min(columns, max((len(cards) for _, cards in groups), default=1))  # few cards share the full width
        for group, cards in groups:
            if group:
                heading = verbatim(tr(group), "caption")
                self._headings.append(heading)
                self._grid.addWidget(heading, line, 0, 1, columns)
                line += 1
            for index, choice in enumerate(cards):
                self._grid.addWidget(self.tiles[choice.name], line + index // columns, index % columns)
            line += -(-len(cards) // columns)
        for place in range(columns):
            self._grid.setColumnStretch(place, 1)
        shown = {choice.name for choice in self._choices}
        for name, tile in self.tiles.items():
            tile.setVisible(name in shown)


# Images of one group stay in one split; patterns as `assign_splits` matches them in the names.
_GROUPS: dict[Text, str] = {
    Message("nothing"): "",
    Message("images with the same prefix (part7_a, part7_b)"): r"([^/]+)[_ -][^/_ -]*$",
    Message("images of one folder"): r"^(.*)/",
}


class SplitCard(Card):
    """Shows the split; edits a `SplitRequest`."""

    changed = Signal()  # the requested split

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE)
        self.wish: SplitRequest  # the requested split
        self.words = text(role="muted", wrap=True)
        self.bar = SplitBar(has_legend=False)
        self.val_spin = number_box("Share for validation", 0, 45, unit=" %")
        self.test_spin = number_box("Share for the test", 0, 45, unit=" %")
        self.group_box = choice_box("Keep together", [tr(name) for name in _GROUPS], min_chars=24)
        self.again_button = Button("Split again", "split")
        shares = row(text("Validation"), self.val_spin, theme.SMALL, text("Test"), self.test_spin, None)
        groups = row(text("Keep together"), self.group_box, None, self.again_button)
        fields = widget_of(column(shares, groups, spacing=theme.MEDIUM))
        self.change_button = FoldButton("Change", fields)
        head = row(column(text("Images", "heading"), self.words, spacing=theme.HAIR), self.change_button, grows=0)
        self.body.addLayout(head)
        self.body.addWidget(self.bar)
        self.body.addWidget(fields)
        for spin in (self.val_spin, self.test_spin):
            spin.valueChanged.connect(self._on_edited)
        self.group_box.currentIndexChanged.connect(self._on_edited)
        self.set_wish(SplitRequest())
        self.show_why_not("")

    def set_wish(self, wish: SplitRequest) -> None:
        """Show other shares, without a signal."""
        self.wish = wish
        for spin, share in ((self.val_spin, wish.val), (self.test_spin, wish.test)):
            spin.blockSignals(True)
            spin.setValue(round(100 * share))
            spin.blockSignals(False)

    def show_counts(self, counts: Mapping[str, int], *, is_divided: bool) -> None:
        """Show the images by split; those without one are counted where Start will put them."""
        self.bar.show_counts(dict(counts))
        self.again_button.setVisible(is_divided)
        train, val, test = (f"{counts.get(split, 0):,}" for split in ("train", "val", "test"))
        now = Message("{train} training, {val} validation and {test} test images.")
        then = Message("Start splits them into {train} training, {val} validation and {test} test images.")
        self.words.setText(tr(now if is_divided else then, train=train, val=val, test=test))

    def show_why_not(self, reason: str) -> None:
        """Enable splitting again, or show the reason why it is impossible."""
        self.again_button.setEnabled(not reason)
        tip = tr("Split all images again; the accuracies of earlier runs are then not comparable")
        self.again_button.setToolTip("\n".join(filter(None, (tip, reason))))

    def _on_edited(self, *_: object) -> None:
        group = list(_GROUPS.values())[self.group_box.currentIndex()]
        self.wish = SplitRequest(
            val=self.val_spin.value() / 100, test=self.test_spin.value() / 100, seed=self.wish.seed, group=group
        )
        self.changed.emit()


_NO_MORE_GAIN = Message(
    "As the last run showed, training longer is not expected to gain anything on these images. "
    "More images or corrected labels may help more."
)
_OWN_FIELDS = ("backbone", "method")


class SetupView(QWidget):
    """Edits one `TrainConfig`."""

    edited = Signal()  # the draft changed
    more_toggled = Signal(bool)  # the user opened or closed More choices
    step_wanted = Signal(object)  # NextStep: the action of a problem
    shown = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        self._chosen = {name: getattr(config, name) for name in _OWN_FIELDS}
        self.presets = ChoiceGrid(card_width=200)
        self.exhausted = text(_NO_MORE_GAIN, "muted", wrap=True)
        self.exhausted.hide()
        self.methods, self.backbones = ChoiceGrid(), ChoiceGrid()
        self.advice_card = AdviceCard(state, session)
        self.split_card = SplitCard()
        self.framing_card = FramingCard(state, session)
        names = [field.name for field in dataclasses.fields(TrainConfig) if field.metadata]
        self.form = ConfigForm(config, names=[name for name in names if name not in _OWN_FIELDS])
        self.method_forms: dict[str, ConfigForm] = {}
        self._default = config
        self.problems = Banner()
        self._build_parts()
        self.area = scrolling(self._everything())
        self.setLayout(column(self.area))
        self.methods.chosen.connect(lambda name: self._choose("method", name))
        self.backbones.chosen.connect(lambda name: self._choose("backbone", name))
        self.form.edited.connect(self.edited)

    def showEvent(self, event: QShowEvent) -> None:
        """Emit `shown`: costs are measured only while the view is visible."""
        super().showEvent(event)
        self.shown.emit()

    def _build_parts(self) -> None:
        self.modified_pill = pill("Modified", "accent")
        self.modified_pill.setToolTip(tr("Some settings differ from the preset; they are written in bold"))
        self.reset_button = Button("Reset", role="quiet")
        self.reset_button.setToolTip(tr("Restore the settings of the preset"))
        self.show_all_button = Button("Show all", role="quiet")
        self.show_all_button.setCheckable(True)
        self.summary, self.cost = text(role="muted", wrap=True), text(role="strong", wrap=True)
        self.measure_button = Button("Measure", "gauge")
        self.pack_button = Button("Pack a job…", role="quiet")
        self.import_button = Button("Import a job result…", role="quiet")
        self.prompts_button = Button("Edit prompts", "edit")
        self._no_settings = text("This method has no settings of its own.", "muted")
        self._method_box = QStackedWidget()
        self._method_box.addWidget(self._no_settings)
        self._method_title = text("", "heading")

    def _everything(self) -> QVBoxLayout:
        head = row(self.modified_pill, self.reset_button, None)
        backbones = row(text("Backbone", "heading"), None, self.show_all_button)
        larger = Message("The pretrained network to start from. Larger ones are more accurate and slower.")
        left = column(
            row(text("Method", "heading"), None, self.prompts_button),
            text("How much of the network is trained.", "muted", wrap=True),
            self.methods,
            theme.SMALL,
            backbones,
            text(larger, "muted", wrap=True),
            self.backbones,
            None,
        )
        columns = SideBySide((widget_of(left),), (widget_of(self._right()),), least_px=980, side_px=404)
        more = widget_of(column(self.framing_card, columns, spacing=theme.LARGE))
        self.more_button = FoldButton("More choices", more)
        self.more_button.setToolTip(tr("Method, backbone, settings"))
        self.more_button.toggled.connect(lambda is_open: self.shown.emit() if is_open else None)
        self.more_button.clicked.connect(self.more_toggled)
        parts = (self.problems, self.presets, self.exhausted, head, self.split_card, self.advice_card)
        everything = column(
            *parts, row(self.more_button, None, self.pack_button, self.import_button), more, None, spacing=theme.MEDIUM
        )
        everything.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        return everything

    def _right(self) -> QVBoxLayout:
        about, settings, own = (Card() for _ in range(3))
        for card, parts in (
            (about, (text("This run", "heading"), self.summary, self.cost, row(self.measure_button, None))),
            (settings, (text("Settings", "heading"), self.form)),
            (own, (self._method_title, self._method_box)),
        ):
            card.body.addLayout(column(*parts))
        return column(about, settings, own, None, spacing=theme.LARGE)

    def method_form(self, name: str) -> ConfigForm | None:
        """Return the form of a method's own settings, built on first use; None where it has none."""
        options = self._config.methods[name]
        if name not in self.method_forms and dataclasses.fields(options):
            form = ConfigForm(options)
            form.set_default(self._default.methods[name])
            form.edited.connect(self.edited)
            self.method_forms[name] = form
            self._method_box.addWidget(form)
        return self.method_forms.get(name)

    def config(self) -> TrainConfig:
        config = self.form.value()
        own = {name: form.value() for name, form in self.method_forms.items()}
        return dataclasses.replace(config, **self._chosen, methods={**config.methods, **own})

    def set_config(self, config: TrainConfig) -> None:
        """Show other settings, without a signal; `show_cards` follows."""
        self._config = config
        self._chosen = {name: getattr(config, name) for name in _OWN_FIELDS}
        self.form.set_value(config)
        for name, form in self.method_forms.items():
            form.set_value(config.methods[name])

    def set_default(self, config: TrainConfig) -> None:
        self._default = config
        self.form.set_default(config)
        for name, form in self.method_forms.items():
            form.set_default(config.methods[name])

    def show_cards(self, methods: Sequence[Choice], backbones: Sequence[Choice], config: TrainConfig) -> None:
        self._chosen = {name: getattr(config, name) for name in _OWN_FIELDS}
        self.backbones.show_choices(backbones)
        self.methods.show_choices(methods)
        self.backbones.choose(config.backbone)
        self.methods.choose(config.method)
        self._method_title.setText(tr("{method} settings", method=tr(config.method_row.title)))
        self._method_box.setCurrentWidget(self.method_form(config.method) or self._no_settings)
        self.prompts_button.setVisible(config.method_row.reads_prompts)

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show every error beside its field, the others above the settings."""
        self.form.show_problems(problems)
        for name in {problem.field.partition(".")[0] for problem in problems if "." in problem.field}:
            self.method_form(name)
        for name, form in self.method_forms.items():
            form.show_problems(problems, prefix=f"{name}.")
        shown = [problem for problem in problems if problem.field in ("", *_OWN_FIELDS) or problem.next_step]
        self.problems.setVisible(bool(shown))
        if shown:
            message = "; ".join(tr(problem.message) for problem in shown) + "."
            hint = next((problem.hint for problem in shown if problem.hint), "")
            step = next((problem.next_step for problem in shown if problem.next_step), None)
            action = step_action(step, self.step_wanted.emit)
            self.problems.show_message(capitalised(message), hint, tone="warn", action=action)
        first = next(filter(None, (form.first_fault() for form in (self.form, *self.method_forms.values()))), None)
        if first is not None:
            self.more_button.setChecked(True)
        if (faulty := self.problems if shown else first) is not None:
            # After the layout of the error texts.
            QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(faulty, 0, theme.scaled(60)))

    def _choose(self, field: str, name: str) -> None:
        self._chosen[field] = name
        if field == "backbone":  # it is to be trained, and no other one
            self.form.set_value(dataclasses.replace(self.form.value(), try_networks=False))
        if field == "method":
            self._chosen["backbone"] = suited_backbone(name, self._chosen["backbone"])
        self.edited.emit()
