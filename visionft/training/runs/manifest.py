"""The files of a checkpoint folder that need no PyTorch: its manifest with each file's SHA-256, the members of an
ensemble, and held-out predictions.

An ensemble is a run folder with `combined.json` in its checkpoint `best/` instead of tensors; the networks stay in the
folders of its members.
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from visionft.core.files import parse_json, read_json, sha256_file
from visionft.core.messages import Message
from visionft.core.records import from_plain

BEST_FOLDER = "best"  # of a run: the checkpoint that evaluation and export read
MANIFEST_FILE = "manifest.json"
MODEL_FILE, STATE_FILE = "model.safetensors", "state.json"
COMBINED_FILE = "combined.json"  # replaces it in an ensemble of other runs


def write_manifest(folder: Path) -> None:
    hashes = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST_FILE).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """Return {file name: hash} of a folder (OSError: missing; ValueError: damaged)."""
    values = from_plain(dict[str, str], read_json(folder / MANIFEST_FILE))
    if not values or not all(map(is_plain_name, values)):
        raise ValueError(Message("{MANIFEST} lists no files", MANIFEST=MANIFEST_FILE))
    return values


def is_plain_name(name: str) -> bool:
    """Return whether a text names a file or folder within another folder, on every system."""
    return name not in ("", ".", "..") and not any(sign in "/\\:\0" for sign in name)


def weights_hash(folder: Path) -> str:
    """Return the hash of a checkpoint's weights; empty without a manifest."""
    with contextlib.suppress(OSError, ValueError):
        hashes = read_manifest(folder)
        return hashes.get(MODEL_FILE) or hashes.get(COMBINED_FILE, "")
    return ""


def fault_of(folder: Path, *, is_quick: bool = False) -> str:
    """Return the problem of a checkpoint folder, or nothing; `is_quick` checks lengths only, not every byte."""
    try:
        for name, digest in read_manifest(folder).items():
            if is_quick:
                _look_at(folder / name)
            elif sha256_file(folder / name) != digest:
                return Message("{name} has changed since it was written", name=name)
    except FileNotFoundError as error:
        return Message("{name} is missing", name=Path(error.filename).name) if folder.is_dir() else "it is missing"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _look_at(path: Path) -> None:
    """Raise ValueError when a file is shorter or longer than its own header says, as a power cut leaves it."""
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        if not size:
            raise ValueError(Message("{name} is empty", name=path.name))
        return
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            tensors: dict[str, Any] = parse_json(handle.read(length)) if length < size else {}
            ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            ends = []
    if 8 + length + max(ends, default=0) != size or not ends:
        raise ValueError(Message("{name} is cut short or damaged", name=path.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    run: str
    weights: str  # hash of its weights at the fit
    share: float  # its weight in the ensemble; the sum over members is 1
    temperature: float  # divisor of its logits
    accuracy: float  # its own top-1 accuracy on the validation images of the fit
    loss: float  # its own log loss there, at its temperature


def write_parts(folder: Path, parts: Sequence[Part]) -> None:
    text = json.dumps([dataclasses.asdict(part) for part in parts], indent=2, ensure_ascii=False)
    (folder / COMBINED_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_parts(folder: Path) -> tuple[Part, ...]:
    """Return the members of the ensemble in this checkpoint folder; empty where the file is missing."""
    try:
        parts = from_plain(tuple[Part, ...], read_json(folder / COMBINED_FILE), is_finite=True)
        if not all(is_plain_name(each.run) and each.temperature > 0 for each in parts):
            raise ValueError("a part is no run")
        return parts
    except FileNotFoundError:
        return ()
    except ValueError as error:
        raise ValueError(Message("{file} is damaged: {error}", file=COMBINED_FILE, error=error)) from error


logger = logging.getLogger(__name__)

FILE: Final = "held-out.safetensors"
_OF: Final = "weights"


@dataclass(frozen=True)
class HeldOutPredictions:
    """Calibrated logits of the images of a head by heads fitted without them; NaN for the only image of a class.

    A closed-form head gives them without extra cost, by folds. A head is fitted to the validation images too, and its
    own predictions for them are too good: evaluation, calibration, ensembles and variants read these instead. The
    weights of an ensemble are also fitted to the predictions of training images. The file is a part of the checkpoint,
    so that the two always match; runs of earlier versions have a file beside it, for training images alone.
    """

    image_ids: np.ndarray  # (M,) ids of the images in the project
    logits: np.ndarray  # (M, C) float32

    @cached_property
    def _places(self) -> dict[int, int]:
        return {image_id: place for place, image_id in enumerate(self.image_ids.tolist())}

    @property
    def predicted(self) -> "HeldOutPredictions":
        """Return those with a prediction."""
        return self._rows(np.isfinite(self.logits.sum(axis=1)))

    @property
    def missing(self) -> frozenset[int]:
        """Return the ids of the images without one."""
        return frozenset(self.image_ids.tolist()) - frozenset(self.predicted.image_ids.tolist())

    def subset(self, image_ids: Collection[int]) -> "HeldOutPredictions":
        """Return the predictions of the given images, without images that the head has not seen."""
        return self._rows(np.isin(self.image_ids, list(image_ids)))

    def logits_of(self, image_ids: Sequence[int]) -> np.ndarray:
        """Return the (N, C) logits of the given images; all of them must be present."""
        return self.logits[[self._places[image_id] for image_id in image_ids]]

    def replace_in(self, logits: np.ndarray, image_ids: Sequence[int]) -> np.ndarray:
        """Return the (N, C) logits of images with the rows of all that the head has seen replaced by these."""
        seen = [row for row, image_id in enumerate(image_ids) if image_id in self._places]
        honest = logits.copy()
        honest[seen] = self.logits_of([image_ids[row] for row in seen])
        return honest

    def _rows(self, chosen: np.ndarray) -> "HeldOutPredictions":
        return HeldOutPredictions(self.image_ids[chosen], self.logits[chosen])


def save_held_out(folder: Path, predictions: HeldOutPredictions) -> None:
    """Write them into the folder of a checkpoint."""
    from safetensors.numpy import save

    arrays = {
        "image_ids": np.ascontiguousarray(predictions.image_ids, np.int64),
        "logits": np.ascontiguousarray(predictions.logits, np.float32),
    }
    (folder / FILE).write_bytes(save(arrays))


def load_held_out(path: Path, *, of: str | None = None) -> HeldOutPredictions | None:
    """Read a file of predictions; None if it is missing or belongs to weights with another hash than `of`.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as kept:
            if of is not None and (kept.metadata() or {}).get(_OF) != of:
                return None
            found = HeldOutPredictions(kept.get_tensor("image_ids"), kept.get_tensor("logits"))
    except FileNotFoundError:
        return None
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    is_whole = found.logits.dtype == np.float32 and found.image_ids.dtype == np.int64
    is_whole = is_whole and found.logits.ndim == 2 and found.image_ids.shape == found.logits.shape[:1]
    if not is_whole or np.isinf(found.logits).any():
        raise ValueError(Message("{name} holds no predictions", name=path.name))
    return found


def read_held_out(run_dir: Path) -> HeldOutPredictions | None:
    """Return the predictions of the run's current weights that exist; None where they are missing or unreadable."""
    best = run_dir / BEST_FOLDER
    try:
        found = load_held_out(best / FILE) or load_held_out(run_dir / FILE, of=weights_hash(best))
    except (OSError, ValueError) as error:
        logger.warning("The held-out predictions of %s cannot be read: %s", run_dir.name, error)
        return None
    return None if found is None else found.predicted
