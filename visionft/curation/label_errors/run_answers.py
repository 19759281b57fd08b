"""What a finished run said of pictures that it was not trained on: a vote on their labels."""

import logging
from pathlib import Path

from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.evaluation.stored import read_probabilities
from visionft.training.runs.run_folder import list_runs
from visionft.training.runs.run_snapshot import read_snapshot

logger = logging.getLogger(__name__)
_NOT_TRAINED_ON = ("val", "test")


def run_answers(project_dir: Path, images: Snapshot) -> tuple[str, dict[int, dict[str, float]]]:
    """Return the newest run that has something to say, and its probabilities by picture id and class name.

    Pictures that it was trained on, or that were edited since, are left out, and so are runs that do not know every
    class that has a label now. Empty where no run is left.
    """
    contents = {image.image_id: image.sha256 for image in images.images}
    wanted = {images.class_names[index] for image in images.images for index in image.labels}
    for run in reversed(list_runs(project_dir)):
        if wanted <= set(run.class_names) and (found := _held_out(run.path, contents)):
            return run.name, found
    return "", {}


def _held_out(run_dir: Path, contents: dict[int, str]) -> dict[int, dict[str, float]]:
    try:
        seen = read_snapshot(run_dir)
    except RunError as error:
        logger.info("A run's answers are not used: %s", error)
        return {}
    free = {
        image.image_id
        for image in seen.images
        if image.split in _NOT_TRAINED_ON and contents.get(image.image_id) == image.sha256
    }
    trained = {image.sha256 for image in seen.images if image.split == "train"}
    free = {image_id for image_id in free if contents[image_id] not in trained}
    said = [read_probabilities(run_dir, split) for split in _NOT_TRAINED_ON]
    return {image_id: shares for part in said for image_id, shares in part.items() if image_id in free}
