"""One training run, top to bottom: build, fit epoch by epoch, validate, keep the best, stop well, continue exactly.

Everything random derives from (seed, epoch, image id), so a run that was stopped or killed and is started again on its
folder continues as if nothing had happened.
"""

import contextlib
import time
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor  # noqa: TID253

from visionft.data.types import Snapshot
from visionft.errors import RunError, nothing_readable
from visionft.events import (
    Notice,
    OnEvent,
    Progress,
    ShouldStop,
    ignore_event,
    never_stop,
)
from visionft.training import base_weights
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop import announcing, continuing
from visionft.training.loop.batches import Stopped
from visionft.training.loop.compiling import settings_that_compile
from visionft.training.loop.costs import PeakMemory
from visionft.training.loop.keeping import Keeper
from visionft.training.loop.objective import Objective, balanced_weights, new_totals
from visionft.training.loop.progress import RunProgress, Throttle
from visionft.training.loop.run_context import RunContext, is_asked_to_stop, release
from visionft.training.loop.schedule import learning_rate_factor
from visionft.training.loop.train_step import NotFinite, TrainStep
from visionft.training.loop.training_data import TrainingData
from visionft.training.loop.warm_start import warm_start
from visionft.training.runs import recording
from visionft.training.runs.held_out import write_held_out
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import TrainResult, best_epoch, read_run
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.weights.locations import RANDOM

STEP_EVENT_INTERVAL_S = 0.1
MAX_ROLLBACKS = 3


