"""Running an exported file: ONNX Runtime and the one decoder, no torch. What the command line and the Try page use."""

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionft.deploy.parity import MODEL_FILE
from visionft.devices import has_nvidia_gpu
from visionft.errors import ExportError, ImageError
from visionft.foreign_text import is_unicode
from visionft.images.decode import IMAGE_SUFFIXES, decode


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model says of one picture.

    Attributes:
        class_name: The most probable class.
        classes: For several labels: those whose probability reaches their threshold, best first.
        top5: (class, probability) of the five most probable, best first.
        model_ms: Time in ONNX Runtime, without reading the picture.
        error: Why the picture could not be read; then the other fields are empty.
    """

    path: Path
    class_name: str = ""
    probability: float = 0.0
    classes: tuple[str, ...] | None = None
    top5: tuple[tuple[str, float], ...] = ()
    model_ms: float = 0.0
    error: str = ""


class Predictor:
    """An exported model, ready to classify.

    Attributes:
        class_names: In the order of the model's outputs.
        provider: The ONNX Runtime provider that really runs it.
        metadata: What the file says of itself.
    """

    def __init__(self, model_or_folder: Path, *, device: str = "auto") -> None:
        """Load `model.onnx`, given itself or its folder; `device` "cpu" leaves a GPU alone.

        Raises:
            ExportError: There is no such file, or it is not one that VisionFT exported.
        """
        path = model_or_folder / MODEL_FILE if model_or_folder.is_dir() else model_or_folder
        if not path.is_file():
            raise ExportError(f"There is no model {path}.", "Export a run first: visionft export PROJECT RUN OUT_DIR")
        self._session = _open_session(path, may_use_gpu=device != "cpu")
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.provider: str = self._session.get_providers()[0]
        self.class_names = _class_names(self.metadata, path)
        limits = json.loads(self.metadata.get("thresholds", "null"))
        self._limits: np.ndarray | None = None if limits is None else np.array(limits)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Map uint8 (B, H, W, 3) RGB pictures to (B, C) calibrated probabilities."""
        return self._session.run(["probabilities"], {"image": pixels})[0]

    def predict(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Classify pictures one by one, in order; one that cannot be read comes back with its error."""
        for path in paths:
            try:
                pixels = decode(path)
            except ImageError as error:
                yield Prediction(path=path, error=error.message)
                continue
            yield self.predict_pixels(pixels, path)

    def predict_pixels(self, pixels: np.ndarray, path: Path = Path()) -> Prediction:
        """Classify one uint8 (H, W, 3) RGB picture; `path` is what the answer calls it."""
        began = time.perf_counter()
        row = self.probabilities(pixels[None])[0]
        model_ms = (time.perf_counter() - began) * 1000
        return dataclasses.replace(self._prediction(path, row), model_ms=model_ms)

    def _prediction(self, path: Path, row: np.ndarray) -> Prediction:
        best = np.argsort(-row, kind="stable")[:5]
        top5 = tuple((self.class_names[index], float(row[index])) for index in best)
        classes = None
        if self._limits is not None:
            reached = [index for index in np.argsort(-row, kind="stable") if row[index] >= self._limits[index]]
            classes = tuple(self.class_names[index] for index in reached)
        return Prediction(path=path, class_name=top5[0][0], probability=top5[0][1], classes=classes, top5=top5)


def _open_session(path: Path, *, may_use_gpu: bool) -> Any:
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if may_use_gpu and "CUDAExecutionProvider" in onnxruntime.get_available_providers() and has_nvidia_gpu():
        onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a busy computer would stall on it
    try:
        source = path if is_unicode(path) else path.read_bytes()  # it opens no other name
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen faults
        raise ExportError(f"{path} is not a readable ONNX file.", "Export the run again.") from error


def _class_names(metadata: dict[str, str], path: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads(metadata["class_names"]))
    except (KeyError, ValueError) as error:
        hint = "Give a model.onnx that VisionFT exported."
        raise ExportError(f"{path} does not name its classes.", hint) from error


def expand_folders(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the pictures in it and below, sorted by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                each for each in path.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file()
            )
        else:
            found.append(path)
    return found
