"""How fast an exported file answers on this machine, one picture at a time."""

import numpy as np

from visionft.data.preprocess import Preprocessing
from visionft.evaluation.timing import timed_calls
from visionft.events import ShouldStop, never_stop
from visionft.export.parity import Latency
from visionft.export.predictor import INPUT, Predictor

LARGE = (3000, 4000)  # height and width of a photograph of 12 megapixels
_LARGE_CALLS = 3


def measure_large(preprocessing: Preprocessing, opset: int) -> float:
    """Return the milliseconds in which the graph prepares a picture of 12 megapixels: the least of a few calls."""
    import onnxruntime

    from visionft.export.preprocessing_graph import preprocessing_model

    content = preprocessing_model(preprocessing, opset).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a busy computer would stall on it
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    pixels = np.zeros((1, *LARGE, 3), np.uint8)
    times = timed_calls([lambda: session.run(None, {INPUT: pixels})], most_runs=_LARGE_CALLS)
    return round(float(times.min()), 3)


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
