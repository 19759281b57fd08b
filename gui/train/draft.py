"""Keeps the draft of a run together: presets that follow the project, cards with their cost, the preview, the tests.

Connects the session with the set-up view; starts tasks that only measure, never a training run.
"""

import dataclasses
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QDialog

from gui.kit.i18n import tr
from gui.kit.workers import Work, WorkerPool
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from gui.train import measuring
from gui.train.advising import Adviser
from gui.train.computer import Computer, look_at_computer
from gui.train.network_search import NetworkSearch
from gui.train.own_preview import OwnPreview
from gui.train.preset_costs import PresetCosts
from gui.train.recipes import Recipes
from gui.train.setup import SetupView
from gui.train.train_choices import (
    WeightsFact,
    backbone_choices,
    backbones_to_try,
    cost_words,
    method_choices,
    needs_division,
    preset_choices,
    preset_configs,
    run_summary,
)
from models.catalog import BACKBONES
from models.methods.table import METHODS, supported_method
from visionft.data.types import Snapshot
from visionft.events import Event, Progress
from visionft.project.splits import SplitWish, as_divided, is_divided
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import DEFAULT_PRESET, Circumstances, differs
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, known_estimate

if TYPE_CHECKING:
    from visionft.advice.answerers import Answerer
    from visionft.training.lr_finder import RateCurve
    from visionft.training.probing import Probe

T = TypeVar("T")


