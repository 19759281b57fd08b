"""Reference predictions on synthetic images, stored in the record to verify an export anywhere without user data.

The images come from integer arithmetic, so they are the same bytes on every computer.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.errors import ExportError
from visionft.export.contents import FIXED_MODEL_FILE, FLOAT_MODEL_FILE
from visionft.export.model_file import open_session, read_model
from visionft.export.predictor import INPUT, OUTPUT

Probabilities = Callable[[np.ndarray], np.ndarray]  # uint8 (1, H, W, 3) to (1, C)

# (height, width): portrait, landscape, larger than any input, and a strip.
SIZES = ((64, 48), (120, 200), (700, 900), (31, 400))
DIGITS = 7


def synthetic_images() -> list[np.ndarray]:
    """Return the synthetic images, uint8 (H, W, 3): ramps, a chequerboard and stripes, mixed differently in each."""
    images: list[np.ndarray] = []
    for number, (height, width) in enumerate(SIZES, start=1):
        down, across = np.indices((height, width), dtype=np.int64)
        ramp = across * 255 // max(1, width - 1)
        field = ((across // (3 + number) + down // (5 + number)) % 2) * (90 + 30 * number)
        stripes = (across * number + down * (number + 2)) % 256
        planes = (ramp, (field + down * 160 // height) % 256, (stripes + ramp // number) % 256)
        turned = planes[number % 3 :] + planes[: number % 3]
        images.append(np.stack(turned, axis=-1).astype(np.uint8))
    return images


def probabilities_of(path: Path) -> Probabilities:
    """Return the prediction function of a model file, without the retrieval index beside it.

    Raises:
        ExportError: It cannot be run; raised by the function too.
    """
    return _probabilities_of(path, read_model(path))


def _probabilities_of(path: Path, content: bytes, *, is_optimised: bool = True) -> Probabilities:
    session = open_session(path, content, device="cpu", is_optimised=is_optimised)

    def predict(pixels: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run([OUTPUT], {INPUT: pixels})[0])
        except Exception as error:  # ONNX Runtime raises a dozen different exception classes
            message = Message("{name} does not run here: {error}.", name=path.name, error=type(error).__name__)
            raise ExportError(message, "Update ONNX Runtime.") from error

    return predict


def references_in(folder: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reference predictions of every model file in a folder with whole images as its input, for the record.

    `known` are those of an earlier call: its files are unchanged.

    `reference` maps each file name to its probabilities. `reference_spread` is the difference with graph optimisations
    off, as an estimate for other runtimes and processors: the order of sums and the rounding of integers vary.
    """
    references, spreads = (dict((known or {}).get(name, {})) for name in ("reference", "reference_spread"))
    for path in sorted(folder.glob("model*.onnx")):
        if path.name not in (FIXED_MODEL_FILE, FLOAT_MODEL_FILE, *references):
            content = read_model(path)
            model = _probabilities_of(path, content)
            rows = [model(pixels[None])[0] for pixels in synthetic_images()]
            references[path.name] = [[round(float(value), DIGITS) for value in row] for row in rows]
            unoptimised = _probabilities_of(path, content, is_optimised=False)
            spreads[path.name] = largest_difference(references[path.name], unoptimised)
    return {"reference": references, "reference_spread": spreads}


def largest_difference(recorded: Any, model: Probabilities) -> float | None:
    """Return the largest difference from recorded probabilities; None where the record has none of the same shape."""
    try:
        expected = np.asarray(recorded, np.float64)
    except (TypeError, ValueError):
        return None
    found = np.stack([np.asarray(model(pixels[None])[0], np.float64) for pixels in synthetic_images()])
    return float(np.abs(expected - found).max()) if expected.shape == found.shape else None


def recorded_spread(record: Mapping[str, Any], name: str) -> float:
    """Return the recorded spread of a file's predictions; 0 in records of earlier versions and for invalid values."""
    found = record.get("reference_spread")
    spread = found.get(name) if isinstance(found, dict) else None
    return float(spread) if isinstance(spread, float) and 0 <= spread <= 1 else 0.0
