"""Settings of the next run: the controller between the project and the set-up view.

Presets follow the project. Jobs measure time and memory; training is started by the page.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from gui.jobs import Job, Lane, Priority
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.runner import TRAIN
from gui.session import ProjectSession
from gui.state import AppState
from gui.train import train_choices
from gui.train.setup import SetupView
from gui.train.setup_measurements import PresetCosts, TrainingImages, estimate_run, read_training_images
from models.catalog import BACKBONES
from models.methods.table import supported_method
from visionft.data.types import Snapshot
from visionft.project.splits import is_fully_split, is_prepared, with_planned_splits
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import DEFAULT_PRESET, PRESETS, Circumstances, differs, preset_config
from visionft.training.config.train_config import Framing, TrainConfig
from visionft.training.estimate import Estimate, SetFacts, known_estimate

if TYPE_CHECKING:
    from visionft.analysis.advice import Recommendation


class TrainDraft(QObject):
    """The settings of the next run."""

    changed = Signal()  # settings or their known cost

    def __init__(self, state: AppState, session: ProjectSession | None, view: SetupView) -> None:
        super().__init__(view)
        self._state, self._session, self._view = state, session, view
        self._is_measuring = False
        self.run_cost: Estimate | None = None  # None until it is measured
        self._local_backbones = frozenset(name for name, row in BACKBONES.items() if row.bundled)
        self._weight_sizes: dict[str, str] = {}  # size of each network's weights, as text
        self._auto_device = "cpu"  # until a background thread has queried the GPU driver, which is slow
        self._is_closed = False
        self.preset = DEFAULT_PRESET
        self._images: TrainingImages | None = None
        self._facts: SetFacts | None = None
        # Images and preset of the last run, and the proposed preset; empty if no preset is likely to gain.
        self._proposal: tuple[SetFacts | None, str, str] | None = None
        self._pending_action: Callable[[], object] | None = None  # runs once the current images are read
        self._reader = BackgroundReader(read_training_images, self._take_images, parent=self)
        self._computer_reader = BackgroundReader(train_choices.read_computer, self._on_computer_read, parent=self)
        self.costs = PresetCosts(state, session, parent=self)
        self.framing, self.advice = view.framing_card, view.advice_card
        self._circumstances = Circumstances()
        self._update_circumstances()
        self._baseline = self._preset_configs()[self.preset]
        self.framing.changed.connect(self._follow_framing)
        self.framing.chosen.connect(self._take_framing)
        self.advice.used.connect(self.use)
        view.edited.connect(self.show)
        view.shown.connect(self.show)
        view.presets.chosen.connect(self.take_preset)
        view.split_card.changed.connect(self.refresh)
        view.more_toggled.connect(lambda is_open: state.change_settings(shows_more_choices=is_open))
        view.more_button.setChecked(state.settings.shows_more_choices)
        self.costs.changed.connect(self.show)
        state.jobs.ended.connect(self._on_job_ended)
        for button, action in (
            (view.reset_button, lambda: self.take_preset(self.preset)),
            (view.show_all_button, self.show),
            (view.measure_button, self.measure),
            (view.prompts_button, self.edit_prompts),
        ):
            button.clicked.connect(lambda _checked=False, action=action: action())
        self.take_preset(self.preset)
        if state.draft is not None:
            self.take(state.draft)

    @property
    def config(self) -> TrainConfig:
        return self._view.config()

    @property
    def is_modified(self) -> bool:
        return differs(self.config, self._baseline)

    @property
    def budget(self) -> str:
        """Return the preset that gives the stages of the run; empty if the user has chosen another method."""
        config = self.config
        return self.preset if config.method == self._baseline.method and not config.start_from else ""

    @property
    def circumstances(self) -> Circumstances:
        """Return the facts about project and computer on which presets depend."""
        return self._circumstances

    def take(self, config: TrainConfig) -> None:
        """Show settings from another source, such as an earlier run."""
        self._view.set_config(config)
        self.show()

    @Slot(str)
    def take_preset(self, name: str) -> None:
        self.preset = name
        self._baseline = self._preset_configs()[name]
        self._view.set_default(self._baseline)
        self._view.set_config(self._baseline)
        self._view.show_problems(())
        self.show(self._baseline)

    def propose_next(self, preset: str, *, gained: bool) -> None:
        """Choose a longer preset after a run if it may gain accuracy; else say that longer training will not help.

        Args:
            preset: The preset of the run.
            gained: Whether training the network was better than the linear probe.
        """
        names, configs = list(PRESETS), self._preset_configs()
        has_trained = configs[preset].total_epochs > 0
        longer = names[names.index(preset) + 1 :] if gained or not has_trained else []
        next_preset = next((name for name in longer if configs[name].total_epochs), None)
        self._proposal = self._facts, preset, next_preset or ""
        if next_preset and not self.is_modified:
            self.take_preset(next_preset)
        else:
            self.show()

    def use(self, recommendation: "Recommendation") -> None:
        """Apply a recommendation: the preset Balanced if training is worthwhile, else the recommended method."""
        self.take_preset("balanced" if recommendation.is_training_worthwhile else "quick")
        model, config = recommendation.recommended, self.config
        if not recommendation.is_training_worthwhile and (model.method, model.backbone) != (
            config.method,
            config.backbone,
        ):
            chosen = {"method": model.method, "backbone": model.backbone, "try_networks": False}
            self.take(dataclasses.replace(config, **chosen))

    def _preset_configs(self) -> dict[str, TrainConfig]:
        device = self._state.settings.device
        return {name: preset_config(name, self._circumstances, device=device) for name in PRESETS}

    def refresh(self) -> None:
        """Read images and settings of the project; an unmodified draft takes the settings of its preset."""
        if self._is_closed:  # a worker started now would outlive the window
            return
        self._computer_reader.ask(patience_s=0)  # no busy indicator: the weight files have rarely changed
        self.framing.refresh()
        if self._session is None:
            self._take_images(None)
        else:
            known = self._images.now if self._images is not None else None
            self._reader.ask(self._session, self._view.split_card.wish, known)

    def _take_images(self, images: TrainingImages | None) -> None:
        was_modified = self.is_modified
        old_inputs = self._inputs()
        card = self._view.split_card
        self._images = images
        self._facts = images.facts if images is not None else None
        if images is not None:
            card.set_wish(images.wish)
        if self._proposal is not None and self._facts != self._proposal[0]:  # new images: start with the run's preset
            _, preset, proposed = self._proposal
            self._proposal = None
            if self.preset == proposed and not was_modified:
                self.preset = preset
        self._update_circumstances()
        self.advice.show_images(images)
        if old_inputs != self._inputs() or self._baseline.device != self._state.settings.device:
            self._follow(was_modified)
        self._state.actions.refresh()
        if self._pending_action is not None and self._is_read():
            act, self._pending_action = self._pending_action, None
            act()

    def when_images_read(self, act: Callable[[], object]) -> None:
        """Call `act` once the current images are read; 100,000 images take a second in the background."""
        if self._session is None or self._is_read():
            act()
        else:
            self._pending_action = act
            self.refresh()

    def _is_read(self) -> bool:
        images, session = self._images, self._session
        return images is not None and session is not None and images.now is session.cached_snapshot

    def _inputs(self) -> tuple[object, ...]:
        return self._facts, self._images and self._images.is_divided, self._circumstances

    def _follow(self, was_modified: bool) -> None:
        if was_modified:
            self.show()
        else:
            self.take_preset(self.preset)

    @Slot()
    def _take_framing(self) -> None:
        """Use the framing that the user has chosen for the project."""
        self.take(dataclasses.replace(self.config, **dataclasses.asdict(Framing(framing="auto"))))

    @Slot()
    def _follow_framing(self) -> None:
        """Adapt the epochs of the presets to the new input size of the network."""
        was_modified = self.is_modified
        self._update_circumstances()
        self._follow(was_modified)

    def is_ready(self) -> bool:
        """Return whether a run can start; show errors beside their fields. Images are checked after the split."""
        snapshot = self._snapshot()
        problems = config_problems(self.config, snapshot if self.is_divided else None) if snapshot is not None else ()
        self._view.show_problems(problems)
        return snapshot is not None and not problems

    @property
    def is_divided(self) -> bool:
        """Whether the images have the splits of a run."""
        return self._fulfils(is_fully_split)

    @property
    def is_prepared(self) -> bool:
        """Whether a run can start without splitting or comparing the images first."""
        return self._fulfils(is_prepared)

    def _fulfils(self, condition: Callable[[Snapshot], bool]) -> bool:
        images = self._session.snapshot() if self._session else None
        return images is None or condition(images) or not train_choices.needs_division(images, self.config)

    def _snapshot(self) -> Snapshot | None:
        """Return the images with the splits that a run will give them."""
        if self._session is None:
            return None
        now = self._session.snapshot()
        wish = self._view.split_card.wish
        known = self._images
        is_read = known is not None and known.now is now and known.wish == wish
        return known.divided if known and is_read else with_planned_splits(now, wish)

    def _update_circumstances(self) -> None:
        device_setting = self._state.settings.device
        device = self._auto_device if device_setting == "auto" else device_setting
        image_facts = self._images.circumstances if self._images is not None else Circumstances()
        computer_facts = Circumstances.of(None, local_backbones=self._local_backbones, device=device)
        choice = self.framing.found.choice if self.framing.found is not None else None
        self._circumstances = dataclasses.replace(
            computer_facts,
            images=image_facts.images,
            unevenness=image_facts.unevenness,
            framing=choice and choice.framing,
            backbone=choice.backbone if choice is not None else "",
        )

    @Slot()
    def show(self, config: TrainConfig | None = None) -> None:
        """Show the draft: its cost, unavailable methods and backbones, the summary and the framing."""
        config = config or self.config
        config = dataclasses.replace(config, method=supported_method(config.method, config.backbone_row))
        view, facts, images, device = self._view, self._facts, self._images, self._state.settings.device
        is_measuring = self.costs.is_measuring
        presets = train_choices.preset_choices(
            self._circumstances, self._known, device=device, is_measuring=is_measuring
        )
        view.presets.show_choices(presets)
        view.presets.choose(self.preset)
        view.exhausted.setVisible(self._proposal is not None and not self._proposal[2])
        view.split_card.setVisible(images is not None and bool(images.now.images))
        if images is not None:
            needs_split = not images.is_divided and train_choices.needs_division(images.now, config)
            view.split_card.show_counts(images.counts, is_divided=not needs_split)
        self.framing.show_framing(config)
        classes = max(2, facts.classes) if facts else 2
        methods = train_choices.method_choices(config, classes=classes, known=self._known)
        has_gpu = self._circumstances.device != "cpu"
        shows_all = view.show_all_button.isChecked()
        backbones = train_choices.backbone_choices(
            self._local_backbones, self._weight_sizes, has_gpu=has_gpu, chosen=config.backbone, shows_all=shows_all
        )
        view.show_cards(methods, backbones, config)
        show_all_text = tr("Show all {count}", count=len(BACKBONES))
        view.show_all_button.setText(tr("Show fewer") if shows_all else show_all_text)
        for widget in (view.modified_pill, view.reset_button):
            widget.setVisible(differs(config, self._baseline))
        view.summary.setText(train_choices.run_summary(config, facts, classes))
        configs = {**self._preset_configs(), self.preset: config}
        is_staged = config.method == self._baseline.method and not config.start_from
        cost = train_choices.cost_of_stages(self.preset, configs, self._known) if is_staged else self._known(config)
        self.run_cost = cost
        view.cost.setText(train_choices.cost_words(cost) if cost else tr("Time and memory are not measured yet."))
        if images is not None and view.isVisible() and not images.measurement_refusal:
            unmeasured = [preset for preset in self._preset_configs().values() if self._known(preset) is None]
            self.costs.request([self.framing.applied(preset) for preset in unmeasured], images.divided)
        self.changed.emit()

    def _known(self, config: TrainConfig) -> Estimate | None:
        facts = None if config_problems(config) else self._facts
        return known_estimate(self.framing.applied(config), facts, evaluates=True) if facts else None

    def why_not_measure(self) -> str:
        """Return the reason why time and memory cannot be measured now; empty if they can."""
        if self._is_measuring:
            return tr("Something is being measured already: wait until it has ended.")
        return self._images.measurement_refusal if self._images is not None else ""

    @Slot()
    def _on_job_ended(self) -> None:
        """Measure the costs that are still unknown, as `show` does, now that the device may be free."""
        if self._view.isVisible() and not self._is_closed:
            self.show()

    def _on_computer_read(self, facts: tuple[frozenset[str], dict[str, str], str]) -> None:
        if self._is_closed or facts == (self._local_backbones, self._weight_sizes, self._auto_device):
            return
        was_modified = self.is_modified
        self._local_backbones, self._weight_sizes, self._auto_device = facts
        self._update_circumstances()
        self._follow(was_modified)

    def measure(self) -> None:
        """Measure time and memory of the draft."""
        snapshot = self._snapshot()
        if snapshot is None or self.why_not_measure() or not self.is_ready():
            return
        work = partial(estimate_run, self.framing.applied(self.config), snapshot)
        title = tr("Measuring time and memory")
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=TRAIN, device=True, priority=Priority.MEASUREMENT)
        self._is_measuring = True
        self._state.jobs.run(job, owner=self, on_end=self._on_measured)
        self._state.actions.refresh()

    def edit_prompts(self) -> None:
        if self._session is not None and self._session.project.status.class_names:
            from gui.train.prompts_dialog import edit_prompts  # slow to load

            new_config = edit_prompts(self._session, self.config, self._view)
            self.take(new_config or self.config)

    def _on_measured(self, _job: "Job[Estimate]") -> None:
        self._is_measuring = False
        self._state.actions.refresh()
        self.show()

    def close(self) -> None:
        """Stop the background work and keep modified settings for the next project."""
        self._is_closed = True
        self.advice.cancel()
        self.costs.timer.stop()
        self._state.draft = dataclasses.replace(self.config, start_from="") if self.is_modified else None
        self.framing.close_workers()
        self._computer_reader.close()
        self._reader.close()
