"""One training run, top to bottom: build, fit epoch by epoch, validate, keep the best, stop well, continue exactly.

Everything random derives from (seed, epoch, image id), so a cancelled or killed run resumes exactly.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor  # noqa: TID253

from models.weights.locations import RANDOM
from visionft.core.errors import RunError, no_readable_images_error
from visionft.core.events import Notice, Progress, RunStarted, StepDone
from visionft.core.jobs import SILENT_JOB, EventThrottle, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.types import Snapshot
from visionft.features.feature_spec import with_aspect
from visionft.training import base_weights
from visionft.training.config.checks import check_config, unvalidated_classes
from visionft.training.config.train_config import AUTOMATIC_PATIENCE, TrainConfig
from visionft.training.loop.keeping import CheckpointKeeper
from visionft.training.loop.progress import RunProgress, usual_training_times
from visionft.training.loop.run_context import PeakMemory, RunContext, is_any_cancelled, release, warm_start
from visionft.training.loop.train_step import (
    LABEL_SMOOTHING,
    NotFinite,
    Objective,
    TrainStep,
    balanced_weights,
    learning_rate_factor,
    new_totals,
)
from visionft.training.loop.training_data import TrainingData
from visionft.training.runs import checkpoint
from visionft.training.runs.checkpoint import BEST, load_newest
from visionft.training.runs.manifest import MODEL_FILE, fault_of
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import TrainResult, best_epoch, owner_of, project_of_run, read_run, require_built
from visionft.training.runs.run_snapshot import read_snapshot

MAX_ROLLBACKS = 3
MIN_ACCURACY_GAIN = 0.01  # on held-out images; if less can be gained, the initial linear probe is kept


def train(
    config: TrainConfig,
    images: Snapshot,
    run_dir: Path,
    *,
    is_new: bool = False,
    uses_mirrored: bool = True,
    learned: Snapshot | None = None,
    spent_s: float = 0.0,
    should_end: Callable[[float], bool] = lambda _seconds: False,
    job: JobContext = SILENT_JOB,
) -> TrainResult:
    """Fine-tune a classifier on the training images of a snapshot, or resume the run in `run_dir`.

    Cancelling is a normal end: a checkpoint is written and the best epoch so far is returned.

    Args:
        run_dir: Folder of the run; created after the model is built, so a refused run leaves nothing behind.
        is_new: Never resume: where another run has taken `run_dir` meanwhile, the next number is used.
        uses_mirrored: Whether a solved head may learn from mirrored copies, which are a second pass of the images.
        learned: Some of the images, to learn from these alone; None for all.
        spent_s: Seconds that its preparation took, such as measuring what the network sees; they count for the run.
        should_end: Whether the run is to end here as finished, with the best so far: asked after each step, with 0, and
            before each epoch, with the seconds of the longest one so far.

    Raises:
        ConfigError: Settings or images are unsuitable; all problems at once.
        WeightsError: The pretrained weights are missing.
        RunError: No image can be read, memory is too small, or the folder holds another or a running run.
    """
    check_config(config, images)
    config = with_aspect(config, images)
    if not base_weights.ensure_weights(config, job=job):
        return base_weights.stopped_before_start(config, classes=len(images.class_names), run_dir=run_dir)
    run = _Run(
        config,
        images,
        run_dir,
        is_new=is_new,
        uses_mirrored=uses_mirrored,
        learned=learned or images,
        spent_s=spent_s,
        should_end=should_end,
        job=job,
    )
    stopped = False
    try:
        try:
            with run.job.stage(weight=run.start_s):
                run.start()
                run.validate_start()
            with run.job.stage(weight=run.learning_s):
                while not run.is_over():
                    try:
                        run.train_epoch()
                    except NotFinite as fault:
                        run.roll_back(fault)
                        continue
                    if not run.ends_early:
                        run.finish_epoch()
                run.keeper.report_kept()
        except JobCancelled:
            stopped = True
            run.save_last()
        return run.finish(stopped=stopped)
    finally:
        run.close()


def resume(run_dir: Path, *, job: JobContext = SILENT_JOB) -> TrainResult:
    """Resume a cancelled or killed run with its own settings and snapshot (RunError: it is finished, or no run)."""
    run = read_run(run_dir)
    require_built(run)
    if run.result and not run.result.stopped:
        raise RunError(Message("{name} is finished.", name=run.name), "Start a new run to train longer.")
    return train(run.config, read_snapshot(run_dir), run_dir, job=job)


class _Run:
    """A run under way; `train` reads as its table of contents. Its parts do not refer back to it: they go with it."""

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        run_dir: Path,
        *,
        is_new: bool,
        uses_mirrored: bool,
        learned: Snapshot,
        spent_s: float,
        should_end: Callable[[float], bool],
        job: JobContext,
    ) -> None:
        self.config, self.images, self.is_new = config, images, is_new
        self._uses_mirrored, self._learned, self._is_enough = uses_mirrored, learned, should_end
        self._began = time.monotonic() - spent_s
        job.report(Progress(stage="Loading the network", done=0, total=0))
        context = RunContext.of_run(config, classes=len(images.class_names))
        self._context = context
        self.device, self.precision = context.device, context.precision
        self.accelerator, self.classifier = context.accelerator, context.classifier
        self.weights = base_weights.base_weights_for(config, self.classifier.loaded)
        self.is_main: bool = self.accelerator.is_main_process
        begun = not is_new and self.is_main and checkpoint.has_begun(run_dir)
        self.run_dir, self.is_fresh = run_dir, not self._agree(begun)
        self._has_seen_validation = False
        if self.is_fresh and config.start_from:
            seen = warm_start(self.classifier, config, images.class_names, self.run_dir.parent.parent)
            ids = [image.image_id for image in images.labelled("val")]
            self._has_seen_validation = seen is not None and bool(len(seen.subset(ids).image_ids))
        job = job if self.is_main else job.without_events()
        self.start_s, self.learning_s = usual_training_times(
            config, learned, project_of_run(run_dir), uses_mirrored=uses_mirrored
        )
        job = job.in_stages(self.start_s + self.learning_s)
        self.job = JobContext(job.report, partial(is_any_cancelled, job, self.accelerator))
        self.progress = RunProgress()
        self._steps = EventThrottle(self.job.report)
        self.memory = PeakMemory(self.accelerator.device)
        self.train_step: TrainStep | None = None
        self.ends_early = False  # whether it ends here, with the best so far
        self._lock: FileLock | None = None

    def _agree(self, value: Any) -> Any:
        """Return the main process's view of the run's folder: another process may have seen it incomplete."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def start(self) -> None:
        """Open the data, set the head, make the optimiser, take up an earlier checkpoint, and announce the run."""
        config, images, accelerator = self.config, self.images, self.accelerator
        self.training_data = TrainingData(
            config,
            self._learned,
            self._context,
            project_dir=project_of_run(self.run_dir),
            uses_mirrored=self._uses_mirrored,
            job=self.job,
        )
        self.training_data.is_at_start = self.is_fresh
        self.training_data.remember_features(Message("Looking at the images"))
        if self.is_fresh and self._sets_head():
            self.training_data.set_head()
        weights = None
        if config.balance == "weights":
            weights = balanced_weights(self.training_data.class_counts(), images.task).to(accelerator.device)
        self.objective = Objective(images.task, len(images.class_names), LABEL_SMOOTHING, weights)
        self.train_step = TrainStep(
            self.classifier,
            self.training_data.trained,
            config,
            self.objective,
            accelerator=accelerator,
            on_shrink=partial(_report_shrunk, self.job),
        )
        if self.is_main:
            self.run_dir, self._lock = checkpoint.take_folder(self.run_dir, config, images, is_new=self.is_new)
            base_weights.save_base_weights(self.run_dir, self.weights)
        self.run_dir = Path(self._agree(str(self.run_dir)))
        if not self.run_dir.is_dir():
            message = Message("The folder {path} of the first machine is not on this one.", path=self.run_dir)
            raise RunError(message, "Put the job where all machines see it under the same path.")
        self.keeper = CheckpointKeeper(
            self.run_dir,
            config,
            self.classifier,
            self.training_data,
            self.objective,
            accelerator=accelerator,
            job=self.job,
        )
        if not self.is_fresh:
            self._take_up()
            self._replace_lost_best()
            if not config.total_epochs and not self.progress.is_start_validated:
                self.training_data.set_head()  # with its held-out predictions
        self.progress.setup_seconds += time.monotonic() - self._began
        if self.is_fresh:
            self.save_last()
        self._announce()

    def _sets_head(self) -> bool:
        """Tell whether to set the head: random features say nothing, and batch norm has no statistics of them yet.

        The head of an earlier run is replaced where it was fitted to validation images, which are to judge this run.
        """
        if not self.config.total_epochs or self._has_seen_validation:
            return True
        return self.config.weights != RANDOM and not self.config.start_from

    def _take_up(self) -> None:
        """Load the newest readable checkpoint into classifier and optimiser, and go on from its position."""
        assert self.train_step
        found = load_newest(self.run_dir, self.job)
        self.progress = RunProgress.from_state(found.state["progress"])
        self.classifier.load_trainable_state(found.model)
        self.train_step.restore(found.optimizer, averaged=self.progress.averaged)

    def _replace_lost_best(self) -> None:
        """Replace a damaged `best` by the latest epoch; in the middle of an epoch, by the current one at its end."""
        assert self.train_step
        has_best = self.is_main and self.progress.best_val_accuracy >= 0
        fault = self._agree(has_best and fault_of(self.run_dir / BEST))
        if not fault:
            return
        text = Message("The best of {run} is lost ({file}: {reason}); the latest epoch takes its place.", file=BEST)
        message = Message(text, run=owner_of(self.run_dir).name, reason=fault)
        self.job.report(Notice(message=message, level="warning"))
        wanted = None if self.progress.batches_done else self.progress.epoch - 1
        if wanted == 0:
            self.progress.is_start_validated = False  # its head is solved for again
        latest = next((each for each in read_metrics(self.run_dir) if each.epoch == wanted), None) if wanted else None
        self.progress.forget_best(latest)
        if latest and self.is_main:
            with self.train_step.averaged():
                checkpoint.keep_epoch(self.run_dir, self.classifier, replace(latest, is_best=True))

    def _announce(self) -> None:
        self.job.report(Notice(message=base_weights.describe(self.weights)))
        if self.config.method_row.needs_labels and (words := unvalidated_classes(self.images)):
            self.job.report(Notice(message=words, level="warning"))
        trainable, total = self.classifier.parameter_counts()
        started = RunStarted(
            run=owner_of(self.run_dir).name,
            backbone=self.config.backbone,
            method=self.config.method,
            epochs=self.config.total_epochs,
            first_epoch=self.progress.epoch,
            steps_per_epoch=self.training_data.train_batches.steps,
            train_images=len(self.training_data.train_images),
            val_images=len(self.training_data.val_images),
            trainable_parameters=trainable,
            total_parameters=total,
            device=self.device.name,
            precision=self.precision,
            processes=self.accelerator.num_processes,
        )
        if self.is_main:
            checkpoint.log_start(started, self.config)
        self.job.report(started)

    def validate_start(self) -> None:
        """Validate a linear probe on the initial features, as epoch 0: a trained epoch must be as good to be kept."""
        if self.progress.is_start_validated:
            return
        has_probe = (self._sets_head() or self.keeper.interpolates) and not self.training_data.is_cached
        with self.training_data.solved_head() if has_probe else contextlib.nullcontext():
            done = self.keeper.keep_epoch(self.progress, 0)
            self.progress.ends_at_start = self._gains_too_little() if has_probe else False
        self.progress.is_start_validated = True
        self.progress.setup_seconds += done.seconds
        self.memory.sample()  # of a run without epochs nothing else is
        self.keeper.save_start()
        self.save_last()
        self.job.report(done)

    def _gains_too_little(self) -> bool:
        """Tell whether too few images are left to gain, where the patience is automatic; a notice says so."""
        measured = self.training_data.held_out_accuracy()
        if self.config.patience != AUTOMATIC_PATIENCE or measured is None or 1 - measured[0] >= MIN_ACCURACY_GAIN:
            return False
        words = Message(
            "Training could gain less than {least}: the linear probe is right on {accuracy} of {counted}, held out. "
            "It is kept."
        )
        counted = count_of(measured[1], "image")
        message = Message(words, least=f"{MIN_ACCURACY_GAIN:.0%}", accuracy=f"{measured[0]:.1%}", counted=counted)
        self.job.report(Notice(message=message))
        return True

    def is_over(self) -> bool:
        if self.ends_early or self.progress.ends_at_start:
            return True
        if self.config.total_epochs and self._agree(self._is_enough(self.progress.longest_epoch_s)):
            return True
        done, patience = self.progress.epoch - 1, self.config.patience
        return done >= self.config.total_epochs or 0 < patience <= done - self.progress.best_epoch

    def train_epoch(self) -> None:
        assert self.train_step
        self.classifier.train()
        self.training_data.is_at_start = False
        progress, data = self.progress, self.training_data
        totals = new_totals(self.accelerator.device)
        if self.is_main:
            totals += totals.new_tensor([progress.loss_sum, progress.hits, progress.seen])
        began, earlier = time.monotonic(), progress.epoch_seconds
        try:
            for batch in data.train_batches.epoch(progress.epoch, skip=progress.batches_done):
                data.check(batch, data.train_images)
                if self.train_step.can_learn_from(batch):
                    self.train_step.set_rate(self._learning_rate)
                    self.train_step.learn(batch, totals, epoch=progress.epoch, number=progress.batches_done)
                progress.batches_done += 1
                progress.epoch_seconds = earlier + time.monotonic() - began
                self._report_step(totals)
                if self.accelerator.num_processes == 1 and self._is_enough(0.0):
                    self.ends_early = True
                    return
        finally:
            progress.loss_sum, progress.hits, progress.seen = totals.tolist()
        progress.loss_sum, progress.hits, progress.seen = self.accelerator.reduce(totals, "sum").tolist()

    @property
    def _learning_rate(self) -> float:
        steps = self.training_data.train_batches.steps
        done = (self.progress.epoch - 1) * steps + self.progress.batches_done
        total = self.config.epochs * steps
        factor = learning_rate_factor(done, total_steps=total)
        return self.config.peak_learning_rate * factor * 0.5**self.progress.rollbacks

    def _report_step(self, totals: Tensor) -> None:
        progress, steps = self.progress, self.training_data.train_batches.steps
        if not self._steps.is_due and progress.batches_done < steps:  # the loss waits for the device
            return
        self.memory.sample()
        loss_sum, _, seen = totals.tolist()
        share_done = progress.epoch - 1 + progress.batches_done / steps
        spent_s = progress.seconds + progress.epoch_seconds
        done = StepDone(
            epoch=progress.epoch,
            step=progress.batches_done,
            steps=steps,
            loss=loss_sum / max(1.0, seen),
            learning_rate=self._learning_rate,
            images_per_second=seen * self.accelerator.num_processes / max(1e-9, progress.epoch_seconds),
            eta_s=spent_s / share_done * (self.config.total_epochs - share_done),
            memory_mb=self.memory.megabytes,
            share=share_done / self.config.total_epochs,
        )
        self._steps(done)
        self._steps.flush()  # the last step of an epoch

    def roll_back(self, fault: NotFinite) -> None:
        """Return to the last good state with half the rate; give up after `MAX_ROLLBACKS`."""
        rollbacks, epoch = self.progress.rollbacks + 1, self.progress.epoch
        if rollbacks > MAX_ROLLBACKS:
            names = ", ".join(self.training_data.train_images[position].path.name for position in fault.positions[:8])
            hint = Message("Look at the images of its batch: {names}. Or train with a lower learning rate, in fp32.")
            message = Message("The loss became infinite in epoch {epoch}, {rollbacks} times.")
            raise RunError(Message(message, epoch=epoch, rollbacks=rollbacks), Message(hint, names=names))
        self._take_up()
        self.progress.rollbacks = rollbacks
        message = Message("The loss became infinite; going on from epoch {epoch} with half the learning rate.")
        self.job.report(Notice(message=Message(message, epoch=self.progress.epoch), level="warning"))

    def finish_epoch(self) -> None:
        assert self.train_step
        progress = self.progress
        if not progress.seen:
            raise no_readable_images_error("training images")
        with self.train_step.averaged():
            done = self.keeper.keep_epoch(progress, progress.epoch, learning_rate=self._learning_rate)
        is_automatic = self.config.patience == AUTOMATIC_PATIENCE
        if progress.gains_nothing and is_automatic and progress.epoch < self.config.total_epochs:
            progress.ends_at_start = True
            words = Message(
                "Training the network gains nothing here: after {counted}, the initial linear probe is still as good "
                "on the validation images."
            )
            self.job.report(Notice(message=Message(words, counted=count_of(progress.epoch, "epoch"))))
        progress.finish_epoch(done)
        # `last` comes at the end: a crash before it repeats the epoch to the same values, and loses nothing.
        self.save_last()
        self.job.report(done)

    def save_last(self) -> None:
        """Write the `last` checkpoint; nothing before the run's start."""
        if self.train_step is None or not self.is_main:
            return
        if self.train_step.average:
            self.progress.averaged = self.train_step.average.updates
        checkpoint.save_last(self.run_dir, self.classifier, self.train_step.tensors(), self.progress.to_state())

    def finish(self, *, stopped: bool) -> TrainResult:
        trainable, total = self.classifier.parameter_counts()
        epochs, weights = read_metrics(self.run_dir), self.run_dir / BEST / MODEL_FILE
        best, drift = best_epoch(epochs), None
        if best and not stopped:
            checkpoint.load_best(self.run_dir, self.classifier)
            drift = self.training_data.drift("Measuring what was forgotten")
        result = TrainResult(
            run=owner_of(self.run_dir).name,
            best=best,
            seconds=self.progress.setup_seconds + self.progress.seconds + self.progress.epoch_seconds,
            stopped=stopped,
            trainable_parameters=trainable,
            total_parameters=total,
            device=self.device.name,
            precision=self.precision,
            images_per_second=max((epoch.images_per_second or 0.0 for epoch in epochs), default=0.0) or None,
            peak_memory_mb=self.memory.megabytes,
            artefact_bytes=weights.stat().st_size if weights.exists() else 0,
            feature_drift=drift,
            weights=self.weights,
            left_out=self.training_data.left_out if self.train_step else 0,
        )
        if self.train_step and self.is_main:
            checkpoint.close_run(self.run_dir, self.config, result)
            self.keeper.close(stopped=stopped)
        self.accelerator.wait_for_everyone()
        return result

    def close(self) -> None:
        """Give the device's memory back, also after a failure; the run is over."""
        release(self.classifier, self.train_step.optimizer if self.train_step else None)
        if self._lock:
            self._lock.release()


def _report_shrunk(job: JobContext, size: int) -> None:
    message = Message("The device ran out of memory; going on with {counted} at once, at the same batch size.")
    job.report(Notice(message=Message(message, counted=count_of(size, "image")), level="warning"))
