"""Answers to drawn pictures, kept in the record: by them an export is checked again anywhere, without anybody's own.

The pictures come from whole-number arithmetic, so that they are the same bytes on every computer.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visionft.export.contents import FLOAT_MODEL_FILE
from visionft.export.model_file import open_session, read_model
from visionft.export.predictor import INPUT, OUTPUT

Answer = Callable[[np.ndarray], np.ndarray]  # uint8 (1, H, W, 3) to (1, C) probabilities

# (height, width): upright, lying, larger than any input, and a strip.
SIZES = ((64, 48), (120, 200), (700, 900), (31, 400))
DIGITS = 7


def drawn_pictures() -> list[np.ndarray]:
    """Return the pictures, uint8 (H, W, 3): ramps, a chequered field and stripes, of a different mixture each."""
    return [_drawn(number, height, width) for number, (height, width) in enumerate(SIZES, start=1)]


def _drawn(number: int, height: int, width: int) -> np.ndarray:
    down, across = np.indices((height, width), dtype=np.int64)
    ramp = across * 255 // max(1, width - 1)
    field = ((across // (3 + number) + down // (5 + number)) % 2) * (90 + 30 * number)
    stripes = (across * number + down * (number + 2)) % 256
    planes = (ramp, (field + down * 160 // height) % 256, (stripes + ramp // number) % 256)
    turned = planes[number % 3 :] + planes[: number % 3]
    return np.stack(turned, axis=-1).astype(np.uint8)


def reference_of(answer: Answer) -> list[list[float]]:
    """Return the probabilities of every class for each drawn picture."""
    return [[round(float(value), DIGITS) for value in answer(pixels[None])[0]] for pixels in drawn_pictures()]


def largest_difference(recorded: Any, answer: Answer) -> float | None:
    """Return how far answers are from recorded ones; None where the record holds none that can be compared."""
    pictures = drawn_pictures()
    try:
        expected = [np.asarray(row, np.float64) for row in recorded]
    except (TypeError, ValueError):
        return None
    got = [np.asarray(answer(pixels[None])[0], np.float64) for pixels in pictures]
    if len(expected) != len(got) or any(one.shape != other.shape for one, other in zip(expected, got, strict=True)):
        return None
    return max(float(np.abs(one - other).max()) for one, other in zip(expected, got, strict=True))


def answer_of(path: Path, *, is_optimised: bool = True) -> Answer:
    """Return what a model file says of pictures, without the labelled ones that may lie beside it.

    Raises:
        ExportError: It cannot be run.
    """
    session = open_session(path, read_model(path), device="cpu", is_optimised=is_optimised)
    return lambda pixels: np.asarray(session.run([OUTPUT], {INPUT: pixels})[0])


def references_in(folder: Path) -> dict[str, Any]:
    """Return what a record keeps of every model file in a folder that takes whole pictures.

    `reference` are its answers by its name, `reference_spread` by how much they differ where ONNX Runtime computes each
    operator as it stands, as other runtimes and processors do: an order of sums, a rounding of whole numbers.
    """
    models = [path for path in sorted(folder.glob("model*.onnx")) if path.name != FLOAT_MODEL_FILE]
    answers = {path.name: reference_of(answer_of(path)) for path in models}
    spreads = {
        path.name: largest_difference(answers[path.name], answer_of(path, is_optimised=False)) for path in models
    }
    return {"reference": answers, "reference_spread": spreads}


def recorded_spread(record: Mapping[str, Any], name: str) -> float:
    """Return the spread of a file's answers; 0 in the records of earlier versions, and in those that tell nonsense."""
    found = record.get("reference_spread")
    spread = found.get(name) if isinstance(found, dict) else None
    return float(spread) if isinstance(spread, float) and 0 <= spread <= 1 else 0.0


def recorded_answers(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return {file name: answers} of a record; nothing in those of earlier versions."""
    found = record.get("reference")
    return found if isinstance(found, dict) else {}
