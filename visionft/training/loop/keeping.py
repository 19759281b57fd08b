"""Validate a run and keep its best weights: from the start, an epoch, or an interpolation between them.

Weight interpolation (WiSE-FT; Wortsman et al. 2022, arXiv:2109.01903): fine-tuning loses some of the pretrained
network's knowledge, and interpolated weights often combine both. The head is fitted again to the features of the
interpolated weights, which is better than interpolating the heads. It is also fitted to the validation images, and
evaluated by its held-out predictions. Interpolation is tried after 3, 6, 12, 24 ... epochs and at the end, so that a
run has a better model early, and a run without any gain is recognised after three epochs. See docs/decisions/0036 and
0081 for measurements.
"""

import contextlib
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.classifier import TrainableClassifier
from models.heads.calibration import is_worse_for_classes
from models.weights.locations import RANDOM
from visionft.core.errors import RunError, no_readable_images_error
from visionft.core.events import EpochDone, Notice, Progress
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.training.config.train_config import INTERPOLATION_SHARES, TrainConfig
from visionft.training.loop.progress import RunProgress, interpolation_epochs
from visionft.training.loop.train_step import Objective, add_batch, new_totals
from visionft.training.loop.training_data import Judged, TrainingData
from visionft.training.runs import checkpoint
from visionft.training.runs.checkpoint import BEST, START, Checkpoint, has_whole, load_checkpoint, save_checkpoint
from visionft.training.runs.manifest import HeldOutPredictions
from visionft.training.runs.metrics_file import append_metrics, read_metrics
from visionft.training.runs.run_folder import best_epoch

MIN_IMAGES_FOR_STANDARD_ERROR = 30  # validation images, for a reliable standard error of the losses
# Share of the probe's loss. Weights that have hardly changed differ in loss only by rounding, and a third of such
# differences exceed half a standard error by chance (random labels, a learning rate of 1e-6).
MIN_GAIN_SHARE = 0.01
_LOSSES, _RIGHT = "losses", "right"  # in the state of `best`: `Judged`, with None for NaN


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
        raise no_readable_images_error("validation images")
    return Validation(loss_sum / seen, hits / seen, round(seen))


def validate_held_out(training_data: TrainingData, objective: Objective) -> Validation | None:
    """Validate by held-out predictions where the head was fitted to the validation images; None where it was not."""
    ids = [image.image_id for image in training_data.val_images]
    if training_data.held_out is None or not len((seen := training_data.held_out.subset(ids)).image_ids):
        return None
    known = seen.predicted
    chosen = [image for image in training_data.val_images if image.image_id in set(known.image_ids.tolist())]
    if not chosen:
        return _UNKNOWN
    logits = torch.from_numpy(known.logits_of([image.image_id for image in chosen]))
    targets = torch.from_numpy(training_data.targets(chosen))
    loss, hits = objective.evaluation_loss(logits, targets), objective.hits(logits, targets)
    return Validation(float(loss), float(hits) / len(chosen), len(chosen))


class _Kept(NamedTuple):
    """Weights that are better than all before."""

    validation: Validation
    share: float
    model: dict[str, Tensor]
    held_out: HeldOutPredictions | None


