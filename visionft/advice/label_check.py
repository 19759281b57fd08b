"""Check for enough labels to measure anything; called whenever the page is shown, so nothing else loads."""

from collections import Counter
from pathlib import Path

from models.messages import Message
from visionft.data.types import Snapshot
from visionft.errors import NextStep, ProjectError


def check_labels(project_dir: Path, images: Snapshot, accepted: frozenset[int] = frozenset()) -> None:
    """Check that the labels suffice for a recommendation.

    Raises:
        ProjectError: There are none, of one class only, or one image a class; with a suggested action.
    """
    counted = (each for each in images.images if each.split != "test" and each.image_id not in accepted)
    counts = Counter(index for image in counted for index in image.labels)
    step = NextStep("label", project=project_dir)
    if not counts:
        raise ProjectError("No image has a label yet.", "Label a few of each class.", step)
    if images.task == "single" and len(counts) < 2:
        raise ProjectError("All labels are of one class.", "Label an image of another class.", step)
    if max(counts.values()) < 2:
        hint = Message("Label at least two of each class; five tell more.")
        raise ProjectError("With one image a class nothing can be measured.", hint, step)
