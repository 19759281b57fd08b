"""Validating a run and keeping its best weights: of the start, of an epoch, or of an interpolation between them.

Weight interpolation (WiSE-FT; Wortsman et al. 2022, arXiv:2109.01903): fine-tuning loses some of the pretrained
network's knowledge; half-way back the network often has both. The head is solved for anew on the features there, which
is better than to interpolate the heads. docs/decisions/0036 has the figures.
"""

import contextlib
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from models.classifier import Classifier
from models.messages import Message
from visionft.errors import RunError, nothing_readable
from visionft.events import EpochDone, Notice, Progress
from visionft.jobs import JobCancelled, JobContext
from visionft.training.config.train_config import INTERPOLATION_SHARES, TrainConfig
from visionft.training.loop.objective import Objective, add_batch, new_totals
from visionft.training.loop.progress import RunProgress
from visionft.training.loop.training_data import TrainingData
from visionft.training.runs import recording
from visionft.training.runs.checkpoint import BEST, START, Checkpoint, has_whole, load_checkpoint, save_checkpoint
from visionft.training.runs.metrics_file import read_metrics, replace_metrics
from visionft.training.runs.run_folder import best_epoch
from visionft.weights.locations import RANDOM

_SHARE = "share"  # in the state of `best`: that it lies between the start and an epoch


class Validation(NamedTuple):
    """Mean loss and accuracy (None without images), and the number of readable images, of a validation pass."""

    loss: float | None
    accuracy: float | None
    images: int


@torch.no_grad()
def validate(part: nn.Module, training_data: TrainingData, objective: Objective, accelerator: Any) -> Validation:
    """Validate on the validation split, over all processes."""
    if not training_data.val_images:
        return Validation(None, None, 0)
    totals = new_totals(accelerator.device)
    for batch in training_data.val_batches.epoch(0):
        training_data.check(batch, training_data.val_images)
        if not len(batch.images):
            continue
        with accelerator.autocast():
            logits = part(batch.images)
        loss, hits = objective.evaluation_loss(logits, batch.targets), objective.hits(logits, batch.targets)
        add_batch(totals, loss=loss, hits=hits, count=len(batch.targets))
    loss_sum, hits, seen = accelerator.reduce(totals, "sum").tolist()
    if not seen:
        raise nothing_readable("validation images")
    return Validation(loss_sum / seen, hits / seen, round(seen))


