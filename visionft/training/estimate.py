"""Estimate the time and memory of a run from a few real training steps.

The network has the real shapes but random weights, as speed and memory do not depend on the values. The images are the
project's own, augmented as in the run. Reading cached decoded images (`data.image_cache`) is part of a step. Decoding
the images that are not cached yet is counted separately.
"""

import contextlib
import dataclasses
import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from models.catalog import known_backbone
from visionft.core.amounts import rough_duration_text
from visionft.core.errors import ImageError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.decode import decode
from visionft.data.image_cache import ImageCache
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Snapshot
from visionft.features.feature_spec import with_aspect
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.progress import interpolation_epochs
from visionft.training.runs.run_snapshot import DRIFT_IMAGES, spread

if TYPE_CHECKING:
    from visionft.training.loop.run_context import RunContext
    from visionft.training.loop.train_step import TrainStep
    from visionft.training.loop.training_data import TrainingData

TIMED_STEPS = 3  # after one step to warm up
_LOW_FACTOR, _HIGH_FACTOR = 0.7, 1.5  # ends of the displayed range, relative to the estimate
TRAIN_BATCHES, VAL_IMAGES, TIMED_DECODINGS = 4, 64, 8  # sizes of the sample that is measured
_COSTS: dict[str, "StepCost"] = {}  # {key of settings and images: measurement}
_SAMPLE_IMAGES = 32  # sample to estimate the share of cached images
# Settings that change the cost of a step; others (epochs, rates, seed) change only the number of steps or nothing.
_STEP_SETTINGS = (
    "backbone", "method", "batch_size", "augmentation", "device", "precision", "ema_decay", "workers",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    setup_s: float  # seconds to build the network, without loading the libraries
    step_s: float  # seconds of one optimiser step, reading cached images included
    inference_s: float  # seconds of inference per cached image (validation, cached features)
    decode_s: float  # seconds to decode one image, with all loader processes in parallel
    memory_mb: int  # peak memory in MiB: the device's on CUDA, else the whole program's
    device: str
    micro_batch: int  # images per forward pass; smaller than the batch size if memory ran out


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFacts:
    """Facts about the data set: labelled images by split, classes, and location."""

    train: int
    val: int
    classes: int
    folder: str  # folder of the first image
    sample: tuple[Path, ...] = ()  # some of the labelled images, to estimate the share of cached images
    test: int = 0
    image_reading: ImageReading = AS_STORED

    @classmethod
    def of(cls, images: Snapshot) -> Self:
        train, val = images.labelled("train"), images.labelled("val")
        return cls(
            train=len(train),
            val=len(val),
            test=len(images.labelled("test")),
            sample=tuple(image.path for image in spread((*train, *val), _SAMPLE_IMAGES)),
            classes=len(images.class_names),
            folder=str(images.images[0].path.parent) if images.images else "",
            image_reading=images.image_reading,
        )

    def undecoded_images(self, near_side: int, *, evaluates: bool = False) -> float:
        """Estimate the number of images that are not in the cache yet; 0 if there is no cache."""
        cache = ImageCache.default()
        if not cache.keeps or not self.sample:
            return 0.0
        missing = sum(not cache.holds(path, near_side, self.image_reading) for path in self.sample)
        return (self.train + self.val + (self.test if evaluates else 0)) * missing / len(self.sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The estimated cost of a run on this computer."""

    seconds: float  # for all epochs, without early stopping
    memory_mb: int
    device: str
    micro_batch: int
    fits_at_once: bool
    decoding_s: float = 0.0  # part of `seconds` to decode images for the first time; the next run reads the cache

    @property
    def time_text(self) -> Message:
        """Return the estimated time as a range, such as "6 to 12 min"."""
        low, high = rough_duration_text(_LOW_FACTOR * self.seconds), rough_duration_text(_HIGH_FACTOR * self.seconds)
        return Message("{low} to {high}", low=low, high=high)


def estimate_run(config: TrainConfig, images: Snapshot, *, job: JobContext = SILENT_JOB) -> Estimate:
    """Measure a few steps and estimate the cost of the whole run; the measurement is cached for `known_estimate`."""
    check_config(config, images)
    config = with_aspect(config, images)
    cost = measure_steps(config, images, job=job)
    keep_cost(config, facts := SetFacts.of(images), cost)
    return extrapolate(cost, config, facts)


def extrapolate(cost: StepCost, config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate:
    """Estimate the cost of all epochs from the cost of a step; `evaluates` includes the evaluation afterwards."""
    steps = math.ceil(facts.train / config.batch_size) * config.total_epochs
    views = 1 + config.looks_mirrored(facts.train + facts.val)
    if config.method_row.caches_features:
        reads_training = config.method_row.looks_at_training_images(config.method_options)
        inferences = facts.val + reads_training * facts.train  # once per image; training itself uses the features
        inferences *= views
    else:
        is_pretrained = config.weights != "random" and not config.start_from
        interpolates = config.method_row.interpolates and is_pretrained
        passes = 2 * len(interpolation_epochs(config)) if interpolates else 0
        inferences = facts.val * (config.total_epochs + 1 + passes) + 2 * min(facts.val, DRIFT_IMAGES)
        inferences += facts.train * views * is_pretrained + facts.train * passes
    setup_s = cost.setup_s
    if evaluates:
        inferences, setup_s = inferences + facts.val + facts.test, 2 * setup_s
    decoding_s = facts.undecoded_images(config.near_side, evaluates=evaluates) * cost.decode_s
    seconds = setup_s + decoding_s + steps * cost.step_s + inferences * cost.inference_s
    return Estimate(
        seconds=seconds,
        memory_mb=cost.memory_mb,
        device=cost.device,
        micro_batch=cost.micro_batch,
        fits_at_once=cost.micro_batch >= config.batch_size,
        decoding_s=decoding_s,
    )


def measure_steps(config: TrainConfig, images: Snapshot, *, job: JobContext = SILENT_JOB) -> StepCost:
    """Build the run's network and time a few steps on images of the project."""
    job.report(Progress(stage="Loading the network", done=0, total=0))
    from visionft.training.loop.batches import training_workers
    from visionft.training.loop.run_context import PeakMemory, RunContext, release

    began = time.perf_counter()
    dry_config = dataclasses.replace(config, weights="random")
    context = RunContext.of_run(dry_config, classes=len(images.class_names))
    setup_s = time.perf_counter() - began
    dry_config = dataclasses.replace(dry_config, workers=training_workers(dry_config, images, context.device.kind))
    train_sample = spread(images.labelled("train"), dry_config.batch_size * TRAIN_BATCHES)
    sample = dataclasses.replace(images, images=(*train_sample, *spread(images.labelled("val"), VAL_IMAGES)))
    try:
        decode_s = _time_decoding(sample, dry_config, job)
        memory = PeakMemory(context.accelerator.device)
        with memory.watched():
            began = time.perf_counter()
            data, train_step = _data_and_step(dry_config, sample, context, job)
            # Creating the data has computed the features of every image, if they are cached.
            count = (len(data.train_images) + len(data.val_images)) * (1 + data.looks_mirrored)
            inference_s = (time.perf_counter() - began) / max(1, count)
            step_s = _time_steps(data, train_step, dry_config, job)
            if not data.is_cached:
                inference_s = _time_inference(data, context)
    finally:
        release(context.classifier, None)
    return StepCost(
        setup_s=setup_s,
        step_s=step_s,
        inference_s=inference_s,
        decode_s=decode_s,
        memory_mb=memory.megabytes,
        device=context.device.name,
        micro_batch=train_step.micro_batch,
    )


def _data_and_step(
    config: TrainConfig, images: Snapshot, context: "RunContext", job: JobContext
) -> "tuple[TrainingData, TrainStep]":
    """Return the data and optimiser step of a run without a run folder, with the classifier in training mode."""
    from visionft.training.loop.train_step import LABEL_SMOOTHING, Objective, TrainStep
    from visionft.training.loop.training_data import TrainingData

    data = TrainingData(config, images, context, job=job)
    objective = Objective(images.task, len(images.class_names), LABEL_SMOOTHING)
    step = TrainStep(
        context.classifier,
        data.trained,
        config,
        objective,
        accelerator=context.accelerator,
        on_shrink=lambda _size: None,
    )
    context.classifier.train()
    return data, step


def _time_decoding(images: Snapshot, config: TrainConfig, job: JobContext) -> float:
    """Return the seconds to decode one image; all `images` are cached afterwards."""
    cache = ImageCache.default()
    times: list[float] = []
    for number, image in enumerate(images.images):
        job.report(Progress(stage="Reading a few images", done=number, total=len(images.images)))
        job.check_cancelled()
        with contextlib.suppress(ImageError):  # the training steps report unreadable images
            began = time.perf_counter()
            if number % (len(images.images) // TIMED_DECODINGS + 1) == 0:
                decode(image.path, near_side=config.near_side, reading=config.image_reading)
                times.append(time.perf_counter() - began)
            cache.load(image.path, config.near_side, reading=config.image_reading)
    return sum(times) / max(1, len(times)) / max(1, config.workers)


def _time_inference(data: "TrainingData", context: "RunContext") -> float:
    import torch

    context.classifier.eval()
    began, count = time.perf_counter(), 0
    with torch.no_grad(), context.accelerator.autocast():
        for batch in data.val_batches.epoch(0):
            data.check(batch, data.val_images)
            if len(batch.images):
                float(context.classifier(batch.images).sum())  # waits for the device
            count += len(batch.images)
    return (time.perf_counter() - began) / max(1, count)


def _time_steps(data: "TrainingData", train_step: "TrainStep", config: TrainConfig, job: JobContext) -> float:
    """Return the median seconds of a step; the first step is a warm-up and not counted."""
    from visionft.training.loop.train_step import NotFinite, new_totals

    train_step.set_rate(1e-8)
    totals = new_totals(data.device)
    times, began = list[float](), time.perf_counter()
    batches = ((epoch, *each) for epoch in itertools.count(1) for each in enumerate(data.train_batches.epoch(epoch)))
    for epoch, number, batch in batches if data.train_images else ():
        data.check(batch, data.train_images)
        job.check_cancelled()
        if len(batch.images):
            with contextlib.suppress(NotFinite):  # random weights may overflow; the step takes the same time
                train_step.learn(batch, totals, epoch=epoch, number=number)
            float(totals[0])  # waits for the device
        now = time.perf_counter()
        times.append((now - began) * config.batch_size / max(1, len(batch.images)))
        began = now
        job.report(Progress(stage="Trying a few steps", done=len(times), total=TIMED_STEPS + 1))
        if len(times) > TIMED_STEPS:
            break
    measured = sorted(times[1:])
    return measured[len(measured) // 2] if measured else 0.0


def known_estimate(config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate | None:
    """Return the estimate for settings; None if they were not measured on these images since start-up. Torch-free."""
    cost = _COSTS.get(_key(config, facts))
    return None if cost is None else extrapolate(cost, config, facts, evaluates=evaluates)


def keep_cost(config: TrainConfig, facts: SetFacts, cost: StepCost) -> None:
    """Cache a measurement until the program ends."""
    _COSTS[_key(config, facts)] = cost


def _key(config: TrainConfig, facts: SetFacts) -> str:
    """Return the cache key of a measurement: relevant settings, input size, and location of the images."""
    if known_backbone(config.backbone) is None:
        return ""
    values = {name: getattr(config, name) for name in _STEP_SETTINGS}
    options = dataclasses.asdict(config.method_options)
    return json.dumps([values, options, config.input_shape, facts.classes, facts.folder], sort_keys=True)
