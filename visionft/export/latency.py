"""How fast an exported file answers on this machine, one picture at a time."""

from dataclasses import asdict

import numpy as np

from visionft.data.preprocess import Preprocessing
from visionft.evaluation.timing import runs_for, spread_of, timed_calls
from visionft.events import ShouldStop, never_stop
from visionft.export.parity import Latency
from visionft.export.predictor import INPUT, Predictor

LARGE = (3000, 4000)  # height and width of a photograph of 12 megapixels
_LARGE_CALLS = 3
_MOST_SECONDS = 6.0


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
    """Classify one decoded uint8 (H, W, 3) picture again and again, until 99 % are known, or for six seconds."""
    call = [lambda: predictor.probabilities(pixels[None])]
    times = timed_calls(call, should_stop=should_stop, most_runs=runs_for(0.99), most_seconds=_MOST_SECONDS)
    return Latency(
        **asdict(spread_of(times)),
        provider=predictor.provider,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )
