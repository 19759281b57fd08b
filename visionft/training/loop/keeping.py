"""Validating a run, and keeping what is best of it: its start, its epochs, and what lies between them."""

import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

from models.classifier import Classifier
from visionft.errors import RunError
from visionft.events import EpochDone, Notice, OnEvent, Progress
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop import interpolation
from visionft.training.loop.batches import Stopped
from visionft.training.loop.objective import Objective
from visionft.training.loop.progress import RunProgress
from visionft.training.loop.training_data import TrainingData
from visionft.training.loop.validation import Validation, validate
from visionft.training.runs import recording
from visionft.training.runs.checkpoint import START
from visionft.training.runs.curves import Curves
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import best_epoch


class Keeper:
    """Looks at the validation pictures and writes what a run's folder keeps of it."""

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
        self._curves = Curves(run_dir, is_on=config.tensorboard and self._is_main)
        self._interpolates = config.interpolation and config.method_row.interpolates and not config.start_from

    def keep_start(self, progress: RunProgress) -> EpochDone:
        """Record the classifier as it is before the first step, as epoch 0."""
        done = self.keep_epoch(progress, 0)
        progress.is_start_validated = True
        progress.setup_seconds += done.seconds
        return done

    def save_start(self) -> None:
        """Keep what the run learns on from, where its end may need that."""
        if self._interpolates and self._is_main:
            interpolation.save_start(self._run_dir, self._classifier)

    def keep_epoch(
        self,
        progress: RunProgress,
        epoch: int,
        *,
        train_loss: float | None = None,
        train_accuracy: float | None = None,
        learning_rate: float = 0.0,
        seconds: float = 0.0,
        images_per_second: float = 0.0,
    ) -> EpochDone:
        """Validate the classifier as it is now, record it as the end of an epoch, and keep it where it is the best.

        Args:
            progress: Where the run is; it takes in the validation.
            epoch: Which epoch this is the end of.
            train_loss: As `EpochDone` has it, like all that follows; `seconds` without the validation.
        """
        began = time.monotonic()
        seen = self._validate()
        is_best = progress.judge(epoch, seen.accuracy, seen.loss, count=seen.pictures)
        done = EpochDone(
            epoch=epoch,
            epochs=self._config.total_epochs,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=seen.loss,
            val_accuracy=seen.accuracy,
            learning_rate=learning_rate,
            seconds=seconds + time.monotonic() - began,
            images_per_second=images_per_second,
            is_best=is_best,
            waited=epoch - progress.best_epoch,
        )
        if self._is_main:
            recording.keep_epoch(self._run_dir, self._classifier, done)
        self._curves.add(done)
        return done

    def interpolate(self, on_event: OnEvent) -> None:
        """Keep weights between the start and the best epoch where they validate better; the epochs are over.

        A run is done without it: where the user stops, or no validation picture can be read any more, the epoch stays.
        """
        if not self._interpolates:
            return
        # All read what the main process has written of the last epoch: who came before it would try nothing, and the
        # others would wait for ever.
        self._accelerator.wait_for_everyone()
        before = best_epoch(read_metrics(self._run_dir))
        if before is None:
            return
        on_event(Progress(stage="Trying weights between start and end", done=0, total=0))
        found = None
        with contextlib.suppress(Stopped, RunError):
            found = interpolation.find_between(self._run_dir, self._classifier, self._validate)
        self._accelerator.wait_for_everyone()  # each has read what the main process is about to replace
        if found and self._is_main:
            interpolation.keep_between(self._run_dir, self._classifier.trainable_state(), found)
            on_event(Notice(message=interpolation.words(found, before)))

    def close(self) -> None:
        """End the curves."""
        self._curves.close()

    def forget_start(self) -> None:
        """Delete what was kept of the start: the run is over."""
        shutil.rmtree(self._run_dir / START, ignore_errors=True)

    def _validate(self) -> Validation:
        self._classifier.eval()
        return validate(self._training_data.trained, self._training_data, self._objective, self._accelerator)
