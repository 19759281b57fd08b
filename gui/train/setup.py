"""The draft of a training run: presets and the split of the images; everything else under *More choices*.

Depends on Qt and settings, not on the state: the page fills it and listens.
"""

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.fold import FoldButton
from gui.kit.forms import ConfigForm
from gui.kit.parts import Button, Card, CopyButton, column, pill, row, scrolling, text, widget_of
from gui.kit.side_by_side import SideBySide
from gui.kit.translation import capitalised, tr
from gui.next_steps import way_of
from gui.train.advice import AdviceCard
from gui.train.choice_grid import Choice, ChoiceGrid
from gui.train.framing.framing_card import FramingCard
from gui.train.probe_table import ProbeTable
from gui.train.split_card import SplitCard
from gui.train.train_choices import suited_backbone
from visionft.core.errors import Problem
from visionft.core.messages import Message
from visionft.training.config.train_config import TrainConfig

_EXHAUSTED = Message(
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

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        self._chosen = {name: getattr(config, name) for name in _OWN_FIELDS}
        self.presets = ChoiceGrid(card_width=200)
        self.exhausted = text(_EXHAUSTED, "muted", wrap=True)
        self.exhausted.hide()
        self.methods, self.backbones = ChoiceGrid(), ChoiceGrid()
        self.advice_card = AdviceCard()
        self.split_card = SplitCard()
        self.framing_card = FramingCard()
        names = [field.name for field in dataclasses.fields(TrainConfig) if field.metadata]
        self.form = ConfigForm(config, names=[name for name in names if name not in _OWN_FIELDS])
        self.method_forms: dict[str, ConfigForm] = {}
        self._default = config
        self.probes = ProbeTable()
        self.problems = Banner()
        self._build_parts()
        self.area = scrolling(self._everything())
        self.setLayout(column(self.area))
        self.methods.chosen.connect(lambda name: self._choose("method", name))
        self.backbones.chosen.connect(lambda name: self._choose("backbone", name))
        self.probes.used.connect(lambda name: self._choose("backbone", name))
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
        self.probe_button = Button("Compare on my images", "gauge", role="quiet")
        self.summary, self.cost = text(role="muted", wrap=True), text(role="strong", wrap=True)
        self.measure_button = Button("Measure", "gauge")
        self.measure_all_button = Button("All methods", role="quiet")
        self.command_button = CopyButton("Copy command", str, role="quiet")
        self.command_button.setToolTip(tr("Copy the command line of this run"))
        self.pack_button = Button("Pack a job…", role="quiet")
        self.import_button = Button("Import a job result…", role="quiet")
        self.prompts_button = Button("Edit prompts", "edit")
        self._no_settings = text("This method has no settings of its own.", "muted")
        self._method_box = QStackedWidget()
        self._method_box.addWidget(self._no_settings)
        self._method_title = text("", "heading")

    def _everything(self) -> QVBoxLayout:
        head = row(self.modified_pill, self.reset_button, None)
        backbones = row(text("Backbone", "heading"), None, self.probe_button, self.show_all_button)
        larger = Message("The pretrained network to start from. Larger ones are more accurate and slower.")
        left = column(
            row(text("Method", "heading"), None, self.prompts_button),
            text("How much of the network is trained.", "muted", wrap=True),
            self.methods,
            theme.SMALL,
            backbones,
            text(larger, "muted", wrap=True),
            self.probes,
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
            (about, (row(text("This run", "heading"), None, self.command_button), self.summary, self.cost)),
            (about, (row(self.measure_button, self.measure_all_button, None),)),
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
            way = way_of(step, self.step_wanted.emit)
            self.problems.show_message(capitalised(message), hint, tone="warn", way=way)
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