def train(
    config: TrainConfig,
    images: Snapshot,
    run_dir: Path,
    *,
    is_new: bool = False,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> TrainResult:
    """Fine-tune a classifier on the training pictures of a snapshot, or continue the run that `run_dir` holds.

    Stopping is a normal end: a checkpoint is written and the epoch kept so far comes back.

    Args:
        config: The settings.
        images: Pictures, labels and splits.
        run_dir: Folder of the run; made once the model stands, so that a refused run leaves nothing behind.
        is_new: Nothing is continued: where another run has taken `run_dir` meanwhile, the next number is used.
        on_event: Receives what goes on.
        should_stop: Asked before every batch.

    Raises:
        ConfigError: A setting or the pictures cannot be trained on; every fault at once.
        WeightsError: The pretrained weights cannot be had.
        RunError: No picture can be read, memory does not suffice, or the folder holds another or a going run.
    """
    check_config(config, images)
    if not base_weights.ensure_weights(config, on_event=on_event, should_stop=should_stop):
        return base_weights.stopped_before_start(config, classes=len(images.class_names), run_dir=run_dir)
    run = _Run(config, images, run_dir, is_new=is_new, on_event=on_event, should_stop=should_stop)
    stopped = False
    try:
        try:
            run.open_data()
            run.start()
            run.validate_start()
            while not run.is_over():
                try:
                    run.train_epoch()
                except NotFinite as fault:
                    run.roll_back(fault)
                    continue
                run.finish_epoch()
            run.keeper.interpolate(run.on_event)
        except Stopped:
            stopped = True
            run.save_last()
        return run.finish(stopped=stopped)
    finally:
        run.close()


def resume(run_dir: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop) -> TrainResult:
    """Continue a stopped or killed run with its own settings, on the pictures and labels that it was started with.

    Raises:
        RunError: The folder is no run, or it is finished.
    """
    run = read_run(run_dir)
    if run.result and not run.result.stopped:
        raise RunError(f"{run.name} is finished.", "Start a new run to train longer.")
    images = read_snapshot(run_dir)
    return train(run.config, images, run_dir, on_event=on_event, should_stop=should_stop)


class _Run:
    """A run under way; `train` reads as its table of contents. Its parts do not refer back to it: they go with it."""

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        run_dir: Path,
        *,
        is_new: bool,
        on_event: OnEvent,
        should_stop: ShouldStop,
    ) -> None:
        self.config, self.images, self.is_new = config, images, is_new
        self.should_stop, self._began = should_stop, time.monotonic()
        on_event(Progress(stage="Loading the network", done=0, total=0))
        context = RunContext(config, classes=len(images.class_names))
        self.device, self.precision = context.device, context.precision
        self.accelerator, self.classifier = context.accelerator, context.classifier
        self.weights = base_weights.base_weights_for(config, self.classifier.loaded)
        self.is_main: bool = self.accelerator.is_main_process
        begun = not is_new and self.is_main and continuing.has_begun(run_dir)
        self.run_dir, self.is_fresh = run_dir, not self._agree(begun)
        if self.is_fresh and config.start_from:
            warm_start(self.classifier, config, images.class_names, self.run_dir.parent.parent)
        self.on_event = on_event if self.is_main else ignore_event
        self.progress = RunProgress()
        self.step_events = Throttle(STEP_EVENT_INTERVAL_S)
        self.memory = PeakMemory(self.accelerator.device)
        self.train_step: TrainStep | None = None
        self._lock: FileLock | None = None

    def _agree(self, value: Any) -> Any:
        """Return what the main process found in the run's folder: another may have seen it half made."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    # Start ----------------------------------------------------------------------------------------------------------

    def open_data(self) -> None:
        """Open both splits, and look at the untouched network's features."""
        self.training_data = TrainingData(
            self.config,
            self.images,
            self.classifier,
            accelerator=self.accelerator,
            on_event=self.on_event,
            is_asked_to_stop=partial(is_asked_to_stop, self.should_stop, self.accelerator),
        )
        self.training_data.remember_features("Looking at the pictures")

    def start(self) -> None:
        """Set the head, make the optimiser, take up an earlier checkpoint of this folder, and announce the run."""
        config, classes = self.config, len(self.images.class_names)
        if self.is_fresh and self._sets_head():
            self.training_data.set_head()
        weights = balanced_weights(self.training_data.class_counts(), self.images.task).to(self.accelerator.device)
        self.objective = Objective(
            self.images.task, classes, config.label_smoothing, weights if config.balance == "weights" else None
        )
        self.train_step = TrainStep(
            self.classifier,
            self.training_data.trained,
            settings_that_compile(config, self.accelerator.device, self.on_event),
            self.objective,
            accelerator=self.accelerator,
            on_shrink=partial(announcing.tell_shrunk, self.on_event),
        )
        if self.is_main:
            self.run_dir, self._lock = recording.take_folder(self.run_dir, config, self.images, is_new=self.is_new)
            base_weights.save_base_weights(self.run_dir, self.weights)
        self.run_dir = Path(self._agree(str(self.run_dir)))
        self.keeper = Keeper(
            self.run_dir, config, self.classifier, self.training_data, self.objective, accelerator=self.accelerator
        )
        if not self.is_fresh:
            self.progress = continuing.take_up(self.run_dir, self.train_step, self.on_event)
            self._replace_lost_best(self.train_step)
        self.progress.setup_seconds += time.monotonic() - self._began
        if self.is_fresh:
            self.save_last()
        self._announce()

    def _sets_head(self) -> bool:
        """Tell whether to set the head: random features say nothing, and batch norm has no statistics of them yet."""
        if not self.config.total_epochs:
            return True
        return self.config.ridge_init and self.config.weights != RANDOM and not self.config.start_from

    def _replace_lost_best(self, train_step: TrainStep) -> None:
        fault = self._agree(self.is_main and continuing.fault_of_best(self.run_dir, self.progress))
        if fault:
            continuing.replace_lost_best(
                self.run_dir, train_step, self.progress, fault, on_event=self.on_event, is_main=self.is_main
            )

    def _announce(self) -> None:
        self.on_event(Notice(message=base_weights.describe(self.weights)))
        started = announcing.run_started(
            self.run_dir,
            self.config,
            self.training_data,
            self.classifier,
            first_epoch=self.progress.epoch,
            device=self.device,
            precision=self.precision,
        )
        if self.is_main:
            recording.log_start(started, self.config)
        self.on_event(started)

    def validate_start(self) -> None:
        """Validate a linear probe of what the run begins with, as epoch 0: training must be as good to be kept."""
        if self.progress.is_start_validated:
            return
        has_probe = self._sets_head() and not self.training_data.is_cached
        with self.training_data.solved_head() if has_probe else contextlib.nullcontext():
            done = self.keeper.keep_start(self.progress)
        if self.is_main and not self.config.total_epochs and self.training_data.held_out is not None:
            write_held_out(self.run_dir, self.training_data.held_out)
        self.memory.sample()  # of a run without epochs nothing else is
        self.keeper.save_start()
        self.save_last()
        self.on_event(done)

    # Epochs ---------------------------------------------------------------------------------------------------------

    def is_over(self) -> bool:
        """Tell whether the last epoch is done, or patience has run out."""
        done, patience = self.progress.epoch - 1, self.config.patience
        return done >= self.config.total_epochs or bool(patience and done - self.progress.best_epoch >= patience)

    def train_epoch(self) -> None:
        """Learn from the rest of the current epoch's batches."""
        assert self.train_step
        self.classifier.train()
        progress = self.progress
        totals = new_totals(self.accelerator.device)
        if self.is_main:
            totals += totals.new_tensor([progress.loss_sum, progress.hits, progress.seen])
        began, earlier = time.monotonic(), progress.epoch_seconds
        try:
            for batch in self.training_data.train_batches.epoch(progress.epoch, skip=progress.batches_done):
                self.training_data.check(batch, self.training_data.train_images)
                if self.train_step.can_learn_from(batch):
                    self.train_step.set_rate(self._learning_rate)
                    self.train_step.learn(batch, totals, epoch=progress.epoch, number=progress.batches_done)
                progress.batches_done += 1
                progress.epoch_seconds = earlier + time.monotonic() - began
                self._report_step(totals)
        finally:
            progress.take_totals(totals.tolist())
        progress.take_totals(self.accelerator.reduce(totals, "sum").tolist())

    @property
    def _learning_rate(self) -> float:
        steps = self.training_data.train_batches.steps
        done = (self.progress.epoch - 1) * steps + self.progress.batches_done
        factor = learning_rate_factor(
            done, total_steps=self.config.epochs * steps, warmup_share=self.config.warmup_share
        )
        return self.config.peak_learning_rate * factor * self.progress.rate_factor

    def _report_step(self, totals: Tensor) -> None:
        if self.step_events.ready() or self.progress.batches_done == self.training_data.train_batches.steps:
            self.memory.sample()
            self.on_event(
                announcing.step_done(
                    self.progress,
                    totals.tolist(),
                    steps=self.training_data.train_batches.steps,
                    epochs=self.config.total_epochs,
                    learning_rate=self._learning_rate,
                    memory_mb=self.memory.megabytes,
                    processes=self.accelerator.num_processes,
                )
            )

    def roll_back(self, fault: NotFinite) -> None:
        """Return to the last good state with half the rate; give up after `MAX_ROLLBACKS`.

        Raises:
            RunError: It happened too often; names the pictures of the batch.
        """
        rollbacks = self.progress.rollbacks + 1
        if rollbacks > MAX_ROLLBACKS:
            names = ", ".join(self.training_data.train_images[position].path.name for position in fault.positions[:8])
            hint = f"Look at the pictures of its batch: {names}. Or train with a lower learning rate, in fp32."
            raise RunError(f"The loss became infinite in epoch {self.progress.epoch}, {rollbacks} times.", hint)
        assert self.train_step
        self.progress = continuing.take_up(self.run_dir, self.train_step, self.on_event)
        self.progress.rollbacks = rollbacks
        message = f"The loss became infinite; going on from epoch {self.progress.epoch} with half the learning rate."
        self.on_event(Notice(message=message, level="warning"))

    def finish_epoch(self) -> None:
        """Validate, record the epoch, and write the checkpoints."""
        assert self.train_step
        progress = self.progress
        if not progress.seen:
            raise nothing_readable("training pictures")
        with self.train_step.averaged():
            done = self.keeper.keep_epoch(
                progress,
                progress.epoch,
                train_loss=progress.loss_sum / progress.seen,
                train_accuracy=progress.hits / progress.seen,
                learning_rate=self._learning_rate,
                seconds=progress.epoch_seconds,
                images_per_second=progress.seen / max(1e-9, progress.epoch_seconds),
            )
        progress.finish_epoch(done)
        # `last` comes at the end: a crash before it repeats the epoch to the same values, and loses nothing.
        self.save_last()
        self.on_event(done)

    # The end --------------------------------------------------------------------------------------------------------

    def save_last(self) -> None:
        """Write what the run can be continued from; nothing before its start."""
        if self.train_step is None or not self.is_main:
            return
        if self.train_step.average:
            self.progress.averaged = self.train_step.average.updates
        recording.save_last(self.run_dir, self.classifier, self.train_step.tensors(), self.progress.to_state())

    def finish(self, *, stopped: bool) -> TrainResult:
        """Measure what the run cost, write `result.json` and return it."""
        trainable, total = self.classifier.parameter_counts()
        epochs = read_metrics(self.run_dir)
        best = best_epoch(epochs)
        result = TrainResult(
            run=self.run_dir.name,
            best=best,
            seconds=self.progress.setup_seconds + self.progress.seconds + self.progress.epoch_seconds,
            stopped=stopped,
            trainable_parameters=trainable,
            total_parameters=total,
            device=self.device.name,
            precision=self.precision,
            images_per_second=max((epoch.images_per_second for epoch in epochs), default=0.0),
            peak_memory_mb=self.memory.megabytes,
            artefact_bytes=recording.best_bytes(self.run_dir),
            feature_drift=self._drift() if best and not stopped else None,
            weights=self.weights,
            left_out=self.training_data.left_out if self.train_step else 0,
        )
        if self.train_step and self.is_main:
            self.keeper.close()
            recording.close_run(self.run_dir, self.config, self.classifier, result)
            if not stopped:
                self.keeper.forget_start()
        self.accelerator.wait_for_everyone()
        return result

    def close(self) -> None:
        """Give the device's memory back, also after a failure; the run is over."""
        release(self.classifier, self.train_step.optimizer if self.train_step else None)
        if self._lock:
            self._lock.release()

    def _drift(self) -> float | None:
        """Return how far the best checkpoint's features are from the pretrained ones; see `feature_drift`."""
        recording.load_best(self.run_dir, self.classifier)
        return self.training_data.drift("Measuring what was forgotten")