class TrainDraft(QObject):
    """The settings of the run to come."""

    def __init__(self, state: AppState, session: ProjectSession | None, view: SetupView, *, page: str) -> None:
        super().__init__(view)
        self._state, self._session, self._view, self._page = state, session, view, page
        self._is_measuring = False
        self._weights = {name: WeightsFact(is_here=bool(row.bundled)) for name, row in BACKBONES.items()}
        self._auto_device = "cpu"  # until the background has looked: asking a GPU's driver takes its time
        self._shows_all = False
        self._is_closed = False
        self.preset = DEFAULT_PRESET
        self.preview = OwnPreview(view.strip, self._snapshot, parent=self)
        self._looking = WorkerPool(look_at_computer, threads=1, answers_age=True, parent=self)
        self._looking.done.connect(self._on_computer_looked_at)
        self.costs = PresetCosts(state, session, page=page, parent=self)
        self.recipes = Recipes(state, view, take=self.take, page=page, parent=self)
        self.adviser = Adviser(state, session, view.advice_card, page=page, use=self.use, shown=self.show, parent=self)
        self._divided: tuple[Snapshot | None, SplitWish, Snapshot | None] = (None, SplitWish(), None)
        self._facts: SetFacts | None = None
        self._circumstances = Circumstances()
        self._probes: tuple[Probe, ...] = ()
        self._untriable = ""  # why the pictures cannot be tried on
        self._look_at_project()
        self._baseline = self._preset_configs()[self.preset]
        self._connect()
        self.take_preset(self.preset)
        if state.draft is not None:
            self.take(state.draft)

    def _connect(self) -> None:
        view = self._view
        view.edited.connect(self.show)
        view.shown.connect(self.show)
        view.preset_chosen.connect(self.take_preset)
        view.reset_requested.connect(lambda: self.take_preset(self.preset))
        view.all_backbones_requested.connect(self._on_all_backbones_requested)
        view.search_requested.connect(self._on_search_requested)
        view.measure_requested.connect(self.measure)
        view.rates_requested.connect(self.find_rate)
        view.probe_requested.connect(self.probe)
        view.prompts_requested.connect(self.edit_prompts)
        view.split_card.changed.connect(self.refresh)
        view.more_toggled.connect(lambda is_open: self._state.change_settings(shows_more_choices=is_open))
        view.open_more(self._state.settings.shows_more_choices)
        self.costs.changed.connect(self.show)

    # -- the draft ----------------------------------------------------------------------------------------------

    @property
    def config(self) -> TrainConfig:
        """Return the draft."""
        return self._view.config()

    @property
    def is_modified(self) -> bool:
        """Whether the draft differs from the preset it began with."""
        return differs(self.config, self._baseline)

    def take(self, config: TrainConfig) -> None:
        """Show settings from elsewhere, such as an earlier run's."""
        self._view.set_config(config)
        self.show()

    @Slot(str)
    def take_preset(self, name: str) -> None:
        """Show the settings of a preset."""
        self.preset = name
        self._baseline = self._preset_configs()[name]
        self._view.set_default(self._baseline)
        self._view.set_config(self._baseline)
        self._view.show_problems(())
        self.show(self._baseline)

    def use(self, answerer: "Answerer") -> None:
        """Take the settings of what is advised: a preset, or one with another method."""
        self.take_preset(answerer.preset or self.preset)
        if not answerer.preset or answerer.backbone != self.config.backbone:
            self.take(dataclasses.replace(self.config, method=answerer.method, backbone=answerer.backbone))

    def _preset_configs(self) -> dict[str, TrainConfig]:
        return preset_configs(self._circumstances, self._probes, device=self._state.settings.device)

    def refresh(self) -> None:
        """Follow the project; a draft that was not touched follows with its preset."""
        if self._is_closed:  # the project closes after the workers; one begun then would outlive the window
            return
        self._looking.request(["all"])
        self.adviser.refresh()
        was_modified = self.is_modified
        before = (self._facts, self._circumstances, self._probes, self._baseline.device)
        self._look_at_project()
        if before != (self._facts, self._circumstances, self._probes, self._state.settings.device):
            self._follow(was_modified)

    def _follow(self, was_modified: bool) -> None:
        if was_modified:
            self.show()
        else:
            self.take_preset(self.preset)

    def is_ready(self) -> bool:
        """Check the draft against the pictures; show every fault beside its field.

        Pictures that are not divided yet are checked when they are.
        """
        snapshot = self._snapshot()
        problems = config_problems(self.config, snapshot if self.is_divided else None) if snapshot is not None else ()
        self._view.show_problems(problems)
        return snapshot is not None and not problems

    @property
    def is_divided(self) -> bool:
        """Whether the pictures need no division before a run; without labels there is nothing to divide."""
        images = self._session.snapshot() if self._session else None
        return images is None or is_divided(images) or not needs_division(images, self.config)

    def _snapshot(self) -> Snapshot | None:
        """Return the pictures as a run would find them: Start divides those that are not divided yet."""
        if self._session is None:
            return None
        now, wish = self._session.snapshot(), self._view.split_card.wish()
        if self._divided[:2] != (now, wish):
            self._divided = (now, wish, as_divided(now, wish))
        return self._divided[2]

    def _look_at_project(self) -> None:
        """Count the pictures, once for each state of the project: with many it takes a moment."""
        self._look_at_division()
        snapshot = self._snapshot()
        self._facts = SetFacts.of(snapshot) if snapshot else None
        here = [name for name, fact in self._weights.items() if fact.is_here]
        wanted = self._state.settings.device
        device = self._auto_device if wanted == "auto" else wanted
        self._circumstances = Circumstances.of(snapshot, here=here, device=device)
        self._probes = self._session.probes if self._session is not None else ()
        problems = config_problems(TrainConfig(), snapshot) if snapshot is not None else ()
        self._untriable = " ".join(
            f"{each.message[:1].upper()}{each.message[1:]}. {each.hint}" for each in problems[:1]
        )

    def _look_at_division(self) -> None:
        """Go on in the shares in which the pictures are divided, once they are."""
        if self._session is not None and self._session.snapshot() is not self._divided[0]:
            now, card = self._session.snapshot(), self._view.split_card
            if any(image.split for image in now.images):
                card.set_wish(dataclasses.replace(SplitWish.like(now), group=card.wish().group, seed=card.wish().seed))

    # -- showing ------------------------------------------------------------------------------------------------

    @Slot()
    def show(self, config: TrainConfig | None = None) -> None:
        """Show what follows from the draft: costs, refusals, the summary, the preview."""
        config = config or self.config
        facts = self._facts
        classes = max(2, facts.classes) if facts else 2
        method = supported_method(config.method, config.backbone_row)
        config = dataclasses.replace(config, method=method)
        circumstances = self._circumstances
        is_measuring = self.costs.is_measuring
        self._view.presets.show_choices(
            preset_choices(
                circumstances, self._known, self._probes, device=self._state.settings.device, is_measuring=is_measuring
            )
        )
        self._show_division()
        self._view.presets.choose(self.preset)
        self._view.advice_card.show_draft(config)
        methods = method_choices(config, classes=classes, known=self._known)
        backbones = backbone_choices(
            self._weights,
            has_gpu=circumstances.device != "cpu",
            chosen=config.backbone,
            shows_all=self._shows_all,
        )
        self._view.show_cards(methods, backbones, config)
        if not self._is_measuring:
            self._view.probes.show_probes(self._probes)
        if not self._shows_all:
            self._view.show_all_button.setText(tr("Show all {count}", count=len(BACKBONES)))
        self._view.show_modified(differs(config, self._baseline))
        self._view.summary.setText(run_summary(config, facts, classes))
        cost = self._known(config)
        self._view.cost.setText(cost_words(cost) if cost else tr("Time and memory are not measured yet."))
        self.preview.show(config)
        self._want_costs()
        self._state.actions.refresh()

    def _show_division(self) -> None:
        snapshot, card = self._snapshot(), self._view.split_card
        card.setVisible(snapshot is not None and bool(snapshot.images))
        if snapshot is not None:
            counts = Counter(image.split or "unassigned" for image in snapshot.images if image.labels)
            card.show_counts(counts, is_divided=self.is_divided)

    def _want_costs(self) -> None:
        """Have what the presets cost measured while somebody looks at them."""
        snapshot = self._snapshot()
        if snapshot is not None and self._view.isVisible() and not self._untriable:
            configs = self._preset_configs().values()
            self.costs.want([config for config in configs if self._known(config) is None], snapshot)

    def _known(self, config: TrainConfig) -> Estimate | None:
        facts = None if config_problems(config) else self._facts
        return known_estimate(config, facts, evaluates=True) if facts else None

    def why_not_measure(self) -> str:
        """Return why nothing can be measured on the pictures now; empty when it can."""
        if self._is_measuring:
            return tr("Something is being measured already: wait until it has ended.")
        return self._untriable

    @Slot(bool)
    def _on_all_backbones_requested(self, shows_all: bool) -> None:
        self._shows_all = shows_all
        self.show()

    @Slot()
    def _on_search_requested(self) -> None:
        dialog = NetworkSearch(self._view)
        is_accepted, found = dialog.exec() == QDialog.DialogCode.Accepted, dialog.chosen()
        licence = dialog.accepted_licence
        dialog.deleteLater()
        if is_accepted and found is not None:
            self.take(dataclasses.replace(self.config, backbone=found.name, accept_licence=licence))

    @Slot(object, object)
    def _on_computer_looked_at(self, _key: str, found: Computer) -> None:
        if self._is_closed or found == (self._weights, self._auto_device):
            return
        was_modified = self.is_modified
        self._weights, self._auto_device = found
        self._look_at_project()
        self._follow(was_modified)

    # -- measuring ----------------------------------------------------------------------------------------------

    @Slot(bool)
    def measure(self, every_method: bool) -> None:
        """Measure what the draft costs, or each method with its settings."""
        snapshot = self._snapshot()
        if snapshot is None or self.why_not_measure() or not self.is_ready():
            return
        configs = [self.config]
        if every_method:
            variants = [dataclasses.replace(self.config, method=name) for name in METHODS]
            configs = [config for config in variants if not config_problems(config, snapshot)]
        work = partial(measuring.estimate_costs, configs, snapshot)
        self._set_measuring(True)
        self._state.tasks.run(
            self._task(tr("Measuring time and memory"), work),
            owner=self,
            on_done=lambda _found: None,
            on_end=self._on_measured,
        )

    @Slot()
    def edit_prompts(self) -> None:
        """Let what is said of the classes be edited and measured."""
        if self._session is not None and self._session.snapshot().class_names:
            from gui.train.prompting import Prompting  # takes a moment to load

            prompting = Prompting(self._state, self._session, page=self._page)
            self.take(prompting.edit(self.config, self._view) or self.config)

    @Slot()
    def find_rate(self) -> None:
        """Look for a learning rate."""
        snapshot = self._snapshot()
        if snapshot is not None and not self.why_not_measure() and self.is_ready():
            work = partial(measuring.find_rate, self.config, snapshot)
            self._set_measuring(True)
            self._state.tasks.run(
                self._task(tr("Looking for a learning rate"), work),
                owner=self,
                on_done=self._show_rates,
                on_end=lambda _outcome: self._set_measuring(False),
            )

    def why_not_probe(self) -> str:
        """Return why no network can be tried on the pictures now; empty when one can."""
        for handle in self._state.tasks.pending:
            if handle.task.lane in (Lane.COMPUTE, Lane.TRAINING):
                return tr("“{task}” is computing: wait until it has ended.", task=handle.task.title)
        return self._untriable

    @Slot()
    def probe(self) -> None:
        """Try the networks at hand on the pictures."""
        session, snapshot = self._session, self._snapshot()
        if session is None or snapshot is None or self.why_not_probe():
            return
        config = TrainConfig(device=self._state.settings.device)
        work = partial(measuring.try_networks, backbones_to_try(self._circumstances), config, snapshot)
        self._set_measuring(True)
        self._state.tasks.run(
            self._task(tr("Trying networks on your pictures"), work),
            owner=self,
            on_done=partial(session.keep_probes, session.snapshot()),
            on_event=self._show_probing,
            on_end=self._on_probed,
        )

    def _show_probing(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._view.probes.show_stage(
                f"{event.stage}: {event.done:,} of {event.total:,}" if event.total else event.stage
            )

    def _on_probed(self, outcome: "Outcome[tuple[Probe, ...]]") -> None:
        was_modified = self.is_modified
        self._set_measuring(False)
        self._look_at_project()
        if outcome.result and not self._probes:
            self._state.say(tr("Pictures or labels changed meanwhile: try the networks again."))
        self._follow(was_modified)

    def _task(self, title: str, work: "Work[T]") -> "Task[T]":
        return Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, gives_way=True)

    def _set_measuring(self, is_measuring: bool) -> None:
        self._is_measuring = is_measuring
        self._state.actions.refresh()

    def _on_measured(self, outcome: "Outcome[tuple[tuple[TrainConfig, Estimate | str], ...]]") -> None:
        self._set_measuring(False)
        self.show()
        refused = [f"{tr(config.method_row.title)}: {why}" for config, why in outcome.result or () if type(why) is str]
        if refused and not outcome.was_stopped:
            self._state.say(" ".join(refused))

    def _show_rates(self, curve: "RateCurve | None") -> None:
        if curve is not None:
            self._view.show_rates(curve.rates, curve.losses, curve.suggestion)

    def close(self) -> None:
        """Wait for what draws and looks in the background; leave settings that the user chose to the next project."""
        self._is_closed = True
        self.adviser.close()
        self.costs.close()
        self._state.draft = dataclasses.replace(self.config, start_from="") if self.is_modified else None
        self.preview.close()
        self._looking.close()
