"""Measure the speed of an exported model: latency and throughput, on each ONNX Runtime provider of this computer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.errors import ExportError
from visionft.evaluation.timing import Spread, processor_name, runs_for, spread_of, timed_calls
from visionft.events import Progress
from visionft.export.export_result import Latency
from visionft.export.model_file import open_session, read_model, trusted_session
from visionft.export.predictor import INPUT, OUTPUT, Predictor, takes_any_size
from visionft.export.preprocessing_graph import preprocessing_model
from visionft.jobs import SILENT, JobContext

BATCHES = (1, 4, 16)
SECONDS = 6.0
EXPORT_SECONDS = 1.5  # of the measurement at every export: 60 runs of 25 ms, enough for a 95th percentile
LARGE = (3000, 4000)  # height and width of a photograph of 12 megapixels


@dataclass(frozen=True, kw_only=True)
class BatchSpeed(Spread):
    """Latency of one batch size of decoded images, all of one size; the times are for the whole batch.

    Attributes:
        per_second: Images per second.
    """

    batch: int
    per_second: float


@dataclass(frozen=True, kw_only=True)
class ModelSpeed:
    """Benchmark of a model file on one provider. `threads` 0 leaves the number of threads to ONNX Runtime."""

    model: Path
    provider: str
    threads: int
    width: int
    height: int
    batches: tuple[BatchSpeed, ...]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Benchmark results and the name of the processor."""

    processor: str
    speeds: tuple[ModelSpeed, ...]


def bench_model(
    model_or_folder: Path,
    *,
    threads: int = 0,
    side: int = 0,
    seconds: float = SECONDS,
    batches: Sequence[int] = BATCHES,
    job: JobContext = SILENT,
) -> Benchmark:
    """Benchmark a model, or every model file of a folder with whole images as its input.

    Args:
        model_or_folder: A model file or the folder of an export.
        threads: 0 leaves their number to ONNX Runtime.
        side: Side of the square images in pixels; 0 means 512.
        seconds: Time limit per batch size; ends earlier when the runs suffice for the 99th percentile.
        job: When it is cancelled, completed measurements are returned.

    Raises:
        ExportError: There is no such model, or a number is out of range.
    """
    if not (0 <= threads <= 1024 and 0 <= side <= 8192 and 0 < seconds <= 3600):
        reason = Message(
            "Threads are 0 to 1,024, images 1 to 8,192 pixels wide, and a batch takes up to 3,600 seconds."
        )
        raise ExportError(reason, "Choose other numbers.")
    first = Predictor(model_or_folder, device="cpu").path
    side = side or 512
    paths = [first] if model_or_folder.is_file() else [first, *sorted(first.parent.glob("model_*.onnx"))]
    speeds: list[ModelSpeed] = []
    for number, path in enumerate(paths, start=1):
        job.report(Progress(stage="Measuring its speed", done=number, total=len(paths)))
        if job.is_cancelled:
            break
        content = read_model(path)
        providers = set[str]()
        for device in ("cpu", "auto"):
            session = open_session(path, content, device=device, threads=threads)
            if [(each.name, takes_any_size(each.shape)) for each in session.get_inputs()] != [(INPUT, True)]:
                break  # its input is preprocessed images
            provider = session.get_providers()[0]
            if provider in providers:
                continue
            providers.add(provider)
            if found := _batch_speeds(session, batches, side, seconds, job):
                sizes = {"threads": threads, "width": side, "height": side}
                speeds.append(ModelSpeed(model=path, provider=provider, batches=found, **sizes))
    return Benchmark(processor=processor_name(), speeds=tuple(speeds))


def _batch_speeds(
    session: Any, batches: Sequence[int], side: int, seconds: float, job: JobContext
) -> tuple[BatchSpeed, ...]:
    found: list[BatchSpeed] = []
    for size in batches:
        pixels = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), np.uint8)
        call = partial(session.run, [OUTPUT], {INPUT: pixels})
        spread = spread_of(timed_calls([call], job=job, most_runs=runs_for(0.99), most_seconds=seconds))
        if job.is_cancelled:
            break  # an incomplete measurement is omitted
        if spread.median_ms:
            per_second = round(1000 * size / spread.median_ms, 1)
            found.append(BatchSpeed(**asdict(spread), batch=size, per_second=per_second))
    return tuple(found)


def measure_large(preprocessing: PreprocessConfig, opset: int) -> float:
    """Return the milliseconds of preprocessing a 12-megapixel image in the graph: the minimum of a few calls."""
    session = trusted_session(preprocessing_model(preprocessing, opset).SerializeToString())
    pixels = np.zeros((1, *LARGE, 3), np.uint8)
    call = [lambda: session.run(None, {INPUT: pixels})]
    return round(float(timed_calls(call, most_runs=3, warm_up=0).min()), 3)


def measure_latency(predictor: Predictor, pixels: np.ndarray, *, job: JobContext = SILENT) -> Latency:
    """Measure the latency of one decoded uint8 (H, W, 3) image, with runs for a 95th percentile, in 1.5 s at most."""
    call = [lambda: predictor.probabilities(pixels[None])]
    spread = spread_of(timed_calls(call, job=job, most_runs=runs_for(0.95), most_seconds=EXPORT_SECONDS))
    height, width, _ = pixels.shape
    return Latency(**asdict(spread), provider=predictor.provider, width=width, height=height)
