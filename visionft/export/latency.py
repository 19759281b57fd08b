"""How fast an exported file answers on this machine, one picture at a time."""

import numpy as np

from visionft.evaluation.timing import timed_calls
from visionft.events import ShouldStop, never_stop
from visionft.export.parity import Latency
from visionft.export.predictor import Predictor


def measure_latency(predictor: Predictor, pixels: np.ndarray, *, should_stop: ShouldStop = never_stop) -> Latency:
    """Classify one decoded uint8 (H, W, 3) picture again and again, for three seconds at most."""
    times = timed_calls([lambda: predictor.probabilities(pixels[None])], should_stop=should_stop)
    return Latency(
        median_ms=round(float(np.median(times)), 3),
        p95_ms=round(float(np.percentile(times, 95)), 3),
        p99_ms=round(float(np.percentile(times, 99)), 3),
        runs=len(times),
        provider=predictor.provider,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
