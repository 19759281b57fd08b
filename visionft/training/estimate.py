"""What a run would cost: memory and minutes from a dry run of a few real steps, thrown away afterwards.

The network has the real shapes but random weights, so that nothing is downloaded for a guess; speed and memory do not
depend on the values. The pictures are the project's own, augmented as in the run. Reading those that are kept decoded
(`data.picture_cache`) is part of a step; decoding the others, once, is counted beside, for as many as there are now.
"""

import contextlib
import dataclasses
import json
import logging
import math
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import platformdirs

from models.catalog import known_backbone
from visionft.data.decode import decode
from visionft.data.picture_cache import PictureCache
from visionft.data.types import Snapshot
from visionft.errors import ImageError, StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import read_json, write_json
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import INTERPOLATION_SHARES, TrainConfig
from visionft.training.loop.samples import DRIFT_PICTURES, spread

if TYPE_CHECKING:
    from models.classifier import Classifier
    from visionft.training.loop.run_context import RunContext

logger = logging.getLogger(__name__)

MOST_STEPS = 8
LEAST_STEPS = 3
ENOUGH_S = 3.0  # of measured steps
CHECK_PICTURES = 64
FEW_BATCHES = 4
DECODED = 8  # pictures whose decoding is timed
_ASKED = 32
_KEPT = 400
_SAMPLE_S = 0.01
# Settings that change how a step is computed; the others (epochs, rates, seed ...) only change how many there are.
_COSTLY = (
    "backbone", "method", "batch_size", "micro_batch_size", "augmentation", "device", "precision", "optimizer",
    "gradient_checkpointing", "patch_dropout", "ema_decay", "workers", "detail",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What was measured.

    Attributes:
        setup_s: Seconds to build the network, without loading the libraries.
        step_s: Seconds of one optimiser step, its pictures included, which are kept decoded.
        look_s: Seconds to look at one picture without learning (validation, features that are cached), likewise.
        decode_s: Seconds until one picture more is decoded, the loader processes together.
        memory_mb: Most memory in use, in MiB: the device's on CUDA, else the whole program's.
        device: Name of what computed.
        micro_batch: Pictures that went through the network at once; below the batch size when memory ran out.
    """

    setup_s: float
    step_s: float
    look_s: float
    decode_s: float
    memory_mb: int
    device: str
    micro_batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFacts:
    """What the cost depends on of the pictures: counts of the labelled ones by split, classes, and where they lie.

    Attributes:
        some: A few of the labelled ones, which stand for all where it is asked what is kept decoded.
    """

    train: int
    val: int
    classes: int
    place: str
    some: tuple[Path, ...] = ()
    test: int = 0

    @classmethod
    def of(cls, images: Snapshot) -> Self:
        """Count a snapshot's pictures."""
        train, val = images.labelled("train"), images.labelled("val")
        return cls(
            train=len(train),
            val=len(val),
            test=len(images.labelled("test")),
            some=tuple(image.path for image in spread((*train, *val), _ASKED)),
            classes=len(images.class_names),
            place=str(images.images[0].path.parent) if images.images else "",
        )

    def to_decode(self, near_side: int, *, evaluates: bool = False) -> float:
        """Return about how many of the pictures are not kept decoded; none where none are kept at all."""
        cache = PictureCache.usual()
        if not cache.keeps or not self.some:
            return 0.0
        missing = sum(not cache.holds(path, near_side) for path in self.some)
        return (self.train + self.val + (self.test if evaluates else 0)) * missing / len(self.some)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run would cost on this computer; `seconds` for all its epochs, if it does not stop early.

    `decoding_s` of them go to pictures that are decoded for the first time: the next run does not pay them.
    """

    seconds: float
    memory_mb: int
    images_per_second: float
    device: str
    micro_batch: int
    fits_at_once: bool
    decoding_s: float = 0.0


def estimate_run(
    config: TrainConfig,
    images: Snapshot,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Estimate:
    """Measure a few steps and say what the whole run would cost; the measurement is kept for `known_estimate`.

    Raises:
        ConfigError: A setting or the pictures cannot be trained on.
        RunError: Not even one picture fits into memory.
        StoppedError: The user stopped.
    """
    check_config(config, images)
    cost = measure_steps(config, images, on_event=on_event, should_stop=should_stop)
    remember(config, facts := SetFacts.of(images), cost)
    return extrapolate(cost, config, facts)


def extrapolate(cost: StepCost, config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate:
    """Return the cost of all epochs from the cost of a step; with `evaluates` also that of looking at its results."""
    steps = math.ceil(facts.train / config.batch_size) * config.total_epochs
    if config.method_row.caches_features:
        looks_at_all = config.method_row.looks_at_training_pictures(config.method_options)
        looks = facts.val + looks_at_all * facts.train  # once; the rest runs on the features
    else:
        is_pretrained = config.weights != "random" and not config.start_from
        between = len(INTERPOLATION_SHARES) if config.interpolation and config.method_row.interpolates else 0
        looks = facts.val * (config.total_epochs + 1 + between) + 2 * min(facts.val, DRIFT_PICTURES)
        looks += facts.train if config.ridge_init and is_pretrained else 0
    setup_s = cost.setup_s
    if evaluates:
        looks, setup_s = looks + facts.val + facts.test, 2 * setup_s
    decoding_s = facts.to_decode(config.near_side, evaluates=evaluates) * cost.decode_s
    seconds = setup_s + decoding_s + steps * cost.step_s + looks * cost.look_s
    return Estimate(
        seconds=seconds,
        memory_mb=cost.memory_mb,
        images_per_second=config.batch_size / max(cost.step_s, 1e-9),
        device=cost.device,
        micro_batch=cost.micro_batch,
        fits_at_once=cost.micro_batch >= (config.micro_batch_size or config.batch_size),
        decoding_s=decoding_s,
    )


# The dry run ----------------------------------------------------------------------------------------------------------


def measure_steps(
    config: TrainConfig, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> StepCost:
    """Build the run's network and take a few steps on pictures of the project.

    Raises:
        RunError: Not even one picture fits into memory.
        StoppedError: The user stopped.
    """
    on_event(Progress(stage="Loading the network", done=0, total=0))
    from visionft.training.loop.batches import Stopped, training_workers
    from visionft.training.loop.run_context import RunContext, release

    began = time.perf_counter()
    dry = dataclasses.replace(config, weights="random", compile=False, progressive_resizing=1.0, tensorboard=False)
    context = RunContext(dry, classes=len(images.class_names))
    setup_s = time.perf_counter() - began
    dry = dataclasses.replace(dry, workers=training_workers(dry, images, context.device.kind))
    few = _some(images, dry)
    try:
        decode_s = _time_decoding(few, dry, on_event, should_stop)
        return _take_steps(
            dry, few, context, setup_s=setup_s, decode_s=decode_s, on_event=on_event, should_stop=should_stop
        )
    except Stopped:
        raise StoppedError("The measurement was stopped.", "Start it again when you like.") from None
    finally:
        release(context.classifier, None)


def _some(images: Snapshot, config: TrainConfig) -> Snapshot:
    """Return a part of the pictures, spread over all of them, that is enough to measure."""
    few = spread(images.labelled("train"), config.batch_size * FEW_BATCHES)
    return dataclasses.replace(images, images=(*few, *spread(images.labelled("val"), CHECK_PICTURES)))


def _time_decoding(few: Snapshot, config: TrainConfig, on_event: OnEvent, should_stop: ShouldStop) -> float:
    """Return the seconds that one picture more takes to decode; all of the few are kept decoded afterwards."""
    from visionft.training.loop.batches import Stopped

    cache = PictureCache.usual()
    times: list[float] = []
    for number, image in enumerate(few.images):
        on_event(Progress(stage="Reading a few pictures", done=number, total=len(few.images)))
        if should_stop():
            raise Stopped
        with contextlib.suppress(ImageError):  # the steps say so
            began = time.perf_counter()
            if number % (len(few.images) // DECODED + 1) == 0:
                decode(image.path, near_side=config.near_side)
                times.append(time.perf_counter() - began)
            cache.load(image.path, config.near_side)
    return sum(times) / max(1, len(times)) / max(1, config.workers)


def _take_steps(
    config: TrainConfig,
    images: Snapshot,
    context: "RunContext",
    *,
    setup_s: float,
    decode_s: float,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> StepCost:
    from visionft.training.loop.objective import Objective, new_totals
    from visionft.training.loop.train_step import TrainStep
    from visionft.training.loop.training_data import TrainingData

    classifier, accelerator = context.classifier, context.accelerator
    with _watch_memory(context) as memory:
        began = time.perf_counter()
        training_data = TrainingData(
            config, images, classifier, accelerator=accelerator, on_event=on_event, is_asked_to_stop=should_stop
        )
        looked = len(training_data.train_images) + len(training_data.val_images)
        look_s = (time.perf_counter() - began) / max(
            1, looked
        )  # where features are cached, every picture was looked at
        objective = Objective(images.task, len(images.class_names), config.label_smoothing)
        train_step = TrainStep(
            classifier, training_data.trained, config, objective, accelerator=accelerator, on_shrink=lambda _size: None
        )
        train_step.set_rate(1e-8)
        totals = new_totals(accelerator.device)
        classifier.train()
        step_s = _time_steps(training_data, train_step, totals, config, on_event)
        if not training_data.is_cached:
            look_s = _time_looking(training_data, classifier, accelerator)
    return StepCost(
        setup_s=setup_s,
        step_s=step_s,
        look_s=look_s,
        decode_s=decode_s,
        memory_mb=memory.megabytes,
        device=context.device.name,
        micro_batch=train_step.micro_batch,
    )


def _time_steps(training_data: Any, train_step: Any, totals: Any, config: TrainConfig, on_event: OnEvent) -> float:
    """Return the median seconds of a step; the first one warms up and does not count."""
    from visionft.training.loop.train_step import NotFinite

    times, epoch = list[float](), 0
    while training_data.train_images and not _is_enough(times):
        epoch += 1
        began = time.perf_counter()
        for number, batch in enumerate(training_data.train_batches.epoch(epoch)):
            training_data.check(batch, training_data.train_images)
            if len(batch.images):
                with contextlib.suppress(NotFinite):  # random weights may overflow; it takes as long
                    train_step.learn(batch, totals, epoch=epoch, number=number)
                float(totals[0])  # waits for the device
            now = time.perf_counter()
            times.append((now - began) * config.batch_size / max(1, len(batch.images)))
            began = now
            on_event(Progress(stage="Trying a few steps", done=len(times), total=MOST_STEPS + 1))
            if _is_enough(times):
                break
    measured = sorted(times[1:])
    return measured[len(measured) // 2] if measured else 0.0


def _is_enough(times: list[float]) -> bool:
    measured = times[1:]
    return len(measured) >= MOST_STEPS or (len(measured) >= LEAST_STEPS and sum(measured) > ENOUGH_S)


def _time_looking(training_data: Any, classifier: "Classifier", accelerator: Any) -> float:
    """Return the seconds of one picture through the network without learning."""
    import torch

    classifier.eval()
    began, looked = time.perf_counter(), 0
    with torch.no_grad(), accelerator.autocast():
        for batch in training_data.val_batches.epoch(0):
            training_data.check(batch, training_data.val_images)
            if len(batch.images):
                float(classifier(batch.images).sum())
            looked += len(batch.images)
    return (time.perf_counter() - began) / max(1, looked)


@contextlib.contextmanager
def _watch_memory(context: "RunContext") -> Generator[Any]:
    """Sample the process's memory in the middle of steps too, where its peak is; CUDA keeps its own record."""
    from visionft.training.loop.costs import PeakMemory

    memory = PeakMemory(context.accelerator.device)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            memory.sample()

    thread = threading.Thread(target=watch, name="memory watch", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()
        memory.sample()


# What was measured before ---------------------------------------------------------------------------------------------


def known_estimate(config: TrainConfig, facts: SetFacts, *, evaluates: bool = False) -> Estimate | None:
    """Return the estimate for settings whose step was measured on these pictures before, or None. Torch-free."""
    entry = _read().get(_key(config, facts))
    try:
        return None if entry is None else extrapolate(StepCost(**entry), config, facts, evaluates=evaluates)
    except (TypeError, ZeroDivisionError):
        return None


def remember(config: TrainConfig, facts: SetFacts, cost: StepCost) -> None:
    """Keep a measurement in the user's cache folder; the oldest go. A full disk costs only the memory of it."""
    entries = _read()
    key = _key(config, facts)
    entries.pop(key, None)
    entries[key] = dataclasses.asdict(cost)
    target = cache_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_json(target, dict(list(entries.items())[-_KEPT:]))
    except (OSError, VisionFTError) as error:
        logger.warning("The measurement was not kept: %s", error)


def cache_file() -> Path:
    """Return where measurements are kept: with the computer, not with the project, which may move."""
    return platformdirs.user_cache_path("visionft", appauthor=False) / "estimates.json"


def _read() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        facts = cache_file().stat()
        return dict(_parsed(cache_file(), facts.st_mtime_ns, facts.st_size))
    return {}


@lru_cache(maxsize=1)
def _parsed(path: Path, _mtime_ns: int, _size: int) -> dict[str, Any]:
    """Return the file's entries; read again only when it has changed, for a form asks at every key."""
    entries = read_json(path)
    return entries if isinstance(entries, dict) else {}


def _key(config: TrainConfig, facts: SetFacts) -> str:
    """Return what a measurement holds for: the costly settings, the input size, and where the pictures lie."""
    if known_backbone(config.backbone) is None:
        return ""
    values = {name: getattr(config, name) for name in _COSTLY}
    options = dataclasses.asdict(config.method_options)
    return json.dumps([values, options, config.input_size, facts.classes, facts.place], sort_keys=True)
