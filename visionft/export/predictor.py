"""Classify images with an exported file, using ONNX Runtime and no torch. Used by the command line and the Try page.

Beside the file of a retrieval run is its index `index.safetensors`: the labelled images as evidence. The rows equal the
rows in the model, with names, notes and tags; the index contains the hash of its model. Earlier versions could add and
remove images: such an index predicts in place of the model's head.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.heads.knn import KnnClassifier
from visionft.core.errors import ExportError, ImageError, NextStep, as_visionft_error
from visionft.core.files import MAX_RECORD_BYTES, atomic_path, parse_json, sha256_file
from visionft.core.messages import Message
from visionft.core.records import Record
from visionft.data.decode import IMAGE_SUFFIXES, decode_open, open_image
from visionft.data.image_reading import ImageReading
from visionft.export.contents import INDEX_FILE, MODEL_FILE, finish_publishing, update_file_entry
from visionft.export.export_result import Border
from visionft.export.model_file import check_model, open_session, read_model, refused
from visionft.training.retrieval import Evidence, calibrated, find_evidence

logger = logging.getLogger(__name__)

INPUT, OUTPUT, DISTANCE, EMBEDDING = "image", "probabilities", "distance", "embedding"
DISTANCE_OUTPUT, EMBEDDING_OUTPUT = "distance_output", "embedding_output"
# Hidden outputs, and the metadata keys of the bytes that restore them when appended to the file.
HIDDEN_OUTPUT_KEYS = {DISTANCE: DISTANCE_OUTPUT, EMBEDDING: EMBEDDING_OUTPUT}
# The largest backbone takes a second or two on a slow computer; an untrusted graph may never end.
MAX_SECONDS_PER_IMAGE = 30.0


_ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Description of an image in an index, with the user's note and tags.

    Its name is without folders: an export does not reveal the author's folders.
    """

    name: str
    sha256: str
    note: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportedIndex:
    """The retrieval index of an exported model.

    Attributes:
        images: {image id: its description}.
        temperature: Of the calibration on validation.
        model: SHA-256 of the model's file.
        added: Number of images added after the export; `removed` is that of images removed.
        variants: SHA-256 of the smaller files exported with it; their embeddings are nearly the same.
    """

    memory: KnnClassifier
    class_names: tuple[str, ...]
    images: Mapping[int, IndexEntry]
    temperature: float
    model: str
    added: int = 0
    removed: int = 0
    variants: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether the index differs from the images in the model itself."""
        return bool(self.added or self.removed)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (M, C) probabilities from the model's (M, K) embeddings of images."""
        return calibrated(self.memory.predict(embeddings), self.temperature, is_multilabel=self.memory.is_multilabel)

    def evidence(self, embedding: np.ndarray, sha256: str = "") -> Evidence:
        """Return the neighbor evidence for and against a prediction, from a (K,) embedding."""
        same = [image_id for image_id, each in self.images.items() if sha256 and each.sha256 == sha256]
        return find_evidence(self.memory, self.class_names, embedding, same=same, temperature=self.temperature)


