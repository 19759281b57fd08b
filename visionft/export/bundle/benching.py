"""How fast an exported model is: one picture at a time and in batches, by each provider that this computer has."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from visionft.errors import ExportError
from visionft.evaluation.timing import Spread, processor_name, runs_for, spread_of, timed_calls
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.export.model_file import open_session, read_model
from visionft.export.predictor import INPUT, OUTPUT, Predictor

BATCHES = (1, 4, 16)
SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class BatchSpeed(Spread):
    """A batch of decoded pictures of one size; the times are of the whole batch.

    Attributes:
        per_second: Pictures.
    """

    batch: int
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
    seconds: float = SECONDS,
    batches: Sequence[int] = BATCHES,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Bench:
    """Measure a model, and of a folder every model file in it that takes whole pictures.

    Args:
        model_or_folder: A model file or the folder of an export.
        threads: How many threads ONNX Runtime may use; 0 leaves it to that.
        side: Of the square pictures, in pixels; 0 takes 512.
        seconds: For each batch; it ends earlier where within what 99 % of the runs end is known by then.
        batches: How many pictures are given at once, one after another.
        on_event: Receives how far it is.
        should_stop: Asked between calls; what was measured to its end is returned.

    Raises:
        ExportError: There is no such model, or a number is out of range.
    """
    if not (0 <= threads <= 1024 and 0 <= side <= 8192 and 0 < seconds <= 3600):
        reason = "Threads are 0 to 1,024, pictures 1 to 8,192 pixels wide, and a batch takes up to 3,600 seconds."
        raise ExportError(reason, "Choose other numbers.")
    first = Predictor(model_or_folder, device="cpu").path
    paths = [first] if model_or_folder.is_file() else [first, *sorted(first.parent.glob("model_*.onnx"))]
    speeds: list[ModelSpeed] = []
    for number, path in enumerate(paths, start=1):
        on_event(Progress(stage="Measuring its speed", done=number, total=len(paths)))
        if should_stop():
            break
        speeds += _speeds(path, _Measured(threads, side or 512, seconds, tuple(batches), should_stop))
    return Bench(processor=processor_name(), speeds=tuple(speeds))


@dataclass(frozen=True)
class _Measured:
    """How every batch is measured."""

    threads: int
    side: int
    seconds: float
    batches: tuple[int, ...]
    should_stop: ShouldStop


def _speeds(path: Path, how: _Measured) -> list[ModelSpeed]:
    content, found = read_model(path), list[ModelSpeed]()
    for device in ("cpu", "auto"):
        session = open_session(path, content, device=device, threads=how.threads)
        if [each.name for each in session.get_inputs()] != [INPUT]:
            return []  # it takes what was preprocessed already
        provider = session.get_providers()[0]
        if any(each.provider == provider for each in found):
            continue
        if batches := tuple(_batches(session, how)):
            size = {"width": how.side, "height": how.side}
            found.append(ModelSpeed(model=path, provider=provider, threads=how.threads, batches=batches, **size))
    return found


def _batches(session: Any, how: _Measured) -> Iterator[BatchSpeed]:
    """Measure each; what was stopped is left out."""
    for size in how.batches:
        pixels = np.random.default_rng(0).integers(0, 256, (size, how.side, how.side, 3), np.uint8)
        call = partial(session.run, [OUTPUT], {INPUT: pixels})
        limits = {"most_runs": runs_for(0.99), "most_seconds": how.seconds}
        spread = spread_of(timed_calls([call], should_stop=how.should_stop, **limits))
        if how.should_stop():
            return
        if spread.median_ms:
            yield BatchSpeed(**asdict(spread), batch=size, per_second=round(1000 * size / spread.median_ms, 1))
