"""Held-out predictions of a run for the images that its head was fitted to.

A closed-form head gives them without extra cost, by folds. A head fitted to validation images too has no honest
answer for them but these: evaluation, calibration, ensembles and variants read them in place of the network's own. The
weights of an ensemble are also fitted to those of training images. They are a file of the checkpoint, so that neither
is ever without the other; runs of earlier versions have one beside it, for training images alone. NumPy only.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from visionft.core.messages import Message
from visionft.training.runs.manifest import BEST_FOLDER, weights_hash

logger = logging.getLogger(__name__)

FILE: Final = "held-out.safetensors"
_OF: Final = "weights"


@dataclass(frozen=True)
class HeldOutPredictions:
    """Calibrated logits of the images of a head by heads fitted without them; NaN for the only image of a class."""

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

    def among(self, image_ids: Collection[int]) -> "HeldOutPredictions":
        """Return those of the given images, as far as the head has seen them."""
        return self._rows(np.isin(self.image_ids, list(image_ids)))

    def of(self, image_ids: Sequence[int]) -> np.ndarray:
        """Return the (N, C) logits of the given images; all of them must be present."""
        return self.logits[[self._places[image_id] for image_id in image_ids]]

    def in_place_of(self, logits: np.ndarray, image_ids: Sequence[int]) -> np.ndarray:
        """Return the (N, C) logits of images with the rows of all that the head has seen replaced by these."""
        seen = [row for row, image_id in enumerate(image_ids) if image_id in self._places]
        honest = logits.copy()
        honest[seen] = self.of([image_ids[row] for row in seen])
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
    """Read a file of predictions; None without one, or where it belongs to other weights than those of the hash `of`.

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
