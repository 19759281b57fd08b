"""The draft of a training run: presets and the division of the pictures; under *More choices* everything else.

Knows Qt and settings, never the state: the page feeds it and listens.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.forms import ConfigForm
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, pill, row, scrolling, text
from gui.next_steps import way_of
from gui.train.advice_card import AdviceCard
from gui.train.augment_strip import AugmentStrip
from gui.train.choice_grid import Choice, ChoiceGrid
from gui.train.probe_table import ProbeTable
from gui.train.split_card import SplitCard
from gui.train.train_choices import suited_backbone
from visionft.errors import Problem
from visionft.training.config.train_config import TrainConfig

if TYPE_CHECKING:
    from gui.train.rate_chart import RateChart

OWN_FIELDS = ("backbone", "method")
_RIGHT_WIDTH = 404
_PRESET_WIDTH = 250


class SetupView(QWidget):
    """Edits one `TrainConfig`."""

    edited = Signal()  # the draft changed
    preset_chosen = Signal(str)
    reset_requested = Signal()
    all_backbones_requested = Signal(bool)
    probe_requested = Signal()
    search_requested = Signal()  # for a network that has no card
    measure_requested = Signal(bool)  # True: every method
    rates_requested = Signal()
    prompts_requested = Signal()
    copy_requested = Signal()
    more_toggled = Signal(bool)  # the user opened or closed More choices
    step_wanted = Signal(object)  # NextStep: what a problem asks for
    shown = Signal()

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        self._chosen = {name: getattr(config, name) for name in OWN_FIELDS}
        self.presets, self.methods, self.backbones = (
            ChoiceGrid([], card_width=_PRESET_WIDTH),
            ChoiceGrid([]),
            ChoiceGrid([]),
        )
        self.advice_card = AdviceCard()
        self.split_card = SplitCard()
        names = [field.name for field in dataclasses.fields(TrainConfig) if field.metadata]
        self.form = ConfigForm(config, names=[name for name in names if name not in OWN_FIELDS], has_reset=False)
        self.method_forms: dict[str, ConfigForm] = {}
        self._default = config
        self.strip = AugmentStrip()
        self.probes = ProbeTable()
        self.problems = Banner()
        self.rate_chart: RateChart | None = None
        self._build_parts()
        self.area = scrolling(self._everything())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.area)
        self.presets.chosen.connect(self.preset_chosen)
        self.methods.chosen.connect(lambda name: self._choose("method", name))
        self.backbones.chosen.connect(lambda name: self._choose("backbone", name))
        self.probes.used.connect(lambda name: self._choose("backbone", name))
        self.form.edited.connect(self._on_edited)

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that what only costs while it is looked at is wanted now."""
        super().showEvent(event)
        self.shown.emit()

    # -- building -----------------------------------------------------------------------------------------------

    def _build_parts(self) -> None:
        self.modified_pill = pill("Modified", "accent")
        self.modified_pill.setToolTip(tr("Some settings differ from the preset; they are written in bold"))
        self.reset_button = Button("Reset", role="quiet", on_click=self.reset_requested.emit)
        self.reset_button.setToolTip(tr("Take the preset's settings again"))
        self.more_button = Button("More choices", "chevron-right", role="fold", on_click=self._on_more_clicked)
        self.more_button.setCheckable(True)
        self.more_button.setToolTip(tr("Method, backbone, settings, what augmentation does, the learning rate finder"))
        self.show_all_button = Button("Show all", role="quiet", on_click=self._toggle_all)
        self.show_all_button.setCheckable(True)
        self.search_button = Button("Find a network", "search", role="quiet", on_click=self.search_requested.emit)
        self.search_button.setToolTip(tr("Search all ResNets and vision transformers of timm by name"))
        self.probe_button = Button("Try on my pictures", "gauge", role="quiet", on_click=self.probe_requested.emit)
        self.summary = text(role="muted", wrap=True)
        self.cost = text(role="strong", wrap=True)
        self.measure_button = Button("Measure", "gauge", on_click=lambda: self.measure_requested.emit(False))
        self.measure_all_button = Button(
            "All methods", role="quiet", on_click=lambda: self.measure_requested.emit(True)
        )
        self.command_button = Button("Copy command", "copy", role="quiet", on_click=self.copy_requested.emit)
        self.command_button.setToolTip(tr("Copy the command line that trains exactly this"))
        self.open_recipe_button = Button("Open recipe…", role="quiet")
        self.save_recipe_button = Button("Save recipe…", role="quiet")
        self.rates_button = Button("Find a learning rate", "search", on_click=self.rates_requested.emit)
        self.prompts_button = Button("Edit prompts", "edit", on_click=self.prompts_requested.emit)
        self._no_settings = text("This method has no settings of its own.", "muted")
        self._method_box = QStackedWidget()
        self._method_box.addWidget(self._no_settings)
        self._method_title = text("", "heading")

    def _everything(self) -> QVBoxLayout:
        head = row(text("Preset", "heading"), self.modified_pill, None, self.reset_button)
        right = QWidget()
        right.setFixedWidth(theme.scaled(_RIGHT_WIDTH))
        right.setLayout(self._right())
        columns = row(self._left(), right, spacing=theme.LARGE)
        columns.setStretch(0, 1)
        self._more = QWidget()
        self._more.setLayout(columns)
        self._more.hide()
        parts = (
            self.advice_card,
            head,
            self.presets,
            theme.TIGHT,
            self.split_card,
            self.problems,
            row(self.more_button, None),
        )
        everything = column(*parts, self._more, None, spacing=theme.MEDIUM)
        everything.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        return everything

    def _left(self) -> QVBoxLayout:
        backbones = row(text("Backbone", "heading"), None, self.probe_button, self.search_button, self.show_all_button)
        return column(
            row(text("Method", "heading"), None, self.prompts_button),
            text("How much of the network learns from your pictures.", "muted", wrap=True),
            self.methods,
            theme.SMALL,
            backbones,
            text("The pretrained network to start from. Larger ones see more and take longer.", "muted", wrap=True),
            self.probes,
            self.backbones,
            None,
        )

    def _right(self) -> QVBoxLayout:
        about, settings, sees, rates, own = (Card() for _ in range(5))
        about.body.addLayout(row(text("This run", "heading"), None, self.command_button))
        about.body.addWidget(self.summary)
        about.body.addWidget(self.cost)
        about.body.addLayout(row(self.measure_button, self.measure_all_button, None))
        about.body.addLayout(row(self.open_recipe_button, self.save_recipe_button, None))
        for item in (text("Settings", "heading"), self.form):
            settings.body.addWidget(item)
        sees.body.addWidget(self.strip)
        self._rates_box = rates.body
        rates.body.addWidget(text("Learning rate finder", "heading"))
        words = "Tries rising rates for a moment and suggests the one at which the loss falls fastest."
        rates.body.addWidget(text(words, "small", wrap=True))
        rates.body.addLayout(row(self.rates_button, None))
        for item in (self._method_title, self._method_box):
            own.body.addWidget(item)
        return column(about, settings, sees, own, rates, None, spacing=theme.LARGE)

    def method_form(self, name: str) -> ConfigForm | None:
        """Return the form of a method's own settings, built when it is first asked for; None where it has none."""
        options = getattr(self._config, name)
        if name not in self.method_forms and dataclasses.fields(options):
            form = ConfigForm(options, has_reset=False)
            form.set_default(getattr(self._default, name))
            form.edited.connect(self._on_edited)
            self.method_forms[name] = form
            self._method_box.addWidget(form)
        return self.method_forms.get(name)

    # -- the draft ----------------------------------------------------------------------------------------------

    def config(self) -> TrainConfig:
        """Return the draft as it is shown."""
        own = {name: form.value() for name, form in self.method_forms.items()}
        return dataclasses.replace(self.form.value(), **self._chosen, **own)

    def set_config(self, config: TrainConfig) -> None:
        """Show other settings, without a signal; `show_cards` follows."""
        self._config = config
        self._chosen = {name: getattr(config, name) for name in OWN_FIELDS}
        self.form.set_value(config)
        for name, form in self.method_forms.items():
            form.set_value(getattr(config, name))

    def set_default(self, config: TrainConfig) -> None:
        """Compare with these settings from now on."""
        self._default = config
        self.form.set_default(config)
        for name, form in self.method_forms.items():
            form.set_default(getattr(config, name))

    def show_cards(self, methods: Sequence[Choice], backbones: Sequence[Choice], config: TrainConfig) -> None:
        """Show the cards; those of `config` become the chosen ones."""
        self._chosen = {name: getattr(config, name) for name in OWN_FIELDS}
        self.backbones.show_choices(backbones)
        self.methods.show_choices(methods)
        self.backbones.choose(config.backbone)
        self.methods.choose(config.method)
        self._method_title.setText(tr("{method} settings", method=tr(config.method_row.title)))
        self._method_box.setCurrentWidget(self.method_form(config.method) or self._no_settings)
        self.prompts_button.setVisible(config.method_row.reads_prompts)

    def show_modified(self, is_modified: bool) -> None:
        """Show whether the draft differs from the preset."""
        self.modified_pill.setVisible(is_modified)
        self.reset_button.setVisible(is_modified)

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show every fault beside its field, the others above the settings."""
        self.form.show_problems(problems)
        for name in {problem.field.partition(".")[0] for problem in problems if "." in problem.field}:
            self.method_form(name)
        for name, form in self.method_forms.items():
            form.show_problems(problems, prefix=f"{name}.")
        shown = [problem for problem in problems if problem.field in ("", *OWN_FIELDS) or problem.next_step]
        self.problems.setVisible(bool(shown))
        if shown:
            message = "; ".join(problem.message for problem in shown)
            hint = next((problem.hint for problem in shown if problem.hint), "")
            step = next((problem.next_step for problem in shown if problem.next_step), None)
            way = way_of(step, self.step_wanted.emit)
            self.problems.show_message(message[:1].upper() + message[1:] + ".", hint, tone="warn", way=way)
        forms = (self.form, *self.method_forms.values())
        if any(form.first_fault() for form in forms):
            self.open_more(True)
        faulty = self.problems if shown else next(filter(None, (form.first_fault() for form in forms)), None)
        if faulty is not None:
            # Once the fault texts have their place.
            QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(faulty, 0, theme.scaled(60)))

    def show_rates(self, rates: Sequence[float], losses: Sequence[float], suggestion: float) -> None:
        """Show what the learning-rate test saw."""
        if self.rate_chart is None:
            from gui.train.rate_chart import RateChart  # pyqtgraph takes its time

            self.rate_chart = RateChart()
            self.rate_chart.rate_chosen.connect(self.use_rate)
            self._rates_box.addWidget(self.rate_chart)
        self.rate_chart.show_curve(rates, losses, suggestion)

    def use_rate(self, rate: float) -> None:
        """Take a learning rate into the draft."""
        self.form.set_value(dataclasses.replace(self.form.value(), learning_rate=float(f"{rate:.2g}")))
        self._on_edited()

    def open_more(self, is_open: bool) -> None:
        """Show or hide what most people never need."""
        self.more_button.setChecked(is_open)
        self.more_button.set_icon_name("chevron-down" if is_open else "chevron-right")
        self._more.setVisible(is_open)
        if is_open:
            self.shown.emit()

    # -- slots --------------------------------------------------------------------------------------------------

    def _on_more_clicked(self) -> None:
        self.open_more(self.more_button.isChecked())
        self.more_toggled.emit(self.more_button.isChecked())

    def _choose(self, field: str, name: str) -> None:
        self._chosen[field] = name
        if field == "method":
            self._chosen["backbone"] = suited_backbone(name, self._chosen["backbone"])
        self._on_edited()

    def _on_edited(self) -> None:
        self.edited.emit()

    def _toggle_all(self) -> None:
        shows_all = self.show_all_button.isChecked()
        self.show_all_button.setText(tr("Show fewer" if shows_all else "Show all"))
        self.all_backbones_requested.emit(shows_all)
