"""The range of a run's time, and its memory, from a dry run of a few real steps. While it runs, its own rate tells.

The network has the real shapes but random weights, as speed and memory do not depend on the values. The images are the
project's own, augmented as in the run. Reading cached decoded images (`data.image_cache`) is part of a step; decoding
the others, once, is counted separately, for their current number.
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
from visionft.training.loop.progress import look_epochs
from visionft.training.runs.run_snapshot import DRIFT_IMAGES, spread

if TYPE_CHECKING:
    from visionft.training.loop.run_context import RunContext
    from visionft.training.loop.train_step import TrainStep
    from visionft.training.loop.training_data import TrainingData

STEPS = 3  # that are timed, after one to warm up
_LEAST, _MOST = 0.7, 1.5  # times the measured time: the range that is told
FEW_BATCHES, CHECK_IMAGES, DECODED = 4, 64, 8  # of training; images of validation; images whose decoding is timed
_COSTS: dict[str, "StepCost"] = {}  # {key of settings and images: measurement}
_SAMPLE = 32  # images that tell the share of cached ones
# Settings that change how a step is computed; the others (epochs, rates, seed ...) only change how many there are.
_COSTLY = (
    "backbone", "method", "batch_size", "augmentation", "device", "precision", "ema_decay", "workers",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    setup_s: float  # seconds to build the network, without loading the libraries
    step_s: float  # seconds of one optimiser step, reading cached images included
    look_s: float  # seconds of inference per cached image (validation, cached features)
    decode_s: float  # seconds to decode one image, by all loader processes together
    memory_mb: int  # peak memory, in MiB: the device's on CUDA, else the whole program's
    device: str
    micro_batch: int  # images per forward pass; below the batch size when memory ran out


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFacts:
    """Facts about the data set: labelled images by split, classes, and location."""

    train: int
    val: int
    classes: int
    place: str
    some: tuple[Path, ...] = ()  # a sample of the labelled ones, to estimate the share of cached images
    test: int = 0
    image_reading: ImageReading = AS_STORED

    @classmethod
    def of(cls, images: Snapshot) -> Self:
        train, val = images.labelled("train"), images.labelled("val")
        return cls(
            train=len(train),
            val=len(val),
            test=len(images.labelled("test")),
            some=tuple(image.path for image in spread((*train, *val), _SAMPLE)),
            classes=len(images.class_names),
            place=str(images.images[0].path.parent) if images.images else "",
            image_reading=images.image_reading,
        )

    def to_decode(self, near_side: int, *, evaluates: bool = False) -> float:
        """Return about how many of the images are not kept decoded; none where none are kept at all."""
        cache = ImageCache.usual()
        if not cache.keeps or not self.some:
            return 0.0
        missing = sum(not cache.holds(path, near_side, self.image_reading) for path in self.some)
        return (self.train + self.val + (self.test if evaluates else 0)) * missing / len(self.some)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The estimated cost of a run on this computer."""

    seconds: float  # for all its epochs, if it does not stop early
    memory_mb: int
    device: str
    micro_batch: int
    fits_at_once: bool
    decoding_s: float = 0.0  # seconds of `seconds` for decoding images the first time; not repeated in the next run

    @property
    def time_text(self) -> Message:
        """Return the range of its time: "6 to 12 min"."""
        low, high = rough_duration_text(_LEAST * self.seconds), rough_duration_text(_MOST * self.seconds)
        return Message("{low} to {high}", low=low, high=high)


def estimate_run(config: TrainConfig, images: Snapshot, *, job: JobContext = SILENT_JOB) -> Estimate:
    """Measure a few steps and estimate the cost of the whole run; `known_estimate` knows it until the program ends."""
    check_config(config, images)
    config = with_aspect(config, images)
    cost = measure_steps(config, images, job=job)
    keep_cost(config, facts := SetFacts.of(images), cost)
    return extrapolate(cost, config, facts)


