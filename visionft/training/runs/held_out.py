"""What a run that trains nothing says of the pictures it was made from, each held out: answers worth as much as others.

Its head is a closed form, so they come with it. A combination is fitted to them beside the validation pictures, which
are a fifth as many. A file of the run's folder, of the weights whose hash it holds. NumPy only.
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
class HeldOutAnswers:
    """Answers about pictures by heads that they had no part in.

    Attributes:
        image_ids: (M,) the project's numbers of the pictures.
        logits: (M, C) float32, calibrated.
    """

    image_ids: np.ndarray
    logits: np.ndarray


def write_held_out(run_dir: Path, answers: HeldOutAnswers) -> None:
    """Keep them beside the run's weights of now; a full disk costs only them."""
    from safetensors.numpy import save

    arrays = {
        "image_ids": np.ascontiguousarray(answers.image_ids, np.int64),
        "logits": np.ascontiguousarray(answers.logits, np.float32),
    }
    try:
        with atomic_path(run_dir / FILE) as temporary:
            temporary.write_bytes(save(arrays, metadata={_OF: weights_hash(run_dir / BEST_FOLDER)}))
    except VisionFTError as error:
        logger.warning("The held-out answers of %s were not kept: %s", run_dir.name, error)


def read_held_out(run_dir: Path) -> HeldOutAnswers | None:
    """Return those of the run's weights as they are; None where there are none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run_dir / FILE, framework="numpy") as kept:
            if (kept.metadata() or {}).get(_OF) != weights_hash(run_dir / BEST_FOLDER):
                return None
            found = HeldOutAnswers(kept.get_tensor("image_ids"), kept.get_tensor("logits"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SafetensorError) as error:
        logger.warning("The held-out answers of %s cannot be read: %s", run_dir.name, error)
        return None
    is_whole = found.logits.ndim == 2 and len(found.logits) == len(found.image_ids) and np.isfinite(found.logits).all()
    return found if is_whole else None


def answers_of(answers: HeldOutAnswers, image_ids: Sequence[int]) -> np.ndarray:
    """Return the (N, C) logits of these pictures, all of which it has."""
    place_of = {image_id: place for place, image_id in enumerate(answers.image_ids.tolist())}
    return answers.logits[[place_of[image_id] for image_id in image_ids]]
