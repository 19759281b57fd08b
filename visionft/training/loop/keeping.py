"""Validating a run and keeping its best weights: of the start, of an epoch, or of an interpolation between them.

Weight interpolation (WiSE-FT; Wortsman et al. 2022, arXiv:2109.01903): fine-tuning loses some of the pretrained
network's knowledge; half-way back the network often has both. The head is solved for anew on the features there, which
is better than to interpolate the heads, and on the validation images too: its held-out predictions judge it.
docs/decisions/0036 has the figures.
"""

import contextlib
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
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

LEAST_IMAGES = 30  # validation images, to tell a standard error of losses
_SHARE = "share"  # in the state of `best`: that it lies between the start and an epoch


class Validation(NamedTuple):
    """Mean loss and accuracy (None without images), and the number of readable images, of a validation pass."""

    loss: float | None
    accuracy: float | None
    images: int


_UNKNOWN = Validation(None, None, 0)


@torch.no_grad()
def validate(part: nn.Module, training_data: TrainingData, objective: Objective, accelerator: Any) -> Validation:
    """Validate on the validation split, over all processes."""
    if not training_data.val_images:
        return _UNKNOWN
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


def validate_held_out(training_data: TrainingData, objective: Objective) -> Validation | None:
    """Validate by held-out predictions where the head was fitted to the validation images; None where it was not."""
    ids = [image.image_id for image in training_data.val_images]
    if training_data.held_out is None or not len((seen := training_data.held_out.among(ids)).image_ids):
        return None
    known = seen.predicted
    chosen = [image for image in training_data.val_images if image.image_id in set(known.image_ids.tolist())]
    if not chosen:
        return _UNKNOWN
    logits = torch.from_numpy(known.of([image.image_id for image in chosen]))
    targets = torch.from_numpy(training_data.targets(chosen))
    loss, hits = objective.evaluation_loss(logits, targets), objective.hits(logits, targets)
    return Validation(float(loss), float(hits) / len(chosen), len(chosen))


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
            held_out = None if epoch else self._training_data.held_out  # later epochs have trained the head
            recording.keep_epoch(self._run_dir, self._classifier, done, held_out)
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
            found = find_interpolation(self._run_dir, self._classifier, self._training_data, self._objective)
        self._accelerator.wait_for_everyone()  # each has read what the main process is about to replace
        if found and self._is_main:
            done, checkpoint = found
            save_checkpoint(self._run_dir, BEST, checkpoint)
            if done.epoch:
                replace_metrics(self._run_dir, done)
                text = Message(
                    "Weights {share} of the way from the start to epoch {epoch} are kept, with a head solved anew "
                    "(accuracy {accuracy}, before {before})."
                )
            else:
                replace_metrics(self._run_dir, done, *(replace(each, is_best=False) for each in epochs[1:]))
                text = Message(
                    "Training gained too little on the validation images: the linear probe of the start is kept "
                    "(accuracy {accuracy}, after training {before})."
                )
            job.report(
                Notice(
                    message=Message(
                        text,
                        share=f"{done.share:.0%}",
                        epoch=done.epoch,
                        accuracy=done.accuracy_text,
                        before=before.accuracy_text,
                    )
                )
            )

    def close(self, *, stopped: bool) -> None:
        """End the curves; delete the saved start of a run that has ended."""
        if self._curves is not None:
            self._curves.close()
        if not stopped:
            shutil.rmtree(self._run_dir / START, ignore_errors=True)

    def _validate(self) -> Validation:
        if (seen := validate_held_out(self._training_data, self._objective)) is not None:
            return seen
        self._classifier.eval()
        return validate(self._training_data.trained, self._training_data, self._objective, self._accelerator)


def find_interpolation(
    run_dir: Path, classifier: Classifier, training_data: TrainingData, objective: Objective
) -> tuple[EpochDone, Checkpoint] | None:
    """Search better weights between the run's start and its best epoch; leave the classifier with the best ones.

    At each share of the way the head is solved for anew on training and validation images; at the start it is the
    linear probe. Each is judged by its loss on the validation images, held out, at its best temperature. A share
    replaces the probe where its loss is lower by half a standard error, paired over the images; the trained epoch
    replaces both where its own is lower by a whole one, on at least `LEAST_IMAGES` images. Returns the figures of the
    best epoch, or of epoch 0 for the start, with their checkpoint; None for the epoch's own weights.
    """
    best = best_epoch(epochs := read_metrics(run_dir))
    if best is None or not best.epoch or best.share < 1 or epochs[0].epoch or not has_whole(run_dir, START, BEST):
        return None
    start, end = (load_checkpoint(run_dir / name) for name in (START, BEST))

    def figures(share: float, seen: Validation | None) -> EpochDone:
        of_epoch = replace(best, share=share) if share else replace(epochs[0], is_best=True)
        loss, accuracy, _ = seen or _UNKNOWN
        return replace(of_epoch, val_loss=loss, val_accuracy=accuracy)

    classifier.load_trainable_state(end.model)
    if _SHARE in end.state:  # killed after it was kept, before that was noted
        training_data.held_out = end.held_out
        return figures(end.state[_SHARE], validate_held_out(training_data, objective)), end
    if not training_data.val_images:
        return None
    of_end = training_data.calibrate_head()
    found = None
    of_probe = lowest = np.full(len(of_end), np.nan)
    for share in INTERPOLATION_SHARES:
        classifier.load_trainable_state(classifier.interpolated(start.model, end.model, share))
        with training_data.solved_head(is_start=False):
            losses = training_data.calibrate_head(is_probe=not share)
            of_probe = of_probe if share else losses
            if not share or (_is_lower(losses, of_probe, by=0.5) and _is_lower(losses, lowest)):
                done = figures(share, validate_held_out(training_data, objective))
                model = {name: value.clone() for name, value in classifier.trainable_state().items()}
                state, held_out = {"epoch": done.epoch, _SHARE: share}, training_data.held_out
                found = done, Checkpoint(model=model, optimizer={}, state=state, held_out=held_out)
                lowest = losses
    judged = np.count_nonzero(~np.isnan(of_end - lowest))
    if found is None or not judged or (judged >= LEAST_IMAGES and _is_lower(of_end, lowest, by=1.0)):
        classifier.load_trainable_state(end.model)
        return None
    classifier.load_trainable_state(found[1].model)
    return found


def _is_lower(losses: np.ndarray, others: np.ndarray, *, by: float = 0.0) -> bool:
    """Tell whether the mean of (N,) losses is lower than that of others by so many standard errors, paired; no NaN."""
    gains = others - losses
    gains = gains[~np.isnan(gains)]
    if len(gains) < 2:
        return False
    return bool(gains.mean() > by * gains.std(ddof=1) / math.sqrt(len(gains)))
