"""Running an exported file: ONNX Runtime and the one decoder, no torch. What the command line and the Try page use."""

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionft.data.decode import IMAGE_SUFFIXES, decode
from visionft.errors import ExportError, ImageError, NextStep, as_expected
from visionft.export.contents import MODEL_FILE
from visionft.export.index.memory_index import read_index
from visionft.export.model_file import check_model, open_session, read_model
from visionft.export.parity import Border
from visionft.export.publishing import settle
from visionft.files import parse_json, sha256_file
from visionft.retrieval.evidence import Evidence

logger = logging.getLogger(__name__)

INPUT, OUTPUT, DISTANCE, EMBEDDING = "image", "probabilities", "distance", "embedding"
DISTANCE_OUTPUT, EMBEDDING_OUTPUT = "distance_output", "embedding_output"
# Outputs that stay hidden until what the metadata hold under these names stands behind the file.
RETURNING = {DISTANCE: DISTANCE_OUTPUT, EMBEDDING: EMBEDDING_OUTPUT}
# For one picture. The largest backbone takes a second or two on a slow computer; a graph of foreign make may never end.
LONGEST_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the model says of one picture.

    Attributes:
        class_name: The most probable class.
        classes: For several labels: those whose probability reaches their threshold, best first.
        top5: (class, probability) of the five most probable, best first.
        distance: How far it is from the pictures that the model learned from; from 1 on it is unlike them. None where
            the file does not tell.
        evidence: The labelled pictures for and against; None where the file has none beside it.
        model_ms: Time in ONNX Runtime, without reading the picture.
        error: Why the picture could not be read; then the other fields are empty.
    """

    path: Path
    class_name: str = ""
    probability: float = 0.0
    classes: tuple[str, ...] | None = None
    top5: tuple[tuple[str, float], ...] = ()
    distance: float | None = None
    evidence: Evidence | None = None
    model_ms: float = 0.0
    error: str = ""

    @property
    def is_unlike(self) -> bool:
        """Whether it is farther from the pictures that the model learned from than nearly all of its own kind."""
        return self.distance is not None and self.distance > 1


class Predictor:
    """An exported model, ready to classify.

    Attributes:
        path: Of the file.
        class_names: In the order of the model's outputs.
        provider: The ONNX Runtime provider that really runs it.
        metadata: What the file says of itself.
        is_multilabel: Whether a picture may have several labels, or none.
        temperature: What the logits are divided by; None where the file does not tell.
        border: Where the distance was drawn that counts as unlike; None where the file tells no distances.
        index: The labelled pictures behind the answers; None where there are none beside the file. Once pictures were
            added to it or taken out, it answers in place of the model, from the model's embeddings.
    """

    def __init__(self, model_or_folder: Path, *, device: str = "auto") -> None:
        """Load `model.onnx`, given itself or its folder.

        Args:
            model_or_folder: What to load.
            device: `auto` takes an NVIDIA GPU where there is one, `cuda` requires it, anything else leaves it alone.

        Raises:
            ExportError: There is no such file, it is not one that VisionFT exported, or not as it was then; or there
                is no GPU although one was asked for.
            VisionFTError: It cannot be read, or there is not enough memory.
        """
        path = model_or_folder / MODEL_FILE if model_or_folder.is_dir() else model_or_folder
        if path.name == MODEL_FILE:
            settle(path.parent)
        self.path = path
        content = read_model(path)
        self._session = open_session(path, content, device=device)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.provider: str = self._session.get_providers()[0]
        _check_input(self._session, path)
        self.class_names = _class_names(self.metadata, path)
        self._thresholds = _thresholds(self.metadata, len(self.class_names), path)
        self.is_multilabel = self._thresholds is not None
        self.temperature = _temperature(self.metadata)
        _check_output(self._session, len(self.class_names), path)
        self.border = _border(self.metadata)
        self.index = read_index(path) if EMBEDDING_OUTPUT in self.metadata else None
        if self.index is not None and self.index.class_names != self.class_names:
            raise _foreign(path, "names other classes than the index beside it")
        hidden = [DISTANCE] * (self.border is not None) + [EMBEDDING] * (self.index is not None)
        self._outputs = [OUTPUT, *hidden]
        if hidden:
            content += _behind(self.metadata, hidden, path)
            check_model(path, content)
            self._session = open_session(path, content, device=device)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Map uint8 (B, H, W, 3) RGB pictures to (B, C) calibrated probabilities.

        Raises:
            ExportError: The file, of foreign make, does not run, does not end, or answers with something else.
            VisionFTError: There is not enough memory.
        """
        return self.answers(pixels)[0]

    def answers(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Map pictures, as `probabilities` does, to (B, C) probabilities and (B,) distances; None without those.

        Raises:
            ExportError: The file, of foreign make, does not run, does not end, or answers with something else.
            VisionFTError: There is not enough memory.
        """
        found = self._all(pixels)
        return found[OUTPUT], found.get(DISTANCE)

    def embeddings(self, pixels: np.ndarray) -> np.ndarray:
        """Map pictures, as `probabilities` does, to (B, K) embeddings: directions in the space of the index.

        Raises:
            ExportError: As `probabilities`; or there is no index beside the file.
        """
        found = self._all(pixels)
        if EMBEDDING not in found:
            hint = "Export a retrieval run: its pictures lie beside the model."
            raise ExportError(f"{self.path} has no index beside it.", hint, NextStep("export"))
        return found[EMBEDDING]

    def _all(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name; the probabilities are those of the index where that was changed."""
        found = dict(zip(self._outputs, self._run(pixels), strict=True))
        self._check_rows(found[OUTPUT], (len(pixels), len(self.class_names)))
        if DISTANCE in found:
            self._check_rows(found[DISTANCE], (len(pixels),))
        if self.index is not None:
            self._check_rows(found[EMBEDDING], (len(pixels), self.index.memory.rows.shape[1]))
            if self.index.is_changed:
                found[OUTPUT] = self.index.answers(found[EMBEDDING]).astype(np.float32)
        return found

    def _check_rows(self, rows: np.ndarray, expected: tuple[int, ...]) -> None:
        if rows.shape != expected or not np.isfinite(rows).all():
            what = "values that are no numbers" if rows.shape == expected else f"{rows.shape} values for {expected}"
            raise _foreign(self.path, f"answers with {what}")

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4  # what fails is said once, by us
        limit_s = LONGEST_S * len(pixels)
        watch = threading.Timer(limit_s, setattr, (options, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            return self._session.run(self._outputs, {INPUT: pixels}, options)
        except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen faults
            if (expected := as_expected(error)) is not None:
                raise expected from error
            if options.terminate:
                raise _foreign(self.path, f"gave no answer within {limit_s:.0f} seconds") from error
            logger.info("The model does not run: %s", error)
            raise _foreign(self.path, "does not run with this picture") from error
        finally:
            watch.cancel()

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
        found = self._all(pixels[None])
        model_ms = (time.perf_counter() - began) * 1000
        distance = float(found[DISTANCE][0]) if DISTANCE in found else None
        evidence = self._evidence(found[EMBEDDING][0], path) if EMBEDDING in found else None
        said = self._prediction(path, found[OUTPUT][0])
        return dataclasses.replace(said, distance=distance, evidence=evidence, model_ms=model_ms)

    def _evidence(self, embedding: np.ndarray, path: Path) -> Evidence | None:
        """Return what is for and against; nothing for what is no file, such as a frame of a film."""
        if self.index is None or path == Path():
            return None
        return self.index.evidence(embedding, sha256_file(path) if path.is_file() else "")

    def _prediction(self, path: Path, row: np.ndarray) -> Prediction:
        best = np.argsort(-row, kind="stable")[:5]
        top5 = tuple((self.class_names[index], float(row[index])) for index in best)
        classes = None
        if self._thresholds is not None:
            reached = [index for index in np.argsort(-row, kind="stable") if row[index] >= self._thresholds[index]]
            classes = tuple(self.class_names[index] for index in reached)
        return Prediction(path=path, class_name=top5[0][0], probability=top5[0][1], classes=classes, top5=top5)


def _foreign(path: Path, reason: str) -> ExportError:
    return ExportError(f"{path} {reason}.", "Give a model.onnx that VisionFT exported, or export the run again.")


def _check_input(session: Any, path: Path) -> None:
    given = [(each.name, each.type, tuple(each.shape)) for each in session.get_inputs()]
    if len(given) == 1 and given[0][1] == "tensor(float)" and len(given[0][2]) == 4 and given[0][2][1] == 3:
        reason = f"{path} takes pictures that were cropped, resized and normalised before."
        raise ExportError(reason, f"Give the {MODEL_FILE} beside it, which takes pictures as they are.")
    if len(given) != 1 or given[0][:2] != (INPUT, "tensor(uint8)") or len(given[0][2]) != 4 or given[0][2][3] != 3:
        said = ", ".join(f"{name} {kind.removeprefix('tensor')} {list(shape)}" for name, kind, shape in given) or "none"
        raise _foreign(path, f"takes other input than {INPUT} (uint8) [batch, height, width, 3]: {said[:200]}")


def _check_output(session: Any, classes: int, path: Path) -> None:
    found = {each.name: (each.type, each.shape) for each in session.get_outputs()}
    kind, shape = found.get(OUTPUT, ("", ()))
    if kind != "tensor(float)" or len(shape) != 2:
        raise _foreign(path, f"gives no {OUTPUT} (float) [batch, classes]")
    if isinstance(shape[1], int) and shape[1] != classes:
        raise _foreign(path, f"names {classes} classes and answers with {shape[1]}")


def _behind(metadata: dict[str, str], names: Sequence[str], path: Path) -> bytes:
    """Return what has these outputs back when it stands behind the file."""
    try:
        return b"".join(bytes.fromhex(metadata[RETURNING[name]]) for name in names)
    except ValueError as error:
        raise _foreign(path, "holds no hex digits where it says how its outputs come back") from error


def _class_names(metadata: dict[str, str], path: Path) -> tuple[str, ...]:
    try:
        names = parse_json(metadata["class_names"])
    except (KeyError, ValueError) as error:
        raise _foreign(path, "does not name its classes") from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise _foreign(path, "does not name its classes: “class_names” is no list of names")
    return tuple(names)


def _thresholds(metadata: dict[str, str], classes: int, path: Path) -> np.ndarray | None:
    """Return the probability from which each class is assigned; None where a picture has one class."""
    try:
        values = parse_json(metadata.get("thresholds", "null"))
        thresholds = None if values is None else np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _foreign(path, "holds “thresholds” that are no list of numbers") from error
    if thresholds is not None and (thresholds.shape != (classes,) or not np.isfinite(thresholds).all()):
        raise _foreign(path, f"holds “thresholds” that are not one number for each of its {classes} classes")
    return thresholds


def _border(metadata: dict[str, str]) -> Border | None:
    """Return what the file says of its distances; None for files of earlier versions and of others."""
    try:
        said = parse_json(metadata["distance"])
        bytes.fromhex(metadata[DISTANCE_OUTPUT])
        return Border(kind=said["kind"], split=said["split"], pictures=said["pictures"], share=said["share"])
    except (KeyError, ValueError, TypeError):
        return None


def _temperature(metadata: dict[str, str]) -> float | None:
    try:
        return float(metadata["temperature"])
    except (KeyError, ValueError):
        return None


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