def extrapolate(cost: StepCost, config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate:
    """Return the cost of all epochs from the cost of a step; with `evaluates` also of the evaluation."""
    steps = math.ceil(facts.train / config.batch_size) * config.total_epochs
    views = 1 + config.looks_mirrored(facts.train + facts.val)
    if config.method_row.caches_features:
        looks_at_all = config.method_row.looks_at_training_images(config.method_options)
        looks = facts.val + looks_at_all * facts.train  # once; the rest runs on the features
        looks *= views
    else:
        is_pretrained = config.weights != "random" and not config.start_from
        interpolates = config.method_row.interpolates and is_pretrained
        between = 2 * len(look_epochs(config)) if interpolates else 0
        looks = facts.val * (config.total_epochs + 1 + between) + 2 * min(facts.val, DRIFT_IMAGES)
        looks += facts.train * views * is_pretrained + facts.train * between
    setup_s = cost.setup_s
    if evaluates:
        looks, setup_s = looks + facts.val + facts.test, 2 * setup_s
    decoding_s = facts.to_decode(config.near_side, evaluates=evaluates) * cost.decode_s
    seconds = setup_s + decoding_s + steps * cost.step_s + looks * cost.look_s
    return Estimate(
        seconds=seconds,
        memory_mb=cost.memory_mb,
        device=cost.device,
        micro_batch=cost.micro_batch,
        fits_at_once=cost.micro_batch >= config.batch_size,
        decoding_s=decoding_s,
    )


def measure_steps(config: TrainConfig, images: Snapshot, *, job: JobContext = SILENT_JOB) -> StepCost:
    """Build the run's network and take a few steps on images of the project."""
    job.report(Progress(stage="Loading the network", done=0, total=0))
    from visionft.training.loop.batches import training_workers
    from visionft.training.loop.run_context import PeakMemory, RunContext, release

    began = time.perf_counter()
    dry = dataclasses.replace(config, weights="random")
    context = RunContext.of_run(dry, classes=len(images.class_names))
    setup_s = time.perf_counter() - began
    dry = dataclasses.replace(dry, workers=training_workers(dry, images, context.device.kind))
    few = spread(images.labelled("train"), dry.batch_size * FEW_BATCHES)
    some = dataclasses.replace(images, images=(*few, *spread(images.labelled("val"), CHECK_IMAGES)))
    try:
        decode_s = _time_decoding(some, dry, job)
        memory = PeakMemory(context.accelerator.device)
        with memory.watched():
            began = time.perf_counter()
            data, train_step = _first_step(dry, some, context, job)
            read = (len(data.train_images) + len(data.val_images)) * (1 + data.looks_mirrored)
            look_s = (time.perf_counter() - began) / max(1, read)  # where features are cached, every image was read
            step_s = _time_steps(data, train_step, dry, job)
            if not data.is_cached:
                look_s = _time_inference(data, context)
    finally:
        release(context.classifier, None)
    return StepCost(
        setup_s=setup_s,
        step_s=step_s,
        look_s=look_s,
        decode_s=decode_s,
        memory_mb=memory.megabytes,
        device=context.device.name,
        micro_batch=train_step.micro_batch,
    )


def _first_step(
    config: TrainConfig, images: Snapshot, context: "RunContext", job: JobContext
) -> "tuple[TrainingData, TrainStep]":
    """Return the data of a run and its optimiser step, without a run folder; the classifier is in training mode."""
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


def _time_decoding(some: Snapshot, config: TrainConfig, job: JobContext) -> float:
    """Return the seconds to decode one image; the sampled images are cached afterwards."""
    cache = ImageCache.usual()
    times: list[float] = []
    for number, image in enumerate(some.images):
        job.report(Progress(stage="Reading a few images", done=number, total=len(some.images)))
        job.check_cancelled()
        with contextlib.suppress(ImageError):  # the steps say so
            began = time.perf_counter()
            if number % (len(some.images) // DECODED + 1) == 0:
                decode(image.path, near_side=config.near_side, reading=config.image_reading)
                times.append(time.perf_counter() - began)
            cache.load(image.path, config.near_side, reading=config.image_reading)
    return sum(times) / max(1, len(times)) / max(1, config.workers)


def _time_inference(data: "TrainingData", context: "RunContext") -> float:
    import torch

    context.classifier.eval()
    began, read = time.perf_counter(), 0
    with torch.no_grad(), context.accelerator.autocast():
        for batch in data.val_batches.epoch(0):
            data.check(batch, data.val_images)
            if len(batch.images):
                float(context.classifier(batch.images).sum())  # waits for the device
            read += len(batch.images)
    return (time.perf_counter() - began) / max(1, read)


def _time_steps(data: "TrainingData", train_step: "TrainStep", config: TrainConfig, job: JobContext) -> float:
    """Return the median seconds of a step; the first one warms up and does not count."""
    from visionft.training.loop.train_step import NotFinite, new_totals

    train_step.set_rate(1e-8)
    totals = new_totals(data.device)
    times, began = list[float](), time.perf_counter()
    batches = ((epoch, *each) for epoch in itertools.count(1) for each in enumerate(data.train_batches.epoch(epoch)))
    for epoch, number, batch in batches if data.train_images else ():
        data.check(batch, data.train_images)
        job.check_cancelled()
        if len(batch.images):
            with contextlib.suppress(NotFinite):  # random weights may overflow; it takes as long
                train_step.learn(batch, totals, epoch=epoch, number=number)
            float(totals[0])  # waits for the device
        now = time.perf_counter()
        times.append((now - began) * config.batch_size / max(1, len(batch.images)))
        began = now
        job.report(Progress(stage="Trying a few steps", done=len(times), total=STEPS + 1))
        if len(times) > STEPS:
            break
    measured = sorted(times[1:])
    return measured[len(measured) // 2] if measured else 0.0


def known_estimate(config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate | None:
    """Return the estimate for settings that were measured on these images since the program began. Torch-free."""
    cost = _COSTS.get(_key(config, facts))
    return None if cost is None else extrapolate(cost, config, facts, evaluates=evaluates)


def keep_cost(config: TrainConfig, facts: SetFacts, cost: StepCost) -> None:
    """Keep a measurement until the program ends."""
    _COSTS[_key(config, facts)] = cost


def _key(config: TrainConfig, facts: SetFacts) -> str:
    """Return the key of a measurement: relevant settings, input size, and location of the images."""
    if known_backbone(config.backbone) is None:
        return ""
    values = {name: getattr(config, name) for name in _COSTLY}
    options = dataclasses.asdict(config.method_options)
    return json.dumps([values, options, config.input_shape, facts.classes, facts.place], sort_keys=True)
