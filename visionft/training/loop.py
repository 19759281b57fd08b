"""One training run, top to bottom: build, fit epoch by epoch, validate, keep the best, stop well, continue exactly.

Everything random derives from (seed, epoch, image id), so a run that was stopped or killed and is started again on its
folder continues as if nothing had happened.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.classifier import Classifier, build_classifier
from visionft.devices import Device, pick_device
from visionft.errors import RunError
from visionft.events import (
    EpochDone,
    Notice,
    OnEvent,
    Progress,
    RunStarted,
    ShouldStop,
    StepDone,
    ignore_event,
    never_stop,
)
from visionft.files import write_json
from visionft.images.loading import Batch
from visionft.project.snapshot import Snapshot, SnapshotImage
from visionft.training.batches import BatchSource, Stopped, cached_features, picture_batches
from visionft.training.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    flatten_optimizer,
    load_newest,
    restore_optimizer,
    save_checkpoint,
)
from visionft.training.config import TrainConfig
from visionft.training.objective import Objective, add_batch, new_totals
from visionft.training.progress import RunProgress, Throttle
from visionft.training.runs import TrainResult, append_metrics, best_epoch, read_metrics, read_run, result_values
from visionft.training.schedule import learning_rate_factor

STEP_EVENT_INTERVAL_S = 0.1


def train(
    config: TrainConfig,
    images: Snapshot,
    run_dir: Path,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> TrainResult:
    """Fine-tune a classifier on the training pictures of a snapshot, or continue the run that `run_dir` holds.

    Stopping is a normal end: a checkpoint is written and the best epoch so far comes back.

    Args:
        run_dir: Folder of the run; made once the model stands, so that a refused run leaves nothing behind.

    Raises:
        ConfigError: A setting or the pictures cannot be trained on; every fault at once.
        WeightsError: The pretrained weights cannot be had.
        RunError: No picture can be read, the loss is not finite, or the folder holds another run.
    """
    config.check(images)
    run = _Run(config, images, run_dir, on_event=on_event, should_stop=should_stop)
    stopped = False
    try:
        run.open_data()
        run.start()
        while run.progress.epoch <= config.epochs:
            run.train_epoch()
            run.finish_epoch()
    except Stopped:
        stopped = True
        run.save_last()
    return run.finish(stopped=stopped)


def make_accelerator(device: Device, precision: str) -> Any:
    """Return an accelerate `Accelerator` for one run; several may follow each other in one process."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DataLoaderConfiguration

    if "WORLD_SIZE" not in os.environ:
        # accelerate remembers the first run's device and precision for the life of the process.
        AcceleratorState._reset_state(reset_partial_state=True)
    mixed = {"fp32": "no"}.get(precision, precision)
    loading = DataLoaderConfiguration(split_batches=True, even_batches=False, non_blocking=True)
    return Accelerator(mixed_precision=mixed, cpu=device.kind == "cpu", dataloader_config=loading)


