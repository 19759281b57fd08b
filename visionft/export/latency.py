"""How fast an exported file answers on this machine, one picture at a time."""

import time

import numpy as np

from visionft.events import ShouldStop, never_stop
from visionft.export.parity import Latency
from visionft.export.predictor import Predictor

WARM_UP, LEAST_RUNS, MOST_RUNS = 3, 10, 60
MOST_SECONDS = 3.0


def measure_latency(predictor: Predictor, pixels: np.ndarray, *, should_stop: ShouldStop = never_stop) -> Latency:
    """Classify one decoded uint8 (H, W, 3) picture again and again, for three seconds at most."""
    for _ in range(WARM_UP):
        predictor.probabilities(pixels[None])
    began, times_ms = time.perf_counter(), []
    while len(times_ms) < MOST_RUNS and not should_stop():
        started = time.perf_counter()
        predictor.probabilities(pixels[None])
        ended = time.perf_counter()
        times_ms.append((ended - started) * 1000)
        if len(times_ms) >= LEAST_RUNS and ended - began > MOST_SECONDS:
            break
    times = np.array(times_ms or [0.0])
    return Latency(
        median_ms=round(float(np.median(times)), 3),
        p95_ms=round(float(np.percentile(times, 95)), 3),
        runs=len(times_ms),
        provider=predictor.provider,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