class CheckpointKeeper:
    """Validates the classifier and writes checkpoints, metrics and TensorBoard's curves into the run's folder."""

    def __init__(
        self,
        run_dir: Path,
        config: TrainConfig,
        classifier: Classifier,
        training_data: TrainingData,
        objective: Objective,
        *,
        accelerator: Any,
    ) -> None:
        self._run_dir, self._config, self._classifier = run_dir, config, classifier
        self._training_data, self._objective, self._accelerator = training_data, objective, accelerator
        self._is_main: bool = accelerator.is_main_process
        is_pretrained = config.weights != RANDOM and not config.start_from
        self._interpolates = config.interpolation and config.method_row.interpolates and is_pretrained
        self._curves: Any = None
        if config.tensorboard and self._is_main:
            from torch.utils.tensorboard import SummaryWriter

            self._curves = SummaryWriter(str(run_dir / "tensorboard"))

    def save_start(self) -> None:
        """Save the start of training until the run ends, where weight interpolation needs it."""
        if self._interpolates and self._is_main:
            model = self._classifier.trainable_state()
            save_checkpoint(self._run_dir, START, Checkpoint(model=model, optimizer={}, state={}))

    def keep_epoch(self, progress: RunProgress, epoch: int, *, learning_rate: float | None = None) -> EpochDone:
        """Validate the classifier, record it as the end of an epoch (0: the start), and save it if it is the best."""
        began = time.monotonic()
        validation = self._validate()
        is_best = progress.judge(epoch, validation.accuracy, validation.loss, count=validation.images)
        seen = progress.seen
        done = EpochDone(
            epoch=epoch,
            epochs=self._config.total_epochs,
            train_loss=progress.loss_sum / seen if seen else None,
            train_accuracy=progress.hits / seen if seen else None,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            learning_rate=learning_rate,
            seconds=progress.epoch_seconds + time.monotonic() - began,
            images_per_second=seen / max(1e-9, progress.epoch_seconds) if seen else None,
            is_best=is_best,
            waited=epoch - progress.best_epoch,
        )
        if self._is_main:
            recording.keep_epoch(self._run_dir, self._classifier, done)
        self._draw(done)
        return done

    def _draw(self, done: EpochDone) -> None:
        if self._curves is None:
            return
        values = {
            "loss/train": done.train_loss,
            "loss/validation": done.val_loss,
            "top1/train": done.train_accuracy,
            "top1/validation": done.val_accuracy,
            "learning_rate": done.learning_rate,
        }
        for name, value in values.items():
            if value is not None:
                self._curves.add_scalar(name, value, done.epoch)
        self._curves.flush()

    def interpolate(self, job: JobContext) -> None:
        """Keep weights between the start and the best epoch where they validate better; nothing where that fails."""
        if not self._interpolates:
            return
        # All processes must read the last epoch as the main one has written it, or they would not do the same.
        self._accelerator.wait_for_everyone()
        before = best_epoch(epochs := read_metrics(self._run_dir))
        if before is None:
            return
        job.report(Progress(stage="Trying weights between start and end", done=0, total=0))
        found = None
        with contextlib.suppress(JobCancelled, RunError):
            found = find_interpolation(self._run_dir, self._classifier, self._training_data, self._validate)
        self._accelerator.wait_for_everyone()  # each has read what the main process is about to replace
        if found and self._is_main:
            share = found.share if found.epoch else 0.0
            state = {"epoch": found.epoch, _SHARE: share}
            model = self._classifier.trainable_state()
            save_checkpoint(self._run_dir, BEST, Checkpoint(model=model, optimizer={}, state=state))
            if found.epoch:
                replace_metrics(self._run_dir, found)
                text = Message(
                    "Weights {share} of the way from the start to epoch {epoch} have a lower validation loss, and are "
                    "kept (accuracy {accuracy}, before {before})."
                )
            else:
                replace_metrics(self._run_dir, found, *(replace(each, is_best=False) for each in epochs[1:]))
                text = Message(
                    "Training made the validation loss worse: the linear probe of the start is kept "
                    "(accuracy {accuracy}, after training {before})."
                )
            figures = {"accuracy": found.accuracy_text, "before": before.accuracy_text}
            job.report(Notice(message=Message(text, share=f"{share:.0%}", epoch=found.epoch, **figures)))

    def close(self, *, stopped: bool) -> None:
        """End the curves; delete the saved start of a run that has ended."""
        if self._curves is not None:
            self._curves.close()
        if not stopped:
            shutil.rmtree(self._run_dir / START, ignore_errors=True)

    def _validate(self) -> Validation:
        self._classifier.eval()
        return validate(self._training_data.trained, self._training_data, self._objective, self._accelerator)


def find_interpolation(
    run_dir: Path,
    classifier: Classifier,
    training_data: TrainingData,
    validate: Callable[[], Validation],
) -> EpochDone | None:
    """Search better weights between the run's start and its best epoch; leave the classifier with the best ones.

    At each share of the way the head is solved for anew on the training images; at the start it is the linear probe.
    Better weights have the lowest validation loss, each at its best temperature, and lower than the epoch's by more
    than a standard error, paired. Returns the best epoch, or epoch 0 for the start, with their figures; None for the
    epoch's own weights.
    """
    best = best_epoch(epochs := read_metrics(run_dir))
    if best is None or not best.epoch or best.share < 1 or not has_whole(run_dir, START, BEST):
        return None
    start, end = (load_checkpoint(run_dir / name) for name in (START, BEST))
    found, kept = end.state.get(_SHARE, 1.0), end.model  # killed after it was kept, before that was noted
    if found == 1 and training_data.val_images:
        classifier.load_trainable_state(end.model)
        most, losses = 0.0, training_data.calibrate_head()
        shares = INTERPOLATION_SHARES if not epochs[0].epoch else INTERPOLATION_SHARES[:-1]
        for share in shares:
            classifier.load_trainable_state(classifier.interpolated(start.model, end.model, share))
            with training_data.solved_head(is_reported=False):
                gains = losses - training_data.calibrate_head()
                error = gains.std(ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
                if gains.mean() > max(most, error):
                    state = classifier.trainable_state()
                    most, found, kept = gains.mean(), share, {name: value.clone() for name, value in state.items()}
    classifier.load_trainable_state(kept)
    seen = validate()  # also where nothing is better: each process takes part
    if found == 1:
        return None
    of_epoch = replace(best, share=found) if found else replace(epochs[0], is_best=True)
    return replace(of_epoch, val_loss=seen.loss, val_accuracy=seen.accuracy)