class _Run:
    """A run under way; `train` reads as its table of contents."""

    def __init__(
        self, config: TrainConfig, images: Snapshot, run_dir: Path, *, on_event: OnEvent, should_stop: ShouldStop
    ) -> None:
        self.config, self.images, self.run_dir = config, images, run_dir
        self.on_event, self.should_stop = on_event, should_stop
        self.device = pick_device(config.device)
        self.precision = self.device.precision if config.precision == "auto" else config.precision
        self.accelerator = make_accelerator(self.device, self.precision)
        self.objective = Objective(images.task, config.label_smoothing)
        self.progress = RunProgress()
        self.step_events = Throttle(STEP_EVENT_INTERVAL_S)
        self.reported: set[Path] = set()
        self.optimizer: Any = None
        self.say("Loading the network")
        self.classifier: Classifier = build_classifier(
            config.backbone_row,
            config.method_row,
            classes=len(images.class_names),
            options=config.method_options,
            weights=config.weights,
            image_size=config.input_size,
            seed=config.seed,
        ).to(self.accelerator.device)

    def say(self, stage: str) -> None:
        self.on_event(Progress(stage=stage, done=0, total=0))

    # Data and model -------------------------------------------------------------------------------------------------

    def open_data(self) -> None:
        """Open both splits; a linear probe sees each picture once and learns from its features."""
        self.train_images, self.val_images = self.images.labelled("train"), self.images.labelled("val")
        self.train_batches = self._source(self.train_images, training=True)
        self.val_batches = self._source(self.val_images, training=False)
        self.trained: Any = self.classifier.head if self._is_cached else self.classifier

    @property
    def _is_cached(self) -> bool:
        return self.config.method == "linear"

    def _source(self, chosen: tuple[SnapshotImage, ...], *, training: bool) -> BatchSource:
        source = picture_batches(
            self.config, self.images, chosen, accelerator=self.accelerator, training=training and not self._is_cached
        )
        if not self._is_cached:
            return source
        self.classifier.eval()
        return cached_features(
            source,
            self._forward(self.classifier.features),
            self.config,
            stage=f"Reading {'training' if training else 'validation'} pictures",
            shuffle=training,
            on_event=self.on_event,
            on_batch=self._check(chosen),
        )

    def _forward(self, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def forward(images: Tensor) -> Tensor:
            with self.accelerator.autocast():
                return function(images)

        return forward

    def _check(self, chosen: tuple[SnapshotImage, ...]) -> Callable[[Batch], None]:
        """Return what is done before each batch: stop when asked, and name pictures that cannot be read, once."""

        def check(batch: Batch) -> None:
            if self.should_stop():
                raise Stopped
            for position, reason in batch.unreadable:
                path = chosen[position].path
                if path not in self.reported:
                    self.reported.add(path)
                    self.on_event(Notice(message=f"Left out {path}: {reason}.", level="warning"))

        return check

    def start(self) -> None:
        """Make the optimiser, take up an earlier checkpoint of this folder, and announce the run."""
        config = self.config
        groups = self.classifier.parameter_groups(config.weight_decay)
        self.scales = [group.pop("lr_scale") for group in groups]
        optimizer = torch.optim.AdamW(groups, lr=config.peak_learning_rate, fused=self.device.kind == "cuda")
        first = self._take_up(optimizer)
        self.trained, self.optimizer = self.accelerator.prepare(self.trained, optimizer)
        trainable, total = self.classifier.parameter_counts()
        self.on_event(
            RunStarted(
                run=self.run_dir.name,
                backbone=config.backbone,
                method=config.method,
                epochs=config.epochs,
                first_epoch=first,
                steps_per_epoch=self.train_batches.steps,
                train_images=len(self.train_images),
                val_images=len(self.val_images),
                trainable_parameters=trainable,
                total_parameters=total,
                device=self.device.name,
                precision=self.precision,
            )
        )

    def _take_up(self, optimizer: torch.optim.Optimizer) -> int:
        """Open the run folder; load its newest checkpoint where there is one. Return the epoch to start with."""
        if (self.run_dir / "config.json").exists():
            self._check_same_run()
        elif self.accelerator.is_main_process:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            write_json(self.run_dir / "classes.json", list(self.images.class_names))
            write_json(self.run_dir / "data.json", {"digest": self.images.digest})
            write_json(self.run_dir / "config.json", self.config.to_dict())
        if found := load_newest(self.run_dir):
            self.classifier.load_trainable_state(found.model)
            restore_optimizer(optimizer, found.optimizer)
            self.progress = RunProgress.from_state(found.state["progress"])
        return self.progress.epoch

    def _check_same_run(self) -> None:
        recorded = read_run(self.run_dir)
        digest = json.loads((self.run_dir / "data.json").read_text(encoding="utf-8"))["digest"]
        if recorded.config != self.config or digest != self.images.digest:
            what = "settings" if recorded.config != self.config else "pictures or labels"
            raise RunError(f"{self.run_dir.name} was trained with other {what}.", "Start a new run.")

    # Epochs ---------------------------------------------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Learn from the rest of the current epoch's batches."""
        self.classifier.train()
        check, progress = self._check(self.train_images), self.progress
        totals = new_totals(self.accelerator.device)
        began, earlier = time.monotonic(), progress.epoch_seconds
        try:
            for batch in self.train_batches.epoch(progress.epoch, skip=progress.batches_done):
                check(batch)
                if len(batch.images):
                    self._step(batch, totals)
                progress.batches_done += 1
                progress.epoch_seconds = earlier + time.monotonic() - began
                self._report_step(totals)
        finally:
            self._bank(totals)

    def _step(self, batch: Batch, totals: Tensor) -> None:
        """Take one optimiser step and add the batch to `totals`."""
        self._set_learning_rate()
        with self.accelerator.autocast():
            logits = self.trained(batch.images)
        loss = self.objective.loss(logits, batch.targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        if self.config.gradient_clip:
            self.accelerator.clip_grad_norm_(self.trained.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        hits = self.objective.hits(logits.detach(), batch.targets)
        add_batch(totals, loss=loss, hits=hits, count=len(batch.targets))

    @property
    def _learning_rate(self) -> float:
        steps = self.train_batches.steps
        done = (self.progress.epoch - 1) * steps + self.progress.batches_done
        factor = learning_rate_factor(
            done, total_steps=self.config.epochs * steps, warmup_share=self.config.warmup_share
        )
        return self.config.peak_learning_rate * factor

    def _set_learning_rate(self) -> None:
        for group, scale in zip(self.optimizer.param_groups, self.scales, strict=True):
            group["lr"] = self._learning_rate * scale

    def _report_step(self, totals: Tensor) -> None:
        progress, steps = self.progress, self.train_batches.steps
        if not (self.step_events.ready() or progress.batches_done == steps):
            return
        loss_sum, _, seen = (totals.cpu() + torch.tensor([progress.loss_sum, progress.hits, progress.seen])).tolist()
        if loss_sum != loss_sum or loss_sum in (float("inf"), float("-inf")):
            raise self._not_finite()
        self.on_event(
            StepDone(
                epoch=progress.epoch,
                step=progress.batches_done,
                steps=steps,
                loss=loss_sum / max(1.0, seen),
                learning_rate=self._learning_rate,
                images_per_second=seen / max(1e-9, progress.epoch_seconds),
                eta_s=self._eta_s(),
            )
        )

    def _not_finite(self) -> RunError:
        epoch = self.progress.epoch
        return RunError(f"The loss became infinite in epoch {epoch}.", "Train again with a lower learning rate.")

    def _eta_s(self) -> float:
        progress, steps = self.progress, self.train_batches.steps
        share_done = progress.epoch - 1 + progress.batches_done / steps
        spent = progress.seconds + progress.epoch_seconds
        return spent / max(1e-9, share_done) * (self.config.epochs - share_done)

    def _bank(self, totals: Tensor) -> None:
        loss_sum, hits, seen = totals.tolist()
        self.progress.loss_sum += loss_sum
        self.progress.hits += hits
        self.progress.seen += seen

    def finish_epoch(self) -> None:
        """Validate, record the epoch, and write the checkpoints."""
        progress, began = self.progress, time.monotonic()
        if not progress.seen:
            raise RunError("None of the training pictures can be read.", "Check that their disk is connected.")
        val_loss, val_top1 = self._validate()
        seconds = progress.epoch_seconds + time.monotonic() - began
        done = EpochDone(
            epoch=progress.epoch,
            epochs=self.config.epochs,
            train_loss=progress.loss_sum / progress.seen,
            train_top1=progress.hits / progress.seen,
            val_loss=val_loss,
            val_top1=val_top1,
            learning_rate=self._learning_rate,
            seconds=seconds,
            images_per_second=progress.seen / max(1e-9, progress.epoch_seconds),
            is_best=progress.is_better(val_top1, val_loss),
        )
        progress.finish_epoch(done)
        self._record(done)
        self.on_event(done)

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        """Return (loss, top-1) over the validation split; what was learnt is saved first when the user stops."""
        self.classifier.eval()
        check, totals = self._check(self.val_images), new_totals(self.accelerator.device)
        for batch in self.val_batches.epoch(0):
            check(batch)
            if not len(batch.images):
                continue
            with self.accelerator.autocast():
                logits = self.trained(batch.images)
            loss, hits = (
                self.objective.evaluation_loss(logits, batch.targets),
                self.objective.hits(logits, batch.targets),
            )
            add_batch(totals, loss=loss, hits=hits, count=len(batch.targets))
        loss_sum, hits, seen = self.accelerator.reduce(totals, "sum").tolist()
        if not seen:
            raise RunError("None of the validation pictures can be read.", "Check that their disk is connected.")
        return loss_sum / seen, hits / seen

    # Files ----------------------------------------------------------------------------------------------------------

    def _record(self, done: EpochDone) -> None:
        """Write `last` at the end: a crash before it repeats the epoch to the same values, and loses nothing."""
        if not self.accelerator.is_main_process:
            return
        if done.is_best:
            state = {"epoch": done.epoch}
            save_checkpoint(
                self.run_dir, BEST, Checkpoint(model=self.classifier.trainable_state(), optimizer={}, state=state)
            )
        append_metrics(self.run_dir, done)
        self.save_last()

    def save_last(self) -> None:
        """Write what the run can be continued from; nothing before its first step."""
        if self.optimizer is None or not self.accelerator.is_main_process:
            return
        save_checkpoint(
            self.run_dir,
            LAST,
            Checkpoint(
                model=self.classifier.trainable_state(),
                optimizer=flatten_optimizer(self.optimizer),
                state={"progress": self.progress.to_state()},
            ),
        )

    def finish(self, *, stopped: bool) -> TrainResult:
        """Write `result.json` and return it."""
        trainable, total = self.classifier.parameter_counts()
        result = TrainResult(
            run=self.run_dir.name,
            best=best_epoch(read_metrics(self.run_dir)),
            seconds=self.progress.seconds + self.progress.epoch_seconds,
            stopped=stopped,
            trainable_parameters=trainable,
            total_parameters=total,
            device=self.device.name,
            precision=self.precision,
        )
        if self.run_dir.exists() and self.accelerator.is_main_process:
            write_json(self.run_dir / "result.json", result_values(result))
            if not stopped and self.config.method == "lora":
                self._save_peft_folder()
        return result

    def _save_peft_folder(self) -> None:
        from models.lora import save_peft_folder

        folder = self.run_dir / "peft"
        folder.mkdir(exist_ok=True)
        save_peft_folder(self.classifier.network, folder, backbone=self.config.backbone_row, options=self.config.lora)