class CheckpointKeeper:
    """Validates the classifier and writes checkpoints and metrics into the run's folder."""

    def __init__(
        self,
        run_dir: Path,
        config: TrainConfig,
        classifier: TrainableClassifier,
        training_data: TrainingData,
        objective: Objective,
        *,
        accelerator: Any,
        job: JobContext,
    ) -> None:
        self._run_dir, self._config, self._classifier = run_dir, config, classifier
        self._training_data, self._objective, self._accelerator = training_data, objective, accelerator
        self._job = job
        self._is_main: bool = accelerator.is_main_process
        is_pretrained = config.weights != RANDOM and not config.start_from
        is_judged = bool(training_data.val_images)
        self.interpolates = config.method_row.interpolates and is_pretrained and is_judged
        self._of_probe: Judged | None = None
        self._of_best: Judged | None = None

    def save_start(self) -> None:
        """Save the start of training until the run ends, where weight interpolation needs it."""
        if self.interpolates and self._is_main:
            model = self._classifier.trainable_state()
            save_checkpoint(self._run_dir, START, Checkpoint(model=model, optimizer={}, state={}))

    def keep_epoch(self, progress: RunProgress, epoch: int, *, learning_rate: float | None = None) -> EpochDone:
        """Validate the classifier, record it as the end of an epoch (0: the start), and save it if it is the best.

        Where weights between the start and the epoch are better, these are saved.
        """
        began = time.monotonic()
        validation = self._validate()
        is_best = progress.judge(epoch, validation.accuracy, validation.loss, count=validation.images)
        found = None
        if self.interpolates and epoch:
            is_best = False
            if self._is_due(progress, epoch):
                found = self._find_better(validation)
                progress.gains_nothing = self._of_best is None
        seen = progress.seen
        seconds = progress.epoch_seconds + time.monotonic() - began
        if found is not None:
            validation, is_best = found.validation, True
        done = EpochDone(
            epoch=epoch,
            epochs=self._config.total_epochs,
            train_loss=progress.loss_sum / seen if seen else None,
            train_accuracy=progress.hits / seen if seen else None,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            learning_rate=learning_rate,
            seconds=seconds,
            at_s=progress.setup_seconds + progress.seconds + seconds,
            images_per_second=seen / max(1e-9, progress.epoch_seconds) if seen else None,
            is_best=is_best,
            waited=epoch - progress.best_epoch,
            share=found.share if found is not None else 1.0,
        )
        if self._is_main:
            self._record(done, found)
        return done

    def _record(self, done: EpochDone, found: _Kept | None) -> None:
        if found is None:
            held_out = None if done.epoch else self._training_data.held_out  # later epochs have trained the head
            checkpoint.keep_epoch(self._run_dir, self._classifier, done, held_out)
            return
        assert self._of_best is not None
        losses = [None if math.isnan(loss) else round(loss, 6) for loss in self._of_best.losses.tolist()]
        right = [None if math.isnan(each) else each for each in self._of_best.right.tolist()]
        state = {"epoch": done.epoch, _LOSSES: losses, _RIGHT: right}
        best = Checkpoint(model=found.model, optimizer={}, state=state, held_out=found.held_out)
        save_checkpoint(self._run_dir, BEST, best)
        append_metrics(self._run_dir, done)

    def _is_due(self, progress: RunProgress, epoch: int) -> bool:
        """Return whether interpolated weights are tried after an epoch."""
        patience = self._config.patience
        is_last = 0 < patience <= epoch - progress.best_epoch
        return is_last or epoch in interpolation_epochs(self._config)

    def _find_better(self, own: Validation) -> _Kept | None:
        """Return interpolated or present weights that are better than the best so far, or None.

        For each interpolation share the head is fitted again to training and validation images; with the start weights
        it is the linear probe. The weights are compared by their held-out loss on the validation images at the best
        temperature. Interpolated weights must have a lower loss than the probe by half a standard error, paired over
        the images. The present weights must have a lower loss than the probe and the best weights so far by a
        standard error, on at least `MIN_IMAGES_FOR_STANDARD_ERROR` images. Either gain must be at least
        `MIN_GAIN_SHARE`. New weights may not lower the balanced accuracy by more than a standard error. `own` is the
        validation of the present weights.
        """
        self._accelerator.wait_for_everyone()  # only the main process writes the start weights
        if not has_whole(self._run_dir, START):
            return None
        self._job.report(Progress(stage="Trying weights between start and end", done=0, total=0))
        classifier, data = self._classifier, self._training_data
        present = {name: value.clone() for name, value in classifier.trainable_state().items()}
        start = load_checkpoint(self._run_dir / START).model
        if self._of_best is None:
            self._of_best = self._stored_best()
        found = None
        try:
            of_present = data.calibrate_head()
            for share in INTERPOLATION_SHARES:
                if not share and self._of_probe is not None:
                    continue
                with _head_between(classifier, data, start, present, share) as judged:
                    if not share:
                        self._of_probe = judged
                        continue
                    if self._is_better(judged, than_probe=0.5):
                        self._of_best = judged
                        seen = validate_held_out(data, self._objective) or _UNKNOWN
                        model = {name: value.clone() for name, value in classifier.trainable_state().items()}
                        found = _Kept(seen, share, model, data.held_out)
        finally:
            classifier.load_trainable_state(present)
            data.is_at_start = False
        has_enough = np.count_nonzero(~np.isnan(of_present.losses)) >= MIN_IMAGES_FOR_STANDARD_ERROR
        if has_enough and self._is_better(of_present, than_probe=1.0, than_best=1.0):
            self._of_best = of_present
            found = _Kept(own, 1.0, present, None)
        return found

    def _is_better(self, judged: Judged, *, than_probe: float, than_best: float = 0.0) -> bool:
        """Return whether weights replace the best so far.

        Their loss must be lower than the probe's and the best loss by `than_probe` and `than_best` standard errors.
        """
        assert self._of_probe is not None
        others = [(self._of_probe, than_probe), *([(self._of_best, than_best)] if self._of_best is not None else [])]
        return _is_lower(judged.losses, self._of_probe.losses, least=MIN_GAIN_SHARE) and all(
            _is_lower(judged.losses, other.losses, by=by) and not self._is_worse_for_classes(judged, other)
            for other, by in others
        )

    def _is_worse_for_classes(self, judged: Judged, other: Judged) -> bool:
        known = np.flatnonzero(~np.isnan(judged.right + other.right))
        images = [self._training_data.val_images[place] for place in known]
        if not images or any(len(image.labels) != 1 for image in images):
            return False
        return is_worse_for_classes(
            judged.right[known].tolist(), other.right[known].tolist(), [image.labels[0] for image in images]
        )

    def _stored_best(self) -> Judged | None:
        """Return the weights between start and end that an earlier session kept, or None.

        Weights that were saved but not recorded before a crash do not count: their epoch is repeated.
        """
        best = best_epoch(read_metrics(self._run_dir))
        with contextlib.suppress(RunError):
            state = load_checkpoint(self._run_dir / BEST).state
            losses, right = (
                np.array([math.nan if each is None else each for each in state.get(name) or ()])
                for name in (_LOSSES, _RIGHT)
            )
            if len(losses) and best is not None and state["epoch"] == best.epoch:
                return Judged(losses, right)
        return None

    def report_kept(self) -> None:
        """Say which weights are kept: of the start, or between it and an epoch."""
        epochs = read_metrics(self._run_dir)
        best = best_epoch(epochs)
        if not self.interpolates or best is None:
            return
        start = epochs[0].accuracy_text if not epochs[0].epoch else ""
        if best.epoch and best.share < 1:
            text = Message(
                "Kept: weights {share} of the way from the start to epoch {epoch}, with a new head (accuracy "
                "{accuracy}, at the start {start})."
            )
            values = {"share": f"{best.share:.0%}", "epoch": best.epoch, "start": start}
            self._job.report(Notice(message=Message(text, accuracy=best.accuracy_text, **values)))
        elif not best.epoch and epochs[-1].epoch:
            text = Message(
                "Training gained too little on the validation images: the initial linear probe is kept (accuracy "
                "{accuracy}, after {counted} {last})."
            )
            values = {"counted": count_of(epochs[-1].epoch, "epoch"), "last": epochs[-1].accuracy_text}
            self._job.report(Notice(message=Message(text, accuracy=best.accuracy_text, **values)))

    def close(self, *, stopped: bool) -> None:
        """Delete the saved start of a run that has ended."""
        if not stopped:
            shutil.rmtree(self._run_dir / START, ignore_errors=True)

    def _validate(self) -> Validation:
        if (seen := validate_held_out(self._training_data, self._objective)) is not None:
            return seen
        self._classifier.eval()
        return validate(self._training_data.trained, self._training_data, self._objective, self._accelerator)


@contextlib.contextmanager
def _head_between(
    classifier: TrainableClassifier,
    training_data: TrainingData,
    start: dict[str, Tensor],
    end: dict[str, Tensor],
    share: float,
) -> Iterator[Judged]:
    """Solve for the head of weights at a share of the way, and judge it on the validation images, held out."""
    classifier.load_trainable_state(classifier.interpolated(start, end, share))
    training_data.is_at_start = not share
    with training_data.solved_head(is_start=False):
        yield training_data.calibrate_head(is_probe=not share)


def _is_lower(losses: np.ndarray, others: np.ndarray, *, by: float = 0.0, least: float = 0.0) -> bool:
    """Tell whether the mean of (N,) losses is lower than that of others, paired; NaN do not count.

    Args:
        by: Standard errors by which it must be lower.
        least: Share of the others' mean by which it must be lower.
    """
    gains = others - losses
    is_known = ~np.isnan(gains)
    gains = gains[is_known]
    if len(gains) < 2:
        return False
    error = gains.std(ddof=1) / math.sqrt(len(gains))
    return bool(gains.mean() > max(by * error, least * others[is_known].mean()))
