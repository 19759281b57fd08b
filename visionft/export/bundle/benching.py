"""How fast an exported model is: one picture at a time and in batches, by each provider that this computer has."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.errors import ExportError
from visionft.evaluation.timing import processor_name, timed_calls
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.model_file import open_session, read_model
from visionft.export.predictor import INPUT, OUTPUT, Predictor

BATCHES = (1, 4, 16)


@dataclass(frozen=True, kw_only=True)
class BatchSpeed:
    """A batch of decoded pictures of one size.

    Attributes:
        median_ms: Of the whole batch, as are the others.
        per_second: Pictures.
    """

    batch: int
    median_ms: float
    p95_ms: float
    p99_ms: float
    runs: int
    per_second: float


@dataclass(frozen=True, kw_only=True)
class ModelSpeed:
    """A model file on one provider."""

    model: Path
    provider: str
    threads: int
    width: int
    height: int
    batches: tuple[BatchSpeed, ...]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What was measured, and on which processor. `threads` 0 leaves their number to ONNX Runtime."""

    processor: str
    speeds: tuple[ModelSpeed, ...]


def bench_model(
    model_or_folder: Path,
    *,
    threads: int = 0,
    side: int = 0,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Bench:
    """Measure a model, and of a folder every model file in it that takes whole pictures.

    Args:
        model_or_folder: A model file or the folder of an export.
        threads: How many threads ONNX Runtime may use; 0 leaves it to that.
        side: Of the square pictures, in pixels; 0 takes 512.
        on_event: Receives how far it is.
        should_stop: Asked between calls; what was measured so far is returned.

    Raises:
        ExportError: There is no such model, or a number is out of range.
    """
    if not 0 <= threads <= 1024 or not 0 <= side <= 8192:
        raise ExportError("Threads are 0 to 1,024 and pictures 1 to 8,192 pixels wide.", "Choose other numbers.")
    first = Predictor(model_or_folder, device="cpu").path
    paths = [first] if model_or_folder.is_file() else [first, *sorted(first.parent.glob("model_*.onnx"))]
    speeds: list[ModelSpeed] = []
    for number, path in enumerate(paths, start=1):
        on_event(Progress(stage="Measuring its speed", done=number, total=len(paths)))
        if should_stop():
            break
        speeds += _speeds(path, threads, side or 512, should_stop)
    return Bench(processor=processor_name(), speeds=tuple(speeds))


def _speeds(path: Path, threads: int, side: int, should_stop: ShouldStop) -> list[ModelSpeed]:
    content, found = read_model(path), list[ModelSpeed]()
    for device in ("cpu", "auto"):
        session = open_session(path, content, device=device, threads=threads)
        if [each.name for each in session.get_inputs()] != [INPUT]:
            return []  # it takes what was preprocessed already
        provider = session.get_providers()[0]
        if any(each.provider == provider for each in found):
            continue
        batches = [_batch(session, size, side, should_stop) for size in BATCHES]
        found.append(
            ModelSpeed(model=path, provider=provider, threads=threads, width=side, height=side, batches=tuple(batches))
        )
    return found


def _batch(session: object, size: int, side: int, should_stop: ShouldStop) -> BatchSpeed:
    pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), np.uint8)
    times = timed_calls([lambda: session.run([OUTPUT], {INPUT: pixels})], should_stop=should_stop)  # type: ignore[attr-defined]
    median, p95, p99 = (float(np.percentile(times, share)) for share in (50, 95, 99))
    return BatchSpeed(
        batch=size,
        median_ms=round(median, 3),
        p95_ms=round(p95, 3),
        p99_ms=round(p99, 3),
        runs=len(times),
        per_second=round(1000 * size / median, 1) if median else 0.0,
    )
