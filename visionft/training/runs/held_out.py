"""Held-out predictions of a closed-form run for its own training images.

A closed-form head gives them without extra cost. The weights of an ensemble are fitted to them and to the validation
images, a fifth as many. They are a file of the run's folder, tied to the weights by a hash. NumPy only.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from visionft.errors import VisionFTError
from visionft.files import atomic_path
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER

logger = logging.getLogger(__name__)

FILE: Final = "held-out.safetensors"
_OF: Final = "weights"


@dataclass(frozen=True)
class HeldOutPredictions:
    image_ids: np.ndarray  # (M,) ids of the images in the project
    logits: np.ndarray  # (M, C) float32, calibrated

    def of(self, image_ids: Sequence[int]) -> np.ndarray:
        """Return the (N, C) logits of the given images; all of them must be present."""
        place_of = {image_id: place for place, image_id in enumerate(self.image_ids.tolist())}
        return self.logits[[place_of[image_id] for image_id in image_ids]]


def write_held_out(run_dir: Path, predictions: HeldOutPredictions) -> None:
    """Keep them beside the run's weights of now; a full disk costs only them."""
    from safetensors.numpy import save

    arrays = {
        "image_ids": np.ascontiguousarray(predictions.image_ids, np.int64),
        "logits": np.ascontiguousarray(predictions.logits, np.float32),
    }
    try:
        with atomic_path(run_dir / FILE) as temporary:
            temporary.write_bytes(save(arrays, metadata={_OF: weights_hash(run_dir / BEST_FOLDER)}))
    except VisionFTError as error:
        logger.warning("The held-out predictions of %s were not kept: %s", run_dir.name, error)


def read_held_out(run_dir: Path) -> HeldOutPredictions | None:
    """Return the predictions of the run's current weights; None where they are missing or unreadable."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run_dir / FILE, framework="numpy") as kept:
            if (kept.metadata() or {}).get(_OF) != weights_hash(run_dir / BEST_FOLDER):
                return None
            found = HeldOutPredictions(kept.get_tensor("image_ids"), kept.get_tensor("logits"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SafetensorError) as error:
        logger.warning("The held-out predictions of %s cannot be read: %s", run_dir.name, error)
        return None
    is_whole = found.logits.ndim == 2 and len(found.logits) == len(found.image_ids) and np.isfinite(found.logits).all()
    return found if is_whole else None