def write_index(path: Path, index: ExportedIndex) -> None:
    """Write an index atomically, and its new hash into the record of the export, where there is one beside it.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    from safetensors.numpy import save

    ids = index.memory.image_ids.tolist()
    about = {
        "class_names": list(index.class_names),
        "temperature": index.temperature,
        "model": index.model,
        "added": index.added,
        "removed": index.removed,
        "variants": list(index.variants),
        "images": [list(astuple(index.images.get(each, IndexEntry("", "")))) for each in ids],
    }
    arrays = {name: np.require(value, requirements="C") for name, value in index.memory.arrays().items()}
    with atomic_path(path) as whole:  # replaced after it is written and recorded
        whole.write_bytes(save(arrays, metadata={_ABOUT: json.dumps(about, ensure_ascii=False)}))
        update_file_entry(path.parent, path.name, whole)


def read_index(model: Path) -> ExportedIndex | None:
    """Return the index beside a model; None if the folder has no index.

    Raises:
        ExportError: It is damaged, or belongs to another model.
    """
    from safetensors import SafetensorError, safe_open

    path = model.with_name(INDEX_FILE)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, Any] = parse_json((file.metadata() or {})[_ABOUT])
            memory = KnnClassifier.from_arrays({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        images = [
            IndexEntry(str(name), str(content), str(note), tuple(tags))
            for name, content, note, tags in about["images" if "images" in about else "pictures"]  # before 0.1
        ]
        index = ExportedIndex(
            memory,
            tuple(about["class_names"]),
            dict(zip(memory.image_ids.tolist(), images, strict=True)),
            float(about["temperature"]),
            str(about["model"]),
            int(about["added"]),
            int(about.get("removed", 0)),
            tuple(map(str, about.get("variants", ()))),
        )
        if memory.classes != len(index.class_names) or not index.temperature > 0:
            raise ValueError("it names other classes than its labels are of")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        message = Message("{folder} cannot be read: {reason}.", folder=path, reason=error)
        raise ExportError(message, "Export the run again.") from error
    if sha256_file(model) not in (index.model, *index.variants):
        hint = Message("Export the run again, or remove the index: the model predicts without it.")
        raise ExportError(Message("{path} belongs to another model than {name}.", path=path, name=model.name), hint)
    return index


@dataclass(frozen=True, kw_only=True)
class Prediction(Record):
    """The model's prediction for one image.

    Attributes:
        class_name: The most probable class.
        classes: For several labels: the classes at or above their threshold, best first.
        top5: (class, probability) of the five most probable, best first.
        distance: Out-of-distribution distance to the training images; above 1 the image is unlike them. None where the
            file has no distance.
        evidence: The labelled images for and against; None without an index beside the file.
        model_ms: Time in ONNX Runtime, without reading the image.
        warnings: Losses of decoding the image.
        error: Reason why the image could not be read; then the other fields are empty.
    """

    path: Path
    class_name: str = ""
    probability: float = 0.0
    classes: tuple[str, ...] | None = None
    top5: tuple[tuple[str, float], ...] = ()
    distance: float | None = None
    evidence: Evidence | None = None
    model_ms: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_unlike(self) -> bool:
        """Whether the image is out of distribution: farther from the training images than nearly all of their kind."""
        return self.distance is not None and self.distance > 1


class Predictor:
    """An exported model, ready to classify.

    Attributes:
        class_names: In the order of the model's outputs.
        provider: The actual ONNX Runtime provider.
        thresholds: (C,) probabilities from which a class is assigned; None where an image has one label.
        temperature: Divisor of the logits; None where the file has none.
        image_reading: How files become pixels: window, plane and channels.
        border: The border of the out-of-distribution distance; None where the file has no distance.
        index: The labelled images of a retrieval model; None without an index beside the file. After images were added
            or removed, it predicts in place of the model, from the model's embeddings.
    """

    def __init__(self, model_or_folder: Path, *, device: str = "auto") -> None:
        """Load `model.onnx`, from its path or its folder.

        Args:
            model_or_folder: The file or its folder.
            device: As in `open_session`.

        Raises:
            ExportError: There is no such file, it is not an export of VisionFT, or it was changed since; or the
                requested GPU is missing.
            VisionFTError: It cannot be read, or there is not enough memory.
        """
        path = model_or_folder / MODEL_FILE if model_or_folder.is_dir() else model_or_folder
        if path.name == MODEL_FILE:
            finish_publishing(path.parent)
        self.path = path
        content = read_model(path)
        self.metadata = check_model(path, content)
        self.border = _border(self.metadata)
        self.index = read_index(path) if EMBEDDING_OUTPUT in self.metadata else None
        hidden = [DISTANCE] * (self.border is not None) + [EMBEDDING] * (self.index is not None)
        self._outputs = [OUTPUT, *hidden]
        if hidden:
            try:
                content += b"".join(bytes.fromhex(self.metadata[HIDDEN_OUTPUT_KEYS[name]]) for name in hidden)
            except ValueError as error:
                raise refused(path, "holds no hex digits where it says how its outputs come back") from error
            check_model(path, content)
        self._session = open_session(path, content, device=device)
        self.provider: str = self._session.get_providers()[0]
        _check_input(self._session, path)
        self.class_names = _class_names(self.metadata, path)
        self.thresholds = _thresholds(self.metadata, len(self.class_names), path)
        self.is_multilabel = self.thresholds is not None
        try:
            self.temperature = float(self.metadata["temperature"])
        except (KeyError, ValueError):
            self.temperature = None
        _check_output(self._session, len(self.class_names), path)
        self.image_reading = _image_reading(self.metadata, path)
        if self.index is not None and self.index.class_names != self.class_names:
            raise refused(path, "names other classes than the index beside it")

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Map uint8 (B, H, W, 3) RGB images to (B, C) calibrated probabilities; raises as `outputs`."""
        return self.outputs(pixels)[0]

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return (B, C) probabilities and (B,) distances for images in the format of `probabilities`.

        Models without a distance output give None in place of distances.

        Raises:
            ExportError: The model fails, exceeds the time limit or gives invalid outputs, as an untrusted file may.
            VisionFTError: There is not enough memory.
        """
        outputs = self._outputs_by_name(pixels)
        return outputs[OUTPUT], outputs.get(DISTANCE)

    def embeddings(self, pixels: np.ndarray) -> np.ndarray:
        """Return (B, K) embeddings for images as in `probabilities`: unit vectors in the space of the index.

        Raises:
            ExportError: As in `outputs`, or the export has no index.
        """
        if self.index is None:
            raise no_index(self.path)
        return self._outputs_by_name(pixels)[EMBEDDING]

    def _outputs_by_name(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model and check its outputs; the probabilities come from the index if it was changed."""
        outputs = dict(zip(self._outputs, self._run(pixels), strict=True))
        shapes: dict[str, tuple[int, ...]] = {
            OUTPUT: (len(pixels), len(self.class_names)),
            DISTANCE: (len(pixels),),
            EMBEDDING: (len(pixels), self.index.memory.rows.shape[1] if self.index is not None else 0),
        }
        for name, rows in outputs.items():
            if rows.shape != shapes[name]:
                raise refused(self.path, f"answers with {rows.shape} values for {shapes[name]}")
            if not np.isfinite(rows).all():
                raise refused(self.path, "answers with values that are no numbers")
        if self.index is not None and self.index.is_changed:
            outputs[OUTPUT] = self.index.probabilities(outputs[EMBEDDING]).astype(np.float32)
        return outputs

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4  # errors are reported once, here
        limit_s = MAX_SECONDS_PER_IMAGE * len(pixels)
        watch = threading.Timer(limit_s, setattr, (options, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            return self._session.run(self._outputs, {INPUT: pixels}, options)
        except Exception as error:  # ONNX Runtime raises a dozen different exception classes
            if (expected := as_visionft_error(error)) is not None:
                raise expected from error
            if options.terminate:
                raise refused(self.path, f"gave no answer within {limit_s:.0f} seconds") from error
            logger.info("The model does not run: %s", error)
            raise refused(self.path, "does not run with this image") from error
        finally:
            watch.cancel()

    def predict(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """Classify images one by one, in order; an unreadable image yields its error."""
        return predict_files(paths, self.image_reading, self.predict_pixels)

    def predict_pixels(self, pixels: np.ndarray, path: Path = Path()) -> Prediction:
        """Classify one uint8 (H, W, 3) RGB image; `path` names it in the prediction."""
        start = time.perf_counter()
        outputs = self._outputs_by_name(pixels[None])
        model_ms = (time.perf_counter() - start) * 1000
        evidence = None
        if self.index is not None and path != Path():  # a video frame has no path
            evidence = self.index.evidence(outputs[EMBEDDING][0], sha256_file(path) if path.is_file() else "")
        distance = float(outputs[DISTANCE][0]) if DISTANCE in outputs else None
        prediction = prediction_of(outputs[OUTPUT][0], self.class_names, self.thresholds, path=path, distance=distance)
        return replace(prediction, evidence=evidence, model_ms=model_ms)


def predict_files(
    paths: Sequence[Path], reading: ImageReading, predict_pixels: Callable[[np.ndarray, Path], Prediction]
) -> Iterator[Prediction]:
    """Yield the prediction of each file in order, as `predict_pixels` gives it of uint8 (H, W, 3) RGB and the path."""
    for path in paths:
        try:
            with open_image(path) as handle:
                decoded = decode_open(handle, reading=reading)
        except ImageError as error:
            yield Prediction(path=path, error=error.message)
            continue
        found = predict_pixels(decoded.pixels, path)
        yield replace(found, warnings=decoded.losses)


def prediction_of(
    row: np.ndarray,
    class_names: tuple[str, ...],
    thresholds: np.ndarray | None,
    *,
    path: Path = Path(),
    distance: float | None = None,
) -> Prediction:
    """Return the prediction of (C,) calibrated probabilities; `thresholds` are (C,) for several labels, else None."""
    order = np.argsort(-row, kind="stable")
    top5 = tuple((class_names[index], float(row[index])) for index in order[:5])
    classes = None
    if thresholds is not None:
        classes = tuple(class_names[index] for index in order if row[index] >= thresholds[index])
    return Prediction(
        path=path, class_name=top5[0][0], probability=top5[0][1], classes=classes, top5=top5, distance=distance
    )


def no_index(model: Path) -> ExportError:
    """Return the error for a model without an index beside it."""
    hint = Message("Export a retrieval run to get a model with an index.")
    return ExportError(Message("{path} has no index in its folder.", path=model), hint, NextStep("export"))


def _check_input(session: Any, path: Path) -> None:
    given = [(each.name, each.type, tuple(each.shape)) for each in session.get_inputs()]
    if len(given) == 1 and given[0][1] == "tensor(float)" and len(given[0][2]) == 4 and given[0][2][1] == 3:
        reason = f"{path} takes images that were cropped, resized and normalised before."
        hint = Message("Give the {MODEL_FILE} beside it, which takes images as they are.", MODEL_FILE=MODEL_FILE)
        raise ExportError(reason, hint)
    is_image = len(given) == 1 and given[0][:2] == (INPUT, "tensor(uint8)") and given[0][2][3:] == (3,)
    if is_image and isinstance(given[0][2][1], int):
        reason = Message("{path} takes one image that was cropped and resized before.", path=path)
        hint = Message("Give the {MODEL_FILE} beside it, which takes images as they are.", MODEL_FILE=MODEL_FILE)
        raise ExportError(reason, hint)
    if len(given) != 1 or given[0][:2] != (INPUT, "tensor(uint8)") or len(given[0][2]) != 4 or given[0][2][3] != 3:
        words = ", ".join(f"{name} {kind.removeprefix('tensor')} {list(shape)}" for name, kind, shape in given)
        raise refused(
            path, f"takes other input than {INPUT} (uint8) [batch, height, width, 3]: {(words or 'none')[:200]}"
        )


def _check_output(session: Any, classes: int, path: Path) -> None:
    found = {each.name: (each.type, each.shape) for each in session.get_outputs()}
    kind, shape = found.get(OUTPUT, ("", ()))
    if kind != "tensor(float)" or len(shape) != 2:
        raise refused(path, f"gives no {OUTPUT} (float) [batch, classes]")
    if isinstance(shape[1], int) and shape[1] != classes:
        raise refused(path, f"names {classes} classes and answers with {shape[1]}")


def _class_names(metadata: dict[str, str], path: Path) -> tuple[str, ...]:
    try:
        names = parse_json(metadata["class_names"], max_bytes=MAX_RECORD_BYTES)
    except (KeyError, ValueError) as error:
        raise refused(path, "does not name its classes") from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise refused(path, "does not name its classes: “class_names” is no list of names")
    return tuple(names)


def _thresholds(metadata: dict[str, str], classes: int, path: Path) -> np.ndarray | None:
    """Return the threshold of each class; None where an image has a single class."""
    try:
        values = parse_json(metadata.get("thresholds", "null"), max_bytes=MAX_RECORD_BYTES)
        thresholds = None if values is None else np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise refused(path, "holds “thresholds” that are no list of numbers") from error
    if thresholds is not None and (thresholds.shape != (classes,) or not np.isfinite(thresholds).all()):
        raise refused(path, f"holds “thresholds” that are not one number for each of its {classes} classes")
    return thresholds


def _image_reading(metadata: dict[str, str], path: Path) -> ImageReading:
    """Return how files become pixels; as they are stored for files of earlier versions or of others."""
    try:
        steps = parse_json(metadata.get("preprocessing", "{}"), max_bytes=MAX_RECORD_BYTES)
        return ImageReading.from_dict(steps.get("image_reading", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise refused(path, "holds a “preprocessing” that cannot be understood") from error


def _border(metadata: dict[str, str]) -> Border | None:
    """Return the border in the metadata; None for files of earlier versions or of others."""
    try:
        values = parse_json(metadata["distance"], max_bytes=MAX_RECORD_BYTES)
        bytes.fromhex(metadata[DISTANCE_OUTPUT])
        return Border(**{name: values[name] for name in ("kind", "split", "images", "share")})
    except (KeyError, ValueError, TypeError):
        return None


def expand_folders(paths: Sequence[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the images in it and below, sorted by name."""
    found: list[Path] = []
    for path in paths:
        below = path.rglob("*") if path.is_dir() else ()
        images = sorted(each for each in below if each.suffix.lower() in IMAGE_SUFFIXES and each.is_file())
        found += images if path.is_dir() else [path]
    return found
